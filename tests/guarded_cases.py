"""Poolings with all arrays flush against pages that nobody may touch, each named before it runs.

    python guarded_cases.py start|end NUMBER [trespass]

The name of each case goes to standard output: the last one is that of the call that was killed.
"trespass" reads one byte too far at the end, to see that it is noticed.
"""

import ctypes
import os
import random
import sys

import numpy as np
from cases import DTYPES, LAYOUTS, REGIMES, laid_out, random_case, same_bits, values
from guard_pages import flush, tight

import ndpool
from ndpool.engines import native


def wide(seed):
    """(x, words): rows long enough for every vector, windows that have ways of their own."""
    rng, array_rng = random.Random(seed), np.random.default_rng(seed)
    d = rng.choice((1, 2, 2, 2, 3))
    shape = [rng.randint(1, 3), *(rng.randint(1, 9) for _ in range(d - 1)), rng.randint(1, 200)]
    kernel = [min(n, rng.choice((1, 2, 2, 3, 3, 5, 7, 9, 40))) for n in shape[1:]]
    words = {
        "kernel_size": tuple(kernel),
        "stride": rng.choice((1, 2, 2, 3, tuple(kernel))),
        "padding": tuple(rng.choice((0, k // 2)) for k in kernel),
        "ceil_mode": rng.random() < 0.2,
    }
    if rng.random() < 0.2:  # the windows of networks
        side = rng.choice((2, 3))
        words |= {"kernel_size": tuple(min(n, side) for n in shape[1:]), "stride": 2}
    if rng.random() < 0.3:  # channels last
        shape.append(rng.randint(1, 70))
        words["axes"] = tuple(range(1, 1 + d))
    x = values(array_rng, rng.choice(REGIMES), tuple(shape), rng.choice(DTYPES))
    return laid_out(x, rng.choice(LAYOUTS), rng), words


def paired(seed):
    """(x, words): windows two apart over planes so large that their gradient goes by pairs."""
    rng, array_rng = random.Random(seed), np.random.default_rng(seed)
    shape = [rng.randint(1, 2), rng.randint(40, 90), rng.randint(40, 90)]
    words = {"kernel_size": 3, "stride": 2, "padding": rng.choice((0, 1, 1, 2)), "axes": (1, 2)}
    if rng.random() < 0.5:  # of volumes
        shape.insert(1, rng.randint(3, 6))
        words |= {"padding": rng.choice((0, 1)), "axes": (1, 2, 3)}
    elif rng.random() < 0.5:  # channels last
        shape = [1, rng.randint(3, 9), rng.randint(3, 9), rng.randint(64, 130)]
    x = values(array_rng, rng.choice(REGIMES), tuple(shape), rng.choice(DTYPES))
    return laid_out(x, rng.choice(LAYOUTS), rng), words


def upside_down(seed):
    """(x, words): square windows over wide rows that go on towards lower addresses."""
    rng, array_rng = random.Random(seed), np.random.default_rng(seed)
    side = rng.choice((2, 3))
    words = {"kernel_size": side, "stride": rng.choice((1, 1, 2)), "axes": (1, 2)}
    words["padding"] = rng.choice((0, side // 2))
    shape = (rng.randint(1, 2), rng.randint(12, 20), rng.randint(180, 260))
    x = values(array_rng, rng.choice(REGIMES), shape, rng.choice(DTYPES))
    return np.ascontiguousarray(x[:, ::-1])[:, ::-1], words


def narrow(seed):
    """(x, words): any geometry, layout and dtype, over few cells."""
    case = random_case(seed)
    return case.x, case.words


def check(x, words, side, rng):
    """The native engine on guarded arrays gives what the numpy engine gives on others."""
    expected = ndpool.max_pool(x, **words, return_indices=True, engine="numpy")
    dy = values(rng, "random", expected[0].shape, x.dtype)
    expected_dx = ndpool.max_pool_backward(dy, expected[1], x.shape, **words, engine="numpy")
    with flush(side):
        x, dy, indices = tight(x), tight(dy), tight(expected[1])
        out = np.empty(dy.shape, x.dtype)
        found = ndpool.max_pool(x, **words, return_indices=True, engine="native")
        alone = ndpool.max_pool(x, **words, engine="native")
        ndpool.max_pool(x, **words, out=out, engine="native")
        dx = ndpool.max_pool_backward(dy, indices, x.shape, **words, engine="native")
    assert same_bits(found[0], expected[0]) and np.array_equal(found[1], expected[1])
    assert same_bits(alone, expected[0]) and same_bits(out, expected[0])
    assert same_bits(dx, expected_dx)


def trespass(side):
    with flush(side):
        x = np.zeros(5, np.uint8)
        print("trespass", flush=True)
        ctypes.string_at(x.ctypes.data - 1 if side == "start" else x.ctypes.data + 5, 1)


def main(side, number, *more):
    if more:
        return trespass(side)
    ndpool.set_num_threads(2)
    for instructions in native._native.instruction_sets():
        native._native.set_instruction_set(instructions)
        for seed in range(number):
            for kind in (wide, narrow, paired, upside_down):
                if kind in (paired, upside_down) and seed % 4:  # these have many cells
                    continue
                x, words = kind(seed)
                about = f"{instructions} {kind.__name__}({seed}) {x.dtype} {x.shape} {words}"
                print(about, flush=True)
                try:
                    check(x, words, side, np.random.default_rng(seed))
                except ndpool.PoolError:
                    continue  # no geometry: a window in padding alone, or longer than its axis
    print("done", flush=True)
    os._exit(0)  # arrays that live to the end (NumPy's, say) would outlive their allocator


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
