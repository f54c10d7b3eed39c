"""Layers as people write them, and slips of the pen in them: none made by the zoo's machinery.

`RIGHT` are sources of correct layers in the styles one meets in courses, books and repositories;
`WRONG` changes a line of one of them, and says what the checker must call it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RIGHT = {}

RIGHT["book"] = """
def im2col(images, fh, fw, stride=1, pad=0):
    N, C, H, W = images.shape
    out_h = (H + 2*pad - fh)//stride + 1
    out_w = (W + 2*pad - fw)//stride + 1
    img = np.pad(images, [(0,0), (0,0), (pad, pad), (pad, pad)], constant_values=-np.inf)
    col = np.zeros((N, C, fh, fw, out_h, out_w))
    for y in range(fh):
        y_max = y + stride*out_h
        for x in range(fw):
            x_max = x + stride*out_w
            col[:, :, y, x, :, :] = img[:, :, y:y_max:stride, x:x_max:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N*out_h*out_w, -1)

def col2im(col, shape, fh, fw, stride=1, pad=0):
    N, C, H, W = shape
    out_h = (H + 2*pad - fh)//stride + 1
    out_w = (W + 2*pad - fw)//stride + 1
    col = col.reshape(N, out_h, out_w, C, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2*pad + stride - 1, W + 2*pad + stride - 1))
    for y in range(fh):
        y_max = y + stride*out_h
        for x in range(fw):
            x_max = x + stride*out_w
            img[:, :, y:y_max:stride, x:x_max:stride] += col[:, :, y, x, :, :]
    return img[:, :, pad:H + pad, pad:W + pad]

class Layer:
    def __init__(self, pool_h, pool_w, stride=1, pad=0):
        self.pool_h = pool_h
        self.pool_w = pool_w
        self.stride = stride
        self.pad = pad

    def forward(self, x):
        N, C, H, W = x.shape
        out_h = int(1 + (H + 2*self.pad - self.pool_h) / self.stride)
        out_w = int(1 + (W + 2*self.pad - self.pool_w) / self.stride)
        col = im2col(x, self.pool_h, self.pool_w, self.stride, self.pad)
        col = col.reshape(-1, self.pool_h*self.pool_w)
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
        dmax = dmax.reshape(dout.shape + (pool_size,))
        dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
        dx = col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)
        return dx
"""

RIGHT["second"] = """
def im2col(images, fh, fw, oh, ow, stride, pad):
    n, ch, h, w = images.shape
    low = max(pad, (oh - 1) * stride + fh - h - pad)
    right = max(pad, (ow - 1) * stride + fw - w - pad)
    big = np.pad(images, [(0,0), (0,0), (pad, low), (pad, right)], constant_values=-np.inf)
    cols = np.zeros((n, ch, fh, fw, oh, ow))
    for i in range(fh):
        for j in range(fw):
            cols[:, :, i, j] = big[:, :, i:i + stride*oh:stride, j:j + stride*ow:stride]
    return cols.transpose(1, 2, 3, 0, 4, 5).reshape(ch*fh*fw, n*oh*ow)

def col2im(cols, shape, fh, fw, oh, ow, stride, pad):
    n, ch, h, w = shape
    cols = cols.reshape(ch, fh, fw, n, oh, ow).transpose(3, 0, 1, 2, 4, 5)
    big = np.zeros((n, ch, h + 2*pad + fh + stride, w + 2*pad + fw + stride))
    for i in range(fh):
        for j in range(fw):
            big[:, :, i:i + stride*oh:stride, j:j + stride*ow:stride] += cols[:, :, i, j]
    return big[:, :, pad:h + pad, pad:w + pad]

