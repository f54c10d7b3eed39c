"""The demo: its digits, its network's gradients, its training, and what it shows of them."""

from __future__ import annotations

import io
from argparse import ArgumentParser
from itertools import product

import numpy as np
import pytest

from ndpool.demo import command, digits, picture, report
from ndpool.demo.inside import least_sure, look_inside
from ndpool.demo.layers import Convolution, cross_entropy, softmax
from ndpool.demo.network import POOLINGS, ConvNet
from ndpool.demo.progress import Progress, bar
from ndpool.demo.train import Step, train
from ndpool.engines import native

NATIVE = pytest.param(
    "native", marks=pytest.mark.skipif(bool(native.missing), reason=f"native: {native.missing}")
)
ENGINES = ["im2col", "numpy", NATIVE]


@pytest.fixture(scope="module")
def few():
    """200 digits to learn from and 100 held out."""
    learn, held_out = digits.load()
    return (
        digits.Digits(learn.images[:200], learn.labels[:200]),
        digits.Digits(held_out.images[:100], held_out.labels[:100]),
    )


@pytest.fixture(scope="module")
def runs(few):
    """A short training with each engine that is here."""
    here = ["im2col", "numpy"] if native.missing else ["im2col", "numpy", "native"]
    return {engine: train(*few, engine, epochs=3, seed=1, batch=50) for engine in here}


def test_digits_in_the_file():
    with np.load(digits.files("ndpool.demo").joinpath(digits.FILE)) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    assert images.shape == (2500, 28, 28) and images.dtype == np.uint8
    assert labels.shape == (2500,) and labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [250] * 10
    assert images.max() == 255 and (images.reshape(2500, -1).max(axis=1) > 0).all()
    assert len(np.unique(images.reshape(2500, -1), axis=0)) == 2500


def test_digits_as_loaded():
    learn, held_out = digits.load()
    assert learn.images.shape == (2000, 1, 28, 28) and learn.images.dtype == np.float32
    assert held_out.images.shape == (500, 1, 28, 28) and held_out.labels.shape == (500,)
    assert np.bincount(learn.labels).tolist() == [200] * 10
    assert np.bincount(held_out.labels).tolist() == [50] * 10
    assert learn.images.min() == 0 and learn.images.max() == 1
    seen = {image.tobytes() for image in learn.images}
    assert not any(image.tobytes() in seen for image in held_out.images)


def slope(function, array, position, step=1e-6):
    """Central difference of `function()` by one element of `array`."""
    value = array[position]
    array[position] = value + step
    above = function()
    array[position] = value - step
    below = function()
    array[position] = value
    return (above - below) / (2 * step)


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_of_the_network(engine):
    rng = np.random.default_rng(3)
    network = ConvNet(
        POOLINGS[engine](),
        rng=rng,
        image=(2, 8, 7),
        filters=3,
        filter_size=3,
        hidden=5,
        classes=4,
        dtype=np.float64,
    )
    for array in network.parameters:  # biases are 0 at first: no place to look for mistakes
        array += rng.normal(0, 0.1, array.shape)
    x, labels = rng.normal(size=(3, 2, 8, 7)), np.array([0, 3, 1])

    def loss():
        return cross_entropy(network.forward(x), labels)[0]

    scores = network.forward(x)
    network.backward(cross_entropy(scores, labels)[1])
    gradients = network.gradients
    assert len(gradients) == len(network.parameters) == 6
    for array, gradient in zip(network.parameters, gradients, strict=True):
        assert gradient.shape == array.shape and gradient.dtype == np.float64
        assert np.abs(gradient).max() > 1e-4
        for position in product(*map(range, array.shape)):
            expected = slope(loss, array, position)
            assert gradient[position] == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_gradient_of_the_images_through_a_convolution():
    rng = np.random.default_rng(4)
    layer = Convolution(rng.normal(size=(3, 2, 3, 2)), rng.normal(size=3))
    x, weight = rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(2, 3, 3, 3))
    layer.forward(x)
    dx = layer.backward(weight)
    for position in product(*map(range, x.shape)):
        expected = slope(lambda: float((layer.forward(x) * weight).sum()), x, position)
        assert dx[position] == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_convolution_by_plain_loops():
    rng = np.random.default_rng(5)
    filters, bias = rng.normal(size=(3, 2, 2, 3)), rng.normal(size=3)
    x = rng.normal(size=(2, 2, 4, 5))
    y = Convolution(filters, bias).forward(x)
    assert y.shape == (2, 3, 3, 3) and y.dtype == np.float64
    for n, f, i, j in product(range(2), range(3), range(3), range(3)):
        expected = bias[f] + (x[n, :, i : i + 2, j : j + 3] * filters[f]).sum()
        assert y[n, f, i, j] == pytest.approx(expected)


def test_loss_of_large_scores_is_finite():
    scores = np.array([[1e4, 0, -1e4], [0, 0, 0]])
    loss, dscores = cross_entropy(scores, np.array([1, 2]))
    assert loss == pytest.approx((1e4 + np.log(3)) / 2)
    assert dscores == pytest.approx(np.array([[1, -1, 0], [1 / 3, 1 / 3, -2 / 3]]) / 2)
    assert softmax(scores).sum(axis=1) == pytest.approx([1, 1])


def test_training_learns(runs):
    run = runs["im2col"]
    assert len(run.losses) == 12
    assert np.mean(run.losses[-4:]) < 0.6 * run.losses[0]
    assert run.accuracy > 0.4
    assert all(array.dtype == np.float32 for array in run.network.parameters)


