"""The one place where the checker meets `ndpool.explain`: every step of a finding's case."""

from __future__ import annotations

from typing import Any

import ndpool

from ..errors import PoolError
from .evidence import dout_of
from .findings import Report


def explained(report: Report, number: int = 0, **words: Any) -> Any:
    """The trace of a finding's smallest case. PoolError where there is none."""
    examples = [finding.example for finding in report.findings]
    if not 0 <= number < len(examples) or examples[number] is None:
        raise PoolError("number", "a finding with a case", number)
    case = examples[number]
    assert case is not None
    pads = tuple(zip(case.pool.before, case.pool.after, strict=True))
    return ndpool.explain(
        case.x,
        case.pool.kernel,
        stride=case.pool.stride,
        padding=pads,
        dilation=case.pool.dilation,
        ceil_mode=case.pool.ceil,
        dy=dout_of(case),
        **{"lang": report.lang, **words},
    )
