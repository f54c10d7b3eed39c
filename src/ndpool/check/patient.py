"""The layer under check, in its own process: asked what it can do, and what it does in a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .adapters import Adapter, Options, Profile, adapt
from .casebook import Case
from .sandbox import Ended, Handler, Limits, sandbox
from .script import Failure, Seen, failure_of, perform

MOST_ENDS = 2  # endless loops and crashes before we give up


class Unloadable(Exception):
    """The layer could not even be looked at."""

    def __init__(self, failure: Failure | Ended) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Patient:
    """`load` is called in the sandbox and gives the learner's object."""

    def __init__(
        self, load: Callable[[], Any], options: Options, source: str, limits: Limits
    ) -> None:
        self._options = options

        def start() -> Handler:
            return _handler(adapt(load(), self._options, source))

        self._box = sandbox(start, limits)
        self.ends = 0
        self.ended: dict[str, Ended] = {}
        self.printed = 0

    def __enter__(self) -> Patient:
        return self

    def __exit__(self, *_: object) -> None:
        self._box.close()

    def profile(self) -> Profile:
        """What the layer can do; Unloadable says why that could not be found out."""
        answer = self._box.ask(("profile", None))
        if isinstance(answer, Ended):  # perhaps of a trial: then what the names tell must do
            self._options = replace(self._options, trials=False)
            answer = self._box.ask(("profile", None))
        if isinstance(answer, Profile):
            self._options = replace(self._options, known=answer)
            return answer
        if isinstance(answer, Ended):
            raise Unloadable(answer)
        if isinstance(answer, (ValueError, TypeError)) and hasattr(answer, "argument"):
            raise answer  # a PoolError: it speaks to the user
        raise Unloadable(failure_of(answer))

    def does(self, case: Case) -> Seen:
        """What the layer does in a case. After too many ends it is not asked any more."""
        if self.ends >= MOST_ENDS:
            return Seen(ended=("given-up", ""))
        answer = self._box.ask(("case", case))
        self.printed = max(self.printed, self._box.printed)
        if isinstance(answer, Seen):
            return answer
        self.ends += 1
        if isinstance(answer, Ended):
            self.ended[case.name] = answer
            return Seen(ended=(answer.how, answer.detail))
        return Seen(ended=("crash", f"{type(answer).__name__}: {answer}"))

    def does_forward(self, case: Case) -> Seen:
        """The same, forward alone; asked even after too many ends."""
        answer = self._box.ask(("forward", case))
        return answer if isinstance(answer, Seen) else Seen(ended=("crash", ""))

    def code(self, case: Case) -> list[str]:
        answer = self._box.ask(("code", case))
        return answer if isinstance(answer, list) else []


def _handler(adapter: Adapter) -> Handler:
    def handle(request: Any) -> Any:
        what, case = request
        if what == "profile":
            return adapter.profile
        if what == "code":
            return adapter.code(case)
        if what == "forward":
            return perform(replace(case, script="forward-alone"), adapter.make)
        return perform(case, adapter.make, watch=True)

    return handle
