"""ROI align: regions of interest that are not rounded, sampled between the cells."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..choices import one_of
from ..errors import PoolError
from ..geometry import Size, plain_shape
from ..indices import refuse_index
from .boxes import RoILayer, boxes
from .mechanism import float_dtype, float_result
from .pooled import checked_winners
from .regions import OutputSize
from .sampling import sampled_boxes
from .words import fitting, flag, pooling

Array = NDArray[Any]
Mode = Literal["avg", "max", "onnx_max"]


@overload
def roi_align(
    x: ArrayLike,
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = ...,
    sampling_ratio: SupportsIndex = ...,
    aligned: bool = ...,
    mode: Mode = ...,
    batch_indices: ArrayLike | None = ...,
    axes: Size | None = ...,
    return_indices: Literal[False] = ...,
) -> Array: ...


@overload
def roi_align(
    x: ArrayLike,
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = ...,
    sampling_ratio: SupportsIndex = ...,
    aligned: bool = ...,
    mode: Mode,
    batch_indices: ArrayLike | None = ...,
    axes: Size | None = ...,
    return_indices: Literal[True],
) -> tuple[Array, Array]: ...


@pooling
def roi_align(
    x: ArrayLike,
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: SupportsIndex = 0,
    aligned: bool = True,
    mode: Mode = "avg",
    batch_indices: ArrayLike | None = None,
    axes: Size | None = None,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The mean, or maximum, of samples in each of `output_size` bins of each of K boxes in `x`.

    >>> import numpy as np, ndpool
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> ndpool.roi_align(x, [[0.5, 0.5, 2.5, 2.5]], 2)
    array([[[2.5, 3.5],
            [6.5, 7.5]]])
    >>> ndpool.roi_align(x, [[0.5, 0.5, 2.5, 2.5]], 1, mode="max", return_indices=True)
    (array([[[7.5]]]), array([[[3]]]))

    Args:
        x: (N, other axes, pooled axes) or with the pooled axes elsewhere: axis 0 counts images.
            bool, integers, float16, bfloat16, float32, float64. Not modified.
        rois: (K, 4) corners ``x1, y1, x2, y2`` of boxes; for d pooled axes (K, 2 * d), the last
            axis first. With one column more, in front, for the image's number.
        output_size: Bins along each pooled axis: an int for the last two axes, a tuple of d for
            the last d.
        spatial_scale: What the corners are multiplied by to be cells of x. Coordinates are
            computed in rois' precision.
        sampling_ratio: Samples along each axis of a bin; 0 (or torchvision's -1) is as many as the
            bin has cells, rounded up.
        aligned: True takes cell 0 to reach from 0 to 1, ONNX's "half_pixel"; False has its centre
            at 0 and boxes at least 1 long, "output_half_pixel", as the first implementations did.
        mode: "avg"; "max", of the samples; or "onnx_max", of the weighted cells that a sample would
            be the sum of. That is what ONNX's reference and ONNX Runtime compute for their "max":
            smaller than any value nearby, by up to 2 ** d.
        batch_indices: (K,) integers: which image each box lies in. None is for rois with that
            column, and for a single image.
        axes: The axes to pool, instead of the last ones.
        return_indices: For a maximum: also which sample won its bin, int64, row-major in the bin;
            for "onnx_max" times 2 ** d, plus which of its cells. -1 in a bin without samples.

    Returns:
        y: x's shape with K in place of N and the bins in place of the pooled axes, in x's dtype if
        that is a float (float16 and bfloat16 are computed in float32 and rounded once), else
        float64; or with `return_indices` the pair ``(y, indices)``. Samples more than one cell
        outside the image count as 0. Of equal samples the first wins, and of NaNs.

    {errors}

    Source: He, Gkioxari, Dollar, Girshick, "Mask R-CNN", ICCV 2017, as
    ``torchvision.ops.roi_align`` (whose `aligned` is False by default) and ONNX's RoiAlign have it.
    """
    x = as_array("x", x)
    kind = one_of(Mode, "mode", mode)
    if flag("return_indices", return_indices) and kind == "avg":
        raise PoolError("return_indices", "False where mode is 'avg'", "True")
    found = boxes(x.shape, rois, output_size, spatial_scale, batch_indices, axes)
    dtype = float_dtype(x.dtype)
    y = np.zeros(found.y_shape, dtype)
    indices = None if kind == "avg" else np.full(found.y_shape, -1, np.int64)
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        for box in sampled_boxes(found, sampling_ratio, aligned):
            cells = x[box.image][box.part].astype(dtype)
            if indices is None:
                y[box.number] = box.means(cells)
            else:
                y[box.number], indices[box.number] = box.winners(cells, kind == "onnx_max")
    result = float_result(y, x.dtype)
    return (result, indices) if return_indices and indices is not None else result


