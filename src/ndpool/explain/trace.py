"""`explain`, and the `Trace` that it gives: every step of one pooling, forward and backward."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from os import PathLike
from typing import Any

import numpy as np

from ..errors import PoolError, shown
from ..geometry import Geometry, Padding, Size
from . import coordinates, dialects, figures, hidden, notebook, reading, sentences, text
from .config import Config, config
from .figures import Picture
from .part import Part, part
from .steps import Array, Cell, Index, Role, Step, indices
from .sums import Sums, sums

_MOST_POWERS = 63  # 2**0 + ... + 2**62 is the largest int64


def explain(
    x: Any,
    kernel_size: Size = 2,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    dy: Any = None,
    dialect: str = "rows",
    lang: str = "en",
    image: int | None = None,
    channel: int | None = None,
    region: Any = None,
    name: str | None = None,
) -> Trace:
    """Every step of max pooling over the last two axes of `x`, forward and backward, as data.

    >>> import ndpool
    >>> trace = ndpool.explain((2, 2, 4, 5))
    >>> trace["im2col"].array[0]
    array([1111, 1112, 1121, 1122, 1211, 1212, 1221, 1222])
    >>> trace["dx"].sources(0, 0, 1, 1)
    (('col2im', (0, 0, 1, 1)),)
    >>> trace.follow("dx", (0, 0, 1, 1), to="dout")
    ((0, 0, 0, 0),)

    Args:
        x: An array of 1 to 4 dimensions, seen as (N, C, H, W) with ones in front; any dtype that
            can be pooled. Or a shape, a tuple of 1 to 4 integers, for a `coded_array` of it. Of a
            1-d array the row is pooled: kernel_size 3 is then (1, 3). Not modified.
        kernel_size, stride, padding, dilation, ceil_mode: As in `ndpool.max_pool`.
        dy: The gradient that comes back, of the output's shape. None is the output itself, as in
            the first notebook (ones for bool); "ones"; or "powers": 1, 2, 4, 8 ... over the
            outputs of each channel, so that every element of dx tells its outputs.
        dialect: "rows", the first notebook; "columns", the second; "direct", without im2col.
        lang: "en" or "ja".
        image, channel: Which to show of many, counted from 0; None is all if they can be read
            (up to 4096 cells in im2col's matrix), else the first.
        region: Which rows and columns of x to show: two slices, or (r0, r1, c0, c1). None is all
            if they can be read, else the upper left corner. Their windows are shown with all of
            their cells.
        name: What to call it.

    Returns:
        A `Trace`. Its arrays are those of `ndpool.textbook`'s layers, or of `ndpool.max_pool`,
        running on what is shown, in the machine's byte order.

    Raises:
        PoolError: A value that no pooling can be done with; the message names the argument.
        TypeError: An argument of the wrong type.

    Source: the two notebooks that `ndpool.textbook` follows.
    """
    asked = config(
        x,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        dy=dy,
        dialect=dialect,
        lang=lang,
        image=image,
        channel=channel,
        region=region,
        name=name,
    )
    chosen = part(asked)
    x_shown = _native(asked.x[chosen.input])
    steps = dialects.steps(
        dialect, x_shown, lambda out: _sent_back(out, asked, chosen), chosen.windows
    )
    return Trace(asked, chosen, steps)


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """Every step of one pooling; see `explain`.

    config: All arguments.
    part: What is shown of large data.
    steps: In order, forward and then backward.

    Indices are those of the steps' arrays; `whole_index` says where they are in the whole.
    """

    config: Config
    part: Part
    steps: tuple[Step, ...]

    def __getitem__(self, name: str) -> Step:
        """The step of this name; PoolError if the dialect has none."""
        if name not in self._by_name:
            known = ", ".join(self._by_name)
            raise PoolError("name", f"a step of {self.config.dialect!r}: {known}", shown(name))
        return self._by_name[name]

    def __repr__(self) -> str:
        about = self.config.name or f"{self.config.x.dtype} {self.config.x.shape}"
        return f"<Trace of {about}: {', '.join(self._by_name)}>"

    @cached_property
    def _by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    @property
    def geometry(self) -> Geometry:
        """The pooling of the whole."""
        return self.config.geometry

    @property
    def out(self) -> Array:
        """(N, C, OH, OW), of what is shown."""
        return self["out"].array

    @property
    def dx(self) -> Array:
        """(N, C, H, W), of what is shown."""
        return self["dx"].array

    def follow(
        self, name: str, index: Index, to: str, roles: Iterable[Role] = ("value",)
    ) -> tuple[Index, ...]:
        """The cells of step `to` that the cell at `index` of step `name` came from, through all.

        >>> import ndpool
        >>> trace = ndpool.explain((1, 1, 3, 3), 2, stride=1)
        >>> trace.follow("out", (0, 0, 1, 1), to="x")
        ((0, 0, 2, 2),)
        >>> trace.follow("out", (0, 0, 1, 1), to="x", roles=("value", "choice"))[:2]
        ((0, 0, 2, 2), (0, 0, 1, 1))

        With `roles` "value" alone: from "out" to "x" the winner, from "dx" to "dout" the outputs
        whose gradients it is the sum of, in the order of adding. With "choice" too: from "out" to
        "x" all cells of the window, the winner first.
        """
        roles = tuple(roles)
        target, cells = self[to], [(self[name].name, self[name].cell(index))]
        found: dict[int, None] = {}
        while cells:
            at, cell = cells.pop(0)
            if at == target.name:
                found[cell] = None
                continue
            links = [link for link in self[at].links if link.role in roles]
            cells = [(link.step, int(c)) for link in links for c in link.of(cell)] + cells
        return tuple(indices(np.fromiter(found, np.int64), target.shape))

    def goes_to(self, name: str, *index: int, role: Role = "value") -> tuple[Cell, ...]:
        """The inverse of `Step.sources`: the cells of later steps that came from this one."""
        cell = self[name].cell(index)
        return tuple(
            (step.name, at)
            for step in self.steps
            for link in step.links
            if link.step == name and link.role == role
            for at in indices(link.reaching(cell), step.shape)
        )

    def whole_index(self, name: str, index: Index) -> Index:
        """Where the cell at `index` of step `name` stands in the array of the whole."""
        return coordinates.whole_index(self[name], index, self.axes)

    @cached_property
    def winners(self) -> dict[str, Array]:
        """For each step bool, of its shape: the cells that won, and those their gradients reach.

        Forward, the cells whose numbers reach out; backward, the cells that dout's reach.
        """
        return reading.winners(self.steps)

    @cached_property
    def incomplete(self) -> Array:
        """Bool, of x's shape: the cells around the region, which other windows hold too."""
        return reading.incomplete(self)

    @cached_property
    def busiest(self) -> Index:
        """The cell of dx that won most windows."""
        return reading.busiest(self)

    @cached_property
    def axes(self) -> dict[str, coordinates.Axis]:
        """Each axis by the name it has in `Step.axes`: its offset in the whole, and sizes."""
        return coordinates.axes(self.config, self.part)

    def sentence(self, name: str, index: Index) -> str:
        """What there is to say of the cell at `index` of step `name`.

        >>> import ndpool
        >>> ndpool.explain((1, 1, 3, 3), 2, stride=1, dy="powers").sentence("dx", (0, 0, 1, 1))
        'dx[0,0,1,1] = 1, from output (0,0): it won 1 of the 4 windows that hold it.'
        """
        return sentences.sentence(self, name, index)

    def text(self, width: int = 80, color: bool | None = None) -> str:
        """The walk through all steps, as text of at most `width` columns.

        Winners stand in square brackets. `color` adds colour; None does so where standard output
        is a terminal and NO_COLOR is not set. Raises PoolError for fewer than 40 columns.
        """
        return text.text(self, width, color)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page: one file that works offline, with every step linked to touch.

        OSError as `open` raises it.
        """
        import_module(".page", __package__).save(self, path)

    def figure(self, kind: str) -> Picture:
        """A picture for print, as `svg()`, `png()` or `save(path)`; a notebook shows it by itself.

        `kind`: "image_to_matrix", "forward", "gradient_to_columns", "columns_to_image" and
        "backward" are the second notebook's; "images" shows input, winners and gradient as images.
        Raises PoolError for another kind, and MissingExtra without matplotlib.
        """
        return figures.figure(self, kind)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return notebook.mimebundle(self)

    def __str__(self) -> str:
        return self.text(color=False)

    @property
    def hidden(self) -> str | None:
        """What is hidden, in words; None if nothing is."""
        return hidden.sentence(self.config, self.part)

    def sums(self) -> Sums:
        """What the backward pass must keep: Σdx = Σdout, and <im2col(x), c> = <x, col2im(c)>.

        >>> import ndpool
        >>> ndpool.explain((1, 1, 3, 3), 2, stride=1, dy="ones").sums()
        Sums(dx=4, dout=4, columns=4510, image=4510)
        """
        direct = self.config.dialect == "direct"
        col, dcol = self["windows" if direct else "im2col"], self["routes" if direct else "dcol"]
        return sums(
            self["x"].array, col.array, col.padding, self["dout"].array, dcol.array, self.dx
        )


def _native(array: Array) -> Array:
    """A copy in the machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="))


def _sent_back(out: Array, asked: Config, chosen: Part) -> Array:
    """dout for what is shown."""
    if isinstance(asked.dy, np.ndarray):
        return _native(asked.dy[chosen.output])
    counts = np.dtype(np.int64) if out.dtype.kind == "b" else out.dtype
    if asked.dy == "powers":
        outputs = chosen.windows.out[0] * chosen.windows.out[1]
        if outputs > _MOST_POWERS:
            raise PoolError(
                "dy",
                f"at most {_MOST_POWERS} outputs a channel, for 'powers'",
                outputs,
                "choose a smaller region, or 'ones'",
            )
        powers = np.left_shift(1, np.arange(outputs, dtype=np.int64))
        return np.broadcast_to(powers.reshape(chosen.windows.out), out.shape)
    return out if asked.dy == "out" and out.dtype.kind != "b" else np.ones(out.shape, counts)
