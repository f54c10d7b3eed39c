"""Which part of large data is shown: one image, one channel, a region, and all of its windows.

The part is a pooling of its own: every window that holds a cell of the region, with all of its
cells. So whatever is shown of the region is exact. Cells around it, which only come along in those
windows, have other windows that are not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry
from ..textbook.windows import Pair, Windows
from .config import Config

READABLE = 4096  # cells of the im2col matrix, when nothing was chosen
LARGEST = 2**20  # cells of it, whatever was chosen: more takes seconds and a gigabyte
REGION = 12  # rows and columns


@dataclass(frozen=True)
class Part:
    """What is shown, in the coordinates of the whole; ranges are (first, end).

    images, channels: Ranges.
    region: The rows and columns that were chosen; everything about them is exact.
    cells: Ranges of rows and columns that are shown: the region, and its windows' other cells.
    outputs: Ranges of the output's rows and columns: the windows that are shown.
    windows: The same windows, as they stand in the cells that are shown.
    whole: Whether that is all.
    """

    images: Pair
    channels: Pair
    region: tuple[Pair, Pair]
    cells: tuple[Pair, Pair]
    outputs: tuple[Pair, Pair]
    windows: Windows
    whole: bool

    @property
    def input(self) -> tuple[slice, ...]:
        """What of x is shown."""
        return tuple(slice(*ends) for ends in (self.images, self.channels, *self.cells))

    @property
    def output(self) -> tuple[slice, ...]:
        """What of out is shown."""
        return tuple(slice(*ends) for ends in (self.images, self.channels, *self.outputs))

    @property
    def matrix_cells(self) -> int:
        """Of the im2col matrix."""
        planes = (self.images[1] - self.images[0]) * (self.channels[1] - self.channels[0])
        return planes * prod(self.windows.out) * prod(self.windows.kernel)


def part(config: Config) -> Part:
    """The part that was chosen, or one that is small enough to read."""
    n, c, height, width = config.x.shape
    image = _chosen("image", config.image, n)
    channel = _chosen("channel", config.channel, c)
    region = None if config.region is None else _region(config.region, (height, width))
    shown_part = _part(config, image, channel, region)
    if shown_part.matrix_cells > READABLE:
        image, channel = image or (0, 1), channel or (0, 1)
        shown_part = _part(config, image, channel, region)
    if region is None:
        size = REGION
        while size and shown_part.matrix_cells > READABLE:
            region = (0, min(size, height)), (0, min(size, width))
            shown_part = _part(config, image, channel, region)
            size -= 1
    if shown_part.matrix_cells > LARGEST:
        raise PoolError(
            "kernel_size" if region is None or config.region is None else "region",
            f"at most {LARGEST} cells in the windows that are shown",
            shown_part.matrix_cells,
            "choose a smaller region or kernel_size, or a longer stride",
        )
    return shown_part


def _part(
    config: Config, image: Pair | None, channel: Pair | None, region: tuple[Pair, Pair] | None
) -> Part:
    shapes = config.geometry
    n, c, height, width = config.x.shape
    whole = (0, height), (0, width)
    axes = [_along(shapes, axis, (region or whole)[axis], region is None) for axis in range(2)]
    cells, outputs, before, after = (tuple(ends) for ends in zip(*axes, strict=True))
    images, channels = image or (0, n), channel or (0, c)
    sizes = tuple(end - first for first, end in outputs)
    return Part(
        images=images,
        channels=channels,
        region=region or whole,
        cells=cells,
        outputs=outputs,
        windows=Windows(
            kernel=_pair(shapes.kernel),
            out=_pair(sizes),
            stride=_pair(shapes.stride),
            before=_pair(before),
            after=_pair(after),
            dilation=_pair(shapes.dilation),
        ),
        whole=(images, channels, *cells, *outputs)
        == ((0, n), (0, c), *whole, *((0, out) for out in shapes.out)),
    )


def _along(
    shapes: Geometry, axis: int, region: Pair, everything: bool
) -> tuple[Pair, Pair, int, int]:
    """(cells, outputs, padding before, padding after) of a region along one axis."""
    n, out, stride = shapes.sizes[axis], shapes.out[axis], shapes.stride[axis]
    before, after = shapes.before[axis], shapes.after[axis]
    if everything:
        return (0, n), (0, out), before, after
    dilation = shapes.dilation[axis]
    reach = dilation * (shapes.kernel[axis] - 1)  # from a window's first cell to its last
    # Windows that hold a cell of the region. Where dilation leaves gaps, some between them do not.
    first, last = region[0] + before, region[1] - 1 + before
    holding = [
        o
        for o in range(max(0, -(-(first - reach) // stride)), min(out - 1, last // stride) + 1)
        if _holds(first - o * stride, last - o * stride, dilation, reach)
    ]
    # The part must begin where a window does: with the one that begins at the region or before it.
    begins = min(first // stride, out - 1)
    o0, o1 = min([begins, *holding]), max([begins, *holding])
    start, end = o0 * stride - before, o1 * stride + reach + 1 - before
    cells = max(0, start), min(n, max(end, region[1]))
    return cells, (o0, o1 + 1), max(0, -start), after if cells[1] == n else 0


def _holds(first: int, last: int, dilation: int, reach: int) -> bool:
    """Whether a window that begins at 0 has a cell from `first` to `last`."""
    tap = max(0, -(-first // dilation)) * dilation
    return tap <= min(last, reach)


def _chosen(argument: str, value: object, size: int) -> Pair | None:
    """The range of one image or channel."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise PoolTypeError(argument, "an integer", shown(value))
    number = value.__index__()
    if not -size <= number < size:
        raise PoolError(argument, f"0 to {size - 1}", number)
    return number % size, number % size + 1


def _region(region: Any, size: Pair) -> tuple[Pair, Pair]:
    """Two slices, or the four ends (first row, end row, first column, end column), as ranges."""
    expected = "two slices (rows, columns), or four ends (r0, r1, c0, c1)"
    if not isinstance(region, (tuple, list)):
        raise PoolTypeError("region", expected, shown(region))
    if len(region) == 4:
        region = slice(*region[:2]), slice(*region[2:])
    if len(region) != 2 or not all(isinstance(ends, slice) for ends in region):
        raise PoolError("region", expected, shown(region))
    ranges = []
    for ends, n in zip(region, size, strict=True):
        try:
            first, end, step = ends.indices(n)
        except TypeError:
            raise PoolTypeError("region", "slices of integers", shown(region)) from None
        if step != 1 or first >= end:
            raise PoolError("region", f"at least one cell of {size[0]}x{size[1]}", shown(region))
        ranges.append((first, end))
    return ranges[0], ranges[1]


def _pair(values: tuple[int, ...]) -> Pair:
    return values[0], values[1]
