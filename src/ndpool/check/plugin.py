"""Tests of a pooling layer, one a case, that report through pytest.

In a test file, with nothing to install or configure::

    import ndpool
    from mylayer import Pooling

    @ndpool.check.cases
    def test_pooling(case):
        case.check(Pooling)

``@ndpool.check.cases("overlap-k2s1", "padding-k2s2p1", hint=1, lang="ja", strict=True)`` chooses
cases, and how much is told. With ``-p ndpool.check.plugin`` pytest has ``--ndpool-hint`` and
``--ndpool-lang`` for all of them, and ends with the first cause of each layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import PoolError
from .casebook import names
from .findings import Report

_reports: dict[tuple[Any, ...], Report] = {}
_overrides: dict[str, Any] = {}


@dataclass(frozen=True)
class CaseOfTest:
    """What a test gets: `check(layer)` fails the test if the layer fails in this case."""

    name: str
    words: dict[str, Any] = field(default_factory=dict)

    def check(self, layer: Any, **words: Any) -> None:
        """As `ndpool.check`, for this case; pytest shows the report, skips what cannot be tried."""
        import pytest

        words = {**self.words, **_overrides, **words}
        report = _checked(layer, words)
        found = [finding for finding in report.findings if self.name in finding.cases]
        if found:
            failed = Report(
                report.name, tuple(found), lang=report.lang, hint=report.hint, show=True
            )
            pytest.fail(failed.text(), pytrace=False)
        if self.name not in report.extra["tried"]:
            pytest.skip(f"{report.name} cannot do {self.name}")


def _checked(layer: Any, words: dict[str, Any]) -> Report:
    """One check of a layer serves the tests of all cases."""
    from .command import checked

    key = (id(layer), *sorted((name, repr(value)) for name, value in words.items()))
    if key not in _reports:
        _reports[key] = checked(layer, **words)
        _reports[key].extra["layer"] = layer  # keeps its id
    return _reports[key]


def cases(*chosen: Any, **words: Any) -> Any:
    """Parametrise a test by the checker's cases: ``@cases``, or ``@cases("plain", hint=1)``.

    The test takes an argument `case` and calls ``case.check(layer)``. Words are those of
    `ndpool.check`. Raises PoolError for a case that there is not.
    """
    if len(chosen) == 1 and callable(chosen[0]):
        return _parametrised(names(), {})(chosen[0])
    for name in chosen:
        if name not in names():
            raise PoolError("case", f"one of {', '.join(names())}", repr(name))
    return _parametrised(chosen or names(), words)


def _parametrised(chosen: Any, words: dict[str, Any]) -> Callable[[Any], Any]:
    import pytest

    made = [CaseOfTest(name, words) for name in chosen]
    return pytest.mark.parametrize("case", made, ids=[case.name for case in made])


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("ndpool")
    group.addoption("--ndpool-hint", type=int, choices=range(4), help="how much a failure tells")
    group.addoption("--ndpool-lang", help="language of a failure, en or ja")


def pytest_configure(config: Any) -> None:
    _overrides.clear()
    for name in ("hint", "lang"):
        value = config.getoption(f"--ndpool-{name}", None)
        if value is not None:
            _overrides[name] = value


def pytest_terminal_summary(terminalreporter: Any) -> None:
    failed = [report for report in _reports.values() if not report.ok]
    if failed:
        terminalreporter.section("ndpool check")
    for report in failed:
        first = Report(report.name, report.findings[:1], lang=report.lang, hint=report.hint)
        terminalreporter.write_line(first.text())
