"""The benchmark: its table, that its peers are honest, and what it writes. Never a timing."""

import argparse
import doctest
import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ndpool import bench
from ndpool.bench import case as case_module
from ndpool.bench import docs, plots, report, special
from ndpool.bench import results as results_module
from ndpool.bench.case import BACKWARD, FORWARD, INDICES, TASKS
from ndpool.bench.cases import CASES, TINY
from ndpool.bench.machine import cores, limited_to
from ndpool.bench.peers import PEERS, REFERENCE
from ndpool.bench.peers.base import Call
from ndpool.bench.peers.own import Ndpool, NdpoolNumpy
from ndpool.bench.peers.torch import Torch
from ndpool.bench.random_cases import LAYERS, drawn, random_cases
from ndpool.bench.results import COPY, COPY_NEW, OURS, Results, Row, Special
from ndpool.bench.run import difference, measure
from ndpool.bench.targets import TARGETS, findings

# Shrunk, many cases are the same one: the sizes and batches of a sweep are. JAX compiles for up to
# a second: some cases stand for all.
DIFFERENT = list(
    {
        replace(case.shrunk(), name="", group="", source="", compared=""): case for case in CASES
    }.values()
)
ABLE = [
    (peer, case)
    for peer in PEERS
    for case in DIFFERENT
    if peer is not REFERENCE
    and any(peer.can(case, task) for task in TASKS)
    and (peer.name != "jax" or case.group in ("seven", "dtype", "layout"))
]


def named(things):
    return [thing.name for thing in things]


def computed(peer, case, task):
    x, dy = case.data()
    before = x.copy(), dy.copy()
    call = peer.prepare(case, task, x, dy, cores())
    result = call.arrays(call.run())
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dy, before[1])
    return result


def needs_its_dtype(case):
    if case.dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")


@pytest.mark.parametrize("module", [case_module, results_module], ids=["case", "results"])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_names_are_unique_and_fit_the_table():
    assert len(set(named(CASES))) == len(CASES)
    assert max(map(len, named(CASES))) <= 24
    assert len(set(named(PEERS))) == len(PEERS)


def test_seven_cases_of_float32_are_the_measure_of_speed():
    seven = [case for case in CASES if case.group == "seven"]
    assert len(seven) == 7
    assert {case.dtype for case in seven} == {"float32"}


@pytest.mark.parametrize("case", CASES, ids=named(CASES))
def test_geometry_is_valid_and_says_what_the_table_says(case):
    pooled = case.geometry
    assert (pooled.kernel, pooled.stride) == (case.kernel, case.stride)
    assert pooled.before == pooled.after == case.padding
    assert set(pooled.dilation) == {case.dilation}
    assert pooled.axes == (case.axes or tuple(range(2, len(case.shape))))
    assert case.source


@pytest.mark.parametrize("case", CASES, ids=named(CASES))
def test_shrunk_keeps_the_windows(case):
    small = case.shrunk()
    assert small.arguments == case.arguments
    assert np.prod(small.shape) <= 20_000
    assert min(small.geometry.out) >= 2 or small.geometry.out == case.geometry.out
    for kept, whole, step in zip(
        small.geometry.sizes, case.geometry.sizes, case.stride, strict=True
    ):
        assert kept % step == whole % step


def test_moved_counts_each_array_once():
    x, y = 28 * 28 * 4, 14 * 14 * 4
    assert TINY.moved(FORWARD) == x + y
    assert TINY.moved(INDICES) == TINY.moved(BACKWARD) == x + y + 14 * 14


@pytest.mark.parametrize(("peer", "case"), ABLE, ids=[f"{p.name}-{c.name}" for p, c in ABLE])
def test_a_peer_that_says_it_can_is_right(peer, case):
    needs_its_dtype(case)
    if not peer.installed():
        pytest.skip(f"{peer.title} is not installed")
    small = case.shrunk()
    for task in filter(lambda task: peer.can(small, task), TASKS):
        expected = computed(REFERENCE, small, task)
        assert difference(expected, computed(peer, small, task), small, task) is None


def test_a_shrunk_case_is_no_easier_for_a_peer():
    for peer in PEERS:
        for case in CASES:
            for task in TASKS:
                assert peer.can(case, task) == peer.can(case.shrunk(), task)


class Wrong(NdpoolNumpy):
    """The first column of its last array is off."""

    name = "wrong"

    def prepare(self, case, task, x, dy, threads):
        call = super().prepare(case, task, x, dy, threads)

        def arrays(result):
            *others, last = call.arrays(result)
            return (*others, last + (np.arange(last.shape[-1]) == 0).astype(last.dtype))

        return Call(call.run, arrays)


