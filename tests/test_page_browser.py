"""The page in a real browser: pointing, pinning, keys, walking, the address, editing."""

from __future__ import annotations

import numpy as np
import pytest
from browser import needs_browser

import ndpool
from ndpool.explain import moments
from ndpool.explain.words import words

pytestmark = needs_browser
EVIL = "</script><img src=x onerror=document.title='bad'>"


@pytest.fixture
def page(open_page):
    """The default example."""
    return open_page(ndpool.explain((2, 2, 4, 5)))


@pytest.fixture
def overlap(open_page):
    return open_page(moments.trace("overlap"))


def focused(page):
    return page.run("[document.activeElement.ndpool?.name, document.activeElement.ndpool?.cell]")


def test_no_request_leaves_the_file(page):
    for button in page.tab.locator("#momentlist button").all():
        button.click()
    page.tab.locator("#dialect").select_option("direct")
    page.tab.locator("#languages button").last.click()
    page.tab.locator("#theme").click()
    assert set(page.requests) - {"about:blank"} == {page.url}


def test_every_step_is_laid_out_once_the_page_has_opened(page):
    page.wait("document.querySelectorAll('#steps .later').length === 0")
    assert page.run(
        """() => [...document.querySelectorAll("#steps td[tabindex]")]
          .every((cell) => cell.checkVisibility({ contentVisibilityAuto: true }))"""
    )


def test_pointing_lights_every_other_matrix(page):
    page.cell("dx", 6).hover()  # dx[0,0,1,1]
    first = {"out_t", "transpose", "max", "argmax", "out", "dout"}
    assert page.lit("self") == {"dx": {6}}
    assert page.lit("from") == {
        "col2im": {6}, "dcol": {3}, "reshape_5d": {3}, "fill": {3}, "transpose": {0}, "dout": {0},
    }  # fmt: skip
    assert page.lit("twin")["x"] == {6} and page.lit("twin")["out"] == {0}
    # The window is cells 0, 1, 5, 6 of the image; the first row of each matrix.
    mates = page.lit("mate")
    assert mates["x"] == {0, 1, 5, 6} and mates["dx"] == {0, 1, 5}
    assert mates["im2col"] == mates["reshape"] == mates["fill"] == mates["dcol"] == {0, 1, 2, 3}
    assert all(mates[name] == {0} for name in first)
    page.tab.mouse.move(5, 5)
    assert page.lit("self") == {} and page.lit("from") == {}


def test_pointing_at_x_shows_where_it_goes(page):
    page.cell("x", 6).hover()
    assert page.lit("to") == {
        "pad": {6}, "im2col": {3}, "reshape": {3}, "max": {0}, "out_t": {0}, "out": {0},
    }  # fmt: skip
    assert page.lit("twin")["dout"] == {0} and page.lit("twin")["dcol"] == {3}
    page.cell("x", 0).hover()  # a loser gets to the comparison, and no further
    assert page.lit("to") == {"pad": {0}, "im2col": {0}, "reshape": {0}}


def test_click_pins_and_says_what_there_is_to_say(page):
    page.tab.locator("#momentlist button[value=overlap]").click()
    said = (
        "dx[0,0,1,1] = 27 = 1+2+8+16, from outputs (0,0), (0,1), (1,0), (1,1): "
        "it won 4 of the 4 windows that hold it."
    )
    assert page.sentence() == said  # a moment comes pinned
    assert page.tab.locator("#formula").text_content() == "dx[0,0,1,1] = 27 = 1+2+8+16"
    page.cell("dx", 5).click()  # so this unpins it
    page.tab.mouse.move(5, 5)
    assert page.lit("self") == {} and page.sentence() != said
    page.cell("dx", 5).click()
    page.tab.mouse.move(5, 5)
    assert page.lit("self") == {"dx": {5}} and page.sentence() == said


def test_a_page_saved_of_a_moment_opens_with_it(overlap):
    assert overlap.tab.locator("#moment").is_visible()
    assert overlap.lit("self") == {"dx": {5}}
    overlap.tab.locator("#momentlist button[value=overlap]").click()
    overlap.tab.locator("#unpin").click()
    overlap.go(overlap.hash())
    assert not overlap.tab.locator("#moment").is_visible() and overlap.lit("self") == {}


