"""What stands in the lines of docs/kinds.md: arrays, and the peers, or what stands in for them.

Each function gives the names that both sides know, and those that only the peer's side does.
"""

from functools import partial
from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest
from roi_cases import single_operator

FIRST, LAST, FLAT = (2, 3, 9, 10), (2, 9, 10, 3), (9, 10)  # shapes of x
ROIS = np.array([[0, 1, 1, 6, 7], [1, 2.3, 0.5, 8.2, 5.5], [1, 0, 0, 9, 8]], np.float32)
ROWS, COLUMNS = [0, 2, 3, 5, 6, 7, 9], [0, 1, 3, 5, 6, 8, 10]
OPERATORS = {
    "MaxPool": 12, "AveragePool": 19, "LpPool": 18, "GlobalAveragePool": 18, "GlobalMaxPool": 18,
    "GlobalLpPool": 18, "MaxUnpool": 11, "RoiAlign": 16, "MaxRoiPool": 18,
}  # fmt: skip


def numbers(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    arrays = {"x": numbers(FIRST), "cols": numbers((2, 27, 56), 2)}
    arrays["u"] = np.random.default_rng(3).random((2, 3, 2), np.float32)
    pair = functional.max_pool2d(torch.from_numpy(arrays["x"]), 2, return_indices=True)
    arrays |= {"y": pair[0].numpy(), "indices": pair[1].numpy()}
    arrays["t"] = np.round(arrays["x"])  # many are equal
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    tensors["t"].requires_grad_()
    return arrays, {"F": functional, "grad": torch.autograd.grad, **tensors}


def operators():
    """Each of ONNX's as a function, by ONNX Runtime."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

    def run(operator, *inputs, **attributes):
        return single_operator(runtime, operator, inputs, OPERATORS[operator], **attributes)

    return {name: partial(run, name) for name in OPERATORS}


def onnx():
    named = operators()
    x = numbers(FIRST)
    y, indices = named["MaxPool"](x[:, :, :8], kernel_shape=[2, 2], strides=[2, 2], outputs=2)
    boxes = {"rois": ROIS[:, 1:], "images": ROIS[:, 0].astype(np.int64), "numbered": ROIS}
    return {"x": x, "y": y, "indices": indices, **boxes}, named


def torchvision():
    named = operators()

    def roi_align(x, rois, size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
        return named["RoiAlign"](
            x, rois[:, 1:], rois[:, 0].astype(np.int64), output_height=size[0],
            output_width=size[1], spatial_scale=spatial_scale,
            sampling_ratio=max(sampling_ratio, 0),
            coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        )  # fmt: skip

    def roi_pool(x, rois, size):
        return named["MaxRoiPool"](x, rois, pooled_shape=list(size))

    ops = SimpleNamespace(roi_align=roi_align, roi_pool=roi_pool)
    return {"x": numbers(FIRST), "rois": ROIS}, {"ops": ops}


def tensorflow():
    x = numbers(LAST)
    nn = SimpleNamespace(
        max_pool2d=max_pool2d, avg_pool2d=avg_pool2d, max_pool_with_argmax=max_pool_with_argmax,
        fractional_max_pool=fractional_max_pool,
    )  # fmt: skip

    def max_layer(size):
        return lambda x: max_pool2d(x, size, size, "VALID")

    def mean_layer(size, stride, padding):
        return lambda x: avg_pool2d(x, size, stride, padding.upper())

    def whole_layer(keepdims):
        return lambda x: x.max((1, 2), keepdims=keepdims)

    layers = SimpleNamespace(
        MaxPooling2D=max_layer, AveragePooling2D=mean_layer, GlobalMaxPooling2D=whole_layer
    )
    lists = {"rows": np.array(ROWS), "columns": np.array(COLUMNS)}
    names = {"tf": SimpleNamespace(nn=nn), "keras": SimpleNamespace(layers=layers)}
    return {"x": x, **lists}, names


def tensorflow_windows(x, size, stride, padding):
    """{place: the rows and columns inside x}, by TensorFlow's formulas for "SAME" and "VALID"."""
    along = []
    for axis in (1, 2):
        n = x.shape[axis]
        if padding == "SAME":
            out = -(-n // stride)
            before = max((out - 1) * stride + size - n, 0) // 2
        elif padding == "VALID":
            out, before = -(-(n - size + 1) // stride), 0
        else:
            before, after = padding[axis]
            out = (n + before + after - size) // stride + 1
        starts = [number * stride - before for number in range(out)]
        along.append([range(max(start, 0), min(start + size, n)) for start in starts])
    return by_place(*along)


def by_place(rows, columns):
    return {
        (i, j): (rows[i], columns[j]) for i, j in product(range(len(rows)), range(len(columns)))
    }


def each_window(x, windows, reduction):
    """`reduction` of each window's cells (N, height, width, C), at its place in the result."""
    height, width = np.array(list(windows)).max(axis=0) + 1
    y = np.empty((x.shape[0], height, width, x.shape[3]), x.dtype)
    for place, cells in windows.items():
        y[:, place[0], place[1]] = reduction(x[:, cells[0]][:, :, cells[1]])
    return y


def max_pool2d(x, size, stride, padding):
    windows = tensorflow_windows(x, size, stride, padding)
    return each_window(x, windows, lambda cells: cells.max((1, 2)))


def avg_pool2d(x, size, stride, padding):
    windows = tensorflow_windows(x, size, stride, padding)
    return each_window(x, windows, lambda cells: cells.mean((1, 2)))


def max_pool_with_argmax(x, size, stride, padding, include_batch_in_index):
    """TensorFlow's ``((b * height + y) * width + x) * channels + c``."""
    assert include_batch_in_index
    y = max_pool2d(x, size, stride, padding)
    at = np.empty(y.shape, np.int64)
    _, height, width, channels = x.shape
    for (i, j), (rows, columns) in tensorflow_windows(x, size, stride, padding).items():
        for b, c in product(range(x.shape[0]), range(channels)):
            _, row, column = max((x[b, r, s, c], r, s) for r in rows for s in columns)
            at[b, i, j, c] = ((b * height + row) * width + column) * channels + c
    return y, at


def fractional_max_pool(x, ratio, overlapping=False):
    """From each number of a sequence to before the next, or with it; the last has no more cells."""

    def ranges(sequence, n):
        return [range(start, min(end + overlapping, n)) for start, end in pairwise(sequence)]

    windows = by_place(ranges(ROWS, x.shape[1]), ranges(COLUMNS, x.shape[2]))
    return each_window(x, windows, lambda cells: cells.max((1, 2))), ROWS, COLUMNS


def jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", False)  # as it begins; the benchmark's JAX sets it
    return {"x": numbers(FIRST)}, {"lax": jax.lax}


def flax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")

    def reduced(x, start, join, window, strides, padding):
        whole = [(1, *sizes, 1) for sizes in (window, strides or (1, 1))]
        return jax.lax.reduce_window(x, start, join, *whole, padding)

    def max_pool(x, window, strides=None, padding="VALID"):
        return reduced(x, -np.inf, jax.lax.max, window, strides, padding)

    def avg_pool(x, window, strides=None, padding="VALID", count_include_pad=True):
        sums = reduced(x, 0.0, jax.lax.add, window, strides, padding)
        ones = np.ones(x.shape, x.dtype)
        counts = reduced(ones, 0.0, jax.lax.add, window, strides, padding)
        return sums / (window[0] * window[1] if count_include_pad else counts)

    return {"x": numbers(LAST)}, {"nn": SimpleNamespace(max_pool=max_pool, avg_pool=avg_pool)}


def skimage():
    why = "scikit-image is not installed"
    names = ("measure", "util", "transform")
    return {"x": numbers(FLAT)}, {
        name: pytest.importorskip(f"skimage.{name}", reason=why) for name in names
    }


def scipy():
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    return {"x": numbers(FLAT)}, {"ndimage": ndimage}


def xarray():
    """Which leaves NaN out, and pads with it."""
    x = numbers(FLAT)
    x[1, 2] = x[4, 4] = np.nan

    def coarsen(r, c, boundary="exact"):
        exact = x.shape[0] % r == 0 == x.shape[1] % c
        assert exact or boundary != "exact"
        rows, columns = (
            range(0, n - step + 1 if boundary == "trim" else n, step)
            for n, step in zip(x.shape, (r, c), strict=True)
        )

        def reduced(reduction):
            blocks = [[x[i : i + r, j : j + c] for j in columns] for i in rows]
            return np.array([[reduction(block) for block in row] for row in blocks])

        return SimpleNamespace(
            max=partial(reduced, np.nanmax), mean=partial(reduced, np.nanmean),
            sum=partial(reduced, np.nansum),
        )  # fmt: skip

    return {"x": x}, {"array": SimpleNamespace(coarsen=coarsen)}


PEERS = {
    "PyTorch": torch,
    "torchvision": torchvision,
    "TensorFlow and Keras": tensorflow,
    "ONNX": onnx,
    "JAX": jax,
    "Flax": flax,
    "scikit-image": skimage,
    "SciPy": scipy,
    "xarray": xarray,
}
