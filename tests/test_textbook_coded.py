"""The coded arrays."""

import numpy as np
import pytest

from ndpool import PoolError
from ndpool.textbook import coded_array, init_sample_matrix


def test_equals_the_notebooks_helper():
    x = coded_array(3, 9, 4, 5)
    assert x.shape == (3, 9, 4, 5) and x.dtype == np.int64
    for image, channel in np.ndindex(3, 9):
        matrix = init_sample_matrix(filter_num=image + 1, channel=channel + 1, height=4, width=5)
        assert matrix.shape == (4, 5) and matrix.dtype == np.int64
        np.testing.assert_array_equal(x[image, channel], matrix)


def test_each_coordinate_has_the_digits_of_its_largest():
    x = coded_array(2, 12, 10, 3)
    for place in np.ndindex(x.shape):
        image, channel, row, column = (i + 1 for i in place)
        assert x[place] == int(f"{image}{channel:02}{row:02}{column}")
    assert np.unique(x).size == x.size


def test_the_helper_above_nine():
    matrix = init_sample_matrix(filter_num=10, channel=11, height=1, width=10)
    assert matrix.tolist() == [[10_11_1_00 + column for column in range(1, 11)]]


@pytest.mark.parametrize(
    ("argument", "error", "call"),
    [
        ("c", PoolError, lambda: coded_array(1, 0, 1, 1)),
        ("h", TypeError, lambda: coded_array(1, 1, 1.5, 1)),
        ("channel", PoolError, lambda: init_sample_matrix(1, -1, 2, 2)),
        ("sizes", PoolError, lambda: init_sample_matrix(10**9, 10**9, 2, 2)),
    ],
)
def test_errors_name_the_argument(argument, error, call):
    with pytest.raises(error, match=f"^{argument}: expected"):
        call()


def test_the_largest_code_fits():
    assert init_sample_matrix(99999999, 99999999, 1, 1).item() == 99999999_99999999_1_1
