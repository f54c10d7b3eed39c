// Max pooling forward and backward, step by step: what ndpool.explain computes in Python, cell for
// cell, for a problem of images (N, C, H, W).

function compute(config) {
  const problem = problemOf(config);
  const steps = config.dialect === "direct" ? directSteps(problem) : textbookSteps(problem);
  const named = new Map(steps.map((found) => [found.name, found]));
  return { steps: DIALECTS[config.dialect].map((known) => described(known, named)), problem };
}

function described(known, named) {
  const found = named.get(known.name);
  const parent = named.get(known.parent);
  const padding = found.padding?.includes(1) ? found.padding : null;
  const shapeBefore = parent ? parent.array.shape : null;
  return { ...known, ...found, padding, shape: found.array.shape, shapeBefore };
}

const MOST_POWERS = 63; // 2**62 is the largest power of two in int64

// ---- the textbook's two dialects: rows and columns ----

function textbookSteps(problem) {
  const { N, C, out, taps, dialect } = problem;
  const [OH, OW] = out;
  const windows = N * OH * OW * C;
  const pad = paddedInput(problem);
  const places = windowPlaces(problem, channelsLast(problem));
  // Where each cell of `reshape`, (windows, h*w), stands in the matrix of the dialect.
  const inCol = dialect === "rows" ? null : columnsOrder(problem);
  const colShape = [N * OH * OW, C * taps];
  const rowShape = [windows, taps];
  if (dialect === "columns") [colShape, rowShape].forEach((shape) => shape.reverse());

  const colPlaces = inCol ? scattered(places, inCol) : places;
  const im2col = taken("im2col", colShape, pad, colPlaces);
  im2col.padding = picked(pad.padding, colPlaces, Uint8Array);
  const reshape = taken("reshape", [windows, taps], im2col, inCol ?? range(windows * taps));
  reshape.padding = picked(pad.padding, places, Uint8Array);

  const choice = choose(reshape, taps);
  const highest = taken("max", [windows], reshape, choice.cells);
  highest.links.push({ ...choice.link });
  const argmax = step("argmax", ofIndices("int64", [windows], choice.offsets), [{ ...choice.link }]);
  const outT = taken("out_t", [N, OH, OW, C], highest, range(windows));
  const result = taken("out", [N, C, OH, OW], outT, toChannelsFirst(problem));
  const forward = [problem.xStep, pad, im2col, reshape, argmax, highest, outT, result];

  const dout = gradientStep(problem, result);
  const doutT = taken("transpose", [N, OH, OW, C], dout, toChannelsLast(problem));
  const blank = step("zeros", zeros(dout.array.dtype, rowShape), []);
  // Where each cell of `reshape` stands in dmax: itself, or transposed.
  const inFill = dialect === "rows" ? range(windows * taps) : transposed(windows, taps);
  const fill = filled("fill", rowShape, doutT, argmax, choice.offsets, taps, inFill);
  fill.padding = scattered(reshape.padding, inFill, Uint8Array);
  blank.padding = fill.padding;
  const shaped = dialect === "rows" ? shapedRows(problem, fill) : shapedColumns(problem, fill);
  const dcol = taken("dcol", colShape, shaped.at(-1), range(windows * taps));
  dcol.padding = im2col.padding;
  const order = additionOrder(windows, taps);
  const inDcol = inCol ?? range(windows * taps);
  const col2im = added("col2im", pad.array.shape, dcol, places, inDcol, order);
  col2im.padding = pad.padding;
  const dx = taken("dx", problem.xStep.array.shape, col2im, problem.realPlaces);
  return [...forward, dout, doutT, blank, fill, ...shaped, dcol, col2im, dx];
}

// (N*OH*OW*C, h*w) -> (N, OH, OW, C, h*w)
function shapedRows({ N, C, out: [OH, OW], taps }, fill) {
  const fiveD = taken("reshape_5d", [N, OH, OW, C, taps], fill, range(fill.array.data.length));
  fiveD.padding = fill.padding;
  return [fiveD];
}

// (h*w, N*OH*OW*C) -> (h, w, N, OH, OW, C) -> (C, h, w, N, OH, OW)
function shapedColumns({ N, C, out: [OH, OW], taps, kernel }, fill) {
  const positions = N * OH * OW;
  const sixD = taken("reshape_6d", [...kernel, N, OH, OW, C], fill, range(taps * positions * C));
  const order = new Int32Array(taps * positions * C);
  for (let c = 0, to = 0; c < C; c += 1) {
    for (let rest = 0; rest < taps * positions; rest += 1) order[to++] = rest * C + c;
  }
  const turned = taken("transpose_6d", [C, ...kernel, N, OH, OW], sixD, order);
  sixD.padding = fill.padding;
  turned.padding = picked(fill.padding, order, Uint8Array);
  return [sixD, turned];
}

