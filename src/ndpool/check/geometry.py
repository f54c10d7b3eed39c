"""Where the windows of a case lie: the only geometry that probes, mistakes and adapters share."""

from __future__ import annotations

from typing import Any, NamedTuple

Pair = tuple[int, int]


class Pool(NamedTuple):
    """Windows over the last two axes of (N, C, H, W); each pair is (rows, columns)."""

    kernel: Pair
    stride: Pair
    before: Pair = (0, 0)
    after: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil: bool = False

    @property
    def padded(self) -> bool:
        return any(self.before + self.after)

    @property
    def span(self) -> Pair:
        """Rows and columns from a window's first cell to its last."""
        return (
            (self.kernel[0] - 1) * self.dilation[0] + 1,
            (self.kernel[1] - 1) * self.dilation[1] + 1,
        )

    def words(self) -> dict[str, Any]:
        """The keyword arguments of `ndpool.max_pool` that say the same."""
        pads = tuple(zip(self.before, self.after, strict=True))
        return {
            "stride": self.stride,
            "padding": pads,
            "dilation": self.dilation,
            "ceil_mode": self.ceil,
        }


def out_size(n: int, pool: Pool, axis: int) -> int:
    """How many windows fit along one axis; below 1 where none does.

    >>> out_size(5, Pool((2, 2), (2, 2)), 0), out_size(5, Pool((2, 2), (2, 2), ceil=True), 0)
    (2, 3)
    """
    stride, before = pool.stride[axis], pool.before[axis]
    room = n + before + pool.after[axis] - pool.span[axis]
    size = (room + (stride - 1 if pool.ceil else 0)) // stride + 1
    if pool.ceil and (size - 1) * stride >= n + before:
        size -= 1
    return size
