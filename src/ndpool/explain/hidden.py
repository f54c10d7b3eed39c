"""What is hidden of large data, in words."""

from __future__ import annotations

from functools import partial

from .config import Config
from .part import Part
from .words import phrase


def sentence(config: Config, part: Part) -> str | None:
    """Which image, channel, rows and columns are shown, counted from 1; None if all are."""
    if part.whole:
        return None
    say = partial(phrase, config.lang, "text")
    images, channels, height, width = config.x.shape
    rows, columns = part.region
    shown = []
    for key, (first, end), of in (
        ("hidden_image", part.images, images),
        ("hidden_channel", part.channels, channels),
        ("hidden_rows", rows, height),
        ("hidden_columns", columns, width),
    ):
        if end - first < of:
            shown.append(say(key, number=first + 1, first=first + 1, last=end, of=of))
    found = say("hidden", parts=say("comma").join(shown))
    return found if part.region == part.cells else found + say("hidden_context")
