"""Min pooling against the oracle's loops, which look for the smallest where max's look for the
largest: ties, NaN, index forms and bits."""

import random
from math import prod

import numpy as np
import oracle
from cases import index_dtype, same_bits
from kind_cases import cases

import ndpool


def lowest_of(x, sums):
    """Each window's winner: its position in the whole array; plain comparisons in its order."""
    is_two_byte_float = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
    values = (x.astype(np.float32) if is_two_byte_float else x).reshape(-1).tolist()
    winners = []
    for cells in sums.windows:
        best = cells[0]
        for at in cells[1:]:
            value, least = values[at], values[best]
            # x != x is how NaN shows: it beats all but an earlier NaN
            if value < least or (value != value and least == least):
                best = at
        winners.append(best)
    return winners


def test_random_cases_equal_the_oracle(engine):
    for case, sums in cases():
        x, before = case.x, case.x.tobytes()
        y, at = ndpool.min_pool(x, **case.words, return_indices="tensor", engine=engine)
        winners = lowest_of(x, sums)
        assert np.array_equal(at, np.array(winners, np.int64).reshape(sums.y_shape)), case
        assert same_bits(y, x.reshape(-1)[winners].reshape(sums.y_shape)), case
        assert same_bits(ndpool.min_pool(x, **case.words, engine=engine), y), case

        offsets = ndpool.min_pool(x, **case.words, return_indices=True, engine=engine)[1]
        assert offsets.dtype == index_dtype(prod(case.kernel)), case
        dy = np.random.default_rng(case.seed).integers(-3, 4, y.shape)
        dx = ndpool.min_pool_backward(dy, offsets, x.shape, **case.words, engine=engine)
        assert same_bits(dx, oracle.max_pool_backward(dy, winners, x.shape)), case
        form = random.Random(case.seed).choice(["plane", "tensor"])
        positions = ndpool.min_pool(x, **case.words, return_indices=form, engine=engine)[1]
        again = ndpool.min_pool_backward(
            dy, positions, x.shape, **case.words, index_form=form, engine=engine
        )
        assert same_bits(again, dx), case
        assert x.tobytes() == before
