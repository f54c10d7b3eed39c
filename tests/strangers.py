"""More layers as people write them, in yet other styles, written after the zoo was finished.

None of these was used to make the zoo better: they measure how often a cause is named.
"""

from __future__ import annotations

from learners import Slip, made

RIGHT = {}

RIGHT["indices"] = """
def get_im2col_indices(x_shape, size, stride):
    N, C, H, W = x_shape
    out_h = (H - size) // stride + 1
    out_w = (W - size) // stride + 1
    i0 = np.tile(np.repeat(np.arange(size), size), C)
    i1 = stride * np.repeat(np.arange(out_h), out_w)
    j0 = np.tile(np.tile(np.arange(size), size), C)
    j1 = stride * np.tile(np.arange(out_w), out_h)
    i = i0.reshape(-1, 1) + i1.reshape(1, -1)
    j = j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(C), size * size).reshape(-1, 1)
    return k, i, j

class Layer:
    def __init__(self, size, stride):
        self.size = size
        self.stride = stride

    def forward(self, X):
        self.shape = X.shape
        n, d, h, w = X.shape
        h_out = (h - self.size) // self.stride + 1
        w_out = (w - self.size) // self.stride + 1
        self.X_flat = X.reshape(n * d, 1, h, w)
        k, i, j = get_im2col_indices(self.X_flat.shape, self.size, self.stride)
        cols = self.X_flat[:, k, i, j]
        self.X_col = cols.transpose(1, 2, 0).reshape(self.size * self.size, -1)
        self.max_indexes = np.argmax(self.X_col, axis=0)
        out = self.X_col[self.max_indexes, range(self.max_indexes.size)]
        return out.reshape(h_out, w_out, n, d).transpose(2, 3, 0, 1)

    def backward(self, dout):
        n, d, h, w = self.shape
        dX_col = np.zeros(self.X_col.shape)
        dout_flat = dout.transpose(2, 3, 0, 1).ravel()
        dX_col[self.max_indexes, range(self.max_indexes.size)] = dout_flat
        k, i, j = get_im2col_indices(self.X_flat.shape, self.size, self.stride)
        dX = np.zeros((n * d, 1, h, w))
        cols = dX_col.reshape(self.size * self.size, -1, n * d).transpose(2, 0, 1)
        np.add.at(dX, (slice(None), k, i, j), cols)
        return dX.reshape(self.shape)
"""

RIGHT["sliding"] = """
from numpy.lib.stride_tricks import sliding_window_view

class Layer:
    def __init__(self, kernel_h, kernel_w, stride_h, stride_w, padding_h=0, padding_w=0):
        self.k = kernel_h, kernel_w
        self.s = stride_h, stride_w
        self.p = padding_h, padding_w

    def forward(self, x):
        (kh, kw), (sh, sw), (ph, pw) = self.k, self.s, self.p
        low = -np.inf
        xp = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=low)
        win = sliding_window_view(xp, (kh, kw), axis=(2, 3))[:, :, ::sh, ::sw]
        flat = win.reshape(*win.shape[:4], kh * kw)
        self.arg = flat.argmax(-1)
        self.x_shape, self.p_shape = x.shape, xp.shape
        return np.take_along_axis(flat, self.arg[..., None], -1)[..., 0]

    def backward(self, dy):
        (kh, kw), (sh, sw), (ph, pw) = self.k, self.s, self.p
        dxp = np.zeros(self.p_shape, dy.dtype)
        for i in range(kh):
            for j in range(kw):
                hit = self.arg == i * kw + j
                oh, ow = dy.shape[2:]
                dxp[:, :, i:i + oh * sh:sh, j:j + ow * sw:sw][..., :oh, :ow] += dy * hit
        h, w = self.x_shape[2:]
        return dxp[:, :, ph:ph + h, pw:pw + w]
"""

