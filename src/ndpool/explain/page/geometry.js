// Where the windows stand. A pooling in full is "sizes": kernel, stride, dilation, before, after,
// each [rows, columns]; the twin of ndpool/geometry.py.

const AXES = ["rows", "columns"];

function pooledShape(shape, config) {
  return [0, 1].map((axis) => outSize(shape[2 + axis], config, axis));
}

function outSize(size, config, axis) {
  const { kernel, stride, dilation, before, after, ceil } = config;
  const span = dilation[axis] * (kernel[axis] - 1) + 1;
  const padded = before[axis] + size + after[axis];
  const step = stride[axis];
  let count = Math.floor((padded - span + (ceil ? step - 1 : 0)) / step) + 1;
  if (count < 1) {
    throw new Refusal("kernel", "windowTooLong", { axis: AXES[axis], span, padded });
  }
  // ceil mode, PyTorch's rule: the last window starts inside the input or its left padding
  if (ceil && (count - 1) * step >= size + before[axis]) count -= 1;
  // A window that starts inside the input sees it: only those before it and the last may not.
  const early = Math.min(Math.ceil(before[axis] / step), count);
  for (const position of [...Array(early).keys(), count - 1]) {
    if (!seesInput(size, config, axis, position)) {
      throw new Refusal("padding", "windowInPadding", { axis: AXES[axis], position });
    }
  }
  return count;
}

function seesInput(size, { kernel, stride, dilation, before }, axis, position) {
  for (let tap = 0; tap < kernel[axis]; tap += 1) {
    const cell = position * stride[axis] + tap * dilation[axis] - before[axis];
    if (cell >= 0 && cell < size) return true;
    if (cell >= size) return false;
  }
  return false;
}
