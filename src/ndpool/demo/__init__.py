"""A small ConvNet learns real handwritten digits, with ndpool's pooling in it.

It learns twice from the same seed: once pooling with im2col, as the first book does,
and once with the native engine. The losses are the same, the time is not.

The network is that of chapter 7 of Koki Saitoh, "Deep Learning from Scratch"
(O'Reilly Japan, 2016); the code is ours. DIGITS.md says whose the digits are.
"""

from .command import add_arguments, run

__all__ = ["add_arguments", "run"]
