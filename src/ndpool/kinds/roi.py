"""Max pooling of regions of interest: boxes in whole cells, each cut into bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..choices import one_of
from ..geometry import Size, plain_shape, row_major
from ..indices import refuse_index, to_positions
from .boxes import Boxes, RoILayer, boxes
from .pooled import Positions, asked_positions, checked_positions
from .regions import Cells, OutputSize, Regions, along
from .uneven import added, max_of
from .words import fitting, pooling

Array = NDArray[Any]


@overload
def roi_max_pool(
    x: ArrayLike,
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = ...,
    batch_indices: ArrayLike | None = ...,
    axes: Size | None = ...,
    return_indices: Literal[False] = ...,
) -> Array: ...


@overload
def roi_max_pool(
    x: ArrayLike,
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = ...,
    batch_indices: ArrayLike | None = ...,
    axes: Size | None = ...,
    return_indices: Literal[True] | Positions,
) -> tuple[Array, Array]: ...


@pooling
def roi_max_pool(
    x: ArrayLike,
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = 1.0,
    batch_indices: ArrayLike | None = None,
    axes: Size | None = None,
    return_indices: bool | Positions = False,
) -> Array | tuple[Array, Array]:
    """The maximum of each of `output_size` bins of each of K boxes in `x`.

    >>> import numpy as np, ndpool
    >>> x = np.arange(16).reshape(1, 4, 4)
    >>> ndpool.roi_max_pool(x, [[0, 0, 3, 1], [1, 2, 1, 2]], 2)
    array([[[1, 3],
            [5, 7]],
    <BLANKLINE>
           [[9, 9],
            [9, 9]]])

    Args:
        x: (N, other axes, pooled axes) or with the pooled axes elsewhere: axis 0 counts images.
            bool, integers, float16, bfloat16, float32, float64. Not modified.
        rois: (K, 4) corners ``x1, y1, x2, y2`` of boxes, both in the box; for d pooled axes
            (K, 2 * d), the last axis first. With one column more, in front, for the image's number.
        output_size: Bins along each pooled axis: an int for the last two axes, a tuple of d for
            the last d.
        spatial_scale: What the corners are multiplied by to be cells of x, in rois' precision.
        batch_indices: (K,) integers: which image each box lies in. None is for rois with that
            column, and for a single image.
        axes: The axes to pool, instead of the last ones.
        return_indices: True or "plane", or "tensor": int64 positions of the winners as in
            `ndpool.max_pool`; -1 in an empty bin.

    Returns:
        y of x's dtype: x's shape with K in place of N and the bins in place of the pooled axes; or
        with `return_indices` the pair ``(y, indices)``. Corners are rounded to whole cells, halves
        away from zero. Of a box of n cells, at least 1, bin i of out has those from
        ``floor(i * n / out)`` to before ``ceil((i + 1) * n / out)`` that lie in the image; where
        none does it is 0. Ties and NaN are as in `ndpool.max_pool`.

    {errors}

    Source: Girshick, "Fast R-CNN", ICCV 2015, as ``torchvision.ops.roi_pool`` and ONNX's
    MaxRoiPool have it. Those divide in float32, where a bin may get a cell more.
    """
    x = as_array("x", x)
    asked = asked_positions(return_indices)
    found = boxes(x.shape, rois, output_size, spatial_scale, batch_indices, axes)
    y = np.zeros(found.y_shape, x.dtype)
    indices = None if asked is None else np.full(found.y_shape, -1, np.int64)
    begin, end = _bins(found)
    for box, image in enumerate(found.image):
        _pool_box(
            x[image], found, [b[box] for b in begin], [e[box] for e in end],
            y[box], None if indices is None else indices[box],
        )  # fmt: skip
    if indices is None:
        return y
    if asked == "tensor":
        indices = np.where(indices < 0, -1, _located(indices, found, "plane", begin, end)[0])
    return y, indices


@pooling
def roi_max_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    rois: ArrayLike,
    output_size: OutputSize,
    *,
    spatial_scale: float = 1.0,
    batch_indices: ArrayLike | None = None,
    axes: Size | None = None,
    index_form: Positions = "plane",
) -> Array:
    """The gradient of `roi_max_pool`: each `dy` goes to the cell that won its bin.

    >>> import numpy as np, ndpool
    >>> x, rois = np.arange(9).reshape(1, 3, 3), [[0, 0, 1, 1], [1, 1, 2, 2]]
    >>> y, indices = ndpool.roi_max_pool(x, rois, 1, return_indices=True)
    >>> ndpool.roi_max_pool_backward([[[1]], [[2]]], indices, x.shape, rois, 1)
    array([[[0, 0, 0],
            [0, 1, 0],
            [0, 0, 2]]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        rois, output_size, spatial_scale, batch_indices, axes: As in the forward call.
        index_form: The form of `indices`: "plane" or "tensor".

    Returns:
        dx of shape `x_shape` and dy's dtype, summed as by `ndpool.max_pool_backward`. What comes
        from empty bins goes nowhere.

    {errors}

    Source: see `roi_max_pool`.
    """
    dy, shape = as_array("dy", dy), plain_shape("x_shape", x_shape)
    found = boxes(shape, rois, output_size, spatial_scale, batch_indices, axes)
    form = one_of(Positions, "index_form", index_form)
    fitting("dy", dy, found.y_shape)
    at = checked_positions(indices, found.y_shape)
    cells, wrong = _located(at, found, "plane" if form == "plane" else "tensor", *_bins(found))
    if wrong.any():
        refuse_index(at, found, int(wrong.argmax()))
    won = at >= 0
    return added([(dy[won], cells[won])], shape, dy.dtype)


class RoIPool(RoILayer):
    """Max pooling of regions of interest with its backward pass; see `ndpool.roi_max_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.RoIPool(1)
    >>> layer.forward(np.arange(9).reshape(1, 3, 3), [[0, 0, 1, 1], [1, 1, 2, 2]])
    array([[[4]],
    <BLANKLINE>
           [[8]]])
    >>> layer.backward(np.array([[[1]], [[2]]]))
    array([[[0, 0, 0],
            [0, 1, 0],
            [0, 0, 2]]])

    It is made with `output_size`, `spatial_scale` and `axes`; `forward` takes ``x, rois`` and
    `batch_indices`. It keeps the winners, the boxes and the input's shape. Raises and source: see
    `ndpool.roi_max_pool`.
    """

    _pool = staticmethod(roi_max_pool)
    _gradient = staticmethod(roi_max_pool_backward)


def _bins(found: Boxes) -> tuple[list[Cells], list[Cells]]:
    """Along each pooled axis, (K, bins): the first cell of each bin and the one behind its last."""
    begin, end = [], []
    for number, (n, out) in enumerate(zip(found.sizes, found.out, strict=True)):
        low, high = _rounded(found.low[:, number]), _rounded(found.high[:, number])
        edges = np.arange(out + 1) * np.maximum(high - low + 1, 1)[:, None]
        begin.append(np.clip(low[:, None] + edges[:, :-1] // out, 0, n))
        end.append(np.clip(low[:, None] - (-edges[:, 1:] // out), 0, n))
    return begin, end


def _rounded(numbers: Array) -> Cells:
    """To the nearest integer, halves away from zero, as C's round."""
    down = np.trunc(numbers)
    away = np.abs(numbers - down) >= 0.5
    return down.astype(np.int64) + np.where(away, np.sign(numbers), 0).astype(np.int64)


def _pool_box(
    image: Array, found: Boxes, begin: list[Cells], end: list[Cells], y: Array, at: Array | None
) -> None:
    """One box's maxima into `y`, and the winners' positions in the plane into `at`."""
    axes = tuple(axis - 1 for axis in found.axes)
    place, crop = ([slice(None)] * image.ndim for _ in range(2))
    for number, axis in enumerate(axes):
        # only bins before and behind the image have no cells
        has = np.flatnonzero(begin[number] < end[number])
        if not len(has):
            return
        place[axis] = here = slice(int(has[0]), int(has[-1]) + 1)
        begin[number], end[number] = begin[number][here], end[number][here]
        crop[axis] = slice(int(begin[number][0]), int(end[number][-1]))
    whole = Regions(image.shape, axes, tuple(begin), tuple(end))
    cells = image[tuple(crop)]
    first = [crop[axis].start for axis in axes]
    near = Regions(
        cells.shape, axes,
        tuple(b - start for b, start in zip(begin, first, strict=True)),
        tuple(e - start for e, start in zip(end, first, strict=True)),
    )  # fmt: skip
    offsets = None if at is None else np.empty(whole.y_shape, whole.index_dtype)
    y[tuple(place)] = max_of(cells, near, offsets)
    if at is not None and offsets is not None:
        to_positions(offsets, whole, "plane", at[tuple(place)])


def _located(
    at: Array, found: Boxes, form: Positions, begin: list[Cells], end: list[Cells]
) -> tuple[Array, Array]:
    """Winners as positions in the whole array, and where they are none of their bin."""
    ndim, steps = at.ndim, row_major(found.shape)
    base = along(found.image, 0, ndim) * steps[0]
    for axis in range(1, ndim):
        if axis not in found.axes:
            base = base + along(np.arange(found.shape[axis]), axis, ndim) * steps[axis]
    by_plane, total = row_major(found.sizes), np.zeros(at.shape, np.int64) + base
    left = at if form == "plane" else at - base
    wrong, empty = left < 0, np.zeros((), bool)
    for number, axis in enumerate(found.axes):
        step = by_plane[number] if form == "plane" else steps[axis]
        cell = left // step
        left, total = left - cell * step, total + cell * steps[axis]
        # (K, bins) -> the output's axes
        shape = [len(found.image)] + [1] * (ndim - 1)
        shape[axis] = found.out[number]
        first, behind = begin[number].reshape(shape), end[number].reshape(shape)
        wrong, empty = wrong | (cell < first) | (cell >= behind), empty | (first >= behind)
    return total, np.where(empty, at != -1, wrong | (left != 0))
