"""An array in blocks small enough that what is computed of one stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

MOST = 8192  # elements of a block: some temporaries of 64 KiB each, where they are int64


def blocks(shape: tuple[int, ...], most: int = MOST) -> Iterator[tuple[slice, ...]]:
    """Slices that cut an array of this shape into blocks of at most so many elements.

    Each block is one run of the row-major order, and they come in that order; of an
    empty array there is none.

    >>> list(blocks((3, 5000)))
    ... # doctest: +NORMALIZE_WHITESPACE
    [(slice(0, 1, None), slice(0, 5000, None)),
     (slice(1, 2, None), slice(0, 5000, None)),
     (slice(2, 3, None), slice(0, 5000, None))]
    """
    if not prod(shape):
        return
    cut = len(shape) - 1  # the axis along which blocks end; those after it are whole
    while cut > 0 and prod(shape[cut:]) <= most:
        cut -= 1
    step = max(most // prod(shape[cut + 1 :]), 1)
    whole = tuple(slice(0, n) for n in shape[cut + 1 :])
    for number in range(prod(shape[:cut])):
        one = _item(number, shape[:cut])
        for start in range(0, shape[cut], step):
            yield (*one, slice(start, min(start + step, shape[cut])), *whole)


def first(block: tuple[slice, ...], shape: tuple[int, ...]) -> int:
    """The row-major position of the block's first element in the array."""
    position = 0
    for along, n in zip(block, shape, strict=True):
        position = position * n + along.start
    return position


def _item(number: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The slices of element `number`, row-major, of an array of this shape."""
    slices = []
    for n in reversed(shape):
        number, place = divmod(number, n)
        slices.append(slice(place, place + 1))
    return tuple(reversed(slices))