RIGHT["masked"] = '''
class Layer:
    """Channels last; keeps a mask for every window."""
    def __init__(self, pool_size=(2, 2), strides=(2, 2)):
        self.pool_size = pool_size
        self.strides = strides
        self.masks = {}

    def forward_propagation(self, inputs, training=True):
        b, h, w, ch = inputs.shape
        ph, pw = self.pool_size
        sh, sw = self.strides
        self.inputs_shape = inputs.shape
        rows = 1 + (h - ph) // sh
        cols = 1 + (w - pw) // sw
        result = np.zeros((b, rows, cols, ch))
        for r in range(rows):
            for c in range(cols):
                top, left = r * sh, c * sw
                part = inputs[:, top:top + ph, left:left + pw, :]
                result[:, r, c, :] = part.max(axis=(1, 2))
                self.remember(part, (r, c))
        return result

    def remember(self, part, where):
        b, ph, pw, ch = part.shape
        flat = part.reshape(b, ph * pw, ch)
        best = flat.argmax(axis=1)
        mask = np.zeros_like(flat, dtype=float)
        bi, ci = np.indices((b, ch))
        mask[bi, best, ci] = 1
        self.masks[where] = mask.reshape(b, ph, pw, ch)

    def backward_propagation(self, upstream):
        ph, pw = self.pool_size
        sh, sw = self.strides
        result = np.zeros(self.inputs_shape)
        _, rows, cols, _ = upstream.shape
        for r in range(rows):
            for c in range(cols):
                top, left = r * sh, c * sw
                result[:, top:top + ph, left:left + pw, :] += \\
                    upstream[:, r:r + 1, c:c + 1, :] * self.masks[(r, c)]
        return result
'''

RIGHT["closures"] = '''
def Layer(window, step, border=0):
    """A pair of closures in an object."""
    memory = {}

    def run(image):
        n, c, h, w = image.shape
        frame = np.full((n, c, h + 2 * border, w + 2 * border), -np.inf)
        frame[:, :, border:border + h, border:border + w] = image
        down = (h + 2 * border - window) // step + 1
        across = (w + 2 * border - window) // step + 1
        made = np.zeros((n, c, down, across))
        spots = np.zeros((n, c, down, across, 2), dtype=int)
        for y in range(down):
            for x in range(across):
                block = frame[:, :, y * step:y * step + window, x * step:x * step + window]
                flat = block.reshape(n, c, window * window)
                best = flat.argmax(axis=2)
                made[:, :, y, x] = flat.max(axis=2)
                spots[:, :, y, x, 0] = y * step + best // window
                spots[:, :, y, x, 1] = x * step + best % window
        memory["spots"], memory["size"], memory["frame"] = spots, image.shape, frame.shape
        return made

    def back(error):
        n, c, h, w = memory["size"]
        frame = np.zeros(memory["frame"])
        for a, b, y, x in np.ndindex(error.shape):
            i, j = memory["spots"][a, b, y, x]
            frame[a, b, i, j] += error[a, b, y, x]
        return frame[:, :, border:border + h, border:border + w]

    class Pool:
        forward = staticmethod(run)
        backward = staticmethod(back)

    return Pool()
'''

RIGHT["plain2d"] = '''
class Layer:
    """One grey image at a time."""
    def __init__(self, f, s):
        self.f, self.s = f, s

    def forward(self, img):
        self.img = img
        h, w = img.shape
        oh = (h - self.f) // self.s + 1
        ow = (w - self.f) // self.s + 1
        out = np.zeros((oh, ow))
        for r in range(0, oh):
            for c in range(0, ow):
                out[r, c] = np.max(img[r*self.s:r*self.s+self.f, c*self.s:c*self.s+self.f])
        return out

    def backward(self, delta):
        grad = np.zeros(self.img.shape)
        for r in range(delta.shape[0]):
            for c in range(delta.shape[1]):
                patch = self.img[r*self.s:r*self.s+self.f, c*self.s:c*self.s+self.f]
                i, j = np.unravel_index(np.argmax(patch), patch.shape)
                grad[r*self.s + i, c*self.s + j] += delta[r, c]
        return grad
'''


def slip(base, old, new, *names):
    assert RIGHT[base].count(old) >= 1, (base, old)
    return Slip(base, old, new, names)