class Broken(NdpoolNumpy):
    name = "broken"

    def prepare(self, case, task, x, dy, threads):
        raise RuntimeError("no such luck\nand more")


def test_who_disagrees_or_fails_is_named_and_not_timed():
    peers = [NdpoolNumpy(), Wrong(), Broken()]
    rows = list(measure([TINY], TASKS, peers, 1, 0.01))
    for row, what in zip(rows, ("values", "winners", "gradients"), strict=True):
        assert set(row.samples) == {"ndpool-numpy", COPY}
        assert len(row.samples["ndpool-numpy"]) >= 3
        side = 28 if row.task == BACKWARD else 14
        assert row.refused["wrong"] == f"differs from ndpool-numpy: {side} of {side**2} {what}"
        assert row.refused["broken"] == "RuntimeError: no such luck"


def test_a_result_of_another_dtype_or_shape_differs():
    y = np.zeros((2, 3), np.float32)
    assert "float64" in difference([y], [y.astype(np.float64)], TINY, FORWARD)
    assert "(3, 2)" in difference([y], [y.T], TINY, FORWARD)
    assert difference([y], [y + np.float32(1e-7)], TINY, FORWARD) is not None
    assert difference([y], [y + np.float32(1e-7)], TINY, BACKWARD) is None


def test_fewer_cores_and_all_of_them_again():
    before = cores()
    with limited_to(1) as limited:
        assert cores() == 1 or not limited
    assert cores() == before


@pytest.fixture
def results():
    machine = {
        "processor": "A processor with quite a long name @ 2.50GHz",
        "cores": 2,
        "threads": 2,
        "limited": True,
        "system": "Linux x86_64",
        "python": "3.11.7",
        "engine": "native",
        "instruction_set": "AVX-512",
        "versions": {"torch": "2.13.0", "onnxruntime": "1.31.1", "scikit-image": "0.26.0"},
        "date": "2026-01-01",
    }
    rows = [
        Row(
            case.name,
            case.group,
            task,
            TINY.moved(task),
            {
                "ndpool": [1e-3],
                "torch": [0.2],
                "onnxruntime": [123.4],
                "skimage": [2e-4],
                COPY: [5e-4],
            },
            {"openvino": "RuntimeError: a very long story about what went wrong " * 5},
        )
        for case in CASES
        for task in TASKS
    ]
    rows.append(Row("nobody could", "tiny", FORWARD, 0))
    special = Special({"numpy": 0.1, "ndpool": 0.12}, {task: 0.5 for task in TASKS})
    return Results(machine, rows, special)


def test_ratios_best_share_and_means(results):
    row = results.rows[0]
    assert row.ratios == pytest.approx({"torch": 200, "onnxruntime": 123400, "skimage": 0.2})
    assert (row.best, row.share) == ("skimage", 0.5)
    results.rows[1].samples["torch"] = [0.2 * 4]
    results.rows[1].task = FORWARD
    means = results.means()
    assert means["seven", FORWARD]["torch"] == (pytest.approx(200 * 4 ** (1 / 8)), 8)
    assert results.special.import_ratio == pytest.approx(1.2)


def test_a_slow_while_is_in_both_sides_of_a_ratio():
    """The copy was still in the last slow round, and took one turn less."""
    quick, slow = [1.0, 1.0, 1.0], [5.0, 5.0, 5.0]
    row = row_of("vgg pool1", BACKWARD)
    row.samples = {OURS: quick + slow + [1.0], "torch": [2.0] * 3 + [10.0] * 3, COPY: quick + slow}
    assert row.seconds == {OURS: 1.0, "torch": 6.0, COPY: 3.0}
    assert (row.ratios, row.share) == ({"torch": 2.0}, 1.0)


def test_text_fits_a_terminal_and_names_every_case(results):
    lines = report.text(results).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(case.name) for line in lines) for case in CASES)
    assert "import ndpool: 120 ms, 1.20 times import numpy." in lines