def test_keyboard_alone(page):
    # To the first matrix with Tab, as people do.
    page.tab.locator("#legend").click()
    page.tab.keyboard.press("Tab")
    assert focused(page) == ["x", 0]
    for key in ("ArrowRight", "ArrowDown"):
        page.tab.keyboard.press(key)
    assert focused(page) == ["x", 6]
    assert page.lit("self") == {"x": {6}} and "dx" in page.lit("twin")
    page.tab.keyboard.press("End")  # into the next channel's block
    assert focused(page) == ["x", 29]
    page.tab.keyboard.press("Home")
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("Enter")
    assert page.sentence().startswith("x[0,0,1,1] = 1122")
    page.tab.keyboard.press("Enter")  # pinned and an input: on to its number
    page.tab.keyboard.press("Control+A")
    page.tab.keyboard.type("7\n")
    assert focused(page) == ["x", 6] and page.texts("x")[6] == "7"
    assert page.texts("out")[0] == "1121"
    page.tab.keyboard.type("95")  # digits go there at once
    page.tab.keyboard.press("Enter")
    assert page.texts("x")[6] == "95"
    page.tab.keyboard.press("Control+z")
    assert page.texts("x")[6] == "7"
    page.tab.keyboard.press("Escape")
    assert page.lit("self") == {"x": {6}}  # still where the keys are
    page.tab.keyboard.press("Tab")
    assert focused(page)[0] == "pad"


def test_one_tab_stop_for_each_matrix(page):
    stops = page.run(
        """() => [...document.querySelectorAll("#steps table")]
          .map((table) => table.querySelectorAll('td[tabindex="0"]').length)"""
    )
    assert stops == [1] * 16
    labels = page.run(
        "() => [...document.querySelectorAll('#steps table')].map((t) => t.ariaLabel)"
    )
    assert labels[2].startswith("col (8, 8): ")
    assert page.run("document.querySelector('#sentence').ariaLive") == "polite"


def test_slider_and_buttons_walk_steps_and_windows(page):
    def slide(name, value):
        page.run(
            """([id, value]) => {
              const slider = document.getElementById(id);
              slider.value = value;
              slider.dispatchEvent(new Event("input", { bubbles: true }));
            }""",
            [name, value],
        )

    slide("walkwindow", 5)  # window [0, 1, 1, 0]: the sixth row of pools
    slide("walkstep", 3)
    assert page.lit("walk") == {"reshape": {20, 21, 22, 23}}
    assert page.lit("mate")["x"] == {20 + r * 5 + k for r in (2, 3) for k in (0, 1)}
    assert page.tab.locator("#walkwindowname").text_content() == "6/16 [0, 1, 1, 0]"
    page.tab.locator("#on").click()
    assert page.lit("walk") == {"argmax": {5}}
    page.tab.locator("#back").click()
    page.tab.locator("#back").click()
    assert page.lit("walk") == {"im2col": {20, 21, 22, 23}}
    slide("walkstep", 15)
    page.tab.locator("#on").click()  # from the last step on to the next window
    assert list(page.lit("walk")) == ["x"]
    assert page.tab.locator("#walkwindowname").text_content().startswith("7/16")


def test_play_goes_on_by_itself_until_it_is_stopped(page):
    page.run("() => { document.querySelector('#play').click() }")
    assert page.lit("walk") == {"x": {0, 1, 5, 6}}
    page.wait("document.querySelector('#walkstep').value === '2'")
    page.tab.locator("#play").click()
    step = page.run("document.querySelector('#walkstep').value")
    page.tab.wait_for_timeout(1300)
    assert page.run("document.querySelector('#walkstep').value") == step


def test_the_address_keeps_the_whole_view(page):
    page.type("shape-3", 4)
    page.type("padding-0", 1)
    page.type("stride-1", 1)
    page.tab.locator("#dialect").select_option("columns")
    page.tab.locator("#ceil").check()
    page.tab.locator("#languages button").last.click()
    page.tab.locator("#shows button").last.click()
    page.run("ndpool.edit({ cells: [[3, '-7']], dout: [[0, '5']] })")
    page.cell("dx", 3).click()
    page.tab.mouse.move(5, 5)
    hash, seen, said = page.hash(), page.read(), page.sentence()
    page.go(hash)
    assert page.read() == seen and page.sentence() == said
    assert page.hash() == hash
    assert page.run("document.documentElement.lang") == "ja"
    page.tab.locator("#reset").click()
    assert page.texts("x")[0].startswith("1111")


