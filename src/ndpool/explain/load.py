"""Arrays from files: .npy, .npz and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import MissingExtra, PoolError
from .steps import Array

_NOT_ARRAYS = "a .npy, .npz or image file"


def load(source: str) -> tuple[Array, str]:
    """(the array of a file, what to call it).

    A .npz that holds several arrays needs a name after a colon: ``weights.npz:conv1``. An image
    gives (H, W) if it is grey, (3, H, W) if it has colours, uint8 (Pillow's dtype for other modes).

    Raises PoolError where the file holds no such array or no numbers,
    OSError as `open` does, and MissingExtra if an image is asked for and Pillow is missing.
    """
    path, name = _parted(source)
    kind = path.suffix.lower()
    try:
        if kind == ".npy":
            return np.load(path, allow_pickle=False), path.name
        if kind == ".npz":
            return _from_archive(path, name)
    except ValueError as error:
        if isinstance(error, PoolError):
            raise
        raise PoolError("x", f"{_NOT_ARRAYS} of numbers", f"{str(path)!r}", str(error)) from error
    return _from_image(path), path.name


def _parted(source: str) -> tuple[Path, str | None]:
    """A path, and the name behind its colon, if it is an archive."""
    at = source.lower().rfind(".npz:")
    return (Path(source), None) if at < 0 else (Path(source[: at + 4]), source[at + 5 :])


def _from_archive(path: Path, name: str | None) -> tuple[Array, str]:
    with np.load(path, allow_pickle=False) as arrays:
        known = ", ".join(arrays.files)
        if name is None:
            if len(arrays.files) != 1:
                hint = f"write {path.name}:NAME"
                raise PoolError("x", "a .npz of one array, or a name", f"those of {known}", hint)
            name = arrays.files[0]
        if name not in arrays.files:
            raise PoolError("x", f"one of the arrays {known} of {path.name}", repr(name))
        return arrays[name], f"{path.name}:{name}"


def _from_image(path: Path) -> Array:
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("images need Pillow", "figures") from None
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode in ("1", "LA", "La"):
                image = image.convert("L")
            elif image.mode not in ("L", "RGB") and not image.mode.startswith(("I", "F")):
                image = image.convert("RGB")
            pixels = np.asarray(image)
    except UnidentifiedImageError:
        raise PoolError("x", _NOT_ARRAYS, f"{str(path)!r}") from None
    except Image.DecompressionBombError as error:
        raise PoolError("x", "a smaller image", f"{str(path)!r}", str(error)) from None
    # (H, W, 3) -> (3, H, W)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
