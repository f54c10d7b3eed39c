"""The page: one HTML file in which a trace can be touched, followed and edited, offline.

The file embeds the arguments and the data of the trace, and nothing of its steps: the page's own
JavaScript (``page/*.js``) computes them, by the same contract and cell for cell equal. It loads
nothing from anywhere: its content security policy allows its own script, known by its hash, and no
request at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import webbrowser
from functools import cache
from html import escape
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import PoolError
from ..dialects import layout
from ..steps import Array
from ..words import languages, words

if TYPE_CHECKING:
    from ..trace import Trace

# In the order in which they are joined to one script.
SCRIPTS = (
    "numbers", "links", "geometry", "cut", "compute", "windows", "place", "marks",
    "edit", "address", "call", "sums", "say", "sentence", "moments",
    "matrix", "light", "steps", "walk", "controls", "map", "pointer", "tools", "app", "main",
)  # fmt: skip
WORDS = ("language", "steps", "sentences", "moments", "text", "page")
EMBEDDED = 16 * 2**20  # bytes: of larger arrays the page holds one image and channel
LARGEST = 64 * 2**20  # bytes of that


def html(trace: Trace) -> str:
    """The page of `trace`, as text.

    >>> import ndpool
    >>> page = html(ndpool.explain((1, 1, 3, 3), 2, stride=1))
    >>> page[:15], "https://" in page
    ('<!doctype html>', False)

    Raises PoolError for an image too large to be put into a page.
    """
    script, style = _script(), _lean(_read("style.css"))
    title = trace.config.name or words(trace.config.lang)["page"]["title"]
    parts = {
        "title": escape(title),
        "lang": escape(trace.config.lang),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "data": _json(data(trace)),
    }
    text = _read("page.html")
    head, *rest = text.split("{{")
    pieces = [head]
    for part in rest:
        name, after = part.split("}}", 1)
        pieces += [parts[name], after]
    return "".join(pieces)


def save(trace: Trace, path: str | Path, *, open: bool = False) -> Path:
    """Write the page of `trace` to `path` and return it; with `open`, show it in the browser.

    Raises PoolError as `html` does, and OSError as writing a file does.
    """
    target = Path(path)
    target.write_text(html(trace), "utf-8", newline="\n")  # the hashes are of these bytes
    if open:
        webbrowser.open(target.resolve().as_uri())
    return target


def data(trace: Trace) -> dict[str, Any]:
    """What the page is given: arguments and arrays, nothing of the steps."""
    config, shapes = trace.config, trace.geometry
    planes = _embedded_planes(trace)
    (n0, n1), (c0, c1) = planes
    is_all = (n1 - n0, c1 - c0) == config.x.shape[:2]
    cut = np.s_[n0:n1, c0:c1]
    base = {"n": n0, "c": c0, "N": config.x.shape[0], "C": config.x.shape[1]}
    return {
        "version": 1,
        "name": config.name,
        "x": _array(config.x[cut]),
        "dy": config.dy if isinstance(config.dy, str) else _array(config.dy[cut]),
        "kernel": shapes.kernel,
        "stride": shapes.stride,
        "dilation": shapes.dilation,
        "before": shapes.before,
        "after": shapes.after,
        "ceil": config.ceil_mode,
        "dialect": config.dialect,
        "lang": config.lang,
        "image": _wrapped(config.image, config.x.shape[0]) if is_all else None,
        "channel": _wrapped(config.channel, config.x.shape[1]) if is_all else None,
        "region": None if config.region is None else list(chain(*trace.part.region)),
        "base": None if is_all else base,
    }


def _embedded_planes(trace: Trace) -> tuple[tuple[int, int], tuple[int, int]]:
    x = trace.config.x
    if x.nbytes <= EMBEDDED:
        return (0, x.shape[0]), (0, x.shape[1])
    images, channels = trace.part.images, trace.part.channels
    size = (images[1] - images[0]) * (channels[1] - channels[0]) * x[0, 0].nbytes
    if size > LARGEST:
        raise PoolError(
            "x",
            f"at most {LARGEST // 2**20} MiB in a page",
            f"{size // 2**20} MiB",
            "cut out a part of it, x[..., :2000, :2000]",
        )
    return images, channels


def _wrapped(number: int | None, size: int) -> int | None:
    return None if number is None else int(number) % size


def _array(array: Array) -> dict[str, Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": array.dtype.newbyteorder("=").name, "shape": array.shape, "data": text}


@cache
def _script() -> str:
    """All scripts in one function, after the words and the dialects that they know."""
    known = {
        "WORDS": {lang: _said(words(lang)) for lang in languages()},
        "DIALECTS": layout(),
        "MOMENTS": json.loads(files("ndpool.explain").joinpath("moments.json").read_text("utf-8")),
    }
    constants = "".join(f"const {name} = {_json(value)};\n" for name, value in known.items())
    sources = "".join(_lean(_read(f"{name}.js")) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{constants}{sources}}})();\n'


def _said(found: dict[str, Any]) -> dict[str, Any]:
    """Those of a language's words that the page says."""
    said = {section: found[section] for section in WORDS}
    said["text"] = {k: v for k, v in found["text"].items() if k == "comma" or "hidden" in k}
    said["moments"] = {
        name: {"title": moment["title"], "text": moment["text"]}
        for name, moment in found["moments"].items()
    }
    return said


def _lean(source: str) -> str:
    """Without comment lines and indentation, which are a quarter of the page.

    >>> _lean("// why\\nif (a) {\\n  b();\\n}\\n")
    'if (a) {\\nb();\\n}\\n'
    """
    lines = (line.strip() for line in source.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def _json(value: object) -> str:
    """JSON that no HTML can be hidden in: ``</script>`` would end the script early."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _read(name: str) -> str:
    return files("ndpool.explain").joinpath("page", name).read_text("utf-8")
