"""Make docs/page.png, the picture of the page that README opens with.

Needs what the page's tests need: pip install '.[browser]', and Chromium.

    python tools/make_page_picture.py
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from ndpool.explain import moments

PICTURE = Path(__file__).parent.parent / "docs" / "page.png"
SIZE = {"width": 1320, "height": 1120}


def main() -> None:
    """Open the page of the first hard moment, its cell pinned, and take a picture of the steps."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "page.html"
        moments.trace("overlap").save(path)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(path.as_uri())
        page.evaluate("document.querySelector('#settings').open = false")
        page.evaluate("document.querySelector('.reading').scrollIntoView()")
        page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE)


if __name__ == "__main__":
    main()