@pooling
def roi_align_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: SupportsIndex = 0,
    aligned: bool = True,
    mode: Mode = "avg",
    batch_indices: ArrayLike | None = None,
    axes: Size | None = None,
    indices: ArrayLike | None = None,
) -> Array:
    """The gradient of `roi_align`: to the cells that were sampled, by the weights they had.

    >>> import numpy as np, ndpool
    >>> ndpool.roi_align_backward([[[8.0]]], (1, 3, 3), [[0.5, 0.5, 1.5, 1.5]], 1)
    array([[[2., 2., 0.],
            [2., 2., 0.],
            [0., 0., 0.]]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        rois, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, axes: As in
            the forward call.
        indices: The samples that won, as the forward call returned them; None where mode is "avg".

    Returns:
        dx of shape `x_shape`, in dy's dtype if that is a float, else float64. For a mean it is the
        exact transpose of the forward map, so that the gradient of this function is `roi_align`.
        Parts are added box by box, those of float16 and bfloat16 in float32.

    {errors}

    Source: see `roi_align`.
    """
    dy, shape = as_array("dy", dy), plain_shape("x_shape", x_shape)
    kind = one_of(Mode, "mode", mode)
    found = boxes(shape, rois, output_size, spatial_scale, batch_indices, axes)
    fitting("dy", dy, found.y_shape)
    winners = checked_winners(indices, kind, kind != "avg", found.y_shape)
    dtype = float_dtype(dy.dtype).newbyteorder("=")
    slopes, dx = dy.astype(dtype), np.zeros(shape, dtype)
    unknown = None if winners is None else winners != -1
    with np.errstate(all="ignore"):
        for box in sampled_boxes(found, sampling_ratio, aligned):
            here = slopes[box.number]
            if winners is None or unknown is None:
                dx[box.image][box.part] += box.spread(here)
                continue
            choices = prod(box.grid) * (2 ** len(box.axes) if kind == "onnx_max" else 1)
            unknown[box.number] = (winners[box.number] < 0) | (winners[box.number] >= choices)
            if not unknown[box.number].any():
                box.scatter(here, winners[box.number], kind == "onnx_max", dx[box.image])
    if winners is not None and unknown is not None and unknown.any():
        refuse_index(winners, found, int(unknown.argmax()))
    return float_result(dx, dy.dtype)


class RoIAlign(RoILayer):
    """ROI align with its backward pass; see `ndpool.roi_align`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.RoIAlign(1)
    >>> layer.forward(np.arange(9.0).reshape(1, 3, 3), [[0.5, 0.5, 1.5, 1.5]])
    array([[[2.]]])
    >>> layer.backward(np.array([[[8.0]]]))
    array([[[2., 2., 0.],
            [2., 2., 0.],
            [0., 0., 0.]]])

    It is made with the arguments of `roi_align` from `output_size` on, except for `batch_indices`:
    `forward` takes ``x, rois`` and these. It keeps the boxes, the input's shape and, for a maximum,
    the winners. Raises and source: see `ndpool.roi_align`.
    """

    _pool = staticmethod(roi_align)
    _gradient = staticmethod(roi_align_backward)
    _mode = ("mode", "avg")
