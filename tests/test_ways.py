"""The kernels' ways around tiles: each on outer cells that it is for, beside the numpy engine.

All instruction sets go through the same cases; those without a way of their own take the tiles.
"""

import random

import numpy as np
import pytest
from cases import DTYPES, NO_NATIVE, REGIMES, laid_out, same_bits, values

import ndpool
from ndpool.engines import native
from ndpool.geometry import geometry

pytestmark = pytest.mark.skipif(bool(native.missing), reason=NO_NATIVE)

OVERLAPPING = {"kernel_size": 3, "stride": 2, "padding": 1}
SAME = {"kernel_size": 3, "stride": 1, "padding": 1}
PLANES = (1, 2)
CUT_OFF = {"kernel_size": (2, 4), "stride": (3, 4), "ceil_mode": True}

WAYS = {  # name: shape, words
    "forward in stretches, backward as a line": ((5, 3, 7, 9), SAME),
    "a line of one outer cell, shorter than a block": ((1, 1, 5, 6), SAME),
    "a line in copies": (
        (2, 3, 40, 70),
        {"kernel_size": (2, 3), "padding": ((0, 1), 1), "stride": 1},
    ),
    "a line of large outer cells, cut": ((2, 150, 130), {**SAME, "axes": PLANES}),
    "a line of volumes": ((2, 2, 6, 7, 8), {**SAME, "axes": (2, 3, 4)}),
    "a line whose rows are a vector": ((7, 40, 14), {**SAME, "axes": PLANES}),
    "a line whose rows are two vectors": ((7, 30, 28), {**SAME, "axes": PLANES}),
    "a line of volumes whose rows are two vectors": ((2, 5, 9, 28), {**SAME, "axes": (1, 2, 3)}),
    "a line of volumes with wide rows": ((2, 4, 9, 150), {**SAME, "axes": (1, 2, 3)}),
    "a line whose rows are more than a panel": ((2, 9, 4300), {**SAME, "axes": PLANES}),
    "a line of volumes with more than a panel": ((2, 4, 5, 4200), {**SAME, "axes": (1, 2, 3)}),
    "a line of dilated windows": (
        (3, 25, 61),
        {**SAME, "dilation": (2, 1), "padding": (2, 1), "axes": PLANES},
    ),
    "a line of windows dilated along rows": (
        (3, 25, 150),
        {**SAME, "dilation": 2, "padding": 2, "axes": PLANES},
    ),
    "a line of channels": ((2, 21, 34, 3), {**SAME, "axes": (1, 2)}),
    "volumes, plane by plane": ((2, 6, 9, 70), {**SAME, "axes": (1, 2, 3)}),
    "volumes, in short rows": ((2, 5, 7, 29), {**SAME, "axes": (1, 2, 3)}),
    "volumes, some rows at a time": ((4, 90, 300), {**SAME, "axes": (0, 1, 2)}),
    "volumes whose rows are apart": ((6, 9, 3, 70), {**SAME, "axes": (0, 1, 3)}),
    "volumes whose planes are two apart": (
        (2, 9, 6, 65),
        {"kernel_size": (5, 3, 3), "stride": (2, 1, 1), "padding": (2, 1, 1), "axes": (1, 2, 3)},
    ),
    "volumes whose planes are far apart": (
        (2, 9, 6, 65),
        {"kernel_size": (2, 2, 2), "stride": (3, 1, 1), "axes": (1, 2, 3)},
    ),
    "a line of windows of 2x2": (
        (7, 30, 28),
        {"kernel_size": 2, "stride": 1, "padding": ((0, 1), (1, 0)), "axes": PLANES},
    ),
    "a line of windows of two in a row": (
        (7, 13, 29),
        {"kernel_size": (5, 2), "stride": 1, "padding": (2, (0, 1)), "axes": PLANES},
    ),
    "a line of windows of four in a row": (
        (7, 13, 29),
        {"kernel_size": (3, 4), "stride": 1, "padding": (1, (1, 2)), "axes": PLANES},
    ),
    "a line of windows of 5x5": (
        (5, 20, 31),
        {"kernel_size": 5, "stride": 1, "padding": 2, "axes": PLANES},
    ),
    "a line of one axis": ((2, 3, 700), {**SAME, "axes": 2}),
    "a line of one axis, five in a row": (
        (6, 331),
        {"kernel_size": 5, "stride": 1, "padding": 2, "axes": 1},
    ),
    "stretches with gaps": ((4, 3, 13, 14), {"kernel_size": (3, 2), "stride": 2}),
    "picked from two rows at a time": ((1, 3, 13, 14), {"kernel_size": 3, "stride": 2}),
    "picked from two rows at a time, padded": ((1, 3, 12, 13), OVERLAPPING),
    "picked from two rows, and a last one that is cut off": (
        (1, 3, 11, 14),
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    ),
    "gathered from small outer cells": ((1, 3, 7, 5), {"kernel_size": 3, "stride": (2, 3)}),
    "gathered from small outer cells, padded": (
        (1, 3, 6, 7),
        {"kernel_size": 5, "stride": (2, 3), "padding": 2, "ceil_mode": True},
    ),
    "gathered from volumes, some rows apart": (
        (1, 3, 9, 4, 4),
        {"kernel_size": 3, "stride": (2, 3, 3), "padding": (0, 1, 1), "axes": (2, 3, 4)},
    ),
    "gathered from shares of a large outer cell": (
        (2, 130, 270),
        {"kernel_size": 5, "stride": 4, "dilation": (2, 1), "padding": (4, 2), "axes": PLANES},
    ),
    "gathered from a long signal": ((2, 9000), {"kernel_size": (10,), "stride": 10}),
    "gathered from outer cells with others between": (
        (3, 4, 31, 3),
        {"kernel_size": (4, 1), "stride": (5, 1), "axes": (2, 3)},
    ),
    "listed, of tiny outer cells, several axes before them": (
        (3, 7, 5, 13),
        {"kernel_size": (1, 5), "stride": (1, 4)},
    ),
    "listed, padded, with more cells than a word of bits": (
        (4, 130, 150),
        {"kernel_size": 7, "stride": (1, 2), "padding": 3, "axes": PLANES},
    ),
    "listed, in a large outer cell": (
        (4, 90, 140),
        {"kernel_size": 5, "stride": (2, 5), "dilation": (1, 2), "axes": PLANES},
    ),
    "listed, of rows as short as windows": ((40, 5), {**SAME, "axes": 1}),
    "picked from a row of two vectors": (
        (2, 3, 9, 27),
        {"kernel_size": 3, "stride": 3, "padding": 1},
    ),
    "picked from long rows, cut off": (
        (2, 3, 10, 101),
        {"kernel_size": 3, "stride": 3, "ceil_mode": True},
    ),
    "picked from four vectors": ((3, 2, 1001), {"kernel_size": 4, "ceil_mode": True, "axes": -1}),
    "picked from four vectors of planes": ((1, 3, 9, 77), {"kernel_size": 4, "stride": (2, 4)}),
    "stretches with ever more padding": (
        (3, 6, 5),
        {"kernel_size": 4, "stride": 1, "padding": 2, "axes": PLANES},
    ),
    "stretches of dilated windows": (
        (3, 2, 15, 17),
        {"kernel_size": (3, 2), "stride": (2, 3), "dilation": (2, 4)},
    ),
    "pieces of side-by-side windows": ((3, 4, 24, 14), {"kernel_size": 2}),
    "pieces with cells in no window": ((3, 4, 11, 17), {"kernel_size": 3, "stride": (4, 3)}),
    "pieces of padded windows": ((3, 4, 9, 9), {"kernel_size": 3, "padding": 1}),
    "pieces of dilated windows": (
        (3, 4, 20, 11),
        {"kernel_size": 2, "stride": (5, 4), "dilation": 3},
    ),
    "pieces of volumes": ((2, 3, 6, 4, 9), {"kernel_size": (2, 2, 3), "axes": (2, 3, 4)}),
    "pieces of one long axis": ((2, 3, 6561), {"kernel_size": 3, "axes": -1}),
    "pieces of planes in parts": ((2, 96, 90), {"kernel_size": (3, 2), "axes": PLANES}),
    "pieces of planes in parts, with cells behind": (
        (2, 98, 91),
        {"kernel_size": (3, 4), "axes": PLANES},
    ),
    "pieces of one long axis, with cells behind": ((2, 3, 6563), {"kernel_size": 3, "axes": -1}),
    "volumes side by side that are too large for pieces": (
        (2, 10, 120, 131),
        {"kernel_size": 3, "axes": (1, 2, 3)},
    ),
    "rows of two cells, short": ((2, 6, 100), {"kernel_size": 2, "axes": PLANES}),
    "rows of two cells, long": ((2, 6, 300), {"kernel_size": 2, "axes": PLANES}),
    "rows without a tile": ((2, 70, 190), {**OVERLAPPING, "axes": PLANES}),
    "outer cells beside each other, one output each": ((3, 21, 5, 4), {"kernel_size": (5, 4)}),
    "beside each other, several outputs": (
        (2, 19, 5, 5),
        {"kernel_size": 3, "stride": 2, "padding": 1},
    ),
    "many outer cells, listed": ((7, 5, 7, 5), {"kernel_size": 3, "stride": (2, 3)}),
    "many outer cells, padded": (
        (5, 9, 6, 7),
        {"kernel_size": 5, "stride": (2, 3), "padding": 2, "ceil_mode": True},
    ),
    "many volumes, some rows apart": (
        (3, 5, 9, 4, 4),
        {"kernel_size": 3, "stride": (2, 3, 3), "padding": (0, 1, 1), "axes": (2, 3, 4)},
    ),
    "many planes of two rows at a time": ((4, 3, 13, 14), {"kernel_size": 3, "stride": 2}),
    "many planes of two rows at a time, padded": ((4, 3, 12, 13), OVERLAPPING),
    "many planes whose last row is cut off": (
        (4, 3, 11, 14),
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    ),
    "many planes of four vectors": ((3, 2, 9, 77), {"kernel_size": 4, "stride": (2, 4)}),
    "transposed": ((9, 15, 7, 7), {"kernel_size": 5, "stride": 2, "padding": 2}),
    "transposed, fewer cells than lanes": (
        (2, 70, 3, 4),
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    ),
    "transposed, some rows at a time": (
        (66, 63, 41),
        {"kernel_size": 5, "stride": 3, "axes": PLANES},
    ),
    "transposed, outputs for several vectors": (
        (130, 9, 29),
        {"kernel_size": 4, "stride": 1, "padding": 2, "axes": PLANES},
    ),
    "transposed volumes": (
        (3, 22, 4, 8, 4),
        {"kernel_size": 3, "stride": 2, "padding": (1, 0, 0), "ceil_mode": True, "axes": (2, 3, 4)},
    ),
    "transposed rows, dilated": (
        (131, 175),
        {"kernel_size": 9, "stride": 4, "dilation": 2, "padding": 8, "axes": 1},
    ),
    "transposed, an axis of windows of one cell": (
        (65, 6, 11, 10),
        {"kernel_size": (1, 4, 5), "stride": (2, 3, 3), "axes": (1, 2, 3)},
    ),
    "beside each other, of one long axis": ((37, 100), {"kernel_size": 100, "axes": 1}),
    "beside each other, nearly as many cells as a byte counts": (
        (9, 15, 17),
        {"kernel_size": (15, 17)},
    ),
    "small outer cells in windows of more offsets than a byte counts": (
        (11, 2, 3),
        {"kernel_size": 17, "padding": 8, "stride": 1, "axes": PLANES},
    ),
    "pieces of one cell": ((2, 3, 30, 41), {"kernel_size": 1, "stride": (1, 2)}),
    "one cell, all of them": ((2, 5, 7, 30), {"kernel_size": 1}),
    "one cell, channels last": (
        (2, 9, 8, 30),
        {"kernel_size": 1, "stride": 2, "axes": PLANES},
    ),
    "runs, of whole planes": ((3, 5, 25, 30), {"kernel_size": (25, 30)}),
    "runs, of planes that are too large for tiles": ((2, 300, 410), {"kernel_size": (300, 400)}),
    "runs of planes in parts": ((3, 40, 12, 30), {"kernel_size": (20, 12, 30), "axes": (1, 2, 3)}),
    "runs of a long axis, padded": (
        (3, 1000),
        {"kernel_size": 301, "padding": 150, "stride": 200, "axes": 1},
    ),
    "runs of rows, dilated": (
        (3, 9, 150),
        {"kernel_size": (3, 70), "stride": (3, 80), "dilation": (2, 1), "axes": PLANES},
    ),
    "runs, shorter": ((3, 1290), {"kernel_size": 43, "axes": 1}),
    "runs of every length, further apart than a tile has classes": (
        (3, 600, 4),
        {"kernel_size": (90, 3), "stride": (70, 1), "padding": (20, 1), "axes": PLANES},
    ),
    "runs side by side": ((3, 4, 6000), {"kernel_size": 70, "axes": -1}),
    "runs side by side, longer": ((2, 3, 9001), {"kernel_size": 200, "axes": -1}),
    "runs side by side of more cells than a byte counts": (
        (2, 9400),
        {"kernel_size": 300, "axes": -1},
    ),
    "runs side by side, padded, apart": (
        (2, 3, 7001),
        {"kernel_size": 65, "stride": 79, "padding": 30, "axes": -1},
    ),
    "rows on rows": ((2, 3, 41, 200), {"kernel_size": (5, 7)}),
    "rows on rows, padded, apart": (
        (2, 33, 310),
        {"kernel_size": (4, 6), "stride": (5, 7), "padding": 2, "axes": PLANES},
    ),
    "rows on rows, dilated, of most cells that a byte counts": (
        (2, 70, 150),
        {"kernel_size": (15, 17), "stride": (12, 19), "dilation": (3, 1), "axes": PLANES},
    ),
    "rows on rows, long, overlapping": (
        (1, 9, 20000),
        {"kernel_size": (4, 6), "stride": (4, 5), "padding": (0, 3), "axes": PLANES},
    ),
    **{
        f"rows on rows, windows longer than a row of {n}": (
            (2, 3, 4, n),
            {**CUT_OFF, "dilation": (3, n // 3 + 1)},
        )
        for n in (8, 16, 32, 64)
    },
    "rows on rows of volumes": (
        (2, 13, 9, 130),
        {"kernel_size": (4, 3, 5), "padding": (2, 0, 1), "axes": (1, 2, 3)},
    ),
    "sliding along rows and down them": (
        (2, 70, 150),
        {"kernel_size": 31, "stride": 1, "padding": 15, "axes": PLANES},
    ),
    "sliding, of fewer cells than a vector": (
        (2, 20, 190),
        {"kernel_size": (4, 7), "stride": 1, "padding": (2, 0), "axes": PLANES},
    ),
    "sliding, of most cells that a byte counts": (
        (2, 33, 130),
        {"kernel_size": (15, 17), "stride": 1, "padding": (7, 3), "axes": PLANES},
    ),
    "sliding, mostly in padding": (
        (2, 40, 66),
        {"kernel_size": (61, 71), "stride": 1, "padding": (30, 35), "axes": PLANES},
    ),
    "sliding in tiles": (
        (1, 300, 900),
        {"kernel_size": (23, 17), "stride": 1, "padding": (11, 8), "axes": PLANES},
    ),
    "rows of windows two cells apart": ((2, 3, 9, 150), OVERLAPPING),
    "rows of windows two cells apart, outputs with gaps": (
        (1, 2, 14, 4, 19),
        {"kernel_size": (1, 1, 2), "stride": (2, 1, 2), "dilation": 2, "axes": (2, 3, 4)},
    ),
    "the same, of whole vectors but for the last cell": ((2, 3, 9, 127), OVERLAPPING),
    "the same, without padding, of many taps": (
        (2, 3, 30, 61),
        {"kernel_size": (3, 5), "stride": (3, 2)},
    ),
    "the same, dilated": (
        (2, 41, 40),
        {"kernel_size": 3, "stride": 2, "dilation": 3, "axes": PLANES},
    ),
    "volumes of windows two cells apart": (
        (2, 7, 20, 33),
        {"kernel_size": 3, "stride": (1, 2, 2), "padding": 1, "axes": (1, 2, 3)},
    ),
    "pairs of cells, padded": ((2, 3, 41, 150), OVERLAPPING),
    "pairs, none in padding": ((2, 3, 40, 141), {"kernel_size": 3, "stride": 2}),
    "pairs, the last without its second cell": ((2, 3, 41, 139), OVERLAPPING),
    "pairs of runs": ((2, 41, 30, 70), {**OVERLAPPING, "axes": PLANES}),
    "pairs of runs, none in padding": (
        (3, 14, 9, 16),
        {"kernel_size": 3, "stride": 2, "axes": PLANES},
    ),
    "pairs of runs, padded on one side": (
        (2, 15, 12, 129),
        {"kernel_size": 3, "stride": 2, "padding": ((1, 0), (1, 2)), "axes": PLANES},
    ),
    "pairs of runs, twice padded": (
        (2, 12, 13, 64),
        {"kernel_size": 3, "stride": 2, "padding": 2, "axes": PLANES},
    ),
    "pairs in planes of one vector": ((2, 5, 60, 21), OVERLAPPING),
    "pairs with cells in no window": (
        (2, 52, 54),
        {"kernel_size": 3, "stride": 2, "axes": PLANES},
    ),
    "pairs in bands of a large plane": ((1, 300, 310), {**OVERLAPPING, "axes": PLANES}),
    "pairs of volumes": (
        (2, 9, 40, 43),
        {"kernel_size": 3, "stride": 2, "padding": 1, "axes": (1, 2, 3)},
    ),
    "pairs of volumes, dilated along the first axis": (
        (1, 12, 40, 43),
        {
            "kernel_size": (4, 3, 3),
            "stride": (3, 2, 2),
            "dilation": (2, 1, 1),
            "padding": ((3, 2), (0, 1), (2, 1)),
            "axes": (1, 2, 3),
        },
    ),
    "pairs of one window each": ((2, 3, 40, 150), {"kernel_size": 2}),
    "pairs of one window each, of volumes": (
        (2, 4, 40, 150),
        {"kernel_size": 2, "axes": (1, 2, 3)},
    ),
    "pairs in some of the planes": (
        (2, 8, 40, 43),
        {
            "kernel_size": (1, 3, 3),
            "stride": (3, 2, 2),
            "padding": ((0, 0), (1, 0), (1, 0)),
            "axes": (1, 2, 3),
        },
    ),
    "pairs of one window each, in some of the planes": (
        (2, 7, 40, 43),
        {"kernel_size": (1, 2, 2), "stride": 2, "axes": (1, 2, 3)},
    ),
    "columns, channels last": ((2, 13, 11, 37), {"kernel_size": (13, 11), "axes": PLANES}),
    "columns of a few channels": ((2, 21, 40, 3), {"kernel_size": (7, 20), "axes": PLANES}),
    "columns of many cells": ((2, 300, 1100), {"kernel_size": 150, "axes": 1}),
    "columns, padded and dilated": (
        (2, 40, 30, 18),
        {
            "kernel_size": (9, 7),
            "stride": (20, 8),
            "dilation": (2, 1),
            "padding": (5, 3),
            "axes": PLANES,
        },
    ),
    "columns of more cells than 16 bits count": (
        (270, 260, 3),
        {"kernel_size": (270, 260), "axes": (0, 1)},
    ),
    "columns of long axes far apart": ((9, 50, 2, 21), {"kernel_size": (9, 20), "axes": (0, 1)}),
    "columns of cells, other axes between": (
        (20, 7, 30),
        {"kernel_size": (4, 7), "stride": (5, 6), "padding": (2, 3), "axes": (0, 2)},
    ),
    "columns that overlap": ((3, 64, 20), {"kernel_size": 40, "stride": 20, "axes": 1}),
    "an axis after the other": (
        (9, 2, 8, 14, 5),
        {
            "kernel_size": (13, 13, 13, 3),
            "padding": (6, 6, 6, 1),
            "stride": 1,
            "axes": (0, 1, 2, 3),
        },
    ),
    "strips": ((2, 23, 150), {"kernel_size": 3, "stride": 1, "axes": PLANES}),
    "strips that are padded on one side": (
        (3, 17, 61),
        {"kernel_size": 3, "stride": 1, "padding": ((0, 1), (1, 0)), "axes": PLANES},
    ),
    "rows of windows one cell apart, rows far apart": (
        (2, 3, 40, 150),
        {"kernel_size": 7, "stride": (6, 1), "padding": (3, 0), "ceil_mode": True},
    ),
    "rows of windows one cell apart, dilated, padded": (
        (3, 41, 130),
        {
            "kernel_size": (2, 4),
            "stride": (2, 1),
            "dilation": (1, 3),
            "padding": (1, 4),
            "axes": PLANES,
        },
    ),
    "rows of two windows one cell apart": (
        (3, 33, 134),
        {"kernel_size": 2, "stride": (2, 1), "padding": (0, 1), "axes": PLANES},
    ),
    "volumes of rows of windows one cell apart": (
        (2, 9, 11, 75),
        {"kernel_size": 3, "stride": (2, 2, 1), "padding": (1, 1, 0), "axes": (1, 2, 3)},
    ),
    "volumes of rows of windows one cell apart, outputs with gaps": (
        (2, 9, 11, 70, 2),
        {"kernel_size": 2, "stride": (2, 2, 1), "axes": (1, 2, 3)},
    ),
    "a row shorter than its windows reach": (
        (40, 5, 9),
        {
            "kernel_size": (3, 5),
            "stride": (3, 1),
            "dilation": (1, 2),
            "padding": (0, 2),
            "axes": PLANES,
        },
    ),
    "strips of two rows": ((3, 2, 130), {**SAME, "axes": PLANES}),
    "strips of one vector": ((5, 9, 30), {**SAME, "axes": PLANES}),
    "strips of rows apart": ((2, 13, 3, 131), {**SAME, "axes": (1, 3)}),
    "held against itself, in several shares": ((23, 5, 7, 7), SAME),
    "held against itself, in one pass": ((9, 3, 60), {**SAME, "axes": 2}),
    "held against itself, in passes of five and three": (
        (2, 3, 14, 19),
        {"kernel_size": (5, 9), "stride": 1, "padding": (2, 4)},
    ),
    "held against itself, in windows larger than the plane": (
        (11, 6, 5),
        {"kernel_size": (13, 11), "stride": 1, "padding": (6, 5), "axes": PLANES},
    ),
    "held against itself, dilated": (
        (2, 3, 20, 20),
        {"kernel_size": 3, "stride": 1, "padding": (2, 3), "dilation": (2, 3)},
    ),
    "held against itself, of volumes": (
        (5, 4, 6, 7),
        {"kernel_size": (3, 5, 3), "stride": 1, "padding": (1, 2, 1), "axes": (1, 2, 3)},
    ),
    "narrow rows": ((2, 3, 28, 28), OVERLAPPING),
    "narrow rows of whole vectors": ((2, 3, 17, 32), {"kernel_size": 3, "stride": 2}),
    "narrow rows, two vectors of outputs": ((2, 3, 15, 28), SAME),
    "narrow rows of larger windows": (
        (3, 22, 20),
        {"kernel_size": (4, 5), "stride": 1, "padding": (1, 2), "axes": PLANES},
    ),
    "narrow rows, in shares, dilated": (
        (2, 900, 27),
        {
            "kernel_size": 3,
            "stride": (3, 2),
            "dilation": (3, 2),
            "padding": (2, 1),
            "axes": PLANES,
        },
    ),
    "narrow volumes": (
        (2, 11, 12, 28),
        {"kernel_size": 3, "stride": 2, "padding": 1, "axes": (1, 2, 3)},
    ),
    "narrow volumes, an axis more": (
        (2, 5, 6, 7, 14),
        {
            "kernel_size": (2, 3, 2, 3),
            "stride": 1,
            "dilation": (1, 2, 1, 1),
            "padding": ((1, 0), (2, 2), (0, 1), (1, 1)),
            "axes": (1, 2, 3, 4),
        },
    ),
    "running maxima": ((3, 33, 70), {"kernel_size": 11, "padding": 5, "stride": 1, "axes": PLANES}),
    "running maxima, dilated": (
        (2, 50, 61),
        {"kernel_size": (9, 8), "dilation": (2, 3), "stride": 1, "axes": PLANES},
    ),
    "running maxima, dilated in short rows with padding": (
        (2, 104, 19),
        {
            "kernel_size": (17, 9),
            "dilation": (2, 1),
            "padding": ((16, 16), (0, 8)),
            "stride": 1,
            "axes": PLANES,
        },
    ),
    "running maxima in windows longer than the axis": (
        (2, 12, 40),
        {"kernel_size": (23, 9), "padding": (11, 4), "stride": 1, "axes": PLANES},
    ),
    "running maxima of volumes": (
        (2, 20, 13, 21),
        {"kernel_size": (8, 9, 4), "padding": (4, 3, 0), "stride": 1, "axes": (1, 2, 3)},
    ),
    "running maxima, channels last": (
        (2, 30, 28, 21),
        {"kernel_size": 9, "padding": 4, "stride": 1, "axes": PLANES},
    ),
    "running maxima of columns": (
        (2, 90, 7),
        {"kernel_size": (40, 1), "stride": 1, "axes": PLANES},
    ),
    "running maxima along the first axis alone": (
        (2, 40, 30),
        {"kernel_size": (10, 3), "stride": (1, 2), "padding": (5, 1), "axes": PLANES},
    ),
    "rows pooled in frames": (
        (2, 6, 15, 40),
        {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1), "axes": (1, 2, 3)},
    ),
    "columns pooled in planes": ((2, 20, 30), {"kernel_size": (3, 1), "axes": PLANES}),
    "large planes, scattered by rows": (
        (1, 270, 250),
        {"kernel_size": 17, "padding": 8, "stride": 1, "axes": PLANES},
    ),
    "large planes, scattered by rows, dilated": (
        (2, 300, 230),
        {
            "kernel_size": (5, 53),
            "stride": (2, 3),
            "dilation": (30, 2),
            "padding": (2, 9),
            "axes": PLANES,
        },
    ),
    "a long axis, scattered": (
        (2, 70001),
        {"kernel_size": 301, "padding": 150, "stride": 9, "axes": 1},
    ),
    "large volumes, scattered by rows": (
        (1, 50, 40, 35),
        {"kernel_size": 7, "padding": 3, "stride": 1, "axes": (1, 2, 3)},
    ),
    "a large plane, scattered by rows, of windows that a table of 32 counts": (
        (1, 260, 270),
        {"kernel_size": (6, 5), "padding": (3, 2), "stride": 1, "axes": PLANES},
    ),
    "a large plane, scattered by rows, of windows that a table of 64 counts": (
        (1, 300, 290),
        {"kernel_size": 7, "padding": ((3, 1), (0, 3)), "stride": 1, "axes": PLANES},
    ),
    "large planes, scattered by rows, of windows that a table of 128 counts": (
        (3, 190, 333),
        {
            "kernel_size": 10,
            "padding": (4, 9),
            "stride": (1, 2),
            "dilation": (1, 3),
            "ceil_mode": True,
            "axes": PLANES,
        },
    ),
    "a large volume, scattered by rows, of windows that a table of 256 counts": (
        (1, 45, 40, 41),
        {"kernel_size": (5, 5, 9), "padding": (2, 0, 4), "stride": 1, "axes": (1, 2, 3)},
    ),
    "four axes, scattered by rows": (
        (1, 18, 13, 15, 20),
        {"kernel_size": 3, "padding": 1, "stride": 1, "axes": (1, 2, 3, 4)},
    ),
    "planes of few columns, scattered by rows": (
        (1, 9000, 9),
        {"kernel_size": (30, 2), "padding": (15, 1), "stride": 1, "axes": PLANES},
    ),
    "a plane of long rows, scattered": (
        (1, 30, 3100),
        {"kernel_size": (3, 9), "padding": (1, 4), "stride": 1, "axes": PLANES},
    ),
    "planes with an output less than cells, by rows of vectors": (
        (3, 90, 150),
        {"kernel_size": 2, "stride": 1, "axes": PLANES},
    ),
    "volumes with an output less than cells, by rows of vectors": (
        (2, 30, 33, 39),
        {"kernel_size": (2, 2, 3), "stride": 1, "padding": (0, 1, 0), "axes": (1, 2, 3)},
    ),
    "small planes, scattered side by side": ((3, 11, 13, 14), {"kernel_size": 3, "stride": 2}),
    "channels last, side by side": ((2, 8, 6, 37), {"kernel_size": 2, "axes": PLANES}),
    "channels last, overlapping": ((2, 9, 8, 150), {**OVERLAPPING, "axes": PLANES}),
    "channels last, at stride 1": ((2, 9, 8, 70), {**SAME, "axes": PLANES}),
    "channels last, few": ((3, 9, 11, 3), {**OVERLAPPING, "axes": PLANES}),
    "channels last, dilated": (
        (2, 13, 9, 64),
        {"kernel_size": 3, "stride": (2, 3), "dilation": (3, 2), "axes": PLANES},
    ),
    "channels last, in shares of rows": (
        (1, 90, 60, 32),
        {"kernel_size": 3, "stride": 2, "axes": PLANES},
    ),
    "channels between": ((2, 9, 33, 8), {"kernel_size": 3, "axes": 1}),
}


@pytest.fixture(params=native._native.instruction_sets() if not native.missing else ["none"])
def instructions(request):
    before = native._native.instruction_set()
    native._native.set_instruction_set(request.param)
    yield request.param
    native._native.set_instruction_set(before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_a_way_is_as_right_as_any(way, dtype, instructions):
    shape, words = WAYS[way]
    number = random.Random(f"{way} {dtype}")
    for regime in ("random", *number.sample(REGIMES[1:], 2)):
        check(shape, dtype, words, regime, number)


@pytest.mark.parametrize("chunk", range(10))
def test_random_windows_are_as_right_as_any(chunk, instructions):
    """Wider than the oracle's: over several vectors, in which the kernels' ways begin and end."""
    number, done = random.Random(chunk), 0
    while done < 60:
        shape, words = random_windows(number)
        dtype, regime = number.choice(DTYPES), number.choice(REGIMES)
        try:
            geometry(shape, **words)
        except ndpool.PoolError:  # a window that is larger than its axis, or padding than a window
            continue
        done += 1
        try:
            check(shape, dtype, words, regime, number)
        except Exception as error:
            error.add_note(f"in {shape} {dtype} {words} {regime}")
            raise


def random_windows(number):
    """A shape and words for it, possible or not; mostly of windows that have a way of their own."""
    d = number.choice([1, 2, 2, 2, 3, 3, 4])
    ndim = d + number.choice([0, 0, 1, 1, 2])
    last = range(ndim - d, ndim)
    axes = tuple(number.choice([last, last, range(d), number.sample(range(ndim), d)]))
    shape = [number.randint(1, 9) for _ in range(ndim)]
    for axis in axes[-2:]:
        shape[axis] = number.randint(1, number.choice([8, 40, 90, 160]))
    while np.prod(shape) > 100_000:
        shape[shape.index(max(shape))] //= 2
    kernel, step = number.choice([1, 2, 2, 3, 3, 3, 4, 5, 7, 9, 13]), number.choice([1, 2, 2, 3])

    def mostly(value, others):
        return tuple(number.choice([value] * 3 + [number.choice(others)]) for _ in axes)

    sizes, dilation = mostly(kernel, [1, 2, 3, 5, 17]), mostly(1, [1, 1, 2, 3])
    reaches = [(k - 1) * by for k, by in zip(sizes, dilation, strict=True)]
    padding = [
        tuple(number.choices([0, reach // 2, (reach + 1) // 2, reach], k=2)) for reach in reaches
    ]
    return tuple(shape), {
        "kernel_size": sizes,
        "stride": mostly(step, [1, 2, 3, 4]),
        "dilation": dilation,
        "padding": padding,
        "ceil_mode": number.random() < 0.3,
        "axes": axes,
    }


def check(shape, dtype, words, regime, number):
    """The native engine's results are the numpy engine's, to the bit."""
    rng = np.random.default_rng(number.randrange(2**32))
    x = values(rng, regime, shape, dtype)
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine="numpy")
    found = ndpool.max_pool(x, **words, return_indices=True, engine="native")
    assert same_bits(found[0], y) and np.array_equal(found[1], indices), regime
    assert same_bits(ndpool.max_pool(x, **words, engine="native"), y), regime
    if dtype.kind == "b":
        return
    dy = laid_out(
        values(rng, regime, y.shape, dtype), number.choice(["C", "C", "F", "gaps"]), number
    )
    with np.errstate(all="ignore"):  # infinite gradients
        dx = ndpool.max_pool_backward(dy, indices, shape, **words, engine="numpy")
    found = ndpool.max_pool_backward(dy, indices, shape, **words, engine="native")
    assert np.array_equal(found != found, dx != dx), regime
    found[found != found] = dx[dx != dx] = 0  # which NaN a sum of several is, nobody promises
    assert same_bits(found, dx), regime


@pytest.mark.parametrize("words", [{}, {"return_indices": True}], ids=["values", "winners"])
def test_windows_too_large_for_tiles_of_arrays_with_gaps(words, instructions):
    """The way for such windows is for rows without gaps: others are copied first, each time."""
    dense = values(np.random.default_rng(5), "random", (2, 500, 400), np.float32)
    gaps = np.zeros((2, 500, 800), np.float32)[:, :, ::2]
    gaps[:] = dense
    for x in (gaps, dense, np.asfortranarray(dense), gaps, gaps[::-1, ::-1]):
        found = ndpool.max_pool(x, (500, 400), engine="native", **words)
        expected = ndpool.max_pool(x, (500, 400), engine="numpy", **words)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_a_way_refuses_winners_that_are_none(way, instructions):
    shape, words = WAYS[way]
    x = values(np.random.default_rng(3), "random", shape, np.float32)
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine="numpy")
    rng = random.Random(way)
    for place in (0, y.size - 1, rng.randrange(y.size), rng.randrange(y.size)):
        wrong = indices.copy()
        wrong.flat[place] = np.iinfo(wrong.dtype).max  # no window here has so many cells
        with pytest.raises(ndpool.PoolError, match="indices") as numpys:
            ndpool.max_pool_backward(y, wrong, shape, **words, engine="numpy")
        with pytest.raises(ndpool.PoolError, match="indices") as natives:
            ndpool.max_pool_backward(y, wrong, shape, **words, engine="native")
        assert str(natives.value) == str(numpys.value)


@pytest.mark.parametrize("way", [way for way, (_, words) in WAYS.items() if words.get("padding")])
def test_a_way_refuses_winners_in_padding(way, instructions):
    shape, words = WAYS[way]
    x = values(np.random.default_rng(4), "random", shape, np.float32)
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine="numpy")
    number = random.Random(way)
    for place, winner in [(0, 0), *in_padding(geometry(shape, **words), number, 12)]:
        wrong = indices.copy()
        wrong.flat[place] = winner
        with pytest.raises(ndpool.PoolError, match="indices") as numpys:
            ndpool.max_pool_backward(y, wrong, shape, **words, engine="numpy")
        with pytest.raises(ndpool.PoolError, match="indices") as natives:
            ndpool.max_pool_backward(y, wrong, shape, **words, engine="native")
        assert str(natives.value) == str(numpys.value)


def in_padding(pooled, number, count):
    """Places of outputs near the borders, each with a cell of its window that lies in padding."""
    taps = list(np.ndindex(pooled.kernel))
    for _ in range(count):
        while True:
            place = [number.randrange(size) for size in pooled.y_shape]
            winner, inside = number.randrange(pooled.cells), True
            for a, axis in enumerate(pooled.axes):
                near = number.randrange(pooled.kernel[a]) % pooled.out[a]
                place[axis] = number.choice([place[axis], near, pooled.out[a] - 1 - near])
                start = pooled.starts(a, np.array([place[axis]]))[0]
                at = start + taps[winner][a] * pooled.dilation[a]
                inside &= bool(0 <= at < pooled.sizes[a])
            if not inside:
                yield np.ravel_multi_index(place, pooled.y_shape), winner
                break


SLIDING = [name for name in WAYS if name.startswith(("held", "sliding", "strips"))]
TWO_APART = [name for name in WAYS if "windows two cells apart" in name]


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int32"])
@pytest.mark.parametrize("name", [*SLIDING, *TWO_APART])
def test_the_first_cell_inside_wins_where_none_is_above_padding(name, dtype):
    shape, words = WAYS[name]
    lowest = -np.inf if dtype.startswith("float") else np.iinfo(dtype).min
    x = np.full(shape, lowest, dtype)
    x[..., -1, -1] = 1  # one window at least is like any other
    expected = ndpool.max_pool(x, **words, return_indices=True, engine="numpy")
    found = ndpool.max_pool(x, **words, return_indices=True, engine="native")
    assert same_bits(found[0], expected[0]) and np.array_equal(found[1], expected[1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("minus", [0.001, 0.5, 1])
@pytest.mark.parametrize("name", TWO_APART)
def test_of_zeros_the_first_counts_whatever_its_sign(name, minus, dtype):
    """Whoever looks at columns before rows finds another one of them first."""
    shape, words = WAYS[name]
    number = np.random.default_rng(int(minus * 1000))
    zeros = np.where(number.random(shape) < minus, -0.0, 0.0)
    x = np.where(number.random(shape) < 0.7, -1, zeros).astype(dtype)
    expected = ndpool.max_pool(x, **words, return_indices=True, engine="numpy")
    found = ndpool.max_pool(x, **words, return_indices=True, engine="native")
    assert same_bits(found[0], expected[0]) and np.array_equal(found[1], expected[1])
    assert same_bits(ndpool.max_pool(x, **words, engine="native"), expected[0])
