"""The benchmark: its table, that its peers are honest, and what it writes. Never a timing."""

import argparse
import doctest
import json
from importlib.util import find_spec

import numpy as np
import pytest

from ndpool import bench
from ndpool.bench import cases, plot, report, special
from ndpool.bench import results as results_module
from ndpool.bench.cases import BACKWARD, CASES, FORWARD, INDICES, TASKS, TINY
from ndpool.bench.machine import cores, limited_to
from ndpool.bench.peers import PEERS, REFERENCE
from ndpool.bench.peers.base import Call
from ndpool.bench.peers.own import Ndpool, NdpoolNumpy
from ndpool.bench.results import COPY, Results, Row, Special
from ndpool.bench.run import difference, measure

# JAX compiles for up to a second: some cases stand for all.
ABLE = [
    (peer, case)
    for peer in PEERS
    for case in CASES
    if peer is not REFERENCE
    and any(peer.can(case, task) for task in TASKS)
    and (peer.name != "jax" or case.group in ("seven", "dtypes", "layouts"))
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


@pytest.mark.parametrize("module", [cases, results_module], ids=["cases", "results"])
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
        assert set(row.seconds) == {"ndpool-numpy", COPY}
        assert row.samples["ndpool-numpy"] >= 3
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
            {"ndpool": 1e-3, "torch": 0.2, "onnxruntime": 123.4, "skimage": 2e-4, COPY: 5e-4},
            {"ndpool": 20},
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
    results.rows[1].seconds["torch"] = 0.2 * 4
    results.rows[1].task = FORWARD
    means = results.means()
    assert means["seven", FORWARD]["torch"] == (pytest.approx(200 * 4 ** (1 / 8)), 8)
    assert results.special.import_ratio == pytest.approx(1.2)


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
    assert json.loads(path.read_text())["rows"][0]["seconds"]["torch"] == 0.2


@pytest.mark.skipif(not plot.can_draw(), reason="matplotlib is not installed")
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot_is_written(results, tmp_path, ending):
    path = tmp_path / f"plot.{ending}"
    plot.draw(results, path)
    assert path.stat().st_size > 10_000


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
    assert all({"ndpool", "ndpool-numpy", COPY} == set(row.seconds) for row in found.rows)
    assert "1.50 times import numpy" in capsys.readouterr().out


def test_command_lists_and_refuses(capsys):
    assert called("--list", "--group", "video") == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
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
