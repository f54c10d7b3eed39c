"""Write docs/mistakes.md: the zoo of mistakes, each with its smallest case, by running them.

python tools/make_mistakes.py
"""

from __future__ import annotations

from pathlib import Path

from ndpool.check.gallery import page

PAGE = Path(__file__).parent.parent / "docs" / "mistakes.md"

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
