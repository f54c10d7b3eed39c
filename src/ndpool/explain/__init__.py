"""Every step of pooling, forward and backward, to be read, drawn and touched.

``ndpool.explain(x)`` gives a `Trace`; this module can be called for it. Its `Step`s are data, and
one module each draws them: `text`, `notebook`, `figures`, `page`.
"""

from ..callable import make_callable
from .steps import Link, Step
from .trace import Trace, explain

__all__ = ["Link", "Step", "Trace", "explain"]

make_callable(__name__, explain)
