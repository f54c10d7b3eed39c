"""The learner's code in a process of its own, with limits of time, memory and output.

The process is a fork, so that classes defined in a notebook can be checked, and so that nothing has
to be imported again after a crash. It answers requests over a pipe until it ends, by itself or by
our hand. Where a system cannot fork, the code runs in this process, without limits.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import select
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_PRINTED = 1 << 20  # bytes that a layer may print before it is stopped
_HEADER = struct.Struct("<q")
_READY = "ready"  # asked first, and answered when the handler is made

Handler = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """The process came to its end instead of answering."""

    how: str  # "timeout", "exit", "crash", "memory" or "printed"
    detail: str


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 3.0  # for one case
    load_seconds: float = 30.0  # until the file is read and the layer understood
    megabytes: int = 1024  # more than the process has when it starts


class Sandbox:
    """`start` makes a Handler in the new process; `ask` hands it a request."""

    def __init__(self, start: Callable[[], Handler], limits: Limits) -> None:
        self.start, self.limits = start, limits
        self.printed = 0
        self._pid = 0
        self._requests = self._replies = self._output = -1

    def ask(self, request: Any, seconds: float | None = None) -> Any:
        """The handler's answer, or `Ended`; what the handler raises is returned as it is."""
        if not self._pid:
            self._fork()
            answer = self._exchange(_READY, self.limits.load_seconds)
            if answer != _READY:
                self.close()
                return answer
        return self._exchange(request, seconds or self.limits.seconds)

    def _exchange(self, request: Any, seconds: float) -> Any:
        try:
            _write(self._requests, pickle.dumps(request))
        except OSError:
            return self._ended("")
        return self._answer(seconds)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._forget()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fork(self) -> None:
        requests, replies, output = os.pipe(), os.pipe(), os.pipe()
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        with warnings.catch_warnings():  # of threads in this process; the child starts none
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            for end in (requests[1], replies[0], output[0]):
                os.close(end)
            _serve(self.start, requests[0], replies[1], output[1], self.limits)
        for end in (requests[0], replies[1], output[1]):
            os.close(end)
        self._pid, self.printed = pid, 0
        self._requests, self._replies, self._output = requests[1], replies[0], output[0]

    def _answer(self, seconds: float) -> Any:
        """Read the reply, and whatever is printed meanwhile."""
        deadline, received = time.monotonic() + seconds, b""
        ends = [self._replies, self._output]
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self.close()
                return Ended("timeout", f"{seconds:g}")
            ready, _, _ = select.select(ends, [], [], left)
            if self._output in ready:
                piece = os.read(self._output, 1 << 16)
                self.printed += len(piece)
                if not piece:
                    ends.remove(self._output)
                elif self.printed > MOST_PRINTED:
                    self.close()
                    return Ended("printed", f"{MOST_PRINTED / 1e6:.0f}")
            if self._replies in ready:
                piece = os.read(self._replies, 1 << 16)
                if not piece:
                    return self._ended("")
                received += piece
                if len(received) >= _HEADER.size:
                    (size,) = _HEADER.unpack_from(received)
                    if len(received) >= _HEADER.size + size:
                        return self._unpacked(received[_HEADER.size :])

    def _unpacked(self, reply: bytes) -> Any:
        try:
            return pickle.loads(reply)
        except Exception as error:  # the layer wrote into our pipe, or broke a class of ours
            self.close()
            return Ended("crash", f"unreadable answer: {type(error).__name__}")

    def _ended(self, detail: str) -> Ended:
        """How the process came to its end by itself."""
        _, status = os.waitpid(self._pid, 0)
        self._forget()
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            try:
                return Ended("crash", signal.Signals(number).name)
            except ValueError:
                return Ended("crash", f"signal {number}")
        return Ended("exit", str(os.waitstatus_to_exitcode(status)))

    def _forget(self) -> None:
        for end in (self._requests, self._replies, self._output):
            with contextlib.suppress(OSError):
                os.close(end)
        self._pid = 0


class InProcess:
    """The same face without a process, for systems that cannot fork."""

    printed = 0

    def __init__(self, start: Callable[[], Handler], limits: Limits) -> None:
        self.start = start
        self.handler: Handler | None = None

    def ask(self, request: Any, seconds: float | None = None) -> Any:
        try:
            if self.handler is None:
                self.handler = self.start()
            return self.handler(request)
        except Exception as error:
            return error

    def close(self) -> None: ...

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None: ...


def sandbox(start: Callable[[], Handler], limits: Limits) -> Sandbox | InProcess:
    return Sandbox(start, limits) if hasattr(os, "fork") else InProcess(start, limits)


def _serve(
    start: Callable[[], Handler], requests: int, replies: int, output: int, limits: Limits
) -> None:
    """The child: never returns."""
    status = 70
    try:
        _settle(output, limits)
        handler: Handler | None = None
        while True:
            message = _read(requests)
            if message is None:
                status = 0
                break
            try:
                handler, request = handler or start(), pickle.loads(message)
                reply = pickle.dumps(request if request == _READY else handler(request))
            except MemoryError:
                reply = pickle.dumps(Ended("memory", str(limits.megabytes)))
            except BaseException as error:
                reply = _pickled(error)
            _write(replies, reply)
    finally:
        os._exit(status)


def _pickled(error: BaseException) -> bytes:
    try:
        pickle.loads(pickle.dumps(error))
        return pickle.dumps(error)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _settle(output: int, limits: Limits) -> None:
    """Nothing to read, output into the pipe, no signal handlers of the parent's, little memory."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    stream = open(output, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr = stream
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if "torch" in sys.modules:  # whose threads are not in a fork, and would be waited for
        sys.modules["torch"].set_num_threads(1)
    faulthandler.disable()  # what crashes here is the checker's to report
    os.environ["MPLBACKEND"] = "Agg"  # no window from a file that also draws
    warnings.simplefilter("ignore")
    with contextlib.suppress(Exception):
        import resource

        have = _megabytes()
        most = (have + limits.megabytes) << 20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _megabytes() -> int:
    """The address space of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") >> 20


def _write(end: int, message: bytes) -> None:
    left = memoryview(_HEADER.pack(len(message)) + message)
    while left:
        left = left[os.write(end, left) :]


def _read(end: int) -> bytes | None:
    header = _exactly(end, _HEADER.size)
    return None if header is None else _exactly(end, _HEADER.unpack(header)[0])


def _exactly(end: int, size: int) -> bytes | None:
    received = b""
    while len(received) < size:
        piece = os.read(end, size - len(received))
        if not piece:
            return None
        received += piece
    return received
