"""How to get from ndpool what other libraries do: their line, and ours.

tests/test_conventions.py executes both sides of every line.
"""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    theirs: str
    ours: str


class Peer(NamedTuple):
    name: str
    about: str
    lines: list[Line]


TORCH = Peer(
    "PyTorch",
    "`F` is `torch.nn.functional`, `x` (2, 3, 9, 10). `y, indices` are of `F.max_pool2d(x, 2, "
    "return_indices=True)`, `cols` of `F.unfold(x, 3)`, `u` are numbers (2, 3, 2), `t` has "
    "many equal numbers and x's shape; `grad` is `torch.autograd.grad`.",
    [
        Line("F.max_pool2d(x, 3, 2, padding=1)", "ndpool.max_pool(x, 3, stride=2, padding=1)"),
        Line(
            "F.max_pool2d(x, 3, 2, ceil_mode=True)",
            "ndpool.max_pool(x, 3, stride=2, ceil_mode=True)",
        ),
        Line(
            "F.max_pool2d(x, 2, return_indices=True)",
            'ndpool.max_pool(x, 2, return_indices="plane")',
        ),
        Line("F.max_pool1d(x[0], 3)", "ndpool.max_pool(x[0], (3,))"),
        Line("F.max_pool3d(x, 2)", "ndpool.max_pool(x, (2, 2, 2))"),
        Line("-F.max_pool2d(-x, 2)", "ndpool.min_pool(x, 2)"),
        Line(
            "F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True)",
            "ndpool.avg_pool(x, 3, stride=2, padding=1, ceil_mode=True)",
        ),
        Line(
            "F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)",
            "ndpool.avg_pool(x, 3, stride=2, padding=1, count_include_pad=False)",
        ),
        Line("F.avg_pool2d(x, 2, divisor_override=3)", "ndpool.avg_pool(x, 2, divisor_override=3)"),
        Line("F.lp_pool2d(x, 2, 3, 2)", "ndpool.lp_pool(x, 2, 3, stride=2)"),
        Line("F.adaptive_avg_pool2d(x, (4, 3))", "ndpool.adaptive_avg_pool(x, (4, 3))"),
        Line(
            "F.adaptive_max_pool2d(x, 4, return_indices=True)",
            'ndpool.adaptive_max_pool(x, 4, return_indices="plane")',
        ),
        Line("F.adaptive_max_pool2d(x, 1)", "ndpool.global_max_pool(x)"),
        Line("x.mean((2, 3), keepdim=True)", "ndpool.global_avg_pool(x)"),
        Line(
            "F.fractional_max_pool2d(x, 2, (4, 5), _random_samples=u.flip(-1))",
            "ndpool.fractional_max_pool(x, 2, output_size=(4, 5), samples=u)",
        ),
        Line(
            "F.max_unpool2d(y, indices, 2)",
            'ndpool.max_unpool(y, indices, (2, 3, 8, 10), 2, index_form="plane")',
        ),
        Line(
            "F.max_unpool2d(y, indices, 2, output_size=(9, 10))",
            'ndpool.max_unpool(y, indices, (2, 3, 9, 10), 2, index_form="plane")',
        ),
        Line(
            "F.unfold(x, 3, padding=1)",
            'ndpool.im2col(x, 3, stride=1, padding=1, layout="unfold")',
        ),
        Line(
            "F.fold(cols, (9, 10), 3)",
            'ndpool.col2im(cols, (2, 3, 9, 10), 3, stride=1, layout="unfold")',
        ),
        Line(
            "grad(F.max_pool2d(t, 2).sum(), t)[0]",
            'ndpool.vjp("max", t, 2)[1](np.ones((2, 3, 4, 5)))',
        ),
        Line(
            "grad(t.amax((2, 3)).sum(), t)[0]",
            "ndpool.global_max_pool_backward(np.ones((2, 3, 1, 1)), "
            'ndpool.global_max_pool(t, return_indices=True)[1], t.shape, ties="split", x=t)',
        ),
        Line("x.unfold(2, 3, 2).unfold(3, 3, 2)", "ndpool.windows(x, 3, stride=2)"),
    ],
)
TORCHVISION = Peer(
    "torchvision",
    "`ops` is `torchvision.ops`, `x` (2, 3, 9, 10), `rois` (K, 5) with the image's number in front."
    " In the tests ONNX Runtime's RoiAlign and MaxRoiPool stand in for it.",
    [
        Line(
            "ops.roi_align(x, rois, (2, 3), sampling_ratio=2)",
            "ndpool.roi_align(x, rois, (2, 3), sampling_ratio=2, aligned=False)",
        ),
        Line(
            "ops.roi_align(x, rois, (2, 3), spatial_scale=0.5, aligned=True)",
            "ndpool.roi_align(x, rois, (2, 3), spatial_scale=0.5)",
        ),
        Line("ops.roi_pool(x, rois, (2, 3))", "ndpool.roi_max_pool(x, rois, (2, 3))"),
    ],
)
TENSORFLOW = Peer(
    "TensorFlow and Keras",
    "`x` is (2, 9, 10, 3), channels last. `rows, columns` are the sequences that "
    "`tf.nn.fractional_max_pool` returned. In the tests loops over the windows, after "
    "TensorFlow's documentation, stand in for it.",
    [
        Line(
            'tf.nn.max_pool2d(x, 3, 2, "SAME")',
            'ndpool.max_pool(x, 3, stride=2, padding="same", axes=(1, 2))',
        ),
        Line('tf.nn.max_pool2d(x, 3, 2, "VALID")', "ndpool.max_pool(x, 3, stride=2, axes=(1, 2))"),
        Line(
            "tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [0, 1], [0, 0]])",
            "ndpool.max_pool(x, 3, stride=2, padding=((1, 0), (0, 1)), axes=(1, 2))",
        ),
        Line(
            'tf.nn.avg_pool2d(x, 3, 2, "SAME")',
            'ndpool.avg_pool(x, 3, stride=2, padding="same", axes=(1, 2), divisor="tensorflow")',
        ),
        Line(
            'tf.nn.max_pool_with_argmax(x, 2, 2, "SAME", include_batch_in_index=True)',
            'ndpool.max_pool(x, 2, padding="same", axes=(1, 2), return_indices="tensor")',
        ),
        Line(
            "tf.nn.fractional_max_pool(x, (1, 1.5, 1.5, 1))[0]",
            "ndpool.fractional_max_pool(x, sequence=(rows, columns), axes=(1, 2))",
        ),
        Line(
            "tf.nn.fractional_max_pool(x, (1, 1.5, 1.5, 1), overlapping=True)[0]",
            "ndpool.fractional_max_pool(x, sequence=(rows, columns), overlapping=True, "
            "axes=(1, 2))",
        ),
        Line("keras.layers.MaxPooling2D(2)(x)", "ndpool.max_pool(x, 2, axes=(1, 2))"),
        Line(
            'keras.layers.AveragePooling2D(3, 2, "same")(x)',
            'ndpool.avg_pool(x, 3, stride=2, padding="same", axes=(1, 2), divisor="tensorflow")',
        ),
        Line(
            "keras.layers.GlobalMaxPooling2D(keepdims=True)(x)",
            "ndpool.global_max_pool(x, axes=(1, 2))",
        ),
    ],
)
ONNX = Peer(
    "ONNX",
    "An operator's name stands for a node of it: its stride is 1 where none is given, `outputs=2` "
    "asks for its indices, too. `x` is (2, 3, 9, 10), `rois` (K, 4), `images` (K,), `numbered` "
    "(K, 5); `y, indices` are of a MaxPool of `x[:, :, :8]`. ONNX Runtime executes them.",
    [
        Line("MaxPool(x, kernel_shape=[2, 2])", "ndpool.max_pool(x, 2, stride=1)"),
        Line(
            'MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")',
            'ndpool.max_pool(x, 3, stride=2, padding="same")',
        ),
        Line(
            'MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")',
            'ndpool.max_pool(x, 3, stride=2, padding="same_lower")',
        ),
        Line(
            "MaxPool(x, kernel_shape=[3, 3], pads=[1, 0, 2, 1])",
            "ndpool.max_pool(x, 3, stride=1, padding=((1, 2), (0, 1)))",
        ),
        Line(
            "MaxPool(x, kernel_shape=[2, 2], strides=[3, 3], dilations=[2, 2], ceil_mode=1)",
            "ndpool.max_pool(x, 2, stride=3, dilation=2, ceil_mode=True)",
        ),
        Line(
            "MaxPool(x, kernel_shape=[2, 2], strides=[2, 2], outputs=2)",
            'ndpool.max_pool(x, 2, return_indices="tensor")',
        ),
        Line(
            "MaxPool(x, kernel_shape=[2, 2], strides=[2, 2], storage_order=1, outputs=2)[1]",
            "np.arange(x.size).reshape(2, 3, 10, 9).swapaxes(2, 3).reshape(-1)"
            '[ndpool.max_pool(x, 2, return_indices="tensor")[1]]',
        ),
        Line(
            "AveragePool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)",
            'ndpool.avg_pool(x, 3, stride=2, padding=1, ceil_mode=True, divisor="onnx")',
        ),
        Line(
            "AveragePool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)",
            'ndpool.avg_pool(x, 3, stride=1, padding=1, divisor="onnx", count_include_pad=True)',
        ),
        Line("LpPool(x, kernel_shape=[3, 3], p=2)", "ndpool.lp_pool(x, 2, 3, stride=1)"),
        Line("GlobalAveragePool(x)", "ndpool.global_avg_pool(x)"),
        Line("GlobalMaxPool(x)", "ndpool.global_max_pool(x)"),
        Line("GlobalLpPool(x, p=2)", "ndpool.global_lp_pool(x, 2)"),
        Line(
            "MaxUnpool(y, indices, kernel_shape=[2, 2], strides=[2, 2])",
            'ndpool.max_unpool(y, indices, (2, 3, 8, 10), 2, index_form="tensor")',
        ),
        Line(
            "RoiAlign(x, rois, images, output_height=2, output_width=3)",
            "ndpool.roi_align(x, rois, (2, 3), batch_indices=images, sampling_ratio=0)",
        ),
        Line(
            'RoiAlign(x, rois, images, coordinate_transformation_mode="output_half_pixel")',
            "ndpool.roi_align(x, rois, 1, batch_indices=images, aligned=False)",
        ),
        Line(
            'RoiAlign(x, rois, images, sampling_ratio=2, mode="max")',
            'ndpool.roi_align(x, rois, 1, batch_indices=images, sampling_ratio=2, mode="onnx_max")',
        ),
        Line(
            "MaxRoiPool(x, numbered, pooled_shape=[2, 3])",
            "ndpool.roi_max_pool(x, numbered, (2, 3))",
        ),
    ],
)
JAX = Peer(
    "JAX",
    "`lax` is `jax.lax`, `x` (2, 3, 9, 10).",
    [
        Line(
            'lax.reduce_window(x, -np.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "SAME")',
            'ndpool.max_pool(x, 3, stride=2, padding="same")',
        ),
        Line(
            'lax.reduce_window(x, np.inf, lax.min, (1, 1, 3, 3), (1, 1, 2, 2), "SAME_LOWER")',
            'ndpool.min_pool(x, 3, stride=2, padding="same_lower")',
        ),
        Line(
            "lax.reduce_window(x, 0.0, lax.add, (1, 1, 3, 3), (1, 1, 2, 2), "
            "((0, 0), (0, 0), (1, 0), (0, 1)))",
            "ndpool.sum_pool(x, 3, stride=2, padding=((1, 0), (0, 1)))",
        ),
        Line(
            'lax.reduce_window(x, 1.0, lax.mul, (1, 1, 2, 3), (1, 1, 1, 1), "VALID", '
            "window_dilation=(1, 1, 2, 2))",
            "ndpool.reduce_windows(x, np.multiply, (2, 3), stride=1, dilation=2)",
        ),
    ],
)
FLAX = Peer(
    "Flax",
    "`nn` is `flax.linen`, `x` (2, 9, 10, 3), channels last; the stride is 1 where none is given. "
    "In the tests the calls of `jax.lax.reduce_window` that it consists of stand in for it.",
    [
        Line("nn.max_pool(x, (3, 3))", "ndpool.max_pool(x, 3, stride=1, axes=(1, 2))"),
        Line(
            'nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")',
            'ndpool.max_pool(x, 3, stride=2, padding="same", axes=(1, 2))',
        ),
        Line(
            'nn.avg_pool(x, (3, 3), strides=(2, 2), padding="SAME")',
            'ndpool.avg_pool(x, 3, stride=2, padding="same", axes=(1, 2))',
        ),
        Line(
            'nn.avg_pool(x, (3, 3), strides=(2, 2), padding="SAME", count_include_pad=False)',
            'ndpool.avg_pool(x, 3, stride=2, padding="same", axes=(1, 2), count_include_pad=False)',
        ),
    ],
)
SKIMAGE = Peer(
    "scikit-image",
    "`measure` and `util` are `skimage.measure` and `skimage.util`, `transform` "
    "`skimage.transform`; `x` is (9, 10).",
    [
        Line(
            "measure.block_reduce(x, (2, 3), np.max)",
            'ndpool.reduce_windows(x, np.max, (2, 3), partial="pad")',
        ),
        Line(
            "measure.block_reduce(x, 4, np.median, cval=1)",
            'ndpool.reduce_windows(x, np.median, 4, partial="pad", fill=1)',
        ),
        Line(
            "transform.downscale_local_mean(x, (2, 3))",
            'ndpool.reduce_windows(x, np.mean, (2, 3), partial="pad")',
        ),
        Line("util.view_as_windows(x, 3, step=2)", "ndpool.windows(x, 3, stride=2)"),
        Line("util.view_as_blocks(x, (3, 5))", "ndpool.windows(x, (3, 5))"),
    ],
)
SCIPY = Peer(
    "SciPy",
    "`ndimage` is `scipy.ndimage`, `x` (9, 10). Mirrored borders, its default, hold no higher and "
    "no lower value than the window itself.",
    [
        Line("ndimage.maximum_filter(x, 3)", 'ndpool.max_pool(x, 3, stride=1, padding="same")'),
        Line(
            "ndimage.minimum_filter(x, 4)", 'ndpool.min_pool(x, 4, stride=1, padding="same_lower")'
        ),
        Line(
            'ndimage.maximum_filter(x, 3, mode="constant", cval=0.5)',
            'ndpool.reduce_windows(x, np.maximum, 3, stride=1, padding=1, partial="pad", fill=0.5)',
        ),
        Line(
            'ndimage.median_filter(x, 3, mode="constant")',
            'ndpool.reduce_windows(x, np.median, 3, stride=1, padding=1, partial="pad")',
        ),
        Line(
            "ndimage.median_filter(x, 3)",
            'ndpool.median_pool(np.pad(x, 1, "symmetric"), 3, stride=1)',
        ),
        Line(
            'ndimage.uniform_filter(x, 3, mode="constant")',
            "ndpool.avg_pool(x, 3, stride=1, padding=1)",
        ),
        Line(
            "ndimage.uniform_filter(x, 3)",
            'ndpool.avg_pool(np.pad(x, 1, "symmetric"), 3, stride=1)',
        ),
        Line(
            'ndimage.generic_filter(x, np.ptp, 3, mode="constant")',
            'ndpool.reduce_windows(x, np.ptp, 3, stride=1, padding=1, partial="pad")',
        ),
    ],
)
XARRAY = Peer(
    "xarray",
    "`array` is a DataArray of `x`, (9, 10), with the dimensions r and c; its reductions leave NaN "
    "out. In the tests NumPy's own, such as `np.nanmean`, of each block, stand in for it.",
    [
        Line(
            'array.coarsen(r=2, c=3, boundary="trim").max()',
            'ndpool.max_pool(x, (2, 3), nan_policy="omit")',
        ),
        Line(
            'array.coarsen(r=2, c=3, boundary="trim").mean()',
            'ndpool.avg_pool(x, (2, 3), nan_policy="omit")',
        ),
        Line(
            'array.coarsen(r=2, c=3, boundary="pad").mean()',
            'ndpool.avg_pool(x, (2, 3), ceil_mode=True, nan_policy="omit")',
        ),
        Line(
            'array.coarsen(r=2, c=3, boundary="pad").sum()',
            'ndpool.reduce_windows(x, np.nansum, (2, 3), partial="keep")',
        ),
        Line(
            "array.coarsen(r=3, c=5).sum()",
            'ndpool.reduce_windows(x, np.nansum, (3, 5), partial="exact")',
        ),
    ],
)
PEERS = [TORCH, TORCHVISION, TENSORFLOW, ONNX, JAX, FLAX, SKIMAGE, SCIPY, XARRAY]
