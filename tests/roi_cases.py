"""Random boxes for the kinds that pool regions of interest, and the runtimes that have them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def boxes_of(rng, d):
    """(x's shape, pooled axes, [(image, lows, highs)], words, output sizes).

    All numbers are multiples of 1/8 and all sizes powers of 2, so that floats are exact.
    """
    batch = rng.randint(0, 1)
    axes = tuple(sorted(rng.sample(range(1, d + batch + 1), d)))
    shape = [rng.randint(1, 3)] + [rng.randint(1, 3)] * (d + batch)
    for axis in axes:
        shape[axis] = rng.randint(1, {1: 20, 2: 9, 3: 5}[d])
    table = []
    for _ in range(rng.choice([0, 1, 2, 3])):
        ends = [sorted(Fraction(rng.randint(-24, 8 * shape[axis] + 24), 8) for _ in range(2))
                for axis in axes]  # fmt: skip
        table.append((rng.randrange(shape[0]), [e[0] for e in ends], [e[1] for e in ends]))
    return shape, axes, table, {}, [rng.choice([1, 2, 4]) for _ in axes]


def as_given(rng, ndim, axes, table, out):
    """(rois, words, output_size): the same boxes in one of the ways they may be written."""
    scale = rng.choice([1, 0.5, 0.25])
    dtype = rng.choice([np.float16, np.float32, np.float64])
    rows = [[*low[::-1], *high[::-1]] for _, low, high in table]
    rois = np.array([[float(n / Fraction(scale)) for n in row] for row in rows], dtype)
    rois = rois.reshape(len(table), 2 * len(axes))
    images = [image for image, _, _ in table]
    words = {} if scale == 1 else {"spatial_scale": scale}
    if rng.random() < 0.5:
        words["batch_indices"] = np.array(images, rng.choice([np.int64, np.int32, np.uint8]))
    else:
        rois = np.column_stack([np.array(images, dtype), rois])
    if axes == tuple(range(ndim - len(axes), ndim)) and rng.random() < 0.5:
        return rois, words, tuple(out)
    order = rng.sample(range(len(axes)), len(axes))
    words["axes"] = tuple(axes[i] - ndim * rng.randrange(2) for i in order)
    return rois, words, [out[i] for i in order]


BAD_ROIS = [  # for an x of one image and two pooled axes
    *[("rois", {"rois": junk}) for junk in (
        None, "boxes", [1.0, 2, 3, 4], np.ones((2, 3)), np.ones((2, 6)), np.ones((1, 2, 4)),
        [[True, True, True, True]], np.ones((2, 4), complex), [[0, 0, np.nan, 1]],
        [[0, 0, np.inf, 1]], [[0, 0, 1e30, 1]], [[1, 0, 0, 2, 2]], [[-1, 0, 0, 2, 2]],
        [[0.5, 0, 0, 2, 2]], [[np.nan, 0, 0, 2, 2]],
    )],
    *[("batch_indices", {"batch_indices": junk}) for junk in (
        [0], [0, 1], [0, -1], [0.0, 0.0], "00", [[0, 0]], [True, False], 0,
    )],
    ("batch_indices", {"rois": np.zeros((2, 5)), "batch_indices": [0, 0]}),
    *[("spatial_scale", {"spatial_scale": junk}) for junk in (
        0, -1, np.nan, np.inf, "1", None, True, 1j, (1, 1),
    )],
]  # fmt: skip


def single_operator(runtime, operator, inputs, opset, outputs=1, **attributes):
    """What ONNX Runtime computes for one operator; a pair with its indices for two `outputs`."""
    from onnx import TensorProto, helper

    names = [f"input{number}" for number in range(len(inputs))]
    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y", "indices"][:outputs], **attributes)],
        operator,
        [
            helper.make_tensor_value_info(name, kinds[array.dtype.name], array.shape)
            for name, array in zip(names, inputs, strict=True)
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("indices", TensorProto.INT64, None),
        ][:outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(None, dict(zip(names, inputs, strict=True)))
    return tuple(found) if outputs > 1 else found[0]
