"""A real headless Chromium for the tests of the page, or the reason why there is none.

Playwright drives the system's own Chromium; it downloads nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = (
    "no Playwright: pip install 'ndpool[browser]'"
    if find_spec("playwright") is None
    else "no Chromium: apt-get install chromium"
    if CHROMIUM is None
    else ""
)
needs_browser = pytest.mark.skipif(bool(MISSING), reason=MISSING)

# All that stands in the cells, and the classes that mark them, for each step by its name.
READ = """() => Object.fromEntries(
  [...document.querySelectorAll("#steps section.step")].map((section) => {
    const cells = [];
    for (const cell of section.querySelectorAll("td[tabindex]")) {
      cells[cell.ndpool.cell] = [cell.textContent, cell.className];
    }
    return [section.id.slice("step-".length), cells];
  }),
)"""

# Points at one cell after the other; for each, the words and cells that light up, by step.
POINT = """(cells) => cells.map(([step, number]) => {
  const send = (node, what) => node.dispatchEvent(new PointerEvent(what, { bubbles: true }));
  const all = [...document.querySelectorAll("#steps td[tabindex]")];
  const at = (one) => one.ndpool.name === step && one.ndpool.cell === number;
  send(all.find(at), "pointerover");
  const lit = {};
  for (const cell of all) {
    for (const word of ["self", "from", "to", "by", "mate", "twin"]) {
      if (!cell.classList.contains(word)) continue;
      ((lit[word] ??= {})[cell.ndpool.name] ??= []).push(cell.ndpool.cell);
    }
  }
  const sentence = document.querySelector("#sentence").textContent;
  send(document.querySelector("#steps"), "pointerleave");
  return { lit, sentence };
})"""

Lit = dict[str, set[int]]  # for each step, some of its cells


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """One open page: what it shows, and its real controls."""

    def __init__(self, tab: Any, path: Path, hash: str = "") -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._heard = {"request": self._request, "pageerror": self._error, "console": self._console}
        for event, heard in self._heard.items():
            tab.on(event, heard)
        self.url = path.resolve().as_uri()
        self.go(hash)

    def close(self, keep: bool) -> None:
        """Close the tab, or keep it for another page."""
        for event, heard in self._heard.items():
            self.tab.remove_listener(event, heard)
        if not keep:
            self.tab.close()

    def _request(self, request: Any) -> None:
        self.requests.append(request.url)

    def _error(self, error: Any) -> None:
        self.errors.append(str(error))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def go(self, hash: str = "") -> None:
        """Load the page anew, with this address."""
        self.tab.goto("about:blank")
        self.tab.goto(self.url + hash)
        self.wait("document.documentElement.dataset.ready === 'yes'")

    def wait(self, script: str, milliseconds: int = 8000) -> None:
        """Until this is true. (Playwright's way of waiting needs eval, which the page forbids.)"""
        for _ in range(milliseconds // 50):
            if self.run(script):
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"not true after {milliseconds} ms: {script}")

    def run(self, script: str, *values: Any) -> Any:
        return self.tab.evaluate(script, *values)

    def read(self) -> dict[str, list[list[str]]]:
        """For each step its cells, row-major: [text, classes]."""
        return self.run(READ)

    def texts(self, step: str) -> list[str]:
        return [text for text, _ in self.read()[step]]

    def lit(self, word: str) -> Lit:
        """For each step the cells that have this class, where there are any."""
        found = {
            step: {i for i, (_, classes) in enumerate(cells) if word in classes.split()}
            for step, cells in self.read().items()
        }
        return {step: cells for step, cells in found.items() if cells}

    def point(self, cells: list[tuple[str, int]]) -> list[tuple[dict[str, Lit], str]]:
        """Point at each cell: what lights up then by its word, and the sentence."""
        return [
            (
                {
                    word: {step: set(numbers) for step, numbers in steps.items()}
                    for word, steps in seen["lit"].items()
                },
                seen["sentence"],
            )
            for seen in self.run(POINT, cells)
        ]

    def cell(self, step: str, number: int) -> Any:
        """The element of a cell, to be clicked or pointed at."""
        return self.tab.evaluate_handle(
            """([step, number]) => [...document.querySelectorAll(`#step-${step} td[tabindex]`)]
              .find((cell) => cell.ndpool.cell === number)""",
            [step, number],
        ).as_element()

    def sentence(self) -> str:
        return self.tab.locator("#sentence").text_content()

    def type(self, field: str, value: object) -> None:
        """Type into a field of the settings, as people do."""
        box = self.tab.locator(f"#{field}")
        box.fill(str(value))
        box.press("Tab")

    def error(self, field: str) -> str:
        return self.tab.locator(f"#error-{field}").text_content()

    def hash(self) -> str:
        """The address, once it has been brought up to date."""
        self.run("ndpool.app.writeAddressNow()")
        return self.run("location.hash")