WRONG = [
    slip(
        "indices",
        "np.add.at(dX, (slice(None), k, i, j), cols)",
        "dX[:, k, i, j] += cols",
        "assign-for-add",
    ),
    slip(
        "indices",
        "out.reshape(h_out, w_out, n, d).transpose(2, 3, 0, 1)",
        "out.reshape(n, d, h_out, w_out)",
        "no-transpose",
    ),
    slip("indices", "dout.transpose(2, 3, 0, 1).ravel()", "dout.ravel()", "dout-not-transposed"),
    slip(
        "indices",
        "dout.transpose(2, 3, 0, 1).ravel()",
        "dout.transpose(3, 2, 0, 1).ravel()",
        "dout-wrong-transpose",
    ),
    slip(
        "indices", "np.argmax(self.X_col, axis=0)", "np.argmin(self.X_col, axis=0)", "min-for-max"
    ),
    slip("indices", "= dout_flat", "= dout_flat / n", "gradient-scaled"),
    slip("indices", "(h - self.size) // self.stride + 1", "h // self.size", "size-over-kernel"),
    slip(
        "indices",
        "        dX_col[self.max_indexes, range(self.max_indexes.size)] = dout_flat",
        "        dX_col[:, range(self.max_indexes.size)] = dout_flat",
        "gradient-to-whole-window",
    ),
    slip(
        "indices",
        "return out.reshape(h_out, w_out, n, d).transpose(2, 3, 0, 1)",
        "return out.reshape(h_out, w_out, n, d).transpose(2, 3, 1, 0)",
        "wrong-transpose",
    ),
    slip("sliding", "i * kw + j", "j * kh + i", "window-transposed-backward"),
    slip("sliding", "i * kw + j", "i * kh + j", "window-transposed-backward", None),
    slip("sliding", "[..., :oh, :ow] += dy * hit", "[..., :oh, :ow] = dy * hit", "assign-for-add"),
    slip("sliding", "low = -np.inf", "low = 0", "padding-wins"),
    slip("sliding", "low = -np.inf", "low = -1", "padding-wins"),
    slip("sliding", "low = -np.inf", "low = -1e9", "padding-wins-over-huge-numbers"),
    slip(
        "sliding",
        "return dxp[:, :, ph:ph + h, pw:pw + w]",
        "return dxp[:, :, :h, :w]",
        "backward-ignores-pad",
    ),
    slip("sliding", "return dxp[:, :, ph:ph + h, pw:pw + w]", "return dxp", "dx-not-cropped"),
    slip(
        "sliding",
        "return dxp[:, :, ph:ph + h, pw:pw + w]",
        "return dxp[:, :, ph:ph + w, pw:pw + h]",
        None,
    ),
    slip(
        "sliding",
        "(ph, ph), (pw, pw)), constant",
        "(ph, 0), (pw, 0)), constant",
        "pad-counted-once",
    ),
    slip(
        "sliding",
        "(ph, ph), (pw, pw)), constant",
        "(pw, pw), (ph, ph)), constant",
        None,
        "pad-sides-swapped",
    ),
    slip(
        "sliding",
        "self.s = stride_h, stride_w",
        "self.s = stride_w, stride_h",
        "stride-sides-swapped",
    ),
    slip(
        "sliding", "self.s = stride_h, stride_w", "self.s = stride_h, stride_h", "one-side-for-both"
    ),
    slip(
        "sliding",
        "self.k = kernel_h, kernel_w",
        "self.k = kernel_w, kernel_h",
        "kernel-sides-swapped",
    ),
    slip(
        "sliding", "self.k = kernel_h, kernel_w", "self.k = kernel_h, kernel_h", "one-side-for-both"
    ),
    slip("sliding", "[:, :, ::sh, ::sw]", "[:, :, ::kh, ::kw]", "stride-ignored"),
    slip(
        "sliding",
        "np.zeros(self.p_shape, dy.dtype)",
        "np.zeros(self.p_shape, int)",
        None,
        "int-truncates",
    ),
    slip(
        "sliding",
        "dxp = np.zeros(self.p_shape, dy.dtype)",
        "dxp = self.__dict__.setdefault('dxp', np.zeros(self.p_shape, dy.dtype))",
        "gradient-kept",
    ),
    slip(
        "masked",
        "        mask = np.zeros_like(flat, dtype=float)\n"
        "        bi, ci = np.indices((b, ch))\n        mask[bi, best, ci] = 1\n",
        "        mask = (flat == flat.max(axis=1, keepdims=True)) * 1.0\n",
        "ties-all",
    ),
    slip(
        "masked",
        "mask[bi, best, ci] = 1",
        "mask[bi, best, ci] = 1; mask /= ph * pw",
        "gradient-scaled",
    ),
    slip("masked", ":] += \\\n", ":] = \\\n", "assign-for-add"),
    slip("masked", "part.max(axis=(1, 2))", "part.mean(axis=(1, 2))", "mean-for-max"),
    slip(
        "masked", "part.max(axis=(1, 2))", "part.max(axis=(1, 2, 3))[:, None]", "max-over-channels"
    ),
    slip(
        "masked",
        "for c in range(cols):\n                top, left = r * sh, c * sw\n"
        "                result[:",
        "for c in range(cols - 1):\n                top, left = r * sh, "
        "c * sw\n                result[:",
        "backward-misses-last",
    ),
    slip("masked", "cols = 1 + (w - pw) // sw", "cols = 1 + (h - ph) // sh", "height-for-width"),
    slip(
        "masked",
        "rows = 1 + (h - ph) // sh\n        cols = 1 + (w - pw) // sw",
        "rows = (h - ph + 1) // sh\n        cols = (w - pw + 1) // sw",
        "missing-plus-one",
    ),
    slip("masked", "        self.masks = {}\n", "", None),
    slip(
        "masked",
        'class Layer:\n    """Channels last; keeps a mask for every window."""',
        "class Layer:\n    masks = {}",
        "nothing",
    ),
    slip(
        "masked",
        "        self.masks = {}\n",
        "        self.masks = Layer.__dict__.get('shared')\n"
        "        if self.masks is None:\n            Layer.shared = self.masks = {}\n",
        "state-shared",
    ),
    slip(
        "masked",
        "        result = np.zeros((b, rows, cols, ch))",
        "        result = np.zeros((b, rows, cols, ch), dtype=inputs.astype(int).dtype)",
        "int-truncates",
    ),
    slip("closures", "frame[a, b, i, j] += error", "frame[a, b, i, j] = error", "assign-for-add"),
    slip("closures", "best // window\n", "best % window\n", None),
    slip("closures", "y * step + best // window", "y + best // window", "backward-ignores-stride"),
    slip("closures", "-np.inf", "0.0", "padding-wins"),
    slip(
        "closures",
        "(h + 2 * border - window) // step + 1\n        across = (w + 2 * border - "
        "window) // step + 1",
        "(h - window) // step + 1\n        across = (w - window) // step + 1",
        "size-ignores-pad",
    ),
    slip(
        "closures",
        "border:border + h, border:border + w] = image",
        "border:-border, border:-border] = image",
        "minus-zero-slice",
    ),
    slip("closures", "flat.max(axis=2)", "np.nanmax(flat, axis=2)", "nan-ignored"),
    slip("closures", "+= error[a, b, y, x]", "+= error[a, b].sum()", "dout-ignored"),
    slip("closures", "+= error[a, b, y, x]", "+= error[a, 0, y, x]", None),
    slip(
        "closures",
        "        frame = np.full",
        "        image[image < 0] = 0\n        frame = np.full",
        "input-modified",
    ),
    slip(
        "plain2d",
        "grad[r*self.s + i, c*self.s + j] += delta[r, c]",
        "grad[r*self.s + i, c*self.s + j] = delta[r, c]",
        "assign-for-add",
    ),
    slip(
        "plain2d",
        "i, j = np.unravel_index",
        "j, i = np.unravel_index",
        "window-transposed-backward",
    ),
    slip(
        "plain2d",
        "oh = (h - self.f) // self.s + 1",
        "oh = (w - self.f) // self.s + 1",
        "height-for-width",
    ),
    slip("plain2d", "out[r, c] = np.max", "out[r, c] = np.min", "min-for-max"),
    slip("plain2d", "out[r, c] = np.max(img", "out[r, c] = max(0, np.max(img", "starts-at-zero"),
    slip("plain2d", "        return out\n", "            return out\n", "returns-too-early"),
    slip(
        "plain2d",
        "grad[r*self.s + i, c*self.s + j]",
        "grad[r*self.f + i, c*self.f + j]",
        "backward-ignores-stride",
    ),
    slip(
        "plain2d",
        "grad[r*self.s + i, c*self.s + j] += delta[r, c]",
        "grad[r*self.s + i, c*self.s + j] += delta[r, c] * patch.max()",
        "value-for-gradient",
    ),
]


def wrong(one: Slip) -> object:
    return made(RIGHT[one.base].replace(one.old, one.new, 1))


# brackets that the slip leaves open
for number, one in enumerate(WRONG):
    if one.new.startswith("out[r, c] = max(0"):
        WRONG[number] = one._replace(
            old="np.max(img[r*self.s:r*self.s+self.f, c*self.s:c*self.s+self.f])",
            new="max(0, np.max(img[r*self.s:r*self.s+self.f, c*self.s:c*self.s+self.f]))",
        )
