"""NumPy arrays that lie flush against a page which nobody may touch.

`flush("end")` makes every array that NumPy allocates end at such a page, `flush("start")` begin
behind one: results, temporaries and all. Whoever reads or writes one byte too far is killed by the
system, so this is for processes of their own: see test_guard_pages.py.

It goes by NumPy's C interface for allocators (NEP 49), with which no part of the package has to
know that it is watched.
"""

import ctypes
import mmap
from contextlib import contextmanager

import numpy as np

PAGE = mmap.PAGESIZE
_SET_HANDLER = 304  # the place of PyDataMem_SetHandler in NumPy's table of functions, since 1.22
_NOTHING, _READ_WRITE, _PRIVATE = 0, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE
_FAILED = ctypes.c_void_p(-1).value

_Malloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_Calloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
_Realloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_Free = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of numpy/ndarraytypes.h."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", _Malloc),
        ("calloc", _Calloc),
        ("realloc", _Realloc),
        ("free", _Free),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

_mapped: dict[int, tuple[int, int]] = {}  # of the address that was given out: what to unmap


def _allocate(size: int, side: str) -> int | None:
    """`size` bytes, a page that faults before them and one behind; None if there is no memory."""
    inside = -(-max(size, 1) // PAGE) * PAGE
    whole = inside + 2 * PAGE
    base = _libc.mmap(None, whole, _NOTHING, _PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if base == _FAILED or _libc.mprotect(base + PAGE, inside, _READ_WRITE):
        return None
    address = base + PAGE if side == "start" else base + PAGE + inside - max(size, 1)
    _mapped[address] = base, whole
    return int(address)


def _release(address: int) -> None:
    _libc.munmap(*_mapped.pop(address))


def _handler_at(side: str) -> _Handler:
    def reallocate(_context, old, size):
        new = _allocate(size, side)
        if old and new:
            base, whole = _mapped[old]
            ctypes.memmove(new, old, min(size, base + whole - PAGE - old))
            _release(old)
        return new

    return _Handler(
        b"guarded",
        1,
        None,
        _Malloc(lambda _context, size: _allocate(size, side)),
        _Calloc(lambda _context, count, size: _allocate(count * size, side)),  # new pages are 0
        _Realloc(reallocate),
        _Free(lambda _context, address, _size: _release(address) if address else None),
    )


def _set_handler(capsule: object) -> object:
    """Give NumPy another allocator; the one before."""
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(
        pointer_of(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p)
    )
    set_it = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[_SET_HANDLER])
    return set_it(capsule)


_NAME = b"mem_handler"  # NumPy looks for a capsule of this name
_handlers = {side: _handler_at(side) for side in ("start", "end")}


def _capsule(handler: _Handler) -> object:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = (
        ctypes.py_object,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p),
    )
    return new(ctypes.addressof(handler), _NAME, None)


@contextmanager
def flush(side: str):
    """Within, new arrays lie flush against a page at their "start" or "end"."""
    before = _set_handler(_capsule(_handlers[side]))
    try:
        yield
    finally:
        _set_handler(before)


def tight(x: np.ndarray) -> np.ndarray:
    """The same values and strides in a new array, of which no byte lies outside the cells."""
    spans = [(n - 1) * step for n, step in zip(x.shape, x.strides, strict=True)]
    if not x.size or x.itemsize != np.gcd.reduce([x.itemsize, *map(abs, x.strides)]):
        return np.array(x)  # of an odd layout just the values
    behind = -sum(span for span in spans if span < 0)
    bytes_in_all = behind + sum(span for span in spans if span > 0) + x.itemsize
    memory = np.zeros(bytes_in_all // x.itemsize, x.dtype)
    view = np.lib.stride_tricks.as_strided(memory[behind // x.itemsize :], x.shape, x.strides)
    view[...] = x
    return view
