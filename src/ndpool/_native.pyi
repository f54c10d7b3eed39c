from typing import Any

from numpy.typing import NDArray

MOST_AXES: int
MOST_DIMENSIONS: int
UNALIGNED: int

def set_num_threads(threads: int) -> None: ...
def num_threads() -> int: ...
def instruction_set() -> str: ...
def instruction_sets() -> list[str]: ...
def set_instruction_set(name: str) -> None: ...

class Pooling:
    def __init__(
        self,
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
        before: tuple[int, ...],
        y_shape: tuple[int, ...],
    ) -> None: ...
    def serves(self, kind: int, backward: bool) -> bool: ...
    def forward(
        self, x: NDArray[Any], y: NDArray[Any], winners: NDArray[Any] | None, kind: int
    ) -> bool: ...
    def backward(
        self, dy: NDArray[Any], winners: NDArray[Any], dx: NDArray[Any], kind: int
    ) -> int: ...
