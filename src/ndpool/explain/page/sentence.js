// What is said of a cell: the twin of ndpool/explain/sentences.py, from the same words.

const MOST_SAID = 9; // terms or cells in one sentence; beyond that the middle is left out

class Sentences {
  constructor({ steps, links, places, windows, problem }) {
    Object.assign(this, { steps, links, places, windows, problem });
  }

  // { formula: "dx[0,0,1,1] = 15 = 1+2+4+8", sentence: all of it }
  of(number, cell) {
    const step = this.steps[number];
    const at = { step, number, cell };
    const isPadding = step.padding?.[cell];
    const sentence = isPadding ? this.say("padding", at) : this[KIND_OF[step.name]](at);
    return { formula: this.formula(at), sentence };
  }

  formula({ step, number, cell }) {
    const start = `${this.name(number, cell)} = ${this.value(step, cell)}`;
    if (step.name !== "dx" && step.name !== "col2im") return start;
    const terms = this.terms(this.outputs(number, cell));
    return terms.includes("+") ? `${start} = ${terms}` : start;
  }

  given(at) {
    const twin = this.links.number.get("dx");
    return this.say("x", at, { won: this.won(at.cell, this.outputs(twin, at.cell).length) });
  }

  copied(at) {
    const { step, cell } = at;
    const [link] = step.links;
    const [source] = linked(link, cell);
    const origin = this.links.number.get(step.phase === "forward" ? "x" : "dout");
    const [from] = linked(this.places.origins(at.number), cell);
    const isDirect = this.links.number.get(link.step) === origin;
    return this.say(isDirect ? "copied" : "copied_from", at, {
      source: this.name(this.links.number.get(link.step), source),
      origin: this.name(origin, from),
    });
  }

  placeOfWinner(at) {
    const { step, cell } = at;
    const columns = this.problem.kernel[1];
    const offset = step.array.data[cell];
    const [row, column] = [Math.floor(offset / columns), offset % columns];
    return this.say("argmax", at, { row, column, winner: this.winner(cell) });
  }

  winnerItself(at) {
    const { step, number, cell } = at;
    const isMoved = step.name === "out" && !this.windows.isDirect;
    const chosen = isMoved ? this.links.follow("out", cell, "max")[0] : cell;
    const [source] = linked(this.places.origins(number), cell);
    return this.say("max", at, { winner: this.winner(chosen), source: this.name(0, source) });
  }

  sent(at) {
    const out = this.links.number.get("out");
    const [winner] = linked(this.places.origins(out), at.cell);
    const target = this.name(this.links.number.get("dx"), winner);
    return this.say("dout", at, { output: this.output(at.cell), target });
  }

  nothing(at) {
    return this.say("zeros", at, this.inWindow(at));
  }

  routed(at) {
    if (!linked(this.places.origins(at.number), at.cell).length) {
      return this.say("lost", at, this.inWindow(at));
    }
    const [link] = at.step.links;
    const source = this.name(this.links.number.get(link.step), linked(link, at.cell)[0]);
    return this.say("routed", at, { source, ...this.inWindow(at) });
  }

  added(at) {
    const outputs = this.outputs(at.number, at.cell);
    const isDx = at.step.name === "dx";
    const cell = isDx ? at.cell : this.problem.padToReal[at.cell];
    const key = ["dx_none", "dx_one"][outputs.length] ?? "dx_sum";
    const text = this.say(key, at, {
      won: this.won(cell, outputs.length),
      terms: this.terms(outputs),
      outputs: this.list(outputs.map((output) => this.output(output))),
    });
    const isPart = isOutside(this.problem, this.steps[0], cell);
    return isPart ? text + Say.section("sentences").incomplete : text;
  }

  // ---- parts of sentences ----

  say(key, { step, number, cell }, values = {}) {
    const about = { cell: this.name(number, cell), value: this.value(step, cell) };
    return filledIn(Say.section("sentences")[key], { ...about, ...values });
  }

  // "dx[0,0,1,1]", counted in the whole
  name(number, cell) {
    const step = this.steps[number];
    return `${step.symbol}[${wholeIndex(step, unflat(cell, step.shape), this.places.axes).join(",")}]`;
  }