class Layer:
    def __init__(self, x_ch, x_h, x_w, pool, pad):
        self.params = (x_ch, x_h, x_w, pool, pad)
        self.y_ch = x_ch
        self.y_h = self.windows(x_h, pool, pad)
        self.y_w = self.windows(x_w, pool, pad)

    def windows(self, n, pool, pad):
        found = -(-(n + 2*pad - pool) // pool) + 1
        return found - 1 if (found - 1) * pool >= n + pad else found

    def forward(self, x):
        n_bt = x.shape[0]
        x_ch, x_h, x_w, pool, pad = self.params
        cols = im2col(x, pool, pool, self.y_h, self.y_w, pool, pad)
        cols = cols.T.reshape(n_bt*self.y_h*self.y_w*x_ch, pool*pool)
        y = np.max(cols, axis=1)
        self.y = y.reshape(n_bt, self.y_h, self.y_w, x_ch).transpose(0, 3, 1, 2)
        self.max_index = np.argmax(cols, axis=1)

    def backward(self, grad_y):
        n_bt = grad_y.shape[0]
        x_ch, x_h, x_w, pool, pad = self.params
        grad_y = grad_y.transpose(0, 2, 3, 1)
        grad_cols = np.zeros((pool*pool, grad_y.size))
        grad_cols[self.max_index.reshape(-1), np.arange(grad_y.size)] = grad_y.reshape(-1)
        grad_cols = grad_cols.reshape(pool, pool, n_bt, self.y_h, self.y_w, x_ch)
        grad_cols = grad_cols.transpose(5, 0, 1, 2, 3, 4)
        grad_cols = grad_cols.reshape(x_ch*pool*pool, n_bt*self.y_h*self.y_w)
        self.grad_x = col2im(
            grad_cols, (n_bt, x_ch, x_h, x_w), pool, pool, self.y_h, self.y_w, pool, pad)
"""

RIGHT["course"] = """
def pool_forward(A_prev, hparameters, mode="max"):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    f = hparameters["f"]
    stride = hparameters["stride"]
    n_H = int(1 + (n_H_prev - f) / stride)
    n_W = int(1 + (n_W_prev - f) / stride)
    n_C = n_C_prev
    A = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):
        for h in range(n_H):
            vert_start = h * stride
            vert_end = vert_start + f
            for w in range(n_W):
                horiz_start = w * stride
                horiz_end = horiz_start + f
                for c in range(n_C):
                    a_prev_slice = A_prev[i, vert_start:vert_end, horiz_start:horiz_end, c]
                    A[i, h, w, c] = np.max(a_prev_slice)
    cache = (A_prev, hparameters)
    return A, cache

def create_mask_from_window(x):
    mask = np.zeros(x.shape)
    mask[np.unravel_index(np.argmax(x), x.shape)] = 1
    return mask

def pool_backward(dA, cache, mode="max"):
    (A_prev, hparameters) = cache
    stride = hparameters["stride"]
    f = hparameters["f"]
    m, n_H, n_W, n_C = dA.shape
    dA_prev = np.zeros_like(A_prev, dtype=dA.dtype)
    for i in range(m):
        a_prev = A_prev[i]
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    horiz_start = w * stride
                    a = a_prev[vert_start:vert_start + f, horiz_start:horiz_start + f, c]
                    mask = create_mask_from_window(a)
                    dA_prev[i, vert_start:vert_start + f, horiz_start:horiz_start + f, c] += \\
                        mask * dA[i, h, w, c]
    return dA_prev

Layer = pool_forward
"""

RIGHT["lecture"] = """
def max_pool_forward_naive(x, pool_param):
    HH, WW = pool_param['pool_height'], pool_param['pool_width']
    s = pool_param['stride']
    N, C, H, W = x.shape
    H_out = 1 + (H - HH) // s
    W_out = 1 + (W - WW) // s
    out = np.zeros((N, C, H_out, W_out))
    for n in range(N):
        for i in range(H_out):
            for j in range(W_out):
                window = x[n, :, i*s:i*s+HH, j*s:j*s+WW]
                out[n, :, i, j] = window.max(axis=(1, 2))
    cache = (x, pool_param)
    return out, cache

def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    HH, WW = pool_param['pool_height'], pool_param['pool_width']
    s = pool_param['stride']
    N, C, H, W = x.shape
    _, _, H_out, W_out = dout.shape
    dx = np.zeros(x.shape)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    window = x[n, c, i*s:i*s+HH, j*s:j*s+WW]
                    r, q = np.unravel_index(window.argmax(), window.shape)
                    dx[n, c, i*s + r, j*s + q] += dout[n, c, i, j]
    return dx

