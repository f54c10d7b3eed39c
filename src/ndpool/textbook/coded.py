"""Images whose cells tell where they are: 1234 is image 1, channel 2, row 3, column 4.

What pooling, im2col or col2im did to such an array can be read off the numbers. From the first
notebook, where sizes stay below ten; here each coordinate takes as many decimal digits as the
largest of its axis needs, so that codes stay unique and readable: 1_02_11 in an axis of 12 and
one of 11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError
from .arguments import integers

Codes = NDArray[np.int64]
_MOST_DIGITS = 18  # that any number of them fits int64


def coded_array(n: SupportsIndex, c: SupportsIndex, h: SupportsIndex, w: SupportsIndex) -> Codes:
    """(n, c, h, w) int64: the digits of image, channel, row and column, counted from 1.

    >>> coded_array(1, 2, 2, 3)
    array([[[[1111, 1112, 1113],
             [1121, 1122, 1123]],
    <BLANKLINE>
            [[1211, 1212, 1213],
             [1221, 1222, 1223]]]])
    >>> coded_array(1, 1, 1, 10)[0, 0, 0]
    array([11101, 11102, 11103, 11104, 11105, 11106, 11107, 11108, 11109,
           11110])

    Raises PoolError for a size below 1, or sizes that take more than 18 digits together.
    """
    n, c, h, w = integers(1, n=n, c=c, h=h, w=w)
    weights = _weights((n, c, h, w))
    # (n, 1, 1, 1), (1, c, 1, 1), (1, 1, h, 1), (1, 1, 1, w)
    coordinates = np.ogrid[1 : n + 1, 1 : c + 1, 1 : h + 1, 1 : w + 1]
    return _codes(coordinates, weights)


def init_sample_matrix(
    filter_num: SupportsIndex, channel: SupportsIndex, height: SupportsIndex, width: SupportsIndex
) -> Codes:
    """(height, width) int64: one channel of one image of `coded_array`; the notebook's own helper.

    >>> init_sample_matrix(filter_num=2, channel=1, height=2, width=3)
    array([[2111, 2112, 2113],
           [2121, 2122, 2123]])

    `filter_num` and `channel` count from 1. Equal to ``coded_array(...)[filter_num - 1,
    channel - 1]`` as long as all the channel numbers there have equally many digits.
    Raises PoolError as `coded_array` does.
    """
    filter_num, channel, height, width = integers(
        1, filter_num=filter_num, channel=channel, height=height, width=width
    )
    weights = _weights((filter_num, channel, height, width))
    # (height, 1), (1, width)
    row, column = np.ogrid[1 : height + 1, 1 : width + 1]
    return _codes((filter_num, channel, row, column), weights)


def _weights(largest: Sequence[int]) -> list[int]:
    """What each coordinate counts for, when each has the digits of the largest in its axis."""
    digits = [len(str(value)) for value in largest]
    if sum(digits) > _MOST_DIGITS:
        raise PoolError(
            "sizes", f"at most {_MOST_DIGITS} digits together", f"{sum(digits)}: {tuple(largest)}"
        )
    return [10 ** sum(digits[axis + 1 :]) for axis in range(len(digits))]


def _codes(coordinates: Sequence[Any], weights: Sequence[int]) -> Codes:
    total = np.zeros((), np.int64)
    for coordinate, weight in zip(coordinates, weights, strict=True):
        total = total + coordinate * weight
    return total