def test_training_counts_seconds(runs):
    for run in runs.values():
        assert run.convolution > 0 and run.pooling > 0 and run.rest > 0
        assert run.convolution + run.pooling + run.rest == pytest.approx(run.total)


@pytest.mark.parametrize("engine", ["numpy", NATIVE])
def test_engines_learn_the_same(runs, engine):
    np.testing.assert_allclose(runs[engine].losses, runs["im2col"].losses, rtol=1e-4)


def test_seed_decides(few, runs):
    again = train(*few, "im2col", epochs=1, seed=1, batch=50)
    other = train(*few, "im2col", epochs=1, seed=2, batch=50)
    np.testing.assert_allclose(again.losses, runs["im2col"].losses[:4], rtol=1e-4)
    assert other.losses != again.losses


def test_report_fits_a_terminal(runs):
    slow, *_, fast = runs.values()
    words = [
        report.opening(2000, 500, 6, ["im2col", "native"]),
        report.without_native("no compiler was found, " * 8),
        report.table(list(runs.values())),
        report.comparison(slow, fast),
    ]
    lines = "\n".join(words).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(("im2col ", "native ", "numpy ")) for line in lines) == len(runs)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def steps(engine="im2col", total=40, epochs=20):
    for done in range(1, total + 1):
        epoch = -(-done * epochs // total)
        yield Step(engine, done, total, epoch, epochs, 12.345, 1.0, None if done < 2 else 1.0)


@pytest.mark.parametrize("colour", [True, False])
def test_progress_on_a_terminal(monkeypatch, colour):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with Progress(stream, interval=0) as progress:
        for step in steps():
            progress.show(step)
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert ("\x1b" in text) is colour
    for code in ("\x1b[34m", "\x1b[90m", "\x1b[0m"):
        text = text.replace(code, "")
    drawn = text.strip("\r\n").split("\r")
    assert len(drawn) == 40 and {len(line) for line in drawn} == {79}
    assert "epoch 20/20" in drawn[-1] and "test 100.0 %" in drawn[-1]


def test_progress_ends_its_line_when_interrupted(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress(stream) as progress:
        progress.show(next(steps()))
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\n")


def test_progress_in_a_file_is_a_line_an_epoch():
    stream = io.StringIO()
    with Progress(stream) as progress:
        for step in steps():
            progress.show(step)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 20 and "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()


def test_bar_in_a_poor_encoding():
    assert bar(0.5, "utf-8") == ("█" * 9, "░" * 9)
    assert bar(1, "ascii") == ("#" * 18, "")


def test_inside_shows_what_pooling_does(few, runs):
    _, held_out = few
    network = runs["im2col"].network
    shown = least_sure(network, held_out)
    inside = look_inside(network, held_out.images[shown], int(held_out.labels[shown]))
    assert inside.probabilities.argmax() == inside.label == held_out.labels[shown]
    assert inside.maps.shape == (4, 24, 24) and inside.pooled.shape == (4, 12, 12)
    for number, row, column in product(range(4), range(12), range(12)):
        cells = np.s_[number, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        window, gradient = inside.maps[cells], inside.dmaps[cells]
        i, j = np.unravel_index(window.argmax(), (2, 2))
        place = (number, row, column)
        assert inside.pooled[place] == window.max()
        assert inside.winners[place] == (2 * row + i) * 24 + 2 * column + j
        assert inside.tied[place] == (window.min() == window.max())
        assert gradient[i, j] == inside.dpooled[place]
        assert np.count_nonzero(gradient) <= 1


def arguments(*words):
    parser = ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_picture_is_a_png(few, runs, tmp_path):
    if not picture.able():
        pytest.skip("matplotlib is not installed")
    _, held_out = few
    path = tmp_path / "here.image"
    picture.draw(look_inside(runs["im2col"].network, held_out.images[0], 0), path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR"
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert width == 1500 and height > 1000 and len(data) > 30_000


def test_command_without_matplotlib_and_native(monkeypatch, capsys, few, tmp_path):
    monkeypatch.setattr(digits, "load", lambda: few)
    monkeypatch.setattr(picture, "able", lambda: False)
    monkeypatch.setattr(native, "missing", "no compiler was found")
    path = tmp_path / "none.png"
    assert command.run(arguments("--epochs", "1", "--picture", str(path))) == 0
    out = capsys.readouterr().out
    assert "native one, which is not built: no compiler was found" in " ".join(out.split())
    assert "\nim2col " in out and "\nnumpy " in out and "\nnative " not in out
    assert "pip install 'ndpool[demo]'" in out
    assert not path.exists()
    page = tmp_path / "none.html"
    assert str(page) in out and "feature map of a " in page.read_text("utf-8")


def test_command_with_one_engine(monkeypatch, capsys, few, tmp_path):
    monkeypatch.setattr(digits, "load", lambda: few)
    monkeypatch.chdir(tmp_path)
    assert command.run(arguments("--epochs", "1", "--engine", "numpy", "--no-picture")) == 0
    out = capsys.readouterr().out
    assert "\nnumpy " in out and "\nim2col " not in out and "times as fast" not in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--seed", "-1"], ["--epochs", "two"]])
def test_command_refuses(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        arguments(*words)
    assert stopped.value.code == 2
    assert "expected" in capsys.readouterr().err
