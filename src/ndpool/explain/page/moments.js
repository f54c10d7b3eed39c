// The hard moments: each a small example that shows it, and grids that set right beside wrong.

const MOMENTS = {
  overlap: {
    x: [[1, 3, 2], [4, 9, 5], [2, 6, 1]],
    change: { kernel: [2, 2], stride: [1, 1], dy: "powers" },
    pin: "dx.0.0.1.1",
    compare: compareAdding,
  },
  transpose: {
    shape: [2, 2, 4, 5],
    change: { kernel: [2, 2], stride: [2, 2] },
    pin: "out.0.0.0.1",
    compare: compareReshape,
  },
  padding: {
    x: [[-1, -5, -2], [-4, -3, -8], [-7, -6, -9]],
    dtype: "float64",
    change: { kernel: [2, 2], stride: [2, 2], before: [1, 1], dy: "ones" },
    pin: "out.0.0.0.0",
    compare: comparePadding,
  },
  unseen: {
    shape: [1, 1, 5, 5],
    change: { kernel: [2, 2], stride: [2, 2] },
    pin: "x.0.0.4.4",
    compare: compareRounding,
  },
  ceil: {
    shape: [1, 1, 5, 5],
    change: { kernel: [2, 2], stride: [2, 2], ceil: true },
    pin: "out.0.0.2.2",
    compare: compareRounding,
  },
  ties: {
    x: [[0, 0, 3, 1], [0, 0, 3, 3], [5, 2, 0, 0], [2, 5, 0, 0]],
    change: { kernel: [2, 2], stride: [2, 2], dy: "powers" },
    pin: "x.0.0.0.2",
    compare: compareTies,
  },
  nan: {
    x: [[1, NaN, 4, 2], [3, 2, NaN, NaN], [7, 1, 0, 6], [2, 8, 5, 3]],
    dtype: "float64",
    change: { kernel: [2, 2], stride: [2, 2], dy: "powers" },
    pin: "out.0.0.0.1",
    compare: compareNan,
  },
};

const PLAIN = {
  stride: [2, 2], dilation: [1, 1], before: [0, 0], after: [0, 0], ceil: false, dy: "out",
  dialect: "rows", image: null, channel: null, region: null, name: null, base: null,
};

function momentConfig(name, original) {
  const { x, shape, dtype = "int64", change } = MOMENTS[name];
  const array = shape ? codedArray(shape) : arrayOf(x, dtype);
  return { ...original, ...PLAIN, x: array, ...change };
}

function arrayOf(rows, dtype) {
  const array = zeros(dtype, [1, 1, rows.length, rows[0].length]);
  rows.flat().forEach((value, i) => (array.data[i] = isBig(dtype) ? BigInt(value) : value));
  return array;
}

function showMoment(root, name, config, trace) {
  root.hidden = !(name in MOMENTS);
  if (root.hidden) return;
  const grids = element("div", { class: "grids" });
  for (const shown of MOMENTS[name].compare(config, trace)) grids.append(smallGrid(shown));
  root.replaceChildren(
    element("h2", {}, Say.page(`moment_${name}`)),
    element("p", {}, Say.page(`moment_${name}_text`)),
    grids,
  );
}

// ---- right beside wrong; each grid is { word, array, differs, note } ----

// How many windows hold each cell; "+=" adds up, "=" keeps what was written last.
function compareAdding(config, trace) {
  const { steps, links, windows } = trace;
  const [x, dx] = [steps[0], steps.at(-1)];
  const counts = range(x.array.data.length).map((i) => windows.holding(0, i).length);
  const adds = links.steps.find(({ name }) => name === "col2im") ?? dx;
  const source = adds.links[0];
  const parent = steps[links.number.get(source.step)].array;
  const last = zeros(dx.array.dtype, dx.shape);
  for (let i = 0; i < last.data.length; i += 1) {
    const at = adds === dx ? i : dx.links[0].cells[i];
    const cells = linked(source, at);
    if (cells.length) last.data[i] = parent.data[cells.at(-1)];
  }
  return [
    { word: "gridCoverage", array: { dtype: "int32", shape: x.shape, data: counts } },
    { word: "gridAdd", array: dx.array },
    { word: "gridAssign", array: last, differs: dx.array },
  ];
}

// The winners in the order (n, oh, ow, c), put into (N, C, OH, OW) with and without a transpose.
function compareReshape(config, trace) {
  const out = trace.steps.find(({ name }) => name === "out").array;
  const order = toChannelsLast(trace.problem);
  const naive = { ...out, data: out.data.map((_, i) => out.data[order[i]]) };
  return [{ word: "gridTransposed", array: out }, { word: "gridNaive", array: naive, differs: out }];
}

