"""The layers in place of the notebooks' classes, in code that already trains with them.

The classes here follow the algorithm that the notebooks print; the small network around them is
this test's own. With the im2col engine and float64 everything must be equal to the bit.
"""

import numpy as np
import pytest

from ndpool.textbook import columns, rows


def book_im2col(x, h, w, stride, pad):
    n, c, height, width = x.shape
    out_h, out_w = (height + 2 * pad - h) // stride + 1, (width + 2 * pad - w) // stride + 1
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    col = np.zeros((n, out_h, out_w, c, h, w))
    for oh in range(out_h):
        for ow in range(out_w):
            top, left = oh * stride, ow * stride
            col[:, oh, ow] = padded[:, :, top : top + h, left : left + w]
    return col.reshape(n * out_h * out_w, -1)


def book_col2im(col, x_shape, h, w, stride, pad):
    n, c, height, width = x_shape
    out_h, out_w = (height + 2 * pad - h) // stride + 1, (width + 2 * pad - w) // stride + 1
    col = col.reshape(n, out_h, out_w, c, h, w).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((n, c, height + 2 * pad + stride - 1, width + 2 * pad + stride - 1))
    for i in range(h):
        for j in range(w):
            here = image[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
            here += col[:, :, i, j]
    return image[:, :, pad : height + pad, pad : width + pad]


class BookPooling:
    """The first notebook's class, line by line."""

    def __init__(self, pool_h, pool_w, stride=2, pad=0):
        self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad

    def forward(self, x):
        n, c, height, width = x.shape
        out_h = int(1 + (height - self.pool_h) / self.stride)
        out_w = int(1 + (width - self.pool_w) / self.stride)
        col = book_im2col(x, self.pool_h, self.pool_w, self.stride, self.pad)
        col = col.reshape(-1, self.pool_h * self.pool_w)
        self.arg_max = np.argmax(col, axis=1)
        self.x = x
        return np.max(col, axis=1).reshape(n, out_h, out_w, c).transpose(0, 3, 1, 2)

    def backward(self, dout):
        dout = dout.transpose(0, 2, 3, 1)
        pool_size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, pool_size))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dmax = dmax.reshape((*dout.shape, pool_size))
        dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
        return book_col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)


class BookPoolingLayer:
    """The second notebook's class, where it is right: sizes that `pool` divides, no padding."""

    def __init__(self, x_ch, x_h, x_w, pool, pad):
        self.params = (x_ch, x_h, x_w, pool, pad)
        self.y_ch = x_ch
        self.y_h = x_h // pool if x_h % pool == 0 else x_h // pool + 1
        self.y_w = x_w // pool if x_w % pool == 0 else x_w // pool + 1

    def forward(self, x):
        x_ch, _, _, pool, pad = self.params
        cols = book_im2col(x, pool, pool, pool, pad).T
        cols = cols.T.reshape(len(x) * self.y_h * self.y_w * x_ch, pool * pool)
        y = np.max(cols, axis=1)
        self.y = y.reshape(len(x), self.y_h, self.y_w, x_ch).transpose(0, 3, 1, 2)
        self.max_index = np.argmax(cols, axis=1)

    def backward(self, grad_y):
        n = len(grad_y)
        x_ch, x_h, x_w, pool, pad = self.params
        grad_y = grad_y.transpose(0, 2, 3, 1)
        grad_cols = np.zeros((pool * pool, grad_y.size))
        grad_cols[self.max_index.reshape(-1), np.arange(grad_y.size)] = grad_y.reshape(-1)
        grad_cols = grad_cols.reshape(pool, pool, n, self.y_h, self.y_w, self.y_ch)
        grad_cols = grad_cols.transpose(5, 0, 1, 2, 3, 4)
        grad_cols = grad_cols.reshape(self.y_ch * pool * pool, n * self.y_h * self.y_w)
        self.grad_x = book_col2im(grad_cols.T, (n, x_ch, x_h, x_w), pool, pool, pool, pad)


def identical(got, expected):
    """Every bit, and the memory layout too: whatever is summed later is summed alike."""
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()
    wide = [axis for axis, size in enumerate(got.shape) if size > 1]
    assert [got.strides[axis] for axis in wide] == [expected.strides[axis] for axis in wide]


@pytest.mark.parametrize("seed", range(20))
def test_rows_pooling_is_the_notebooks_class_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    n, c, h, w, stride = (int(k) for k in rng.integers(1, 4, 5))
    x = rng.standard_normal((n, c, int(rng.integers(h, 9)), int(rng.integers(w, 9))))
    ours, book = rows.Pooling(h, w, stride), BookPooling(h, w, stride)
    out = book.forward(x)
    identical(ours.forward(x), out)
    identical(ours.arg_max, book.arg_max)
    dout = rng.standard_normal(out.shape)
    identical(ours.backward(dout), book.backward(dout))


