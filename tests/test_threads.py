"""One thread or eight, Python's own at once, forks in the midst of it: always the same bits.

`./run sanitize thread` runs this under ThreadSanitizer. NDPOOL_CASES makes the poolings fewer.
"""

import os
import random
import subprocess
import sys
import threading
from math import prod

import numpy as np
import pytest
from cases import DTYPES, laid_out, needs_native, same_bits, values

import ndpool
from ndpool.engines import native

pytestmark = needs_native

CHUNKS = 8
CASES = -(-min(120, int(os.environ.get("NDPOOL_CASES", 120))) // CHUNKS)  # in each chunk


@pytest.fixture(autouse=True)
def settings():
    before = native.num_threads()
    yield
    native.set_num_threads(before)


def pooling(seed):
    """(x, dy, words): megabytes, so that all of the threads get something to do."""
    rng, array_rng = random.Random(seed), np.random.default_rng(seed)
    while True:
        dtype, d = rng.choice(DTYPES), rng.choice((1, 2, 2, 3))
        sides = [rng.randint(3, {1: 3000, 2: 150, 3: 30}[d]) for _ in range(d)]
        kernel = tuple(min(n, rng.choice((1, 2, 2, 3, 3, 5, 9))) for n in sides)
        words = {
            "kernel_size": kernel,
            "stride": rng.choice((1, 2, 2, kernel)),
            "padding": tuple(rng.choice((0, k // 2)) for k in kernel),
            "dilation": rng.choice((1, 1, 1, 2)),
        }
        batch = max(1, rng.randint(1 << 20, 3 << 20) // (prod(sides) * dtype.itemsize))
        shape = (batch, *sides)
        if rng.random() < 0.3:  # channels last
            channels = rng.choice((3, 16, 40))
            shape = (-(-batch // channels), *sides, channels)
            words["axes"] = tuple(range(1, 1 + d))
        regime = rng.choice(("random", "ties"))
        x = laid_out(values(array_rng, regime, shape, dtype), rng.choice("CCCF"), rng)
        try:
            y = ndpool.max_pool(x, **words)
        except ndpool.PoolError:  # a window longer than its axis
            continue
        return x, values(array_rng, "random", y.shape, dtype), words


def run(x, dy, words):
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine="native")
    alone = ndpool.max_pool(x, **words, engine="native")
    dx = ndpool.max_pool_backward(dy, indices, x.shape, **words, engine="native")
    return y, indices, alone, dx


def assert_same(found, expected, about):
    for ours, right in zip(found, expected, strict=True):
        assert same_bits(ours, right), about


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_poolings_by_one_to_eight_threads(chunk):
    for seed in range(chunk * 10_000, chunk * 10_000 + CASES):
        x, dy, words = pooling(seed)
        ndpool.set_num_threads(1)
        expected = run(x, dy, words)
        for threads in random.Random(seed).sample(range(2, 9), 2):
            ndpool.set_num_threads(threads)
            assert_same(run(x, dy, words), expected, (seed, threads, x.dtype, x.shape, words))


def test_python_threads_share_plans_while_the_number_of_threads_changes():
    """A geometry has a plan for each number of threads, which all make, look up and use at once."""
    work = [pooling(seed) for seed in (1, 2, 3)]
    ndpool.set_num_threads(1)
    expected = [run(*one) for one in work]
    stop, wrong = threading.Event(), []

    def pool_all(first):
        for at in range(first, first + 2 * len(work)):
            one = at % len(work)
            try:
                assert_same(run(*work[one]), expected[one], one)
            except BaseException as error:
                wrong.append(error)

    def change():
        for number in range(10**9):
            if stop.is_set():
                return
            ndpool.set_num_threads(1 + number % 8)
            stop.wait(0.001)

    workers = [threading.Thread(target=pool_all, args=(first,)) for first in range(5)]
    changing = threading.Thread(target=change)
    for thread in (changing, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    stop.set()
    changing.join()
    assert wrong == []


FORKS = """
import os, signal, threading
import numpy as np, ndpool

x = np.random.default_rng(0).standard_normal((48, 16, 64, 64), np.float32)
words = {"kernel_size": 3, "stride": 2, "padding": 1, "engine": "native"}

def pooled():
    y, indices = ndpool.max_pool(x, return_indices=True, **words)
    dx = ndpool.max_pool_backward(y, indices, x.shape, **words)
    return y.tobytes() + indices.tobytes() + dx.tobytes()

ndpool.set_num_threads(4)
expected, stop = pooled(), threading.Event()

def busy():
    while not stop.is_set():
        assert pooled() == expected

threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
statuses = []
for _ in range(6):
    child = os.fork()
    if not child:
        signal.alarm(100)  # a child that hangs ends
        os._exit(0 if pooled() == expected else 1)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
for thread in threads:
    thread.join()
print(statuses)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_other_threads_pool():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0, 0, 0, 0, 0, 0]\n", done.stderr
