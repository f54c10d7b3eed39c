"""ROI align against plain loops over exact fractions, the ONNX cases, ONNX Runtime and OpenVINO."""

import random
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod

import numpy as np
import pytest
from cases import BFLOAT16, DTYPES, LAYOUTS, is_float, laid_out
from kind_cases import close, float_of
from onnx_cases import node_cases
from roi_cases import BAD_ROIS, as_given, boxes_of, single_operator
from test_bad_input import GEOMETRY, NO_ARRAYS, X_SHAPES, refusal

import ndpool

CASES = 150
MODES = ["avg", "max", "onnx_max"]


def samples(low, high, n, out, ratio, aligned):
    """For each bin along one axis its samples: {cell: weight}, none in one far from the image."""
    start = low - Fraction(1, 2) if aligned else low
    size = high - low if aligned else max(high - low, 1)
    step = Fraction(size) / out
    count = ratio or max(ceil(step), 0)
    bins = []
    for i in range(out):
        bins.append([])
        for j in range(count):
            at = start + i * step + (j + Fraction(1, 2)) * step / count
            if not -1 <= at <= n:
                bins[-1].append([(0, 0), (0, 0)])
                continue
            at = min(max(at, 0), n - 1)
            cell = floor(at)
            bins[-1].append([(cell, 1 - (at - cell)), (min(cell + 1, n - 1), at - cell)])
    return bins