def test_an_address_typed_into_an_open_page(page):
    page.run("() => { location.hash = '#k=3.3&s=1.1&pin=out.0.0.0.0' }")
    page.wait("document.querySelectorAll('#step-out td[tabindex]').length === 24")
    assert page.lit("self") == {"out": {0}}


@pytest.mark.parametrize("hash", [
    "#k=9.9", "#k=a", "#shape=1.1", "#x=float64:1,2", "#pin=nothing.1", "#walk=99.99",
    "#region=5.2.1.1", "#dy=int64:1", "#cells=999999:3", "#lang=xx&show=yy&moment=zz&dialect=q",
    f"#pin={EVIL}&moment={EVIL}&cells=0:{EVIL}&dialect={EVIL}", "#%", "#constructor=1",
])  # fmt: skip
def test_an_address_that_cannot_be_is_harmless(open_page, hash):
    page = open_page(ndpool.explain((2, 2, 4, 5)), hash)
    assert page.texts("x")[:2] == ["1111", "1112"] and len(page.texts("out")) == 16
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.title") != "bad"


def test_names_are_text(open_page):
    page = open_page(ndpool.explain((1, 1, 2, 2), name=EVIL))
    assert page.run("document.title").startswith("</script><img")
    assert EVIL in page.tab.locator("#lead").text_content()
    assert page.run("document.querySelectorAll('img').length") == 0


@pytest.mark.parametrize(
    ("field", "value", "beside", "said"),
    [
        ("kernel-0", 9, "kernel", "window spans 9 rows"),
        ("kernel-1", 0, "kernel", "from 1 to 999"),
        ("stride-0", "", "stride", "whole number"),
        ("padding-0", 3, "padding", "nothing but padding"),
        ("padding-2", -1, "padding", "from 0 to 999"),
        ("dilation-0", 7, "dilation", "spans 8 rows"),
        ("shape-2", 0, "shape", "whole number"),
        ("shape-2", 1, "shape", "window spans 2 rows"),
        ("shape-0", 1000000, "shape", "1000000 cells"),
    ],
)
def test_bad_edits_are_refused_beside_their_field(page, field, value, beside, said):
    seen = page.read()
    page.type(field, value)
    assert said in page.error(beside)
    assert page.tab.locator(f"#{field}").get_attribute("aria-invalid") == "true"
    assert page.read() == seen
    page.tab.locator("#ceil").check()  # the next good edit forgets it
    assert page.error(beside) == ""


@pytest.mark.parametrize("text", ["", "1.5", "nan", "9223372036854775808", "1e3", "0x1", EVIL])
def test_bad_numbers_are_refused(page, text):
    page.cell("x", 6).dblclick()
    page.tab.locator("#cellvalue").fill(text)
    page.tab.locator("#cellvalue").press("Enter")
    assert "whole number" in page.tab.locator("#cellerror").text_content() or "9223" in text
    assert page.tab.locator("#cellerror").text_content() and page.texts("x")[6] == "1122"


def test_full_width_digits_are_digits(page):
    page.cell("x", 0).dblclick()
    page.tab.locator("#cellvalue").fill("\u2212\uff19")
    page.tab.locator("#cellvalue").press("Enter")
    assert page.texts("x")[0] == "-9"


def test_editing_dout(page):
    page.cell("dout", 1).dblclick()
    page.tab.locator("#cellvalue").fill("-3")
    page.tab.locator("#cellvalue").press("Enter")
    assert page.texts("dout")[:3] == ["1122", "-3", "1142"]
    assert page.texts("dx")[8] == "-3"  # dx[0,0,1,3]: the winner of output (0,1)
    assert page.tab.locator("#dy").input_value() == "own"
    page.tab.locator("#dy").select_option("ones")
    assert set(page.texts("dout")) == {"1"}


