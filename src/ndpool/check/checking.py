"""The function `ndpool.check`; what it needs is imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .findings import Report


def check(
    layer: Any,
    *,
    case: str | None = None,
    show: bool = False,
    hint: int = 3,
    lang: str = "en",
    strict: bool = False,
    layout: str | None = None,
    ceil_mode: bool | None = None,
    nonnegative: bool = False,
    timeout: float = 3.0,
    megabytes: int = 1024,
) -> Report:
    """Check a pooling layer; the `Report` says what is wrong, why, and how it is mended.

    >>> import ndpool
    >>> print(ndpool.check(ndpool.MaxPool))
    ✓ MaxPool: nothing found in 87 cases

    Args:
        layer: A class, an instance, or a factory (a function that makes one); a function forward or
            a pair of functions (forward, backward); a torch.nn.Module or a class of them; an ONNX
            file (its path, or the model). Constructor arguments are matched by name (kernel_size,
            pool_h, stride, pad, ...); for others give a factory whose arguments have such names.
        case: Only what shows in this case; `ndpool.check.names()` lists them.
        show: Also draw input, result and expected result of each finding.
        hint: 0 tells the phase only, 1 the case and what is wrong in it, 2 also the mistake and why
            it does that, 3 also the line to change.
        lang: "en" or "ja".
        strict: Matters of taste (which of equal cells wins, float64 results, ...) are findings too.
        layout: The axes of the layer's images, as "NHWC" or "HWC"; found out where it is None.
        ceil_mode: Whether output sizes are meant to be rounded up; found out where it is None.
        nonnegative: The layer gets no negative values, as after a ReLU: zero padding is right then.
        timeout: Seconds that one case may take.
        megabytes: Memory that the layer may take.

    Returns:
        A `Report`: `ok`, `findings`, `notes`, `skipped`; `text()`, `json()`, `html()`, `save()`.

    Raises:
        PoolError, PoolTypeError: What was given is no layer, or an argument has a wrong value. What
            the layer itself raises is a finding.
    """
    from .command import checked

    return checked(
        layer,
        case=case,
        show=show,
        hint=hint,
        lang=lang,
        strict=strict,
        layout=layout,
        ceil_mode=ceil_mode,
        nonnegative=nonnegative,
        timeout=timeout,
        megabytes=megabytes,
    )
