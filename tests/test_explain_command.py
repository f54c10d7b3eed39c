"""``ndpool explain``: its options, its files, and what it says of wrong ones."""

import re

import numpy as np
import pytest

import ndpool
from ndpool import cli
from ndpool.explain import moment_text, moments


@pytest.fixture
def explain(capsys, monkeypatch):
    """Run the command; (exit status, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words):
        status = cli.main(["explain", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


OPTIONS = [
    (["1,1,4,4"], (1, 1, 4, 4), {}),
    (
        ["6x7", "--kernel", "3,2", "--stride", "2,1"],
        (6, 7),
        {"kernel_size": (3, 2), "stride": (2, 1)},
    ),
    (["6,7", "--padding", "1"], (6, 7), {"padding": 1}),
    (["6,7", "--padding", "1,0"], (6, 7), {"padding": (1, 0)}),
    (["6,7", "--padding", "0+1,1+0"], (6, 7), {"padding": ((0, 1), (1, 0))}),
    (["6,7", "--padding", "same_lower"], (6, 7), {"padding": "same_lower"}),
    (["7", "--kernel", "3", "--dilation", "2"], (7,), {"kernel_size": 3, "dilation": 2}),
    (["5,5", "--ceil", "--dy", "powers"], (5, 5), {"ceil_mode": True, "dy": "powers"}),
    (["5,5", "--dialect", "columns", "--lang", "ja"], (5, 5), {"dialect": "columns", "lang": "ja"}),
    (["2,2,9,9", "--image", "1", "--channel", "0"], (2, 2, 9, 9), {"image": 1, "channel": 0}),
    (["20,20", "--region", "3:5,:4"], (20, 20), {"region": (slice(3, 5), slice(None, 4))}),
]


@pytest.mark.parametrize("options, x, arguments", OPTIONS)
def test_options(explain, options, x, arguments):
    status, out, err = explain(*options)
    assert (status, err) == (0, "")
    assert out == str(ndpool.explain(x, **arguments))


def test_arrays_from_files(explain, tmp_path):
    x = np.array([[3.0, 1.0], [2.0, 7.5]])
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "one.npz", x=x)
    np.savez(tmp_path / "two.npz", a=x, b=-x)
    np.save(tmp_path / "dy.npy", np.array([[5]]))
    for source, expected in [("x.npy", x), ("one.npz", x), ("two.npz:b", -x), ("one.npz:x", x)]:
        status, out, _ = explain(str(tmp_path / source))
        name = source if ":" in source or source == "x.npy" else "one.npz:x"
        assert status == 0
        assert out == str(ndpool.explain(expected, name=name))
    status, out, _ = explain(str(tmp_path / "x.npy"), "--dy", str(tmp_path / "dy.npy"))
    assert status == 0
    assert out == str(ndpool.explain(x, name="x.npy", dy=np.array([[5]])))


def test_images(explain, tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    colour = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(grey > 5).save(tmp_path / "bits.png")
    status, out, _ = explain(str(tmp_path / "grey.png"))
    assert (status, out) == (0, str(ndpool.explain(grey, name="grey.png")))
    status, out, _ = explain(str(tmp_path / "colour.png"))
    assert (status, out) == (
        0,
        str(ndpool.explain(colour.transpose(2, 0, 1).copy(), name="colour.png")),
    )
    status, out, _ = explain(str(tmp_path / "bits.png"))
    assert status == 0 and "255" in out


WRONG = [
    (["no.npy"], r"\[Errno 2\] No such file or directory: 'no\.npy'"),
    (["two.npz"], r"x: expected a \.npz of one array, or a name, got those of a, b; write two"),
    (["two.npz:c"], r"x: expected one of the arrays a, b of two\.npz, got 'c'"),
    (["words.npy"], r"x: expected dtype bool, an integer, .*, got dtype <U3"),
    (["objects.npy"], r"x: expected a \.npy, \.npz or image file of numbers, got"),
    (["text.txt"], r"x: expected a \.npy, \.npz or image file, got"),
    (["broken.npy"], r"x: expected a \.npy, \.npz or image file of numbers, got"),
    (["0,4"], r"h: expected at least 1, got 0"),
    (["1,1,1,4,4"], r"x: expected a shape of 1 to 4 sizes, or an array, got"),
    (["3,3", "--kernel", "4"], r"kernel_size: expected a window no longer"),
    (["3,3", "--padding", "some"], r"padding: expected 'valid', 'same' or 'same_lower'"),
    (["3,3", "--region", "5:6,0:1"], r"region: expected at least one cell of 3x3"),
    (["3,3", "--image", "1"], r"image: expected 0 to 0, got 1"),
    (["3,3", "--moment", "ties"], r"--moment: expected no data or geometry beside it"),
    (["--moment", "tires"], r"moment: expected one of overlap, .*, got 'tires'"),
    (["4,4", "--dy", "x33.npy"], r"dy: expected shape \(2, 2\), the output's, got shape \(3, 3\)"),
    (["--html", "no/such/page.html"], r"--html: expected a file in a folder that exists"),
]


@pytest.mark.parametrize("options, message", WRONG)
def test_wrong_input_is_one_line(explain, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    np.savez("two.npz", a=np.ones(2), b=np.ones(2))
    np.save("words.npy", np.array(["one", "two"]))
    np.save("objects.npy", np.array([{}, None], object), allow_pickle=True)
    np.save("x33.npy", np.ones((3, 3)))
    (tmp_path / "text.txt").write_text("1, 2, 3")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY?")
    status, out, err = explain(*options)
    assert (status, out) == (2, "")
    assert re.match(f"ndpool: error: {message}", err) and err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [["--kernel", "a"], ["--kernel", "1,2,3"], ["--region", "1,2"], ["--padding", "1+2"],
     ["--dialect", "latin"], ["--lang", "la"]],
)  # fmt: skip
def test_wrong_usage(options):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["explain", *options])
    assert stopped.value.code == 2


def test_moments(explain):
    status, out, err = explain("--list")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(moments.names())
    status, out, _ = explain("--moment", "overlap", "--lang", "ja")
    assert (status, out) == (0, moment_text.text("overlap", "ja"))
    status, out, _ = explain("--moment", "ties", "--text")
    assert out == f"{moment_text.text('ties')}\n{moments.trace('ties')}"
