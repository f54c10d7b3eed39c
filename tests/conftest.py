"""The engines, for tests that take `engine`; a browser, for those that take `open_page`."""

import browser
import pytest
from cases import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of each engine; a missing one is a skip that says why."""
    return request.param


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests."""
    if browser.MISSING:
        pytest.skip(browser.MISSING)
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="session")
def plain_tab(chromium):
    """One tab for most tests: a new one takes a second."""
    tab = chromium.new_page(viewport={"width": 1400, "height": 900})
    yield tab
    tab.close()


@pytest.fixture
def open_page(chromium, plain_tab, tmp_path):
    """A function that saves the page of a trace and opens it; what went wrong in it is an error.

    Words about how to open it make a tab of its own; without them there is one page at a time.
    """
    from ndpool.explain import page

    opened = []

    def open_trace(trace, hash="", **how):
        path = page.save(trace, tmp_path / f"page{len(opened)}.html")
        tab = chromium.new_page(**how) if how else plain_tab
        opened.append(browser.Page(tab, path, hash))
        return opened[-1]

    yield open_trace
    for one in opened:
        one.close(keep=one.tab is plain_tab)
    assert [error for one in opened for error in one.errors] == []
