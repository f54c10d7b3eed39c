"""The pictures: what is in them, how they are saved, and that they do not change by themselves."""

import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import ndpool
from ndpool.explain import figures

matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib")
ROOT = Path(__file__).parent.parent
DIALECTS = ["rows", "columns", "direct"]


def texts(picture):
    """Every text that stands in the picture."""
    ax = picture.figure.axes[0]
    return [text.get_text() for text in ax.texts]


def patches(picture):
    return picture.figure.axes[0].patches


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", figures.KINDS)
def test_every_kind_is_drawn(dialect, kind, tmp_path):
    trace = ndpool.explain((2, 3), 2, stride=1, padding=((1, 0), (0, 1)), dialect=dialect)
    picture = trace.figure(kind)
    svg = picture.svg()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert picture._repr_svg_() == svg == trace.figure(kind).svg()  # no date, no random name
    picture.save(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text("utf-8") == svg


def test_png_and_pdf(tmp_path):
    picture = ndpool.explain((3, 3)).figure("forward")
    assert picture.png()[:8] == b"\x89PNG\r\n\x1a\n"
    picture.save(tmp_path / "picture.PNG")
    picture.save(tmp_path / "picture.pdf")
    assert (tmp_path / "picture.pdf").read_bytes()[:5] == b"%PDF-"
    with pytest.raises(ndpool.PoolError, match=r"path: expected a name that ends in \.svg, "):
        picture.save(tmp_path / "picture.doc")


def test_every_number_stands_there():
    trace = ndpool.explain((2, 2, 4, 5))
    drawn = texts(trace.figure("backward"))
    for name in ("dout", "transpose", "fill", "dcol", "dx"):
        for value in trace[name].array.reshape(-1):
            drawn.remove(str(value))
    assert not [text for text in drawn if text.isdecimal()]  # and no other
    assert "dmax (16 x 4)" in drawn and "dx[1,0]" in drawn


@pytest.mark.parametrize("dialect", DIALECTS)
def test_winners_are_marked_without_colour(dialect):
    trace = ndpool.explain((1, 1, 4, 4), dialect=dialect)
    picture = trace.figure("columns_to_image")
    heavy = [patch for patch in patches(picture) if patch.get_linewidth() == 1.6]
    names = ("routes", "dx") if dialect == "direct" else ("dcol", "dx")
    assert len(heavy) == sum(trace.winners[name].sum() for name in names) == 8
    bold = [t for t in picture.figure.axes[0].texts if t.get_text().isdecimal()
            and t.get_fontweight() == "bold"]  # fmt: skip
    assert len(bold) == 8
    for patch in patches(picture):
        red, green, blue, _ = patch.get_facecolor()
        assert red == green == blue


def test_padding_is_hatched_and_empty():
    trace = ndpool.explain((2, 2), 2, padding=1)
    picture = trace.figure("image_to_matrix")
    hatched = [patch for patch in patches(picture) if patch.get_hatch()]
    assert len(hatched) == trace["pad"].padding.sum() + trace["im2col"].padding.sum() == 24
    assert not [text for text in texts(picture) if text.startswith("-")]


def test_one_window_is_followed():
    trace = ndpool.explain((1, 1, 4, 4))
    picture = trace.figure("forward")  # x, col, pools, highest, out
    dashed = [patch for patch in patches(picture) if patch.get_linestyle() not in ("-", "solid")]
    assert len(dashed) == 4 + 4 + 4 + 1 + 1


def test_padding_panels_only_where_there_is_padding():
    without, padded = ndpool.explain((4, 4)), ndpool.explain((4, 4), padding=1)
    assert "x_padded (1 x 1 x 4 x 4)" not in texts(without.figure("forward"))
    assert "x_padded (1 x 1 x 6 x 6)" in texts(padded.figure("forward"))
    assert "col2im\n+=" in texts(without.figure("backward"))


def test_large_data_are_cut_to_what_can_be_read():
    trace = ndpool.explain((40, 60), 3, stride=2, region=(0, 40, 0, 60))
    width, height = trace.figure("columns_to_image").figure.get_size_inches()
    assert width < 40 and height < 12
    assert "…" in texts(trace.figure("columns_to_image"))


def test_images_of_odd_values():
    x = np.full((2, 3, 9, 9), np.nan)
    x[0, 0, 4, 4], x[0, 1] = np.inf, 0.0
    picture = ndpool.explain(x, dy="ones").figure("images")
    assert len(picture.figure.axes) == 4 * 4  # of four channels: three images and a colour bar
    assert len(picture.png(30)) > 1000
    bits = ndpool.explain(np.eye(8) > 0, dy="ones").figure("images")
    assert len(bits.svg()) > 1000


def test_wrong_kind():
    trace = ndpool.explain((2, 2))
    with pytest.raises(ndpool.PoolError, match="kind: expected one of image_to_matrix, forward"):
        trace.figure("sideways")
    with pytest.raises(TypeError, match="kind: expected one of"):
        trace.figure(3)


def test_no_window_system_is_needed():
    ndpool.explain((2, 2)).figure("forward").png(30)
    assert "matplotlib.pyplot" not in sys.modules or re.match("agg", matplotlib.get_backend(), re.I)


def test_figures_of_the_docs_show_what_the_code_does():
    spec = importlib.util.spec_from_file_location("make_figures", ROOT / "tools/make_figures.py")
    make_figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_figures)
    drawn = make_figures.figures()
    assert {path.stem for path in make_figures.FOLDER.iterdir()} == set(drawn)
    for name, picture in drawn.items():
        kept = (make_figures.FOLDER / f"{name}.svg").read_text("utf-8")
        # Not every version of matplotlib writes the same bytes, but they all write these.
        assert words_of(kept) == words_of(picture.svg()), "run python tools/make_figures.py"


def words_of(svg):
    """The texts of an SVG, in the order in which they are drawn."""
    root = ElementTree.fromstring(svg)
    return ["".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")]