@pytest.mark.parametrize("seed", range(20))
def test_columns_layer_is_the_notebooks_class_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    n, c, pool, y_h, y_w = (int(k) for k in rng.integers(1, 4, 5))
    x = rng.standard_normal((n, c, y_h * pool, y_w * pool))
    args = (c, y_h * pool, y_w * pool, pool, 0)
    ours, book = columns.PoolingLayer(*args), BookPoolingLayer(*args)
    assert (ours.params, ours.y_ch, ours.y_h, ours.y_w) == (book.params, c, book.y_h, book.y_w)
    ours.forward(x)
    book.forward(x)
    identical(ours.y, book.y)
    identical(ours.max_index, book.max_index)
    grad_y = rng.standard_normal(book.y.shape)
    ours.backward(grad_y)
    book.backward(grad_y)
    identical(ours.grad_x, book.grad_x)


class ConvNet:
    """Convolution by im2col, ReLU, pooling, affine, softmax, cross-entropy.

    A wrong bit of dx shows in the convolution's weights, and in every loss after that.
    """

    def __init__(self, pooling, pooled_size, rng):
        self.pooling = pooling
        self.w1 = 0.3 * rng.standard_normal((3, 1 * 3 * 3))
        self.b1 = np.zeros(3)
        self.w2 = 0.3 * rng.standard_normal((3 * pooled_size, 4))
        self.b2 = np.zeros(4)

    def step(self, x, labels, rate):
        """One step of gradient descent; returns the loss before it."""
        n, _, height, width = x.shape
        col = book_im2col(x, 3, 3, 1, 0)
        out = (col @ self.w1.T + self.b1).reshape(n, height - 2, width - 2, 3)
        out = out.transpose(0, 3, 1, 2)
        negative = out <= 0
        out[negative] = 0
        pooled = self.pooling.forward(out)
        scores = pooled.reshape(n, -1) @ self.w2 + self.b2

        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(p[np.arange(n), labels]))

        p[np.arange(n), labels] -= 1
        p /= n
        dout = (p @ self.w2.T).reshape(pooled.shape)
        dw2, db2 = pooled.reshape(n, -1).T @ p, p.sum(axis=0)
        dout = self.pooling.backward(dout)
        dout[negative] = 0
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, 3)
        dw1, db1 = dout.T @ col, dout.sum(axis=0)
        for weight, gradient in (
            (self.w1, dw1),
            (self.b1, db1),
            (self.w2, dw2),
            (self.b2, db2),
        ):
            weight -= rate * gradient
        return loss


def trained(pooling, pooled_size, batch):
    """(losses, weights) after a few steps; the same data and start each time."""
    rng = np.random.default_rng(5)
    net = ConvNet(pooling, pooled_size, rng)
    data, labels = rng.standard_normal((40, 1, 10, 11)), rng.integers(0, 4, 40)
    losses = []
    for _ in range(12):
        chosen = rng.choice(40, batch, replace=False)
        losses.append(net.step(data[chosen], labels[chosen], rate=0.1))
    return losses, [net.w1, net.b1, net.w2, net.b2]


# a feature map of 8 x 9
POOLS = [((2, 2), 4 * 4), ((3, 3, 2), 3 * 4), ((3, 2, 1), 6 * 8), ((2, 3, 3), 3 * 3)]


@pytest.mark.parametrize(("args", "pooled_size"), POOLS)
@pytest.mark.parametrize("batch", [1, 10])
def test_training_is_equal_to_the_bit(args, pooled_size, batch):
    losses, weights = trained(rows.Pooling(*args), pooled_size, batch)
    book_losses, book_weights = trained(BookPooling(*args), pooled_size, batch)
    assert losses == book_losses
    assert losses[-1] != losses[0]
    for ours, theirs in zip(weights, book_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("args", "pooled_size"), POOLS)
@pytest.mark.parametrize("batch", [1, 10])
def test_training_with_the_native_engine_is_equal_to_rounding(args, pooled_size, batch):
    losses, weights = trained(rows.Pooling(*args, engine="native"), pooled_size, batch)
    book_losses, book_weights = trained(BookPooling(*args), pooled_size, batch)
    np.testing.assert_allclose(losses, book_losses, rtol=1e-11)
    for ours, theirs in zip(weights, book_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


class InColumns:
    """`PoolingLayer`'s manners put into `Pooling`'s, for the network above."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        self.layer.forward(x)
        return self.layer.y

    def backward(self, dout):
        self.layer.backward(dout)
        return self.layer.grad_x


@pytest.mark.parametrize("engine", ["im2col", "native"])
def test_training_with_the_second_dialect(engine):
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((6, 1, 10, 10)), rng.integers(0, 4, 6)
    nets = [
        ConvNet(InColumns(layer), 4 * 4, np.random.default_rng(5))
        for layer in (
            columns.PoolingLayer(3, 8, 8, 2, 0, engine=engine),
            BookPoolingLayer(3, 8, 8, 2, 0),
        )
    ]
    losses = [[net.step(x, labels, rate=0.1) for _ in range(6)] for net in nets]
    if engine == "im2col":
        assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-11)