def test_markdown_is_one_table(results):
    lines = [line for line in report.markdown(results).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(results.rows)
    assert len({line.count("|") for line in lines}) == 1


def test_json_round_trips(results, tmp_path):
    path = tmp_path / "results.json"
    results.save(path)
    assert Results.load(path) == results
    assert json.loads(path.read_text())["rows"][0]["samples"]["torch"] == [0.2]


def test_two_runs_are_joined_and_the_later_counts(results):
    other = Results(results.machine | {"versions": {"jax": "1"}}, [Row("new", "seven", FORWARD, 1)])
    again = Row(TINY.name, "tiny", FORWARD, 1, {OURS: [7.0]})
    other.rows.append(again)
    joined = results.joined(other)
    assert len(joined.rows) == len(results.rows) + 1
    assert [row for row in joined.rows if (row.case, row.task) == (TINY.name, FORWARD)] == [again]
    assert joined.machine["versions"] == results.machine["versions"] | {"jax": "1"}
    assert joined.special == results.special


@pytest.mark.skipif(not plots.can_draw(), reason="matplotlib is not installed")
def test_docs_have_every_picture_and_target(results, tmp_path):
    docs.write(results, tmp_path)
    text = (tmp_path / docs.PAGE).read_text(encoding="utf-8")
    for name in plots.PLOTS:
        assert f"](benchmark-{name}.png)" in text
        assert (tmp_path / f"benchmark-{name}.png").stat().st_size > 10_000
    assert all(f"| {target.words} |" in text for target in TARGETS)


@pytest.mark.skipif(not plots.can_draw(), reason="matplotlib is not installed")
def test_no_picture_without_rows_for_it(results, tmp_path):
    results.rows = [row for row in results.rows if row.group == "batch"]
    assert set(plots.draw(results, tmp_path)) == {"benchmark-copy.png"}


def test_the_page_in_the_docs_has_its_pictures():
    page = Path(__file__).parent.parent / "docs" / docs.PAGE
    pictures = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert pictures
    assert all((page.parent / picture).is_file() for picture in pictures)


def found_of(words, rows):
    [found] = [f for target, f in findings(Results({}, rows)) if target.words == words]
    return found


def row_of(name, task, moved=100, **seconds):
    [case] = [case for case in CASES if case.name == name]
    samples = {who.replace("_", "-"): [time] for who, time in seconds.items()}
    return Row(name, case.group, task, moved, samples)


def test_a_mean_of_ratios_and_its_worst_case():
    slow = row_of("alexnet pool1", BACKWARD, ndpool=1.0, torch=2.0)
    fast = row_of("alexnet pool2", BACKWARD, ndpool=1.0, torch=18.0)
    found = found_of("backward / PyTorch, geometric mean", [slow, fast])
    assert found.figure == pytest.approx(6)
    assert (found.held, found.number, found.worst) == (True, 2, "alexnet pool1, backward")
    each = found_of("backward / PyTorch, each", [slow, fast])
    assert (each.figure, each.held) == (2.0, True)
    slow.samples["torch"] = [1.2]
    assert not found_of("backward / PyTorch, each", [slow, fast]).held


def test_only_calls_that_take_pytorch_50_us_are_judged_one_by_one():
    rows = [row_of(TINY.name, INDICES, ndpool=10e-6, torch=12e-6)]
    assert found_of("forward with winners / PyTorch, each over 50 us", rows) is None
    assert found_of("forward with winners / PyTorch, geometric mean", rows).number == 1


def test_the_best_of_four_peers_counts():
    row = row_of("vgg pool1", FORWARD, ndpool=1.0, torch=9.0, openvino=0.5, scipy=0.1)
    found = found_of("forward / the best of four peers, each", [row])
    assert (found.figure, found.held) == (0.5, False)


def test_windows_dtypes_layouts_threads_copies():
    rows = [
        row_of("3x3 s1", INDICES, ndpool=1.0),
        row_of("63x63 s1", INDICES, ndpool=2.5),
        row_of("2x2 s2 float32", FORWARD, moved=100, ndpool=1.0),
        row_of("2x2 s2 int8", FORWARD, moved=120, ndpool=2.0),
        row_of("2x2 s2 channels first", BACKWARD, ndpool=1.0),
        row_of("2x2 s2 channels last", BACKWARD, ndpool=0.5),
        row_of("3x3 s1 in cache", FORWARD, ndpool=1.0, ndpool_1_thread=1.9),
        row_of("vgg pool1", BACKWARD, ndpool=1.0, copy=0.8),
    ]
    figures = {
        "time of 63x63 / 3x3, stride 1, with winners": 2.5,
        "bytes a second of int8 / float32": 0.6,
        "bytes a second of channels last / first": 2.0,
        "two threads / one, in cache": 1.9,
        "the same backward": 0.8,
    }
    for words, figure in figures.items():
        assert found_of(words, rows).figure == pytest.approx(figure), words
    small = row_of("vgg pool4", BACKWARD, ndpool=1.0, copy=1.0)
    assert found_of("the same backward", [small]) is None


def test_targets_fit_a_terminal_and_name_the_worst_case():
    rows = [row_of(name, FORWARD, ndpool=1.0, torch=0.5) for name in ("vgg pool1", "vgg pool2")]
    lines = report.targets(Results({}, rows)).splitlines()
    assert max(map(len, lines)) <= 80
    assert "  worst: vgg pool1, forward" in lines
    assert all(any(line.startswith(target.words) for line in lines) for target in TARGETS)


def test_random_cases_are_possible_and_the_same_again():
    cases = list(random_cases(60))
    assert cases == list(random_cases(60)) != list(random_cases(60, seed=1))
    assert all(min(case.geometry.y_shape) >= 1 for case in cases)
    assert {case.order for case in cases} == {"C", "F", "gaps"}
    for case in cases:
        assert drawn(case.name) == case
        if case.dtype != "bfloat16":
            x, dy = case.data()
            assert (x.shape, x.dtype, dy.shape) == (case.shape, case.dtype, case.geometry.y_shape)


def test_random_layers_are_what_every_peer_takes():
    cases = list(random_cases(60, group=LAYERS))
    assert {len(case.kernel) for case in cases} == {1, 2, 3}
    for case in cases:
        assert drawn(case.name) == case
        assert (case.axes, case.dtype, case.order) == (None, "float32", "C")
        assert case.geometry.axes == tuple(range(2, len(case.shape)))
        assert Torch().can(case, BACKWARD)


def test_who_would_take_very_long_is_not_called(monkeypatch):
    monkeypatch.setattr(Broken, "cell_seconds", {FORWARD: 1.0})
    [row] = measure([TINY], [FORWARD], [REFERENCE, Broken()], 1, 0.01)
    assert row.refused == {"broken": "not called: it would take about 784 s"}


def test_what_the_native_kernels_slow_down_is_listed():
    cases = list(random_cases(3))
    rows = [
        Row(case.name, case.group, FORWARD, 1, {OURS: [2.0], "ndpool-numpy": [seconds]})
        for case, seconds in zip(cases, (3.0, 1.0, 0.5), strict=True)
    ]
    text = " ".join(report.summary(Results({}, rows)).split())
    assert f"0.25x forward of {cases[2].name}: {cases[2].dtype} {cases[2].shape}" in text
    assert text.index(f"of {cases[2].name}") < text.index(f"of {cases[1].name}")
    assert f"of {cases[0].name}" not in text
    assert f"| {cases[0].name}: {cases[0]} | forward |" in report.markdown(Results({}, rows))
    assert found_of("any shape / the numpy engine", rows).figure == 0.25


def test_a_case_that_needs_more_memory_than_there_is_says_so(monkeypatch):
    monkeypatch.setattr(sys.modules[measure.__module__], "free_memory", lambda: 2**20)
    large = next(case for case in CASES if case.name == "2x2 s2 1 MiB")
    [row] = measure([large], [FORWARD], [REFERENCE], 1, 0.01)
    assert row.refused == {"ndpool": "needs 0.0 GiB of memory, 0.0 are free"}


def test_large_arrays_are_held_against_a_copy_into_new_memory_too(monkeypatch):
    monkeypatch.setattr(sys.modules[measure.__module__], "_LARGE", 1)
    [row] = measure([TINY], [FORWARD], [REFERENCE], 1, 0.01)
    assert set(row.samples) == {OURS, COPY, COPY_NEW}
    assert row.ratios == {}


def called(*words):
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return bench.run(parser.parse_args(words))


def test_command_measures_prints_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(special, "measure", lambda: Special({"numpy": 1.0, "ndpool": 1.5}))
    path = tmp_path / "found.json"
    words = ("--case", "1x1x28", "--peer", "ndpool-numpy", "--budget", "0.01", "--json", str(path))
    assert called(*words) == 0
    found = Results.load(path)
    assert [(row.case, row.task) for row in found.rows] == [(TINY.name, task) for task in TASKS]
    assert all({"ndpool", "ndpool-numpy", COPY} == set(row.samples) for row in found.rows)
    assert "1.50 times import numpy" in capsys.readouterr().out


def test_command_reports_on_earlier_results(results, tmp_path, capsys):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, rows in zip(paths, (results.rows[:3], results.rows[3:]), strict=True):
        Results(results.machine, rows, results.special).save(path)
    assert called("--read", *map(str, paths)) == 0
    assert called("--targets", "--read", *map(str, paths)) == 1  # a millisecond for a tiny call
    assert "a call on 1x1x28x28, forward" in capsys.readouterr().out


def test_command_lists_and_refuses(capsys):
    assert called("--list", "--group", "batch") == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert called("--case", "no such case") == 2
    assert "--list" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        called("--threads", "0")


def test_special_measurements_run():
    found = special.measure(repeats=1)
    assert set(found.import_seconds) == {"numpy", "ndpool"}
    assert found.import_ratio > 0
    assert set(found.extra_mib) <= set(TASKS)


def test_peers_are_recognised_without_importing_them():
    assert Ndpool().installed()
    for peer in PEERS:
        assert peer.installed() == all(find_spec(module) for module in peer.modules)