def test_own_numbers(page):
    page.tab.locator("#data summary, .own summary").click()
    page.tab.locator("#data-text").fill("1 5, 2\n3 nan 9.5")
    page.tab.get_by_text("Use these").click()
    assert page.texts("x") == ["1.", "5.", "2.", "3.", "nan", "9.5"]
    assert page.texts("out") == ["nan"]
    page.tab.locator("#data-text").fill("array([[1, 2], [3]])")
    page.tab.get_by_text("Use these").click()
    assert "same length" in page.error("data") and page.texts("out") == ["nan"]


def test_undo_redo_reset(page):
    first = page.read()
    page.type("kernel-0", 3)
    second = page.read()
    page.tab.locator("#undo").click()
    assert page.read() == first and page.tab.locator("#undo").is_disabled()
    page.tab.locator("#redo").click()
    assert page.read() == second
    page.tab.locator("#reset").click()
    assert page.read() == first and page.hash() == ""


@pytest.mark.parametrize("dialect", ["rows", "columns", "direct"])
def test_coordinates_past_nine(open_page, dialect):
    page = open_page(ndpool.explain((1, 11, 2, 12), dialect=dialect, channel=10))
    page.tab.locator("#shows button[value=place]").click()
    assert page.texts("x")[-1] == "n1 c11\nr2 k12"
    assert page.texts("out")[-1] == "n1 c11\nr2 k12"  # where the winner stood
    assert page.texts("dx")[-1] == "n1 c11\nr1 k6"  # the output that its gradient came from
    page.tab.locator("#shows button[value=both]").click()
    assert page.texts("x")[0] == "111101\nn1 c11\nr1 k1"


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", moments.names())
def test_moments(page, name, lang):
    page.run("(lang) => ndpool.app.look({ lang })", lang)
    page.tab.locator(f"#momentlist button[value={name}]").click()
    box = page.tab.locator("#moment")
    about = words(lang)["moments"][name]
    assert box.locator("h2").text_content() == about["title"]
    assert about["text"] in box.text_content()
    assert f"ndpool explain --moment {name}" in box.text_content()
    trace = moments.trace(name, lang=lang)
    assert page.texts("dx") == [str(v) for v in trace.dx.reshape(-1)]
    assert page.sentence() == trace.sentence(*moments.pin(name))
    # The wrong arrays are those that Python makes wrong, too.
    wrong = [e for e in moments.exhibits(name) if e.wrong and e.symbol in ("dx", "out")]
    shown = [
        figure.locator("td").all_text_contents() for figure in box.locator("figure.wrong").all()
    ]
    if name != "nan":
        for exhibit in wrong:
            assert [str(v) for v in exhibit.array.reshape(-1)] in shown


def test_what_goes_wrong(page):
    def grids():
        figures = page.tab.locator("#moment figure").all()
        return [figure.locator("td").all_text_contents() for figure in figures]

    page.tab.locator("#momentlist button[value=overlap]").click()
    coverage, right, wrong = grids()
    assert coverage == list("122124421221")
    assert sum(map(int, right)) == 63 and sum(map(int, wrong)) < 63
    page.tab.locator("#momentlist button[value=transpose]").click()
    right, wrong = grids()
    assert right[1] == "1124" and wrong[1] == "1222"
    page.tab.locator("#momentlist button[value=padding]").click()
    _, out, dx, swallowed = grids()
    assert out == ["0", "0", "0", "-1"] and sum(map(int, swallowed)) < sum(map(int, dx)) == 15
    page.tab.locator("#momentlist button[value=unseen]").click()
    floor, ceil = grids()
    assert floor[4::5] == ["0"] * 5 and set(ceil) == {"1"}


def test_sums_on_screen(overlap):
    text = " ".join(overlap.tab.locator("#sums").text_content().split())
    assert "Σ dout 63 = 63 Σ dx" in text
    sums = ndpool.explain(moments.trace("overlap").config.x, stride=1, dy="powers").sums()
    assert f"{sums.columns} = {sums.image}" in text


def test_integers_that_wrap_around_are_told(open_page):
    x = np.full((1, 1, 3, 3), 255, np.uint8)
    x[0, 0, 0, 0] = 0
    page = open_page(ndpool.explain(x, 2, stride=1))
    text = page.tab.locator("#sums").text_content()
    assert "≠" in text and "wrap around" in text


