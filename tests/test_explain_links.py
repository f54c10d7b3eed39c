"""Every cell's sources, followed through all steps, are what the oracle says they must be.

2,000 random poolings over all dtypes, NaN, ties, ceil mode, dilation, uneven padding, each in one
of the three dialects. NDPOOL_CASES makes them fewer. The sources are followed here by plain loops,
not by `Trace.follow`, which is held against them.
"""

import os
import random
from itertools import count, islice, product

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, DTYPES, random_case, values

import ndpool

CHUNKS = 20
CASES = min(int(os.environ.get("NDPOOL_CASES", 2_000)), 2_000) // CHUNKS  # in each chunk
DIALECTS = ["rows", "columns", "direct"]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_sources_lead_where_the_oracle_says(chunk):
    for case in islice(poolings(chunk * 10_000), CASES):
        try:
            check(case, DIALECTS[case.seed % 3])
        except Exception as error:
            error.add_note(f"in {case!r}, {DIALECTS[case.seed % 3]}")
            raise


def poolings(first_seed):
    """The possible cases that pool one axis or two, and have any cells."""
    for seed in count(first_seed):
        case = random_case(seed)
        if len(case.axes) <= 2 and case.x.size and case.is_possible:
            yield case


def check(case, dialect):
    x, words = as_images(case)
    expected = oracle.max_pool(
        x, (2, 3), words["kernel_size"], words["stride"], words["dilation"], words["padding"],
        words["ceil_mode"],
    )  # fmt: skip
    dy = gradient(case.seed, expected.y.shape)
    trace = ndpool.explain(
        x, dy=dy, dialect=dialect, image=None, region=tuple(slice(n) for n in x.shape[2:]), **words
    )
    if not trace.part.whole:  # too large to read: one image and channel of it
        x, dy = x[:1, :1], dy[:1, :1]
        expected = oracle.Pooled(
            expected.y[:1, :1], expected.offsets[:1, :1], expected.cells[: dy.size]
        )
    check_arrays(trace, x, dy, expected)
    check_values(trace)
    check_forward(trace, x.shape, words, expected)
    check_backward(trace, dy, expected)
    if case.seed % 7 == 0:
        check_inverse(trace, case.seed)


def as_images(case):
    """The case's x as (N, C, H, W), the pooled axes last, and its geometry for them."""
    d = len(case.axes)
    x = np.moveaxis(case.x, case.axes, range(-d, 0))
    size = x.shape[-d:] if d == 2 else (1, *x.shape[-1:])
    batch = x.shape[:-d]
    batch = (1,) * (2 - len(batch)) + batch if len(batch) < 2 else (batch[0], -1)
    beside = 2 - d
    return x.reshape(*batch, *size), {
        "kernel_size": (1,) * beside + case.kernel,
        "stride": (1,) * beside + case.stride,
        "dilation": (1,) * beside + case.dilation,
        "padding": ((0, 0),) * beside + case.pads,
        "ceil_mode": case.ceil_mode,
    }


def gradient(seed, shape):
    """Small whole numbers, whose sums are exact in any order, or something wilder."""
    rng = random.Random(seed + 1)
    regime = rng.choice(["ties", "ties", "random", "nan"])
    return values(np.random.default_rng(seed), regime, shape, rng.choice(DTYPES))


def check_arrays(trace, x, dy, expected):
    assert same(trace["x"].array, x) and trace["x"].array.dtype == native(x)
    assert same(trace.out, expected.y) and trace.out.dtype == native(x)
    winners = trace.steps[[step.name for step in trace.steps].index("out") - 1]
    if winners.name == "winners":
        assert np.array_equal(winners.array, expected.offsets)
    assert same(trace["dout"].array, dy)
    assert trace.dx.dtype == native(dy) and trace.dx.shape == x.shape
    if dy.dtype.kind in "iub" or np.isin(dy.astype(float), [-1, 0, 1]).all():
        assert same(trace.dx, oracle.max_pool_backward(dy, expected.cells, x.shape))