// ---- the direct dialect ----

function directSteps(problem) {
  const { N, C, H, W, out, kernel, taps } = problem;
  const shape = [N, C, ...out];
  const count = product(shape);
  const places = windowPlaces(problem, channelsFirst(problem));
  const inX = picked(problem.padToReal, places, Int32Array);
  const windows = taken("windows", [...shape, ...kernel], problem.xStep, inX, problem.low);
  windows.padding = Uint8Array.from(inX, (place) => (place < 0 ? 1 : 0));

  const choice = choose(windows, taps);
  const winners = step("winners", ofIndices(smallestFor(taps), shape, choice.offsets), [{ ...choice.link }]);
  const result = taken("out", shape, windows, choice.cells);
  result.links.push({ ...choice.link });

  const dout = gradientStep(problem, result);
  const inRoutes = range(count * taps);
  const routes = filled(
    "routes", [...shape, ...kernel], dout, winners, choice.offsets, taps, inRoutes,
  );
  routes.padding = windows.padding;
  const dx = added("dx", [N, C, H, W], routes, inX, inRoutes, range(count * taps));
  return [problem.xStep, windows, winners, result, dout, routes, dx];
}

// ---- the pieces ----

function step(name, array, links) {
  return { name, array, links, padding: null };
}

function ofIndices(dtype, shape, offsets) {
  return { dtype, shape, data: offsets };
}

const smallestFor = (taps) => (taps <= 2 ** 8 ? "uint8" : taps <= 2 ** 16 ? "uint16" : "uint32");

// Cell i is cell places[i] of the parent, or `rest` where that is -1.
function taken(name, shape, parent, places, rest = 0) {
  const array = zeros(parent.array.dtype, shape);
  for (let i = 0; i < places.length; i += 1) {
    array.data[i] = places[i] < 0 ? rest : parent.array.data[places[i]];
  }
  return step(name, array, [linkOne("value", parent.name, places)]);
}

function paddedInput(problem) {
  const { N, C, padded, xStep, padToReal, low } = problem;
  const pad = taken("pad", [N, C, ...padded], xStep, padToReal, low);
  pad.padding = Uint8Array.from(padToReal, (place) => (place < 0 ? 1 : 0));
  return pad;
}

// Who won each window of `taps` cells: the first NaN, else the first of the highest; no padding.
function choose({ name, array, padding }, taps) {
  const count = array.data.length / taps;
  const offsets = new Int32Array(count);
  const cells = new Int32Array(count);
  const pairs = [[], []];
  for (let window = 0; window < count; window += 1) {
    let best = -1;
    for (let i = window * taps; i < (window + 1) * taps; i += 1) {
      if (padding && padding[i]) continue;
      pairs[0].push(window);
      pairs[1].push(i);
      if (best < 0 || beats(array.data[i], array.data[best])) best = i;
    }
    cells[window] = best;
    offsets[window] = best - window * taps;
  }
  return { offsets, cells, link: linkMany("choice", name, ...pairs, count) };
}

// x != x is how NaN shows: it beats all but an earlier NaN
function beats(value, best) {
  return value > best || (value !== value && best === best); // eslint-disable-line no-self-compare
}

// Zeros, with the gradient of window w in the place of its winner.
function filled(name, shape, gradient, chooser, offsets, taps, places) {
  const array = zeros(gradient.array.dtype, shape);
  const values = new Int32Array(array.data.length).fill(-1);
  const choices = new Int32Array(array.data.length);
  for (let window = 0; window < offsets.length; window += 1) {
    const winner = places[window * taps + offsets[window]];
    array.data[winner] = gradient.array.data[window];
    values[winner] = window;
    for (let t = 0; t < taps; t += 1) choices[places[window * taps + t]] = window;
  }
  const links = [
    linkOne("value", gradient.name, values),
    linkOne("choice", chooser.name, choices),
  ];
  return step(name, array, links);
}

// Adds cell sources[k] of the parent to cell targets[k], in this order; none where that is -1.
function added(name, shape, parent, targets, sources, order) {
  const used = order.filter((k) => targets[k] >= 0);
  const count = product(shape);
  const link = linkMany(
    "value", parent.name, picked(targets, used, Int32Array), picked(sources, used, Int32Array), count,
  );
  return step(name, summed(parent.array, shape, link), [link]);
}

function summed({ dtype, data }, shape, link) {
  const array = zeros(dtype, shape);
  const add = adder(dtype);
  const { round } = DTYPES[dtype];
  for (let i = 0; i < array.data.length; i += 1) {
    let total = zeroOf(dtype);
    for (const j of linked(link, i)) total = add(total, data[j]);
    array.data[i] = isTwoByteFloat(dtype) ? round(total) : total;
  }
  return array;
}

