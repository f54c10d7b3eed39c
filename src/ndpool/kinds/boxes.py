"""Regions of interest as they come from the user: which image, from where to where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import any_array, as_array
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Size
from .by_name import NamedLayer
from .regions import OutputSize, ascending, asked_axes, asked_sizes
from .words import finite

Array = NDArray[Any]

# Coordinates beyond are no cells of any array, and integers up to it are safe to multiply.
_FURTHEST = 2**31


@dataclass(frozen=True)
class Boxes:
    """K boxes in an array of `shape`, whose axis 0 counts images; pooled axes ascend.

    `image` is (K,) int64; `low` and `high` are (K, d), in cells of x, float32 or float64.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    out: tuple[int, ...]
    image: NDArray[np.int64]
    low: Array
    high: Array

    @property
    def y_shape(self) -> tuple[int, ...]:
        shape = [len(self.image), *self.shape[1:]]
        for axis, size in zip(self.axes, self.out, strict=True):
            shape[axis] = size
        return tuple(shape)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(self.shape[axis] for axis in self.axes)


def boxes(
    shape: tuple[int, ...],
    rois: ArrayLike,
    output_size: OutputSize,
    spatial_scale: float,
    batch_indices: ArrayLike | None,
    axes: Size | None,
) -> Boxes:
    """The `Boxes` of these arguments; scaled in the precision of `rois`, as others do."""
    pooled = asked_axes("output_size", shape, output_size, axes)
    if 0 in pooled:
        hint = "x[None] is a batch of one" if axes is None else ""
        expected = "axis 0 of x to count images, and not to be pooled"
        raise PoolError("x" if axes is None else "axes", expected, f"shape {shape}", hint)
    pooled, out = ascending(pooled, asked_sizes("output_size", shape, output_size, pooled))
    d = len(pooled)
    table = _table(rois, d)
    image = _images(table, batch_indices, d, shape[0])
    scale = finite("spatial_scale", spatial_scale)
    if scale <= 0:
        raise PoolError("spatial_scale", "above 0", shown(spatial_scale))
    with np.errstate(over="ignore"):
        corners = table[:, -2 * d :] * table.dtype.type(scale)
    if not (np.abs(corners) <= _FURTHEST).all():  # nor NaN
        raise PoolError("rois", f"coordinates up to {_FURTHEST} cells away", shown(rois))
    # the last axis is the first of a box's coordinates
    return Boxes(shape, pooled, out, image, corners[:, :d][:, ::-1], corners[:, d:][:, ::-1])


def _table(rois: ArrayLike, d: int) -> Array:
    """`rois` as float32, or float64 where its numbers may need that."""
    array = any_array("rois", rois)
    columns = 2 * d, 2 * d + 1
    if array.ndim != 2 or array.shape[1] not in columns:
        expected = f"shape (K, {columns[0]}) or (K, {columns[1]}) for {d} pooled axes"
        raise PoolError("rois", expected, f"shape {array.shape}")
    if array.dtype.kind != "b":
        array = as_array("rois", array)
        return array.astype(np.float64 if array.dtype.kind in "iud" else _float(array.dtype))
    raise PoolTypeError("rois", "numbers", f"dtype {array.dtype}")


def _float(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype.char == "d" else np.float32)


def _images(table: Array, batch_indices: Any, d: int, images: int) -> NDArray[np.int64]:
    """Which image each box lies in."""
    count = len(table)
    if table.shape[1] > 2 * d:
        if batch_indices is not None:
            raise PoolError("batch_indices", f"None beside rois of {2 * d + 1} columns", "others")
        name, found = "rois", table[:, 0]
    elif batch_indices is None:
        if images != 1 and count:
            hint = "or rois with the image's number in front"
            raise PoolError("batch_indices", f"which of {images} images each lies in", "None", hint)
        return np.zeros(count, np.int64)
    else:
        name, found = "batch_indices", any_array("batch_indices", batch_indices)
        if found.dtype.kind not in "iu":
            raise PoolTypeError(name, "an array of integers", f"dtype {found.dtype}")
        if found.shape != (count,):
            raise PoolError(name, f"shape {(count,)}", f"shape {found.shape}")
    wrong = ~((found >= 0) & (found < images) & (found == np.floor(found)))
    if wrong.any():
        at = int(wrong.argmax())
        raise PoolError(name, f"numbers of images below {images}", f"{found[at]} of box {at}")
    return found.astype(np.int64)


class RoILayer(NamedLayer):
    """A layer whose forward takes boxes, too."""

    _named = ("output_size",)
    _arrays = 2

    def __call__(  # type: ignore[override]
        self,
        x: ArrayLike,
        rois: ArrayLike,
        batch_indices: ArrayLike | None = None,
        **words: Any,
    ) -> Array:
        """The same as `forward`."""
        return self.forward(x, rois, batch_indices, **words)

    def forward(  # type: ignore[override]
        self,
        x: ArrayLike,
        rois: ArrayLike,
        batch_indices: ArrayLike | None = None,
        **words: Any,
    ) -> Array:
        """y of the boxes in `x`; remembers what `backward` needs."""
        return super().forward(x, rois=rois, batch_indices=batch_indices, **words)