  value({ array }, cell) {
    return said(array.dtype, array.data[cell]);
  }

  // The outputs whose gradients a cell of dx is the sum of, ascending.
  outputs(number, cell) {
    return [...new Set(linked(this.places.origins(number), cell))].sort((a, b) => a - b);
  }

  terms(outputs) {
    const dout = this.steps[this.links.number.get("dout")];
    const texts = outputs.map((output) => this.value(dout, output));
    return short(texts.map((text) => (text.startsWith("-") ? `(${text})` : text))).join("+");
  }

  // "(0,1)": the row and column of an output
  output(cell) {
    const dout = this.steps[this.links.number.get("dout")];
    const [, , row, column] = wholeIndex(dout, unflat(cell, dout.shape), this.places.axes);
    return `(${row},${column})`;
  }

  won(cell, won) {
    const windows = this.windows.holding(0, cell).length;
    const ofMany = won ? "won" : "won_none";
    const key = windows > 1 ? ofMany : windows ? `won_${won}_of_1` : "unseen";
    return filledIn(Say.section("sentences")[key], { won, windows });
  }

  // "9, the highest of 1, 3, 4, 9"
  winner(window) {
    const chooser = this.steps[this.links.number.get(this.windows.isDirect ? "out" : "max")];
    const link = (role) => chooser.links.find((one) => one.role === role);
    const { array } = this.steps[this.links.number.get(link("value").step)];
    const highest = array.data[linked(link("value"), window)[0]];
    const values = Array.from(linked(link("choice"), window), (i) => array.data[i]);
    const equal = values.filter((value) => value === highest).length;
    const isNan = highest !== highest;
    const ofMany = isNan ? "winner_nan" : equal > 1 ? "winner_tie" : "winner";
    return filledIn(Say.section("sentences")[values.length === 1 ? "winner_only" : ofMany], {
      candidates: this.list(values.map((value) => said(array.dtype, value))),
      equal,
      highest: said(array.dtype, highest),
    });
  }

  // Which window a cell of it belongs to, and where in it it stands.
  inWindow({ step, cell }) {
    const at = {};
    unflat(cell, step.shape).forEach((index, axis) => {
      const names = step.axes[axis].split("·");
      const sizes = names.map((name) => this.places.axes[name].size);
      unflat(index, sizes).forEach((place, i) => {
        at[names[i]] = place + this.places.axes[names[i]].offset;
      });
    });
    return { row: at.h, column: at.w, output: `(${at.oh},${at.ow})` };
  }

  list(items) {
    return short(items).join(Say.section("text").comma);
  }
}

const KIND_OF = {
  x: "given",
  pad: "copied",
  im2col: "copied",
  reshape: "copied",
  windows: "copied",
  argmax: "placeOfWinner",
  winners: "placeOfWinner",
  max: "winnerItself",
  out_t: "copied",
  out: "winnerItself",
  dout: "sent",
  transpose: "copied",
  zeros: "nothing",
  fill: "routed",
  routes: "routed",
  reshape_5d: "routed",
  reshape_6d: "routed",
  transpose_6d: "routed",
  dcol: "routed",
  col2im: "added",
  dx: "added",
};

// A number in a sentence, where "1." would look like its end.
function said(dtype, value) {
  const text = shown(dtype, value);
  return text.endsWith(".") ? `${text}0` : text;
}

const short = (items) =>
  items.length <= MOST_SAID ? items : [...items.slice(0, MOST_SAID - 2), "…", items.at(-1)];

// What is said of a window on its walk: where it is, and what the step does.
function saidOfWalk(trace, { step, window }) {
  const { name, symbol } = trace.steps[step];
  const [n, c, oh, ow] = wholeWindow(trace, window);
  return {
    formula: `${symbol} · ${Say.page("walkAt", { n, c, oh, ow })}`,
    sentence: Say.step(trace.problem.dialect, name).text,
  };
}

function wholeWindow({ windows, steps, links, places }, window) {
  return wholeIndex(steps[links.number.get("out")], windows.index(window), places.axes);
}