// Padding that can never win, beside padding with zeros.
function comparePadding(config, trace) {
  const { steps, problem } = trace;
  const named = (name) => steps.find((step) => step.name === name).array;
  const zeroed = pooledWith(trace, (best, value, isPadding, bestIsPadding) =>
    beats(isPadding ? zeroOf(problem.xStep.array.dtype) : value,
      bestIsPadding ? zeroOf(problem.xStep.array.dtype) : best), true);
  return [
    { word: "gridOut", array: named("out") },
    { word: "gridOutZero", array: zeroed.out, differs: named("out") },
    { word: "gridDx", array: named("dx") },
    { word: "gridDxZero", array: zeroed.dx, differs: named("dx") },
  ];
}

// Which cells are in how many windows, with the number of windows rounded down and up.
function compareRounding(config) {
  return [false, true].map((ceil) => {
    const word = ceil ? "gridCeil" : "gridFloor";
    try {
      const trace = analysed({ ...config, ceil });
      const { shape } = trace.steps[0];
      const counts = range(product(shape)).map((i) => trace.windows.holding(0, i).length);
      return { word, array: { dtype: "int32", shape, data: counts } };
    } catch (error) {
      if (error instanceof Refusal) return { word, note: Say.refusal(error) };
      throw error;
    }
  });
}

// The first of equals wins; beside it, what would come of paying them all.
function compareTies(config, trace) {
  const { steps } = trace;
  const named = (name) => steps.find((step) => step.name === name).array;
  const [dx, out, dout] = ["dx", "out", "dout"].map(named);
  const all = zeros(dx.dtype, dx.shape);
  const add = adder(dx.dtype);
  eachWindow(trace, (output, cells) => {
    for (const { at, value } of cells) {
      const isTied = value === out.data[output] || (value !== value && out.data[output] !== out.data[output]);
      if (at >= 0 && isTied) all.data[at] = add(all.data[at], dout.data[output]);
    }
  });
  return [{ word: "gridFirst", array: dx }, { word: "gridAll", array: all, differs: dx }];
}

// Comparing with > alone never finds NaN greater than anything.
function compareNan(config, trace) {
  const out = trace.steps.find(({ name }) => name === "out").array;
  const { out: plain } = pooledWith(trace, (best, value) => value > best || best !== best, false);
  return [{ word: "gridNan", array: out }, { word: "gridNoNan", array: plain, differs: out }];
}

// Another pooling: `wins(best, value, ...)` chooses, padding takes part (as zeros) if asked.
function pooledWith(trace, wins, withPadding) {
  const { steps, problem } = trace;
  const named = (name) => steps.find((step) => step.name === name).array;
  const [out, dout] = [named("out"), named("dout")];
  const result = { out: zeros(out.dtype, out.shape), dx: zeros(dout.dtype, problem.xStep.array.shape) };
  const add = adder(dout.dtype);
  eachWindow(trace, (output, cells) => {
    let best = null;
    for (const cell of cells) {
      if (cell.at < 0 && !withPadding) continue;
      if (!best || wins(best.value, cell.value, cell.at < 0, best.at < 0)) best = cell;
    }
    result.out.data[output] = best.at < 0 ? zeroOf(out.dtype) : best.value;
    if (best.at >= 0) result.dx.data[best.at] = add(result.dx.data[best.at], dout.data[output]);
  });
  return result;
}

// Calls with each output's number and its window's cells: their place in x (or -1) and value.
function eachWindow({ problem }, visit) {
  const { taps, padToReal, xStep } = problem;
  const places = windowPlaces(problem, channelsFirst(problem));
  for (let output = 0; output * taps < places.length; output += 1) {
    const cells = Array.from(places.subarray(output * taps, (output + 1) * taps), (place) => {
      const at = padToReal[place];
      return { at, value: at < 0 ? problem.low : xStep.array.data[at] };
    });
    visit(output, cells);
  }
}

function smallGrid({ word, array, differs, note }) {
  const figure = element("figure", { class: differs ? "wrong" : "right" });
  figure.append(element("figcaption", {}, Say.page(word)));
  if (note) {
    figure.append(element("p", { class: "note" }, note));
    return figure;
  }
  const [, C, H, W] = array.shape;
  const planes = element("div", { class: "planes" });
  const isOther = (i) => differs && !Object.is(differs.data[i], array.data[i]);
  for (let plane = 0; plane < array.data.length / (H * W); plane += 1) {
    const table = element("table", { "aria-label": `[${Math.floor(plane / C)}, ${plane % C}]` });
    for (let r = 0; r < H; r += 1) {
      const line = element("tr");
      for (let k = 0; k < W; k += 1) {
        const i = (plane * H + r) * W + k;
        const kind = isOther(i) ? "differs" : isCount(word) && !array.data[i] ? "unseen" : "";
        line.append(element("td", { class: kind }, shown(array.dtype, array.data[i])));
      }
      table.append(line);
    }
    planes.append(table);
  }
  figure.append(planes);
  if (!isCount(word)) figure.append(element("p", { class: "sum" }, `Σ = ${sumText(total(array))}`));
  return figure;
}

const isCount = (word) => ["gridCoverage", "gridFloor", "gridCeil"].includes(word);
