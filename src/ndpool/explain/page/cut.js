// What is computed of a large array: one image, one channel, and a region of it with every window
// that holds one of its cells. Coordinates that a reader sees are those of the whole array.

const READABLE = 4096; // cells of the im2col matrix, when nothing was chosen
const LARGEST = 2 ** 16; // whatever was chosen: more than a browser draws without a pause
const REGION = 12; // rows and columns

function problemOf(config) {
  const part = partOf(config);
  const dy = typeof config.dy === "string" ? config.dy : cutOut(config.dy, part, "outs");
  return { ...sized(config, part), dy, xStep: step("x", cutOut(config.x, part, "cells"), []) };
}

// The part that was chosen, or one that is small enough to read; as in ndpool/explain/part.py.
function partOf(config) {
  const out = pooledShape(config.x.shape, config);
  let { image, channel, region } = config;
  let part = partWith(config, out, image, channel, region);
  if (part.matrixCells > READABLE) {
    [image, channel] = [image ?? 0, channel ?? 0];
    part = partWith(config, out, image, channel, region);
  }
  if (!region) {
    for (let size = REGION; size > 0 && part.matrixCells > READABLE; size -= 1) {
      region = config.x.shape.slice(2).flatMap((n) => [0, Math.min(size, n)]);
      part = partWith(config, out, image, channel, region);
    }
  }
  if (part.matrixCells > LARGEST) {
    throw new Refusal("kernel", "tooLarge", { cells: part.matrixCells, most: LARGEST });
  }
  return part;
}

function partWith(config, out, image, channel, region) {
  const { shape } = config.x;
  const ends = region ? [region.slice(0, 2), region.slice(2)] : [null, null];
  const spans = [0, 1].map((axis) => spanOf(config, axis, shape[2 + axis], out[axis], ends[axis]));
  const images = chosen("image", image, shape[0]);
  const channels = chosen("channel", channel, shape[1]);
  const outs = spans.map((span) => span.outs[1] - span.outs[0]);
  const planes = (images[1] - images[0]) * (channels[1] - channels[0]);
  const isWhole =
    planes === shape[0] * shape[1] &&
    spans.every(({ cells, outs: [o0, o1] }, axis) =>
      cells[0] === 0 && cells[1] === shape[2 + axis] && o0 === 0 && o1 === out[axis]);
  const matrixCells = planes * product(outs) * product(config.kernel);
  return { images, channels, spans, matrixCells, isWhole, whole: { shape, out } };
}

function chosen(field, index, count) {
  if (index === null) return [0, count];
  if (index < 0 || index >= count) throw new Refusal(field, "needIndex", { high: count - 1 });
  return [index, index + 1];
}

// Along one axis: the outputs and cells that are shown, and the padding around those cells.
function spanOf({ kernel, stride, dilation, before, after }, axis, size, outs, region) {
  const reach = dilation[axis] * (kernel[axis] - 1);
  const padded = (cells, first, last, count) => {
    const end = (count - 1) * stride[axis] + reach + 1;
    return Math.max(first + cells[1] - cells[0] + last, end);
  };
  const shift = before[axis];
  const wholePadded = padded([0, size], shift, after[axis], outs);
  if (!region) {
    const cells = [0, size];
    return { cells, region: cells, outs: [0, outs], before: shift, padded: wholePadded, wholePadded };
  }
  const [o0, o1] = outputsOf(region, { reach, step: stride[axis], shift, outs, dil: dilation[axis] });
  const [start, end] = [o0 * stride[axis] - shift, o1 * stride[axis] + reach + 1 - shift];
  const cells = [Math.max(0, start), Math.min(size, Math.max(end, region[1]))];
  const first = Math.max(0, -start);
  const last = cells[1] === size ? after[axis] : 0;
  const length = padded(cells, first, last, o1 + 1 - o0);
  return { cells, region, outs: [o0, o1 + 1], before: first, padded: length, wholePadded };
}

// The first and last window that holds a cell of the region, or begins at it or before it.
function outputsOf(region, { reach, step, shift, outs, dil }) {
  const [first, last] = [region[0] + shift, region[1] - 1 + shift];
  const begins = Math.min(Math.floor(first / step), outs - 1);
  let [low, high] = [begins, begins];
  const least = Math.max(0, Math.ceil((first - reach) / step));
  const most = Math.min(outs - 1, Math.floor(last / step));
  for (let o = least; o <= most; o += 1) {
    const tap = Math.max(0, Math.ceil((first - o * step) / dil)) * dil;
    if (tap > Math.min(last - o * step, reach)) continue;
    [low, high] = [Math.min(low, o), Math.max(high, o)];
  }
  return [low, high];
}

function sized(config, part) {
  const { kernel, stride, dilation, x, dialect } = config;
  const { images, channels, spans } = part;
  const [N, C] = [images, channels].map(([from, to]) => to - from);
  const [H, W] = spans.map(({ cells: [from, to] }) => to - from);
  const out = spans.map(({ outs: [from, to] }) => to - from);
  const padded = spans.map((span) => span.padded);
  const sizes = { N, C, H, W, out, padded, kernel, stride, dilation, dialect };
  const realPlaces = realInPadded(sizes, spans);
  const padToReal = new Int32Array(N * C * padded[0] * padded[1]).fill(-1);
  realPlaces.forEach((place, i) => {
    padToReal[place] = i;
  });
  const { low } = DTYPES[x.dtype];
  return { ...sizes, ...part, base: baseOf(config), taps: product(kernel), low, realPlaces, padToReal };
}

// Of a very large array the file holds one image and channel: which of how many.
const baseOf = ({ base, x: { shape } }) => base ?? { n: 0, c: 0, N: shape[0], C: shape[1] };

// For each cell of the input, its place in the padded one.
function realInPadded({ N, C, H, W, padded: [HP, WP] }, spans) {
  return range(N * C * H * W).map((i) => {
    const [plane, r, k] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
    return (plane * HP + r + spans[0].before) * WP + k + spans[1].before;
  });
}

function cutOut(array, { images, channels, spans }, what) {
  const [[r0, r1], [k0, k1]] = spans.map((span) => span[what]);
  const [, C, H, W] = array.shape;
  const ranges = [images, channels, [r0, r1], [k0, k1]];
  const shape = ranges.map(([from, to]) => to - from);
  if (product(shape) === array.data.length) return array;
  const cut = zeros(array.dtype, shape);
  let to = 0;
  for (let n = images[0]; n < images[1]; n += 1) {
    for (let c = channels[0]; c < channels[1]; c += 1) {
      for (let r = r0; r < r1; r += 1) {
        const from = ((n * C + c) * H + r) * W;
        cut.data.set(array.data.subarray(from + k0, from + k1), to);
        to += k1 - k0;
      }
    }
  }
  return cut;
}
