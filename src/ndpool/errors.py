"""What ndpool says when a call cannot be right: the argument, what was expected, what came."""

from __future__ import annotations


class PoolError(ValueError):
    """A value that no pooling can be done with.

    The message reads ``argument: expected ..., got ...; hint``.
    """

    def __init__(self, argument: str, expected: str, got: object, hint: str = "") -> None:
        super().__init__(_sentence(argument, expected, got, hint))
        self.argument = argument
        self._parts = argument, expected, str(got), hint

    def __reduce__(self) -> tuple[type[PoolError], tuple[str, str, str, str]]:
        return type(self), self._parts  # so that it can cross from one process to another


class PoolTypeError(TypeError):
    """The same, for a value of the wrong type."""

    def __init__(self, argument: str, expected: str, got: object, hint: str = "") -> None:
        super().__init__(_sentence(argument, expected, got, hint))
        self.argument = argument
        self._parts = argument, expected, str(got), hint

    def __reduce__(self) -> tuple[type[PoolTypeError], tuple[str, str, str, str]]:
        return type(self), self._parts


class MissingExtra(ImportError):
    """An optional package is not installed; the message says how to get it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what}: pip install 'ndpool[{extra}]'")


def _sentence(argument: str, expected: str, got: object, hint: str) -> str:
    sentence = f"{argument}: expected {expected}, got {got}"
    return f"{sentence}; {hint}" if hint else sentence


def shown(value: object, limit: int = 80) -> str:
    """``repr`` with its type, cut to `limit` characters: what came, for an error message.

    A value whose own ``repr`` fails is named by its type alone.
    """
    kind = type(value).__name__
    try:
        text = repr(value)
    except Exception:
        return f"a {kind}"
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return f"{text} ({kind})"
