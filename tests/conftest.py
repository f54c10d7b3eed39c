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


@pytest.fixture
def open_page(chromium, tmp_path):
    """A function that saves the page of a trace and opens it; what went wrong in it is an error."""
    from ndpool.explain import page

    tabs, pages = [], []

    def open_trace(trace, hash="", **how):
        path = page.save(trace, tmp_path / f"page{len(tabs)}.html")
        how = {"viewport": {"width": 1400, "height": 900}, **how}
        tabs.append(chromium.new_page(**how))
        pages.append(browser.Page(tabs[-1], path, hash))
        return pages[-1]

    yield open_trace
    for tab in tabs:
        tab.close()
    for opened in pages:
        assert opened.errors == []
