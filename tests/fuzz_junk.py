"""Random junk for every public function: a right result, or a refusal that names the argument.

    python tests/fuzz_junk.py --minutes 10 [--start SEED]

Starts from calls that are right and puts junk in place of some arguments. What comes back must be
the winners' cells, the same from each engine, and dy's sum; nothing but PoolError, TypeError, or
MemoryError for a result too large to be had, may be raised. Should the process die, the seed of the
call is in the file whose name is printed at the start.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from itertools import count
from math import prod

import ml_dtypes
import numpy as np
import oracle
from cases import DTYPES, LAYOUTS, REGIMES, laid_out, random_case, same_bits, values

import ndpool
from ndpool.engines import native
from ndpool.geometry import geometry

ENGINES = ["numpy"] if native.missing else ["numpy", "native"]
MOST_CELLS = 10**7  # of a result; larger ones are not asked for
SECONDS = 20  # of CPU time for one call, which all but a hang keeps

NUMBERS = [
    0, 1, 2, 3, 5, 7, 16, 255, 256, -1, -2, 2**15, 2**31 - 1, 2**31, 2**32, 2**40, 2**53 + 1,
    2**62, 2**63 - 1, 2**63, 2**64, 2**70, -(2**31), -(2**63), -(2**70),
]  # fmt: skip
ODDS = [
    None, True, False, 2.0, 0.5, float("nan"), float("inf"), 1j, "", "same", "same_lower", "valid",
    "native", "window", "plane", "tensor", b"2", (), [], {}, set(), object(), Ellipsis, int, np,
    slice(1), range(3), np.int8(2), np.uint64(2), np.float32(2), np.True_, np.str_("same"),
    np.datetime64("2020"), bytearray(b"\2\2"), memoryview(b"\2"), np.ma.masked, lambda: 2,
]  # fmt: skip
ODD_DTYPES = [
    "c8", "O", "U2", "S1", "M8[s]", "m8[s]", "V3", "g", "G", ">f4", ">i8", ml_dtypes.float8_e5m2,
    ml_dtypes.int4, [("a", "i4"), ("b", "f4")],
]  # fmt: skip


def junk(rng):
    """Anything at all, arrays included."""
    kind = rng.randrange(7)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind == 1:
        return rng.choice(ODDS)
    if kind == 2:
        return tuple(rng.choice(NUMBERS[:8]) for _ in range(rng.randrange(5)))
    if kind == 3:
        return rng.choice([tuple, list])(rng.choice(NUMBERS) for _ in range(rng.randrange(1, 4)))
    if kind == 4:
        pairs = [(rng.choice(NUMBERS[:6]), rng.choice(NUMBERS)) for _ in range(rng.randrange(1, 4))]
        return [rng.choice([pair, pair, rng.choice(ODDS)]) for pair in pairs]
    if kind == 5:
        numbers = [rng.choice(NUMBERS[:8]) for _ in range(rng.randrange(4))]
        return np.array(numbers).astype(rng.choice(["i8", "u1", "f4", "?", "O", ">i4", "U3", "c8"]))
    return junk_array(rng)


def junk_array(rng):
    """Arrays of any dtype and layout, small, some without elements or without axes."""
    shape = tuple(rng.choice([0, 1, 1, 2, 3, 7, 40]) for _ in range(rng.randrange(4)))
    array_rng = np.random.default_rng(rng.getrandbits(32))
    array = values(array_rng, rng.choice(REGIMES), shape, rng.choice(DTYPES))
    if rng.random() < 0.2:
        array = np.zeros(shape, rng.choice(ODD_DTYPES))
    if array.ndim and not array.dtype.hasobject and rng.random() < 0.5:
        return laid_out(array, rng.choice([name for name in LAYOUTS if name != "broadcast"]), rng)
    return rng.choice([array, array, array.tolist(), np.ma.masked_array(array)])


def call_of(seed):
    """(function's name, its arguments by name): right ones, some of them exchanged for junk."""
    rng = random.Random(seed)
    case = random_case(rng.getrandbits(40))
    words = dict(case.words)
    name = rng.choice(["max_pool", "max_pool", "max_pool_backward", "convert_indices", "MaxPool"])
    if name == "max_pool":
        form = rng.choice([False, True, "plane", "tensor"])
        words |= {"x": case.x, "return_indices": form, "out": None}
    elif name == "MaxPool":
        words |= {"x": case.x, "dy": None}
    else:
        try:
            y, offsets, _ = case.expected
        except oracle.Impossible:
            y, offsets = np.zeros(case.x.shape, case.x.dtype), np.zeros(case.x.shape, np.int64)
        indices = offsets.astype(rng.choice(["u1", "u1", "u1", "i8"]))
        words |= {"x_shape": case.x.shape, "indices": indices}
        more = {"index_form": "window", "dy": y}
        words |= more if name == "max_pool_backward" else {"from_": "window", "to": "plane"}
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        choice = [*words, "stride", "padding", "dilation", "ceil_mode", "axes", "engine"]
        target = rng.choice(choice)
        if name == "convert_indices" and target == "engine":
            continue
        words[target] = junk(rng) if rng.random() < 0.8 else words.get(rng.choice(list(words)))
    return name, words


def shape_of(x):
    try:
        return np.shape(x)
    except ValueError:  # lists of lists of any length
        return ()


def too_large(shape, words):
    """Whether a result would be larger than this test wants to see."""
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "axes")
    try:
        shapes = geometry(shape, **{key: words[key] for key in names if key in words})
    except (ndpool.PoolError, TypeError):
        return False
    taps = prod(min(k, n) for k, n in zip(shapes.kernel, shapes.sizes, strict=True))
    outputs = prod(shapes.y_shape)
    return max(outputs, prod(shapes.shape), outputs * taps // 10) > MOST_CELLS


def attempt(name, words, engine):
    """What a call gives, and what makes it right or not."""
    words = dict(words)
    if engine is not None and name != "convert_indices":
        words.setdefault("engine", engine)
    x = words.pop("x", None)
    if name == "max_pool":
        if too_large(shape_of(x), words):
            return None
        arrays = isinstance(words["out"], np.ndarray) and isinstance(x, np.ndarray)
        if arrays and np.may_share_memory(words["out"], x):
            words["out"] = None  # the x to check against would be gone
        result = ndpool.max_pool(x, **words)
        y, indices = result if isinstance(result, tuple) else (result, None)
        check_forward(np.asarray(x), y, indices, words)
        return result
    if name == "MaxPool":
        if too_large(shape_of(x), words):
            return None
        dy = words.pop("dy")
        pool = ndpool.MaxPool(**words)
        y = pool.forward(x)
        dx = pool.backward(np.ones_like(y) if dy is None else dy)
        assert dx.shape == np.shape(x)
        return y, pool.indices, dx
    if too_large(words["x_shape"], words):
        return None
    result = getattr(ndpool, name)(**words)
    if name == "max_pool_backward":
        dy = np.asarray(words["dy"])
        assert result.shape == tuple(words["x_shape"])
        assert result.dtype == dy.dtype
        if dy.dtype.kind in "iu":
            wrap = 2 ** (8 * dy.dtype.itemsize)
            assert int(result.astype(object).sum()) % wrap == int(dy.astype(object).sum()) % wrap
    return result


def check_forward(x, y, indices, words):
    """Every value comes from the cell that its index names, and no value is above all of x."""
    assert y.dtype == x.dtype
    words = {
        key: value for key, value in words.items() if key not in ("out", "return_indices", "engine")
    }
    again, cells = ndpool.max_pool(x, **words, return_indices="tensor", engine="numpy")
    assert same_bits(y, again)
    assert same_bits(y, x.reshape(-1)[cells.reshape(-1)].reshape(y.shape))
    if indices is not None and indices.dtype == np.int64:
        assert ((indices >= 0) & (indices < max(x.size, 1))).all()


def same(a, b):
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return same_bits(a, b)


def one(seed):
    """ "right", "refused", ... ; an AssertionError or whatever it was if neither."""
    name, words = call_of(seed)
    results = []
    for engine in ENGINES if name != "convert_indices" and "engine" not in words else [None]:
        try:
            results.append(attempt(name, words, engine))
        except (ndpool.PoolError, TypeError) as error:
            assert hasattr(error, "argument"), f"no argument named: {error}"
            assert str(error).startswith(f"{error.argument}: expected "), error
            results.append(f"{error.argument} refused")  # of several wrong indices any may be named
        except MemoryError:
            results.append("too large")
    first = results[0]
    assert all(type(result) is type(first) for result in results), results
    if first is None:
        return "too large"
    if isinstance(first, str):
        assert len(set(results)) == 1, results
        return "too large" if first == "too large" else "refused"
    assert all(same(first, result) for result in results), "the engines differ"
    return "right"


def fuzz(seeds, until=None, note=lambda seed: None):
    """How many calls of these seeds were right and how many refused; raises at the first other."""
    counts = Counter()
    has_timer = hasattr(signal, "setitimer")
    before = has_timer and signal.signal(signal.SIGPROF, _hangs)
    try:
        for seed in seeds:
            if until and time.monotonic() > until:
                break
            note(seed)
            if has_timer:
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    counts[one(seed)] += 1
            except Exception as error:
                name, words = call_of(seed)
                short = {key: brief(value) for key, value in words.items()}
                error.add_note(f"seed {seed}: {name} of {short}")
                raise
    finally:
        if has_timer:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
    return counts


def brief(value):
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"<{value.dtype} {value.shape} {value.strides}>"
    return value


def _hangs(number, frame):
    raise AssertionError(f"still at it after {SECONDS} seconds of work")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--start", type=int, default=int(time.time()) * 1000)
    options = parser.parse_args()
    faulthandler.enable()
    with tempfile.NamedTemporaryFile("w", prefix="fuzz_junk_seed_", delete=False) as file:
        print(f"engines {ENGINES}, from seed {options.start}; the call's seed is in {file.name}")
        note = lambda seed: os.pwrite(file.fileno(), b"%d\n" % seed, 0)  # noqa: E731
        counts = fuzz(count(options.start), time.monotonic() + 60 * options.minutes, note)
    os.unlink(file.name)
    print(f"{counts.total()} calls in {options.minutes:g} minutes: {dict(counts)}")


if __name__ == "__main__":
    sys.exit(main())