def test_large_integers_are_exact(open_page):
    big = 2**53 + 1
    page = open_page(ndpool.explain(np.array([[big, big - 1], [5, 6]])))
    assert page.texts("out") == [str(big)]
    page.cell("x", 2).dblclick()
    page.tab.locator("#cellvalue").fill(str(big + 1))
    page.tab.locator("#cellvalue").press("Enter")
    assert page.texts("out") == [str(big + 1)]


def test_a_large_image_shows_a_region_that_can_be_moved(open_page):
    x = np.random.default_rng(0).standard_normal((1, 3, 300, 400))
    page = open_page(ndpool.explain(x, 3, stride=2, padding=1))
    trace = ndpool.explain(x, 3, stride=2, padding=1)
    assert page.tab.locator("#hidden").text_content() == trace.hidden
    page.tab.locator("#map").focus()
    page.tab.keyboard.press("Shift+ArrowDown")
    page.tab.keyboard.press("ArrowRight")
    page.tab.locator("#region-channel").fill("2")
    page.tab.locator("#region-channel").press("Tab")
    moved = ndpool.explain(x, 3, stride=2, padding=1, channel=2, region=(10, 22, 1, 13))
    assert page.tab.locator("#hidden").text_content() == moved.hidden
    index = (0, 0, 3, 4)
    page.run("(pin) => ndpool.app.look({ pin })", "dx.0.0.3.4")
    assert page.sentence() == moved.sentence("dx", index)
    outside = {i for i, (_, words) in enumerate(page.read()["dx"]) if "outside" in words}
    assert outside == set(np.flatnonzero(moved.incomplete))
    page.tab.locator("#region-r1").fill("2")
    page.tab.locator("#region-r1").press("Tab")
    assert "at least one row" in page.tab.locator("#error-region").text_content()


def test_a_million_cells(open_page):
    x = np.random.default_rng(0).integers(0, 99, (1000, 1000))
    page = open_page(ndpool.explain(x, 3, stride=2))
    page.run("ndpool.edit({ region: [500, 506, 990, 1000] })")
    moved = ndpool.explain(x, 3, stride=2, region=(500, 506, 990, 1000))
    assert page.texts("dx") == [str(v) for v in moved.dx.reshape(-1)]


def test_another_language_changes_the_words_alone(page):
    values = page.read()
    page.tab.locator("#languages button[value=ja]").click()
    assert page.read() == values
    assert page.tab.locator("h1").text_content() == words("ja")["page"]["title"]
    assert page.run("document.documentElement.lang") == "ja"


def test_phone(open_page):
    page = open_page(
        ndpool.explain((2, 2, 4, 5)), viewport={"width": 390, "height": 844}, has_touch=True
    )
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.cell("dx", 6).tap()
    assert page.sentence().startswith("dx[0,0,1,1] = 1122")


def test_no_mark_is_colour_alone(page):
    """In grey, two kinds of cells never look alike: each has a border or pattern of its own."""
    looks = page.run(
        """(words) => words.map((word) => {
          const cell = document.querySelector("#step-x td[tabindex]");
          const before = cell.className;
          cell.className = word;
          const style = getComputedStyle(cell);
          const mark = getComputedStyle(cell, "::after").borderTopWidth;
          const dark = style.backgroundColor === style.color ? "" : style.outlineStyle;
          const look = [dark, style.outlineWidth, style.boxShadow !== "none",
            style.backgroundImage.slice(0, 20), mark,
            word === "self" ? style.backgroundColor : ""].join("|");
          cell.className = before;
          return look;
        })""",
        ["self", "from", "to", "by", "mate", "twin", "winner", "padding", "unseen"],
    )
    assert len(set(looks)) == len(looks)


def test_a_notebook_holds_many(chromium, tmp_path):
    traces = [moments.trace("overlap"), moments.trace("nan")]
    parts = "".join(trace._repr_mimebundle_()["text/html"] for trace in traces)
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{parts}", "utf-8")
    tab = chromium.new_page()
    try:
        tab.goto(path.as_uri())
        for number, trace in enumerate(traces):
            frame = tab.locator("iframe").nth(number)
            frame.scroll_into_view_if_needed()
            dx = frame.content_frame.locator("#step-dx td[tabindex]")
            dx.first.wait_for()
            assert dx.all_text_contents() == [str(v) for v in trace.dx.reshape(-1)]
    finally:
        tab.close()
