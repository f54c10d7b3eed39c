"""The two notebooks' layers as they print them, with im2col and col2im as their books have them.

The books pad with zeros, and make their arrays with np.zeros: that is part of what is checked.
"""

import numpy as np


def im2col(x, h, w, stride=1, pad=0):
    n, c, height, width = x.shape
    out_h, out_w = (height + 2 * pad - h) // stride + 1, (width + 2 * pad - w) // stride + 1
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    col = np.zeros((n, c, h, w, out_h, out_w))
    for i in range(h):
        for j in range(w):
            rows, columns = (
                slice(i, i + stride * out_h, stride),
                slice(j, j + stride * out_w, stride),
            )
            col[:, :, i, j] = padded[:, :, rows, columns]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * out_h * out_w, -1)


def col2im(col, x_shape, h, w, stride=1, pad=0):
    n, c, height, width = x_shape
    out_h, out_w = (height + 2 * pad - h) // stride + 1, (width + 2 * pad - w) // stride + 1
    col = col.reshape(n, out_h, out_w, c, h, w).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((n, c, height + 2 * pad + stride - 1, width + 2 * pad + stride - 1))
    for i in range(h):
        for j in range(w):
            rows, columns = (
                slice(i, i + stride * out_h, stride),
                slice(j, j + stride * out_w, stride),
            )
            image[:, :, rows, columns] += col[:, :, i, j]
    return image[:, :, pad : height + pad, pad : width + pad]


class Pooling:
    """The first notebook's."""

    def __init__(self, pool_h, pool_w, stride=2, pad=0):
        self.pool_h = pool_h
        self.pool_w = pool_w
        self.stride = stride
        self.pad = pad
        self.x = None
        self.arg_max = None

    def forward(self, x):
        N, C, H, W = x.shape
        out_h = int(1 + (H - self.pool_h) / self.stride)
        out_w = int(1 + (W - self.pool_w) / self.stride)
        col = im2col(x, self.pool_h, self.pool_w, self.stride, self.pad)
        col = col.reshape(-1, self.pool_h * self.pool_w)
        arg_max = np.argmax(col, axis=1)
        out = np.max(col, axis=1)
        out = out.reshape(N, out_h, out_w, C).transpose(0, 3, 1, 2)
        self.x = x
        self.arg_max = arg_max
        return out

    def backward(self, dout):
        dout = dout.transpose(0, 2, 3, 1)
        pool_size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, pool_size))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dmax = dmax.reshape((*dout.shape, pool_size))
        dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
        return col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)


def im2col_columns(images, flt_h, flt_w, out_h, out_w, stride, pad):
    n_bt, n_ch, _, _ = images.shape
    padded = np.pad(images, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    cols = np.zeros((n_bt, n_ch, flt_h, flt_w, out_h, out_w))
    for h in range(flt_h):
        h_lim = h + stride * out_h
        for w in range(flt_w):
            w_lim = w + stride * out_w
            cols[:, :, h, w] = padded[:, :, h:h_lim:stride, w:w_lim:stride]
    return cols.transpose(1, 2, 3, 0, 4, 5).reshape(n_ch * flt_h * flt_w, n_bt * out_h * out_w)


def col2im_columns(cols, img_shape, flt_h, flt_w, out_h, out_w, stride, pad):
    n_bt, n_ch, img_h, img_w = img_shape
    cols = cols.reshape(n_ch, flt_h, flt_w, n_bt, out_h, out_w).transpose(3, 0, 1, 2, 4, 5)
    images = np.zeros((n_bt, n_ch, img_h + 2 * pad + stride - 1, img_w + 2 * pad + stride - 1))
    for h in range(flt_h):
        h_lim = h + stride * out_h
        for w in range(flt_w):
            w_lim = w + stride * out_w
            images[:, :, h:h_lim:stride, w:w_lim:stride] += cols[:, :, h, w]
    return images[:, :, pad : img_h + pad, pad : img_w + pad]


class PoolingLayer:
    """The second notebook's."""

    def __init__(self, x_ch, x_h, x_w, pool, pad):
        self.params = (x_ch, x_h, x_w, pool, pad)
        self.y_ch = x_ch
        self.y_h = x_h // pool if x_h % pool == 0 else x_h // pool + 1
        self.y_w = x_w // pool if x_w % pool == 0 else x_w // pool + 1

    def forward(self, x):
        n_bt = x.shape[0]
        x_ch, _, _, pool, pad = self.params
        y_h, y_w = self.y_h, self.y_w
        cols = im2col_columns(x, pool, pool, y_h, y_w, pool, pad)
        cols = cols.T.reshape(n_bt * y_h * y_w * x_ch, pool * pool)
        y = np.max(cols, axis=1)
        self.y = y.reshape(n_bt, y_h, y_w, x_ch).transpose(0, 3, 1, 2)
        self.max_index = np.argmax(cols, axis=1)

    def backward(self, grad_y):
        n_bt = grad_y.shape[0]
        x_ch, x_h, x_w, pool, pad = self.params
        y_ch, y_h, y_w = self.y_ch, self.y_h, self.y_w
        grad_y = grad_y.transpose(0, 2, 3, 1)
        grad_cols = np.zeros((pool * pool, grad_y.size))
        grad_cols[self.max_index.reshape(-1), np.arange(grad_y.size)] = grad_y.reshape(-1)
        grad_cols = grad_cols.reshape(pool, pool, n_bt, y_h, y_w, y_ch)
        grad_cols = grad_cols.transpose(5, 0, 1, 2, 3, 4)
        grad_cols = grad_cols.reshape(y_ch * pool * pool, n_bt * y_h * y_w)
        x_shape = (n_bt, x_ch, x_h, x_w)
        self.grad_x = col2im_columns(grad_cols, x_shape, pool, pool, y_h, y_w, pool, pad)
