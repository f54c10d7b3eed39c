"""From where a cell stands in a step's array to where it stands in that of the whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .config import Config
from .part import Part
from .steps import Index, Step


class Axis(NamedTuple):
    """What is shown of an axis: `size` of `whole`, beginning at `offset`."""

    offset: int
    size: int
    whole: int


def axes(config: Config, part: Part) -> dict[str, Axis]:
    """Each axis by the name it has in `Step.axes`."""
    shapes = config.geometry
    images, channels, *_ = config.x.shape
    found = {"n": _shown(part.images, images), "c": _shown(part.channels, channels)}
    rows, columns = part.cells
    padded = part.windows.padded((rows[1] - rows[0], columns[1] - columns[0]))
    for axis, names in enumerate((("r", "rp", "oh", "h"), ("k", "kp", "ow", "w"))):
        n, out, kernel = shapes.sizes[axis], shapes.out[axis], shapes.kernel[axis]
        reach = (out - 1) * shapes.stride[axis] + (kernel - 1) * shapes.dilation[axis] + 1
        in_padded = Axis(
            part.outputs[axis][0] * shapes.stride[axis],
            padded[axis],
            max(n + shapes.before[axis] + shapes.after[axis], reach),
        )
        cell, output = _shown(part.cells[axis], n), _shown(part.outputs[axis], out)
        found.update(zip(names, (cell, in_padded, output, Axis(0, kernel, kernel)), strict=True))
    return found


def whole_index(step: Step, index: Index, axes: dict[str, Axis]) -> Index:
    """`index` of `step`'s array, as it is in the array of the whole."""
    found = []
    for name, at in zip(step.axes, index, strict=True):
        parts = [axes[part] for part in name.split("·")]
        places = np.unravel_index(at, [axis.size for axis in parts])
        whole = [int(place) + axis.offset for place, axis in zip(places, parts, strict=True)]
        found.append(int(np.ravel_multi_index(whole, [axis.whole for axis in parts])))
    return tuple(found)


def _shown(ends: tuple[int, int], whole: int) -> Axis:
    return Axis(ends[0], ends[1] - ends[0], whole)