Layer = (max_pool_forward_naive, max_pool_backward_naive)
"""

RIGHT["blog"] = """
class Layer:
    def iterate_regions(self, image):
        h, w, _ = image.shape
        for i in range(h // 2):
            for j in range(w // 2):
                yield image[(i * 2):(i * 2 + 2), (j * 2):(j * 2 + 2)], i, j

    def forward(self, input):
        self.last_input = input
        h, w, num_filters = input.shape
        output = np.zeros((h // 2, w // 2, num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.amax(im_region, axis=(0, 1))
        return output

    def backprop(self, d_L_d_out):
        d_L_d_input = np.zeros(self.last_input.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            h, w, f = im_region.shape
            for f2 in range(f):
                i2, j2 = divmod(int(np.argmax(im_region[:, :, f2])), w)
                d_L_d_input[i * 2 + i2, j * 2 + j2, f2] = d_L_d_out[i, j, f2]
        return d_L_d_input
"""

RIGHT["homework"] = """
class Layer:
    def __init__(self, kernel_size, stride):
        self.kernel_size = kernel_size
        self.stride = stride
        self.cache = None
        self.dx = None

    def forward(self, x):
        N, C, H, W = x.shape
        k, s = self.kernel_size, self.stride
        H_out = (H - k) // s + 1
        W_out = (W - k) // s + 1
        out = np.empty((N, C, H_out, W_out))
        for i in range(H_out):
            for j in range(W_out):
                out[:, :, i, j] = x[:, :, i*s:i*s+k, j*s:j*s+k].max(axis=(2, 3))
        self.cache = (x, H_out, W_out)
        return out

    def backward(self, dout):
        x, H_out, W_out = self.cache
        N, C, H, W = x.shape
        k, s = self.kernel_size, self.stride
        self.dx = np.zeros(x.shape)
        for n in range(N):
            for c in range(C):
                for i in range(H_out):
                    for j in range(W_out):
                        flat = np.argmax(x[n, c, i*s:i*s+k, j*s:j*s+k])
                        a, b = np.unravel_index(flat, (k, k))
                        self.dx[n, c, i*s+a, j*s+b] += dout[n, c, i, j]
"""

RIGHT["strided"] = """
from numpy.lib.stride_tricks import as_strided

class Layer:
    def __init__(self, pool_size=(2, 2), stride=None, padding=0):
        self.pool_size = pool_size
        self.stride = stride or pool_size
        self.padding = padding

    def forward(self, x):
        p = self.padding
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        n, c, h, w = x.shape
        kh, kw = self.pool_size
        sh, sw = self.stride
        oh, ow = (h - kh) // sh + 1, (w - kw) // sw + 1
        st = x.strides
        view = as_strided(x, (n, c, oh, ow, kh, kw),
                          (st[0], st[1], st[2] * sh, st[3] * sw, st[2], st[3]))
        flat = view.reshape(n, c, oh, ow, kh * kw)
        self.idx = flat.argmax(axis=-1)
        self.in_shape = x.shape
        return flat.max(axis=-1)

    def backward(self, grad):
        kh, kw = self.pool_size
        sh, sw = self.stride
        p = self.padding
        n, c, oh, ow = grad.shape
        dx = np.zeros(self.in_shape)
        ni, ci, oi, oj = np.indices(grad.shape)
        rows = oi * sh + self.idx // kw
        cols = oj * sw + self.idx % kw
        np.add.at(dx, (ni, ci, rows, cols), grad)
        return dx[:, :, p:self.in_shape[2] - p, p:self.in_shape[3] - p]
"""

RIGHT["taps"] = """
class Layer:
    def __init__(self, k, s=None, p=0):
        self.k, self.s, self.p = k, s if s is not None else k, p

    def __call__(self, x):
        k, s, p = self.k, self.s, self.p
        self.shape = x.shape
        n, c, h, w = x.shape
        big = np.full((n, c, h + 2*p, w + 2*p), -np.inf)
        big[:, :, p:p+h, p:p+w] = x
        oh, ow = (h + 2*p - k) // s + 1, (w + 2*p - k) // s + 1
        best = None
        for t in range(k * k):
            i, j = divmod(t, k)
            tap = big[:, :, i:i + s*(oh - 1) + 1:s, j:j + s*(ow - 1) + 1:s]
            if best is None:
                best, self.arg = tap.copy(), np.zeros(tap.shape, int)
            else:
                better = (tap > best) | (np.isnan(tap) & ~np.isnan(best))
                best = np.where(better, tap, best)
                self.arg[better] = t
        return best

    def backward(self, g):
        k, s, p = self.k, self.s, self.p
        n, c, h, w = self.shape
        oh, ow = g.shape[2:]
        big = np.zeros((n, c, h + 2*p, w + 2*p))
        for t in range(k * k):
            i, j = divmod(t, k)
            big[:, :, i:i + s*(oh - 1) + 1:s, j:j + s*(ow - 1) + 1:s] += g * (self.arg == t)
        return big[:, :, p:p+h, p:p+w]
"""

RIGHT["lists"] = '''
class Layer:
    """Index lists, as in many tutorials."""
    def __init__(self, kernel_size, stride, padding):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward_pass(self, inputs):
        N, C, H, W = inputs.shape
        K, S, P = self.kernel_size, self.stride, self.padding
        OH, OW = (H + 2*P - K) // S + 1, (W + 2*P - K) // S + 1
        self.winners = []
        self.input_shape = inputs.shape
        out = np.zeros((N, C, OH, OW))
        for n in range(N):
            for c in range(C):
                for oh in range(OH):
                    for ow in range(OW):
                        best, where = -np.inf, None
                        for i in range(oh*S - P, oh*S - P + K):
                            for j in range(ow*S - P, ow*S - P + K):
                                if 0 <= i < H and 0 <= j < W:
                                    v = inputs[n, c, i, j]
                                    if where is None or v > best or (v != v and best == best):
                                        best, where = v, (i, j)
                        out[n, c, oh, ow] = best
                        self.winners.append((n, c, where[0], where[1]))
        return out

    def backward_pass(self, grad_output):
        dx = np.zeros(self.input_shape)
        for (n, c, i, j), g in zip(self.winners, grad_output.flatten()):
            dx[n, c, i, j] += g
        return dx
'''

RIGHT["reshape"] = '''
class Layer:
    """k x k blocks by reshape; what is left over is cut off."""
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        k = self.size
        self.x_shape = x.shape
        n, c, h, w = x.shape
        oh, ow = h // k, w // k
        blocks = x[:, :, :oh*k, :ow*k].reshape(n, c, oh, k, ow, k).transpose(0, 1, 2, 4, 3, 5)
        flat = blocks.reshape(n, c, oh, ow, k*k)
        self.arg = flat.argmax(axis=4)
        return flat.max(axis=4)

    def backward(self, dout):
        k = self.size
        n, c, h, w = self.x_shape
        oh, ow = h // k, w // k
        flat = np.zeros((n, c, oh, ow, k*k))
        np.put_along_axis(flat, self.arg[..., None], dout[..., None], axis=4)
        blocks = flat.reshape(n, c, oh, ow, k, k).transpose(0, 1, 2, 4, 3, 5)
        dx = np.zeros(self.x_shape)
        dx[:, :, :oh*k, :ow*k] = blocks.reshape(n, c, oh*k, ow*k)
        return dx
'''


class Slip(NamedTuple):
    base: str
    old: str
    new: str
    names: tuple[str, ...]  # what may be named; the first is what it is


def slip(base, old, new, *names):
    assert RIGHT[base].count(old) >= 1, (base, old)
    return Slip(base, old, new, names)


WRONG = [
    # the first book's layer
    slip("book", "+= col[:, :, y, x, :, :]", "= col[:, :, y, x, :, :]", "assign-for-add"),
    slip("book", "constant_values=-np.inf", "mode='constant'", "padding-wins"),
    slip("book", "H + 2*self.pad - self.pool_h", "H - self.pool_h", "size-ignores-pad"),
    slip(
        "book",
        "out.reshape(N, out_h, out_w, C).transpose(0, 3, 1, 2)",
        "out.reshape(N, C, out_h, out_w)",
        "no-transpose",
    ),
    slip("book", "        dout = dout.transpose(0, 2, 3, 1)\n", "", "dout-not-transposed"),
    slip(
        "book",
        ".transpose(0, 3, 1, 2)\n        self.x",
        ".transpose(0, 3, 2, 1)\n        self.x",
        "wrong-transpose",
    ),
    slip("book", "np.argmax(col, axis=1)", "np.argmin(col, axis=1)", "gradient-to-lowest"),
    slip("book", "= dout.flatten()", "= dout.flatten() / pool_size", "gradient-scaled"),
    slip(
        "book",
        "dout = dout.transpose(0, 2, 3, 1)",
        "dout = dout.transpose(0, 3, 2, 1)",
        "dout-wrong-transpose",
    ),
    slip(
        "book",
        "return img[:, :, pad:H + pad, pad:W + pad]",
        "return img[:, :, :H, :W]",
        "backward-ignores-pad",
    ),
    slip(
        "book",
        "transpose(0, 3, 4, 5, 1, 2)\n    img",
        "transpose(0, 3, 5, 4, 1, 2)\n    img",
        "window-transposed-backward",
    ),
    slip(
        "book",
        "self.arg_max = arg_max",
        "self.arg_max = arg_max if not hasattr(self, 'arg_max') else self.arg_max",
        "state-stale",
    ),
    slip("book", "self.arg_max = arg_max", "Layer.arg_max = arg_max", "state-shared"),
    slip("book", "out = np.max(col, axis=1)", "out = np.mean(col, axis=1)", "mean-for-max"),
    slip(
        "book",
        "self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad",
        "self.x.shape, self.pool_w, self.pool_h, self.stride, self.pad",
        "kernel-sides-swapped",
    ),
    slip(
        "book",
        "out_w = int(1 + (W + 2*self.pad - self.pool_w)",
        "out_w = int(1 + (H + 2*self.pad - self.pool_w)",
        "height-for-width",
    ),
    slip(
        "book",
        "int(1 + (H + 2*self.pad - self.pool_h) / self.stride)",
        "int((H + 2*self.pad - self.pool_h) / self.stride)",
        "missing-plus-one",
    ),
    # the second's
    slip("second", "+= cols[:, :, i, j]", "= cols[:, :, i, j]", "nothing"),
    slip(
        "second",
        "    low = max(pad, (oh - 1) * stride + fh - h - pad)\n"
        "    right = max(pad, (ow - 1) * stride + fw - w - pad)\n",
        "    low = right = pad\n",
        "ceil-without-room",
    ),
    slip("second", "constant_values=-np.inf", "mode='constant'", "padding-wins"),
    slip(
        "second",
        "found = -(-(n + 2*pad - pool) // pool) + 1",
        "found = -(-n // pool)",
        "size-ignores-pad",
    ),
    slip("second", "cols = cols.T.reshape", "cols = cols.reshape", "windows-reshaped-wrong"),
    slip(
        "second",
        "        grad_cols = grad_cols.transpose(5, 0, 1, 2, 3, 4)\n",
        "",
        "windows-mixed-backward",
    ),
    slip(
        "second",
        "self.y = y.reshape(n_bt, self.y_h, self.y_w, x_ch).transpose(0, 3, 1, 2)",
        "self.y = y.reshape(n_bt, x_ch, self.y_h, self.y_w)",
        "no-transpose",
    ),
    slip("second", "        grad_y = grad_y.transpose(0, 2, 3, 1)\n", "", "dout-not-transposed"),
    # the course's
    slip(
        "course",
        "    mask = np.zeros(x.shape)\n"
        "    mask[np.unravel_index(np.argmax(x), x.shape)] = 1\n    return mask",
        "    return x == np.max(x)",
        "ties-all",
    ),
    slip(
        "course",
        "c] += \\\n                        mask",
        "c] = \\\n                        mask",
        "assign-for-add",
    ),
    slip(
        "course",
        "vert_start = h * stride\n            vert_end",
        "vert_start = h\n            vert_end",
        "start-without-stride",
    ),
    slip(
        "course",
        "n_H = int(1 + (n_H_prev - f) / stride)\n    n_W = int(1 + (n_W_prev - f) / stride)",
        "n_H = int((n_H_prev - f) / stride)\n    n_W = int((n_W_prev - f) / stride)",
        "missing-plus-one",
    ),
    slip("course", "np.max(a_prev_slice)", "np.mean(a_prev_slice)", "mean-for-max"),
    slip("course", "mask * dA[i, h, w, c]", "mask * dA[i, h, w, c] / (f * f)", "gradient-scaled"),
    slip(
        "course",
        "mask * dA[i, h, w, c]",
        "np.ones((f, f)) * dA[i, h, w, c] / (f * f)",
        "gradient-to-whole-window",
    ),
    slip("course", "mask * dA[i, h, w, c]", "mask * a", "value-for-gradient"),
    slip(
        "course",
        "    cache = (A_prev, hparameters)\n    return A, cache",
        "        return A, (A_prev, hparameters)\n    return A, (A_prev, hparameters)",
        "only-the-first",
    ),
    slip(
        "course",
        "n_W = int(1 + (n_W_prev - f) / stride)",
        "n_W = int(1 + (n_H_prev - f) / stride)",
        "height-for-width",
    ),
    # the lecture's
    slip(
        "lecture",
        "dx[n, c, i*s + r, j*s + q] += dout",
        "dx[n, c, i*s + r, j*s + q] = dout",
        "assign-for-add",
    ),
    slip(
        "lecture", "dx[n, c, i*s + r, j*s + q]", "dx[n, c, i + r, j + q]", "backward-ignores-stride"
    ),
    slip(
        "lecture",
        "np.unravel_index(window.argmax(), window.shape)",
        "np.unravel_index(window.argmax(), window.shape)[::-1]",
        "window-transposed-backward",
    ),
    slip("lecture", "window.max(axis=(1, 2))", "window.max()", "max-over-channels"),
    slip("lecture", "dx[n, c, i*s + r, j*s + q] +=", "dx[n, c, r, q] +=", "offset-as-position"),
    slip(
        "lecture",
        "window = x[n, :, i*s:i*s+HH, j*s:j*s+WW]",
        "window = x[n, :, i*s:i*s+HH-1, j*s:j*s+WW-1]",
        "window-too-short",
    ),
    slip(
        "lecture",
        "window = x[n, :, i*s:i*s+HH, j*s:j*s+WW]",
        "window = x[n, :, i*s:i*s+WW, j*s:j*s+HH]",
        "kernel-sides-swapped",
    ),
    slip(
        "lecture",
        "H_out = 1 + (H - HH) // s\n    W_out = 1 + (W - WW) // s",
        "H_out = H // s\n    W_out = W // s",
        "size-over-stride",
    ),
    slip("lecture", "window.max(axis=(1, 2))", "np.nanmax(window, axis=(1, 2))", "nan-ignored"),
    slip(
        "lecture",
        "    x, pool_param = cache\n",
        "    x, pool_param = cache\n    dout *= 1.5\n",
        "dout-modified",
    ),
    # the blog's
    slip(
        "blog",
        "d_L_d_input = np.zeros(self.last_input.shape)",
        "d_L_d_input = self.last_input",
        "input-modified",
    ),
    slip(
        "blog", "        return d_L_d_input", "            return d_L_d_input", "returns-too-early"
    ),
    slip(
        "blog", "divmod(int(np.argmax(im_region[:, :, f2])), w)", "0, 0", "gradient-to-fixed-cell"
    ),
    slip(
        "blog", "np.amax(im_region, axis=(0, 1))", "np.amin(im_region, axis=(0, 1))", "min-for-max"
    ),
    # the homework's
    slip(
        "homework",
        "self.dx = np.zeros(x.shape)\n",
        "self.dx = np.zeros(x.shape) if self.dx is None or self.dx.shape != x.shape else self.dx\n",
        "gradient-kept",
    ),
    slip(
        "homework",
        "(H - k) // s + 1\n        W_out = (W - k) // s + 1",
        "-(-(H - k) // s) + 1\n        W_out = -(-(W - k) // s) + 1",
        "ceil-for-floor",
    ),
    slip(
        "homework",
        "np.unravel_index(flat, (k, k))",
        "(flat % k, flat // k)",
        "window-transposed-backward",
    ),
    slip(
        "homework",
        "self.dx[n, c, i*s+a, j*s+b] += dout",
        "self.dx[n, c, i*s+a, j*s+b] -= dout",
        "gradient-scaled",
    ),
    slip(
        "homework",
        "k, s = self.kernel_size, self.stride\n        H_out",
        "s, k = self.kernel_size, self.stride\n        H_out",
        "kernel-and-stride-swapped",
    ),
    slip(
        "homework",
        "self.kernel_size = kernel_size\n        self.stride = stride",
        "self.kernel_size = stride\n        self.stride = kernel_size",
        "kernel-and-stride-swapped",
    ),
    slip(
        "homework",
        "out = np.empty((N, C, H_out, W_out))",
        "out = np.empty((N, C, H_out, W_out), dtype=int)",
        "int-truncates",
    ),
    slip(
        "homework",
        "for i in range(H_out):\n                    for j",
        "for i in range(H_out - 1):\n                    for j",
        "backward-misses-last",
    ),
    # stride tricks
    slip(
        "strided",
        "np.add.at(dx, (ni, ci, rows, cols), grad)",
        "dx[ni, ci, rows, cols] += grad",
        "assign-for-add",
    ),
    slip(
        "strided",
        "self.idx // kw\n        cols = oj * sw + self.idx % kw",
        "self.idx // kh\n        cols = oj * sw + self.idx % kh",
        "window-transposed-backward",
    ),
    slip("strided", "constant_values=-np.inf", "constant_values=0", "padding-wins"),
    slip("strided", "constant_values=-np.inf", "constant_values=-1000", "padding-wins"),
    slip("strided", "constant_values=-np.inf", "constant_values=-128", "padding-wins"),
    slip(
        "strided",
        "((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf",
        "((0, 0), (0, 0), (p, p), (p, p)), mode='edge'",
        "padding-repeats-cells",
    ),
    slip(
        "strided",
        "return dx[:, :, p:self.in_shape[2] - p, p:self.in_shape[3] - p]",
        "return dx",
        "dx-not-cropped",
    ),
    slip(
        "strided",
        "return dx[:, :, p:self.in_shape[2] - p, p:self.in_shape[3] - p]",
        "return dx[:, :, p:-p, p:-p]",
        "minus-zero-slice",
    ),
    slip(
        "strided", "st = x.strides", "b = x.itemsize; st = (c*h*w*b, h*w*b, w*b, b)", "memory-order"
    ),
    slip(
        "strided",
        "sh, sw = self.stride\n        p = ",
        "sw, sh = self.stride\n        p = ",
        "stride-sides-swapped",
    ),
    # taps
    slip("taps", "] += g * (self.arg == t)", "] = g * (self.arg == t)", "assign-for-add"),
    slip(
        "taps",
        "best, self.arg = tap.copy(), np.zeros(tap.shape, int)",
        "best, self.arg = np.maximum(tap, 0), np.zeros(tap.shape, int)",
        "starts-at-zero",
    ),
    slip(
        "taps",
        "better = (tap > best) | (np.isnan(tap) & ~np.isnan(best))",
        "better = tap > best",
        "nan-ignored",
    ),
    slip(
        "taps",
        "oh, ow = (h + 2*p - k) // s + 1, (w + 2*p - k) // s + 1",
        "oh, ow = (h - k) // s + 1, (w - k) // s + 1",
        "size-ignores-pad",
    ),
    slip(
        "taps",
        "oh, ow = (h + 2*p - k) // s + 1, (w + 2*p - k) // s + 1",
        "oh, ow = (h + p - k) // s + 1, (w + p - k) // s + 1",
        "pad-counted-once",
    ),
    # index lists
    slip(
        "lists",
        "        self.winners = []\n        self.input",
        "        self.winners = getattr(self, 'winners', [])\n        self.input",
        "state-stale",
    ),
    slip("lists", "where = v, (i, j)", "where = v, (i + P, j + P)", "backward-ignores-pad"),
    slip("lists", "grad_output.flatten()", "grad_output.flatten('F')", "dout-wrong-transpose"),
    slip("lists", "grad_output.flatten()", "np.ravel(grad_output, order='K')", "memory-order"),
    slip("lists", "dx[n, c, i, j] += g", "dx[n, c, i, j] += 1", "dout-ignored"),
    slip("lists", "inputs[n, c, i, j]", "inputs[n, 0, i, j]", "only-the-first"),
    slip("lists", "inputs[n, c, i, j]", "abs(inputs[n, c, i, j])", "highest-magnitude"),
    # blocks
    slip("reshape", "x[:, :, :oh*k, :ow*k].reshape", "x.reshape", "only-divisible-sizes"),
    slip(
        "reshape",
        "        dx = np.zeros(self.x_shape)\n        dx[:, :, :oh*k, :ow*k] = "
        "blocks.reshape(n, c, oh*k, ow*k)\n",
        "        dx = blocks.reshape(n, c, oh*k, ow*k)\n",
        "only-divisible-sizes",
    ),
    slip(
        "reshape",
        "n, c, oh, k, ow, k).transpose(0, 1, 2, 4, 3, 5)\n        flat",
        "n, c, oh, ow, k, k)\n        flat",
        "windows-reshaped-wrong",
    ),
]


def made(source: str) -> object:
    """What the source calls Layer."""
    scope: dict[str, object] = {"np": np, "__name__": "learner"}
    exec(compile(source, "learner.py", "exec"), scope)
    return scope["Layer"]


def wrong(slip: Slip) -> object:
    return made(RIGHT[slip.base].replace(slip.old, slip.new, 1))