def check_values(trace):
    """Each number is what its sources hold: one of them, or their sum."""
    steps = {step.name: step for step in trace.steps}
    for step in trace.steps:
        assert not step.array.flags.writeable
        flat = step.array.reshape(-1)
        for link in step.links:
            parent = steps[link.step].array
            assert link.shape == parent.shape
            assert link.starts[0] == 0 and link.starts[-1] == len(link.cells)
            assert len(link.starts) == flat.size + 1
            if link.role == "value" and step.name not in ("col2im", "dx"):
                counts = np.diff(link.starts)
                assert counts.max() <= 1
                assert same(flat[counts == 1], parent.reshape(-1)[link.cells])
                if step.phase == "backward":
                    assert not flat[counts == 0].any()
                elif step.name in ("pad", "windows") and step.padding is not None:
                    assert np.array_equal(counts == 0, step.padding.reshape(-1))
                else:
                    assert counts.min() == 1


def check_forward(trace, shape, words, expected):
    """From out to x: the winner; with those compared, all real cells of the window."""
    winners = origins(trace, "x", ("value",))["out"]
    assert [cells for (cells,) in winners] == expected.cells

    per_axis = oracle.all_windows(
        shape, (2, 3), words["kernel_size"], words["stride"], words["dilation"], words["padding"],
        words["ceil_mode"],
    )  # fmt: skip
    compared = origins(trace, "x", ("choice", "value"))["out"]
    for number, (window, found) in enumerate(zip(product(*per_axis), compared, strict=True)):
        places = product(*([cell for _, cell in taps] for taps in window))
        inside = {int(np.ravel_multi_index(place, shape)) for place in places}
        assert set(found) == inside
        if number % 97 == 0:
            index = np.unravel_index(number, trace.out.shape)
            at = trace.follow("out", index, to="x", roles=("value", "choice"))
            assert {int(np.ravel_multi_index(place, shape)) for place in at} == inside


def check_backward(trace, dy, expected):
    """From dx to dout: the outputs that the cell won; dx is their sum, in that order."""
    won = [[] for _ in range(trace.dx.size)]
    for output, cell in enumerate(expected.cells):
        won[cell].append(output)
    found = origins(trace, "dout", ("value",))["dx"]
    assert [sorted(outputs) for outputs in found] == won
    if trace.config.dialect == "direct":
        assert found == won

    wide = dy.astype(np.float32) if dy.dtype.itemsize == 2 and dy.dtype.kind not in "iu" else dy
    flat = wide.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        for number, outputs in enumerate(found):
            total = np.zeros((), flat.dtype)
            for output in outputs:
                total = total + flat[output]
            assert same(total.astype(dy.dtype), trace.dx.reshape(-1)[number])
    for cell in range(0, len(found), 53):
        index = np.unravel_index(cell, trace.dx.shape)
        followed = trace.follow("dx", index, to="dout")
        assert [int(np.ravel_multi_index(at, dy.shape)) for at in followed] == found[cell]


def check_inverse(trace, seed):
    """`goes_to` names a cell if and only if that cell's sources name this one."""
    rng = random.Random(seed)
    for step in rng.sample(trace.steps, 3):
        cell = rng.randrange(step.array.size)
        index = tuple(int(i) for i in np.unravel_index(cell, step.shape))
        for role in ("value", "choice"):
            found = {
                (other.name, tuple(int(i) for i in np.unravel_index(number, other.shape)))
                for other in trace.steps
                for link in other.links
                if link.step == step.name and link.role == role
                for number in range(other.array.size)
                if cell in link.of(number)
            }
            assert set(trace.goes_to(step.name, *index, role=role)) == found
            for name, at in found:
                assert (step.name, index) in trace[name].linked(role, at)


def origins(trace, target, roles):
    """For each step, each cell's origins in step `target`, through links of these roles."""
    found = {}
    for step in trace.steps:
        cells = range(step.array.size)
        if step.name == target:
            found[step.name] = [[cell] for cell in cells]
            continue
        links = [link for link in step.links if link.role in roles and link.step in found]
        sources = [(found[link.step], link.starts.tolist(), link.cells.tolist()) for link in links]
        found[step.name] = [
            [
                origin
                for known, starts, parents in sources
                for parent in parents[starts[cell] : starts[cell + 1]]
                for origin in known[parent]
            ]
            for cell in cells
        ]
    return found


def native(array):
    """Traces are in the machine's byte order."""
    return array.dtype.newbyteorder("=")


def same(a, b):
    """Equal values, NaN to NaN."""
    if a.dtype == BFLOAT16 or b.dtype == BFLOAT16:
        a, b = a.astype(np.float32), b.astype(np.float32)
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")
