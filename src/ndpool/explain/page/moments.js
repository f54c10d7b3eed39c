// The hard moments of moments.json: each a small example, and grids that set right beside wrong.
// The grids are made of whatever is configured, so that they follow when it is edited.

const COMPARE = {
  overlap: compareAdding,
  transpose: compareReshape,
  padding: comparePadding,
  unseen: compareRounding,
  ceil: compareRounding,
  ties: compareTies,
  nan: compareNan,
};

const momentNamed = (wanted) => MOMENTS.find(({ name }) => name === wanted);

function momentConfig(name, { lang, dialect }) {
  const { x, kernel_size, stride, padding = 0, ceil_mode = false, dy = "out" } = momentNamed(name);
  const both = (size) => [size, size];
  return {
    name: null,
    x: x.shape ? codedArray(x.shape) : arrayOf(x.data, x.dtype),
    dy,
    kernel: both(kernel_size),
    stride: both(stride ?? kernel_size),
    dilation: [1, 1],
    before: both(padding),
    after: both(padding),
    ceil: ceil_mode,
    dialect,
    lang,
    image: null,
    channel: null,
    region: null,
    base: null,
  };
}

const arrayOf = (rows, dtype) =>
  decodeArray({ dtype, shape: [1, 1, rows.length, rows[0].length], data: rows.flat() });

function momentView(name) {
  const { step, index } = momentNamed(name).pin;
  return { moment: name, pin: [step, ...index].join(".") };
}

// Whether the page was saved of a moment: `ndpool explain --moment NAME --html`.
function isMoment(config) {
  if (!momentNamed(config.name)) return false;
  return String(momentConfig(config.name, config).x.data) === String(config.x.data);
}

function showMoment(root, name, config, trace) {
  root.hidden = !momentNamed(name);
  if (root.hidden) return;
  const { title, text } = Say.section("moments")[name];
  const grids = element("div", { class: "grids" });
  for (const grid of COMPARE[name](config, trace)) grids.append(smallGrid(grid));
  const command = element("p", { class: "note" }, Say.page("inTerminal"));
  command.append(" ", element("code", {}, `ndpool explain --moment ${name}`));
  root.replaceChildren(element("h2", {}, title), element("p", {}, text), grids, command);
}

// What stands on its button: the title up to its colon.
const momentShort = (name) => Say.section("moments")[name].title.split(/[:：]/)[0];

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
