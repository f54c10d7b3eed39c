"""Everyone who can pool. Peers are asked, never guessed about, and imported only when used.

Fairness: each gets its input in the form it likes best, made outside the timing, and what is timed
is the call that its user would write. So ndpool, PyTorch, ONNX Runtime and JAX return new arrays;
OpenVINO returns a view of the buffer it uses again, which saves it the allocation.
"""

from __future__ import annotations

from .arrays import NumPy, ScikitImage, SciPy
from .base import Call, Peer
from .jax import Jax
from .onnxruntime import OnnxRuntime
from .openvino import OpenVino
from .own import Ndpool, NdpoolNumpy, NdpoolOneThread
from .torch import Torch

__all__ = ["OWN", "PEERS", "REFERENCE", "Call", "Peer", "installed"]

REFERENCE: Peer = Ndpool()
PEERS: tuple[Peer, ...] = (
    REFERENCE,
    Torch(),
    OnnxRuntime(),
    OpenVino(),
    Jax(),
    ScikitImage(),
    SciPy(),
    NumPy(),
    NdpoolNumpy(),
    NdpoolOneThread(),
)
OWN = frozenset(peer.name for peer in PEERS if isinstance(peer, Ndpool))


def installed() -> list[Peer]:
    return [peer for peer in PEERS if peer.installed()]