def roi_align(x, axes, table, out, ratio, aligned, mode, dy=None):
    """(y, indices), or dx of `dy`, by going to every sample; exact where the numbers are."""
    d = len(axes)
    y_shape = [len(table), *x.shape[1:]]
    for axis, size in zip(axes, out, strict=True):
        y_shape[axis] = size
    values = x.astype(object) if is_float(x.dtype) else x.astype(int).astype(object)
    y, indices = np.zeros(y_shape, object), np.full(y_shape, -1)
    dx = np.zeros(x.shape, object)
    for k, (image, low, high) in enumerate(table):
        along = [samples(low[i], high[i], x.shape[axis], out[i], ratio, aligned)
                 for i, axis in enumerate(axes)]  # fmt: skip
        for place in np.ndindex(*y_shape[1:]):
            here, at = (k, *place), [image, *place]

            def cell(parts, at=at):
                for axis, (index, _) in zip(axes, parts, strict=True):
                    at[axis] = index
                return tuple(at), prod(weight for _, weight in parts)

            bins = [along[i][here[axis]] for i, axis in enumerate(axes)]
            found = []  # for each sample its (cell, weight) corners
            for grid in product(*bins):
                found.append([cell(parts) for parts in product(*grid)])
            if not found:
                continue
            taken = [[values[at] * w if w else 0 for at, w in corners] for corners in found]
            if mode == "avg":
                y[here] = sum(map(sum, taken)) * Fraction(1, len(found))
                parts = [
                    (at, w * Fraction(1, len(found))) for corners in found for at, w in corners
                ]
            else:
                if mode == "max":
                    choices = [sum(one) for one in taken]
                else:
                    choices = [one for corners in taken for one in corners]
                best = choices.index(max(choices))
                y[here], indices[here] = choices[best], best
                parts = found[best] if mode == "max" else [found[best // 2**d][best % 2**d]]
            if dy is not None:
                for at, weight in parts:
                    dx[at] += dy[here] * weight
    return (y, indices) if dy is None else dx


def case(seed):
    """(x of small integers, axes, table of boxes, words, output sizes)."""
    rng = random.Random(seed)
    d = rng.choice([1, 2, 2, 2, 3])
    x_shape, axes, table, words, out = boxes_of(rng, d)
    dtype = rng.choice(DTYPES)
    numbers = np.random.default_rng(seed)
    low = 0 if dtype.kind in "bu" else -4
    x = numbers.integers(low, 5, x_shape).astype(dtype)
    layout = rng.choice([layout for layout in LAYOUTS if layout != "broadcast"])
    words |= {"sampling_ratio": rng.choice([0, 0, 1, 2, 4]), "aligned": rng.random() < 0.5}
    words["mode"] = rng.choice(MODES)
    return laid_out(x, layout, rng), axes, table, words, out


def test_random_cases_equal_the_oracle():
    for seed in range(CASES):
        x, axes, table, words, out = case(seed)
        rois, given, size = as_given(random.Random(seed), x.ndim, axes, table, out)
        before = x.tobytes()
        ratio, aligned, mode = (words[name] for name in ("sampling_ratio", "aligned", "mode"))
        y, at = roi_align(x, axes, table, out, ratio, aligned, mode)
        if mode == "avg":
            ours = ndpool.roi_align(x, rois, size, **given, **words)
            indices = {}
        else:
            ours, found = ndpool.roi_align(x, rois, size, **given, **words, return_indices=True)
            assert np.array_equal(found, at), seed
            assert found.dtype == np.int64
            indices = {"indices": found}
            alone = ndpool.roi_align(x, rois, size, **given, **words)
            assert np.array_equal(alone, ours)
        assert ours.dtype == float_of(x.dtype), seed
        # where samples stand is computed in rois' precision
        single = ours.dtype == np.float64 and rois.dtype != np.float64
        assert close(ours.astype(np.float32) if single else ours, y), (seed, words)

        dy = np.random.default_rng(seed).integers(0, 5, ours.shape).astype(x.dtype)
        dx = ndpool.roi_align_backward(dy, x.shape, rois, size, **given, **words, **indices)
        exact = roi_align(x, axes, table, out, ratio, aligned, mode, dy.astype(int).astype(object))
        assert dx.dtype == float_of(dy.dtype), seed
        assert close(dx.astype(np.float32) if single else dx, exact), (seed, words)
        assert x.tobytes() == before


def test_mean_is_adjoint_to_its_gradient():
    for seed in range(100):
        x, axes, table, words, out = case(seed)
        rois, given, size = as_given(random.Random(seed), x.ndim, axes, table, out)
        words["mode"] = "avg"
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(x.shape)
        y = ndpool.roi_align(x, rois, size, **given, **words)
        dy = rng.standard_normal(y.shape)
        dx = ndpool.roi_align_backward(dy, x.shape, rois, size, **given, **words)
        assert np.isclose((y * dy).sum(), (x * dx).sum(), rtol=1e-10, atol=1e-10), seed


def test_gradients_are_conserved_inside_the_image():
    x = np.random.default_rng(0).standard_normal((2, 3, 20, 30))
    rois = np.random.default_rng(1).uniform(1, 19, (9, 2, 2)) * (1.5, 1)
    rois = np.sort(rois, axis=1).reshape(9, 4)
    words = {"batch_indices": [0, 1, 0, 1, 1, 0, 0, 1, 1]}
    y = ndpool.roi_align(x, rois, (3, 4), **words)
    dx = ndpool.roi_align_backward(y, x.shape, rois, (3, 4), **words)
    assert np.isclose(dx.sum(), y.sum())
    y, at = ndpool.roi_align(x, rois, (3, 4), **words, mode="max", return_indices=True)
    dx = ndpool.roi_align_backward(y, x.shape, rois, (3, 4), **words, mode="max", indices=at)
    assert np.isclose(dx.sum(), y.sum())


def onnx_words(attributes):
    half = attributes["coordinate_transformation_mode"] == b"half_pixel"
    mode = attributes.get("mode", b"avg").decode()
    return {
        "sampling_ratio": attributes["sampling_ratio"], "aligned": half,
        "spatial_scale": attributes["spatial_scale"],
        "mode": {"avg": "avg", "max": "onnx_max"}[mode],
    }  # fmt: skip


def test_onnx_node_cases():
    cases = node_cases("RoiAlign")
    assert len(cases) >= 3
    for name, (attributes, (x, rois, images), (expected,)) in cases.items():
        size = attributes["output_height"], attributes["output_width"]
        y = ndpool.roi_align(x, rois, size, batch_indices=images, **onnx_words(attributes))
        assert y.dtype == expected.dtype, name
        # published with four digits
        assert np.allclose(y, expected, rtol=1e-4, atol=6e-5), name


def test_onnx_max_is_not_the_maximum_of_the_samples():
    """Its node case is smaller everywhere: one weighted cell, where a sample is the sum of four."""
    _, (x, rois, images), (expected,) = node_cases("RoiAlign")["test_roialign_mode_max"]
    words = {"batch_indices": images, "sampling_ratio": 2, "aligned": False}
    y = ndpool.roi_align(x, rois, (5, 5), **words, mode="max")
    assert (y >= expected - 1e-4).all()
    assert (y > expected + 0.1).mean() > 0.5
    # of an image of ones it is as small as a quarter
    ones = np.ones((1, 4, 4))
    box = [[1.0, 1.0, 2.0, 2.0]]
    assert ndpool.roi_align(ones, box, 1, mode="max", aligned=False).item() == 1
    assert ndpool.roi_align(ones, box, 1, mode="onnx_max", aligned=False).item() == 0.25


def random_images(seed, inside=False):
    """float32 (x, rois, images, words) as the runtimes take them."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    height, width = rng.randint(4, 20), rng.randint(4, 20)
    x = numbers.standard_normal((rng.randint(1, 3), 3, height, width)).astype(np.float32)
    count = rng.randint(1, 5)
    reach = 0 if inside else 4
    ends = numbers.uniform(-reach, (width + reach, height + reach), (count, 2, 2))
    rois = (np.sort(ends, axis=1).reshape(count, 4) * 4).astype(np.float32)
    words = {"spatial_scale": 0.25, "sampling_ratio": rng.choice([0, 1, 2, 3]),
             "aligned": rng.random() < 0.5}  # fmt: skip
    size = (rng.randint(1, 5), rng.randint(1, 5))
    return x, rois, numbers.integers(0, len(x), count), words, size


@pytest.mark.parametrize("mode", ["avg", "onnx_max"])
def test_random_cases_equal_onnxruntime(mode):
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    for seed in range(60):
        x, rois, images, words, size = random_images(seed)
        run = single_operator(
            runtime, "RoiAlign", [x, rois, images], 16,
            output_height=size[0], output_width=size[1], mode=mode.removeprefix("onnx_"),
            spatial_scale=words["spatial_scale"], sampling_ratio=words["sampling_ratio"],
            coordinate_transformation_mode="output_" * (not words["aligned"]) + "half_pixel",
        )  # fmt: skip
        ours = ndpool.roi_align(x, rois, size, batch_indices=images, mode=mode, **words)
        assert np.allclose(ours, run, rtol=1e-4, atol=1e-5), (seed, words, size)


def test_random_cases_equal_openvino():
    """Whose maximum is that of the samples, and never below 0: so here are positive numbers."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from openvino import opset9

    for seed, mode in product(range(20), ["avg", "max"]):
        x, rois, images, words, size = random_images(seed, inside=True)
        x = np.abs(x)
        node = opset9.roi_align(
            opset9.constant(x), opset9.constant(rois), opset9.constant(images.astype(np.int32)),
            size[0], size[1], words["sampling_ratio"], words["spatial_scale"], mode,
            "half_pixel_for_nn" if words["aligned"] else "asymmetric",
        )  # fmt: skip
        model = openvino.Model([node], [])
        theirs = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([])[0]
        ours = ndpool.roi_align(x, rois, size, batch_indices=images, mode=mode, **words)
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5), (seed, mode, words, size)


def test_only_cells_with_a_weight_are_looked_at():
    x = np.ones((1, 5, 5))
    x[0, 2] = [np.nan, np.inf, np.nan, -np.inf, np.nan]
    # samples on the centres of rows 1 and 3
    for mode in MODES:
        y = ndpool.roi_align(x, [[0.5, 0.5, 4.5, 4.5]], 2, sampling_ratio=1, mode=mode)
        assert np.isfinite(y).all()
    y = ndpool.roi_align(x, [[0.5, 1.5, 4.5, 3.5]], (1, 4), sampling_ratio=2)
    assert np.isnan(y).all()
    y = ndpool.roi_align(x[:, :, 1:2], [[0, 1.5, 1, 3.5]], 1, sampling_ratio=2)
    assert y.item() == np.inf


@pytest.mark.parametrize("mode", MODES)
def test_an_infinite_gradient_stays_where_it_belongs(mode):
    """A sample on a cell's centre leaves 0 in its neighbours, not infinity times 0."""
    x, box = np.ones((1, 3, 3)), [[1.0, 1.0, 2.0, 2.0]]
    at = None
    if mode != "avg":
        at = ndpool.roi_align(x, box, 1, mode=mode, return_indices=True)[1]
    words = {"mode": mode, "indices": at}
    dx = ndpool.roi_align_backward(np.full((1, 1, 1), np.inf), x.shape, box, 1, **words)
    assert dx.tolist() == [[[0, 0, 0], [0, np.inf, 0], [0, 0, 0]]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes_and_empty_batches(dtype, mode):
    layer = ndpool.RoIAlign((2, 3), mode=mode)
    for shape, count in [
        ((0, 4, 6, 7), 0),
        ((2, 0, 6, 7), 3),
        ((2, 4, 6, 7), 0),
        ((1, 1, 6, 7), 2),
    ]:
        x = np.ones(shape).astype(dtype)
        y = layer(x, np.full((count, 5), [0, 1, 1, 5, 5]))
        assert (y.shape, y.dtype) == ((count, shape[1], 2, 3), float_of(dtype))
        assert mode == "onnx_max" or (y == 1).all()
        dx = layer.backward(y)
        assert (dx.shape, dx.dtype) == (x.shape, y.dtype)


def test_two_byte_floats_are_computed_in_float32():
    for dtype, big in [(np.float16, 2048), (BFLOAT16, 256)]:
        x = np.array([[big, big + (big >> 7)]]).astype(dtype)
        wide = ndpool.roi_align(x.astype(np.float32), [[0.0, 2.0]], (1,), sampling_ratio=32)
        y = ndpool.roi_align(x, [[0.0, 2.0]], (1,), sampling_ratio=32)
        assert y.astype(np.float32) == wide.astype(dtype).astype(np.float32)


def test_boxes_that_are_nothing():
    """A box of no length is a point where samples are counted, and nothing where they are not."""
    x = np.arange(1.0, 26).reshape(1, 5, 5)
    box = [[2.5, 2.5, 2.5, 2.5]]
    assert ndpool.roi_align(x, box, 1, sampling_ratio=2).item() == 13
    assert ndpool.roi_align(x, box, 1).item() == 0
    assert ndpool.roi_align(x, box, 1, aligned=False).item() == 1 + 18  # 1 long, from 2.5 to 3.5
    for mode in ("max", "onnx_max"):
        y, at = ndpool.roi_align(x, box, 1, mode=mode, return_indices=True)
        assert (y.item(), at.item()) == (0, -1)
        dx = ndpool.roi_align_backward(np.ones((1, 1, 1)), x.shape, box, 1, mode=mode, indices=at)
        assert not dx.any()
    # far outside, and turned round
    assert ndpool.roi_align(x, [[90.0, 90, 99, 99]], 2).tolist() == [[[0, 0], [0, 0]]]
    turned = ndpool.roi_align(x, [[4.0, 4, 1, 1]], 2, sampling_ratio=2)
    assert np.array_equal(
        turned, ndpool.roi_align(x, [[1.0, 1, 4, 4]], 2, sampling_ratio=2)[:, ::-1, ::-1]
    )


@pytest.mark.parametrize("mode", MODES)
def test_layers(mode):
    x = np.random.default_rng(0).standard_normal((2, 9, 10, 3))
    rois = [[1, 1.0, 1.5, 8, 7], [0, 2.0, 2.0, 4.0, 4.0]]
    layer = ndpool.RoIAlign((2, 3), axes=(1, 2), mode=mode, spatial_scale=0.5)
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        layer.backward(x)
    y = layer(x, rois)
    assert y.shape == (2, 2, 3, 3)
    assert repr(layer) == f"RoIAlign((2, 3), axes=(1, 2), mode={mode!r}, spatial_scale=0.5)"
    again = eval(repr(layer), {"RoIAlign": ndpool.RoIAlign})
    assert np.array_equal(again(x, np.array(rois)[:, 1:], batch_indices=[1, 0]), y)
    dx = layer.backward(y)
    assert np.array_equal(dx, layer.backward(y))
    assert np.array_equal(dx, again.backward(y))


X = np.random.default_rng(0).standard_normal((1, 2, 5, 6))
ROIS = np.array([[0.0, 1, 4, 5], [1, 1, 2, 3]])


def calls():
    """The forward, the backward, and the layer."""

    def of_layer(size=2, rois=ROIS, batch_indices=None, **words):
        return ndpool.RoIAlign(size, **words)(X, rois, batch_indices)

    dy = np.ones((2, 2, 2, 2))
    return [
        lambda rois=ROIS, size=2, **words: ndpool.roi_align(X, rois, size, **words),
        lambda rois=ROIS, size=2, **words: ndpool.roi_align_backward(
            dy, X.shape, rois, size, **words
        ),
        of_layer,
    ]


BAD = [
    *BAD_ROIS,
    ("rois", {"rois": [[0.0, 0, 2**21, 2]] * 2}),
    *[("size", {"size": junk}) for junk in (0, (2, 0), "2", 2.0, (2,) * 5, (), None, 2**70, True)],
    *[("sampling_ratio", {"sampling_ratio": junk}) for junk in (-2, 1.5, "2", True, None, 2**30)],
    *[("aligned", {"aligned": junk}) for junk in (1, None, "half_pixel")],
    *[("mode", {"mode": junk}) for junk in ("mean", 1, None)],
    *[("axes", {"axes": junk}) for junk in [*GEOMETRY["axes"], (0, 1), (0, -1)]],
]


@pytest.mark.parametrize(("name", "words"), BAD)
def test_bad_words(name, words):
    expected = {"size": "output_size"}.get(name, name)
    for call in calls():
        assert refusal(call, **words).startswith(f"{expected}: ")


def test_bad_arrays():
    for junk in NO_ARRAYS:
        assert refusal(ndpool.roi_align, junk, ROIS, 2).startswith("x: ")
    for shape in [(5, 6), (1, 0, 6), (1, 2, 5, 0)]:
        assert refusal(ndpool.roi_align, np.ones(shape), ROIS, 2).startswith("x: ")
    y, at = ndpool.roi_align(X, ROIS, 2, mode="max", return_indices=True)
    backward = ndpool.roi_align_backward
    for junk in X_SHAPES:
        named = ("x_shape: ", "x: ", "dy: ", "output_size: ")
        assert refusal(backward, y, junk, ROIS, 2).startswith(named)
    assert refusal(backward, y[:1], X.shape, ROIS, 2).startswith("dy: ")
    assert refusal(backward, y, X.shape, ROIS, 2, indices=at).startswith("indices: ")
    assert refusal(ndpool.roi_align, X, ROIS, 2, return_indices=True).startswith("return_indices: ")
    for mode in ("max", "onnx_max"):
        words = {"mode": mode}
        for junk in (None, at[:1], at.astype(np.int32), at.astype(float), "at"):
            assert refusal(backward, y, X.shape, ROIS, 2, **words, indices=junk).startswith(
                "indices: "
            )
        for bad in (-1, -2, 2**40, 100):
            at[1, 1, 0, 1] = bad
            message = refusal(backward, y, X.shape, ROIS, 2, **words, indices=at)
            assert f"{bad} at (1, 1, 0, 1)" in message
        at[1, 1, 0, 1] = 0
