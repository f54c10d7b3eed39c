"""The checker on layers as people write them: right ones, the notebooks', and those with a slip.

The layers of `learners` and `strangers` are not made by the zoo's machinery. With
NDPOOL_CHECK_ALL=1 all of them are tried, otherwise every fifth.
"""

from __future__ import annotations

import os

import learners
import notebooks
import numpy as np
import pytest
import strangers

import ndpool
from ndpool.textbook import columns, rows

STEP = 1 if os.environ.get("NDPOOL_CHECK_ALL") else 5
WRONG = [*learners.WRONG, *strangers.WRONG]
SOURCES = {**learners.RIGHT, **strangers.RIGHT}


@pytest.mark.parametrize("name", list(SOURCES))
def test_a_right_layer_gets_no_finding(name):
    report = ndpool.check(learners.made(SOURCES[name]))
    assert report.ok, report.text()
    assert report.tried >= 15


@pytest.mark.parametrize(
    "layer",
    [
        ndpool.MaxPool,
        (ndpool.max_pool, ndpool.max_pool_backward),
        ndpool.max_pool,
        ndpool.MaxPool(3, stride=2, padding=1),
        rows.Pooling,
        columns.PoolingLayer,
        lambda kernel, stride, pad: rows.Pooling(kernel, kernel, stride, pad, engine="native"),
    ],
    ids=["MaxPool", "functions", "function", "instance", "rows", "columns", "factory"],
)
def test_ndpool_itself_gets_no_finding(layer):
    report = ndpool.check(layer)
    assert report.ok, report.text()


def test_pytorch_gets_no_finding():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for module in (torch.nn.MaxPool2d, torch.nn.MaxPool2d(3, 2, 1)):
        report = ndpool.check(module)
        assert report.ok, report.text()


def test_pytorch_with_threads_gets_no_finding():
    """The checker's fork has none of PyTorch's threads: who used them would wait for ever."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.nn.functional.max_pool2d(torch.zeros(8, 64, 112, 112), 2)  # starts them
    assert ndpool.check(torch.nn.MaxPool2d).ok


def onnx_model(**attributes):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    helper = onnx.helper
    node = helper.make_node("MaxPool", ["x"], ["y"], **attributes)
    shape = ["n", "c", "h", "w"]
    tensors = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")
    ]
    graph = helper.make_graph([node], "pool", tensors[:1], tensors[1:])
    opsets = [helper.make_opsetid("", 12)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_an_onnx_file_gets_no_finding(tmp_path):
    model = onnx_model(kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])
    path = tmp_path / "pool.onnx"
    path.write_bytes(model.SerializeToString())
    report = ndpool.check(str(path))
    assert report.ok and report.tried >= 15, report.text()
    assert any("backward" in line for line in report.skipped)


def test_the_first_notebook_gets_what_the_design_lists():
    report = ndpool.check(notebooks.Pooling)
    assert [finding.mistake for finding in report.findings] == ["size-ignores-pad", "padding-wins"]
    assert "cannot reshape array of size" in report.findings[0].message
    assert {note.mistake for note in report.notes} == {"float64-result", "empty-batch"}
    strict = ndpool.check(notebooks.Pooling, strict=True)
    assert "float64-result" in [finding.mistake for finding in strict.findings]
    assert not strict.notes


def test_the_second_notebook_gets_what_the_design_lists():
    report = ndpool.check(notebooks.PoolingLayer)
    named = [finding.mistake for finding in report.findings]
    assert named == ["ceil-without-room", "size-ignores-pad"]
    assert "could not broadcast" in report.findings[0].message
    assert {note.mistake for note in report.notes} == {"float64-result"}


def verdict(slip, layer):
    """ "right", "none" or "wrong": what was named; "right" too where nothing can be seen."""
    report = ndpool.check(layer)
    found = [*report.findings, *report.notes]
    named = [finding.mistake for finding in report.findings if finding.mistake is not None]
    if slip.names[0] == "nothing":
        return "right" if not named else "wrong"
    if None in slip.names:  # not in the zoo: whatever is said, it must be no name
        return "right" if set(named) <= set(slip.names) else "wrong"
    if named and named[0] not in slip.names:
        return "wrong"
    return "right" if {finding.mistake for finding in found} & set(slip.names) else "none"


def test_slips_are_named_and_never_wrongly():
    tried = WRONG[::STEP]
    verdicts = {}
    for slip in tried:
        maker = learners if slip in learners.WRONG else strangers
        verdicts[slip] = verdict(slip, maker.wrong(slip))
    wrong = [slip for slip, said in verdicts.items() if said == "wrong"]
    assert not wrong
    named = [slip for slip, said in verdicts.items() if said == "right"]
    assert len(named) >= 0.9 * len(tried), [s for s in tried if s not in named]


def test_there_are_enough_slips():
    assert len(learners.WRONG) >= 40 and len(strangers.WRONG) >= 40
    for slip in WRONG:
        maker = learners if slip in learners.WRONG else strangers
        assert callable(maker.wrong(slip)) or isinstance(maker.wrong(slip), tuple)


@pytest.mark.parametrize("number", range(0, len(WRONG), 12))
def test_shrunk_cases_are_minimal(number):
    """Without any row, column, channel or image of it, the layer is right."""
    slip = WRONG[number]
    maker = learners if slip in learners.WRONG else strangers
    layer = maker.wrong(slip)
    report = ndpool.check(layer)
    if len(report.findings) != 1 or report.findings[0].example is None:
        pytest.skip("one failure at a time")
    from dataclasses import replace

    from ndpool.check.adapters import Options, adapt
    from ndpool.check.diagnose import agree
    from ndpool.check.script import expected, perform
    from ndpool.check.shrink import possible

    case, step = report.findings[0].example, report.findings[0].step
    adapter = adapt(layer, Options())

    def fails(one):
        got, wanted = perform(one, adapter.make).steps, expected(one).steps
        return len(got) <= step or not agree(got[step], wanted[step])

    assert fails(case)
    for axis in range(4):
        for index in range(case.x.shape[axis]):
            if case.x.shape[axis] == 1:
                continue
            other = None if case.other is None else np.delete(case.other, index, axis)
            smaller = replace(case, x=np.delete(case.x, index, axis), other=other)
            assert not possible(smaller) or not fails(smaller), (slip, axis, index)