// dout: what was given, or made from out.
function gradientStep({ dy }, { array: out }) {
  return step("dout", typeof dy === "string" ? madeGradient(dy, out) : dy, []);
}

// "out", "ones", or "powers": 1, 2, 4, 8 ... over the outputs of each channel.
function madeGradient(kind, out) {
  if (kind === "out" && out.dtype !== "bool") return out;
  const plane = product(out.shape.slice(2));
  if (kind === "powers") {
    if (plane > MOST_POWERS) throw new Refusal("dy", "tooManyPowers", { most: MOST_POWERS, plane });
    const array = zeros("int64", out.shape);
    for (let i = 0; i < array.data.length; i += 1) array.data[i] = 1n << BigInt(i % plane);
    return array;
  }
  const array = zeros(out.dtype === "bool" ? "int64" : out.dtype, out.shape);
  return { ...array, data: array.data.fill(isBig(array.dtype) ? 1n : 1) };
}

// ---- orders of cells ----

const range = (count) => Int32Array.from({ length: count }, (_, i) => i);

function picked(values, places, Kind) {
  const result = new Kind(places.length);
  for (let i = 0; i < places.length; i += 1) result[i] = values[places[i]];
  return result;
}

// result[places[i]] = values[i]
function scattered(values, places, Kind = Int32Array) {
  const result = new Kind(values.length);
  for (let i = 0; i < values.length; i += 1) result[places[i]] = values[i];
  return result;
}

// [n, c, oh, ow] of each window, in the order (n, oh, ow, c)
function channelsLast({ N, C, out: [OH, OW] }) {
  const list = [];
  for (let n = 0; n < N; n += 1) {
    for (let oh = 0; oh < OH; oh += 1) {
      for (let ow = 0; ow < OW; ow += 1) {
        for (let c = 0; c < C; c += 1) list.push([n, c, oh, ow]);
      }
    }
  }
  return list;
}

function channelsFirst({ N, C, out: [OH, OW] }) {
  const list = [];
  for (let plane = 0; plane < N * C; plane += 1) {
    for (let oh = 0; oh < OH; oh += 1) {
      for (let ow = 0; ow < OW; ow += 1) list.push([Math.floor(plane / C), plane % C, oh, ow]);
    }
  }
  return list;
}

// Where each cell of each window stands in the padded input, flat.
function windowPlaces({ C, padded: [HP, WP], kernel, stride, dilation, taps }, windows) {
  const places = new Int32Array(windows.length * taps);
  let to = 0;
  for (const [n, c, oh, ow] of windows) {
    const corner = ((n * C + c) * HP + oh * stride[0]) * WP + ow * stride[1];
    for (let i = 0; i < kernel[0]; i += 1) {
      for (let j = 0; j < kernel[1]; j += 1) {
        places[to++] = corner + i * dilation[0] * WP + j * dilation[1];
      }
    }
  }
  return places;
}

// For each cell of `reshape`, (n, oh, ow, c, tap), its place in (c, tap, n, oh, ow).
function columnsOrder({ N, C, out: [OH, OW], taps }) {
  const positions = N * OH * OW;
  const places = new Int32Array(positions * C * taps);
  for (let row = 0; row < positions * C; row += 1) {
    const [position, c] = [Math.floor(row / C), row % C];
    for (let t = 0; t < taps; t += 1) {
      places[row * taps + t] = (c * taps + t) * positions + position;
    }
  }
  return places;
}

// For each cell of (rows, columns), its place in (columns, rows).
function transposed(rows, columns) {
  return range(rows * columns).map((i) => (i % columns) * rows + Math.floor(i / columns));
}

// For each cell of out (N, C, OH, OW), its place in (N, OH, OW, C).
function toChannelsFirst({ N, C, out: [OH, OW] }) {
  const plane = OH * OW;
  return range(N * C * plane).map((i) => {
    const [n, c, at] = [Math.floor(i / (C * plane)), Math.floor(i / plane) % C, i % plane];
    return (n * plane + at) * C + c;
  });
}

function toChannelsLast({ N, C, out: [OH, OW] }) {
  const plane = OH * OW;
  return range(N * C * plane).map((i) => {
    const [n, at, c] = [Math.floor(i / (C * plane)), Math.floor(i / C) % plane, i % C];
    return (n * C + c) * plane + at;
  });
}

// col2im walks over the cells of a window, and for each over all windows.
function additionOrder(windows, taps) {
  return range(windows * taps).map((k) => (k % windows) * taps + Math.floor(k / windows));
}
