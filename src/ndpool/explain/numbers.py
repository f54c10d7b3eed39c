"""Numbers as text: whole numbers as they are, floats short, in NumPy's way."""

from __future__ import annotations

from typing import Any

import numpy as np

from .steps import Array


def shown(value: Any) -> str:
    """One number.

    >>> shown(np.int64(1122)), shown(np.float64(1122)), shown(np.float32(0.1))
    ('1122', '1122.', '0.1')
    >>> shown(np.float64(1 / 3)), shown(np.float64(1e-9)), shown(np.bool_(True))
    ('0.3333', '1e-09', '1')
    """
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        return str(int(value))
    wide = value if isinstance(value, (float, np.floating)) else np.float32(value)  # bfloat16
    size = abs(float(wide))
    if not np.isfinite(wide):
        return "nan" if np.isnan(wide) else "-inf" if wide < 0 else "inf"
    if size and not 1e-4 <= size < 1e7:
        return np.format_float_scientific(wide, precision=3, trim="-")
    return np.format_float_positional(wide, precision=4, trim=".")


def said(value: Any) -> str:
    """One number in a sentence, where "1." would look like its end.

    >>> said(np.float64(1122)), said(np.float32(0.5)), said(np.int8(3))
    ('1122.0', '0.5', '3')
    """
    text = shown(value)
    return text + "0" if text.endswith(".") else text


def all_shown(array: Array) -> list[str]:
    """Each cell, row-major."""
    return [shown(value) for value in array.reshape(-1)]
