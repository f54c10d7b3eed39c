// The steps on the page: forward goes down on the left, backward comes up on the right, and what
// has the same shape stands side by side.

// Each row: what stands on the left, what on the right; steps in one list share a line.
const ROWS = {
  rows: [
    [[["x"]], [["dx"]]],
    [[["pad"]], [["col2im"]]],
    [[["im2col"]], [["dcol"]]],
    [[["reshape", "argmax", "max"]], [["zeros", "fill"], ["reshape_5d"]]],
    [[["out_t"]], [["transpose"]]],
    [[["out"]], [["dout"]]],
  ],
  columns: [
    [[["x"]], [["dx"]]],
    [[["pad"]], [["col2im"]]],
    [[["im2col"]], [["dcol"]]],
    [[["reshape", "argmax", "max"]], [["zeros"], ["fill"], ["reshape_6d"], ["transpose_6d"]]],
    [[["out_t"]], [["transpose"]]],
    [[["out"]], [["dout"]]],
  ],
  direct: [
    [[["x"]], [["dx"]]],
    [[["windows"]], [["routes"]]],
    [[["winners"]], []],
    [[["out"]], [["dout"]]],
  ],
};

const FIRST_SCREEN = 1; // row
const whenIdle = (act) => (window.requestIdleCallback ?? setTimeout)(act, { timeout: 100 });

class StepsView {
  constructor(root) {
    this.root = root;
    this.matrices = [];
    this.key = "";
    this.narrow = matchMedia("(max-width: 719px)"); // unlike innerWidth it needs no layout
  }

  get isNarrow() {
    return this.narrow.matches;
  }

  // Draws the trace: anew where a shape has changed, else only what stands in the cells.
  show(trace, dialect, show) {
    const { isNarrow } = this;
    const shapes = trace.steps.map(({ name, shape }) => `${name}${shape}`);
    const { kernel, out } = trace.problem;
    const key = [dialect, isNarrow, Say.lang, kernel, out, ...shapes].join();
    if (key !== this.key) this.build(trace, dialect, isNarrow);
    else for (const matrix of this.matrices) matrix.moveTo(trace.problem);
    this.key = key;
    trace.steps.forEach((step, number) => this.paint(trace, step, number, show));
  }

  build(trace, dialect, isNarrow) {
    this.matrices = trace.steps.map((step) => new Matrix(step, trace.problem, isNarrow));
    const rows = ROWS[dialect];
    const isOpening = this.key === "";
    const side = (name, lists, row) => {
      const later = isOpening && row >= FIRST_SCREEN ? "later" : "";
      const made = element("div", { class: `steps ${name} ${later}` });
      made.style.setProperty("--row", row + 2);
      // Time runs down on the left and up on the right; in a row it runs as people read.
      for (const names of lists) made.append(this.line(trace.steps, names, dialect));
      return made;
    };
    const forward = rows.map(([lists], row) => side("forward", lists, row));
    const backward = rows.map(([, lists], row) => side("backward", lists, row)).reverse();
    const heads = ["forward", "backward"].map((side) =>
      element("h2", { class: `side ${side}` }, Say.page(side)));
    const turn = element("p", { class: "turn" }, Say.page("turn"));
    turn.style.setProperty("--row", rows.length + 2);
    this.root.classList.toggle("heavy", trace.steps.length * trace.steps[0].array.data.length > 8000);
    this.root.replaceChildren(heads[0], ...forward, turn, heads[1], ...backward);
    this.matrices.forEach((matrix) => this.rove(matrix, 0));
    if (isOpening) whenIdle(() => this.layOut());
  }

  // When the page opens, rows below the first screen are laid out after that, one at a time.
  layOut() {
    const row = this.root.querySelector(".later");
    if (!row) return;
    row.classList.remove("later");
    whenIdle(() => this.layOut());
  }

  line(steps, names, dialect) {
    const line = element("div", { class: "line-up" });
    line.style.setProperty("--count", names.length);
    for (const name of names) {
      const number = steps.findIndex((step) => step.name === name);
      line.append(this.section(steps[number], number, dialect));
    }
    return line;
  }

  section(step, number, dialect) {
    const { title, text } = Say.step(dialect, step.name);
    const section = element("section", { class: "step", id: `step-${step.name}` });
    const head = element("header");
    head.append(element("span", { class: "number" }, String(number + 1)));
    head.append(element("h3", {}, title));
    const hasLine = step.line !== step.symbol;
    section.append(head, this.signature(step));
    section.append(element("code", { class: "line" }, hasLine ? step.line : ""));
    const scroll = element("div", { class: "scroll" });
    const { table } = this.matrices[number];
    table.setAttribute("aria-label", `${step.symbol} (${step.shape.join(", ")}): ${title}`);
    scroll.append(table);
    section.append(scroll, element("p", { class: "why" }, text));
    return section;
  }

  // "col (n·oh·ow, c·h·w) = (8, 8)"
  signature(step) {
    const line = element("p", { class: "signature" });
    line.append(element("b", {}, step.symbol), ` [${step.axes.join(", ")}] `);
    const tuple = step.shape.join(", ") + (step.shape.length === 1 ? "," : "");
    line.append(element("span", { class: "shape" }, `(${tuple})`));
    line.append(element("span", { class: "dtype" }, step.array.dtype));
    return line;
  }

  paint(trace, step, number, show) {
    const { cells, table } = this.matrices[number];
    let longest = show === "value" ? 1 : 4;
    for (let i = 0; i < cells.length; i += 1) {
      const marks = trace.marks[number][i].join(" ");
      if (cells[i].className !== marks) cells[i].className = marks;
      const text = shownIn(trace, step, number, i, show);
      if (cells[i].textContent !== text) cells[i].textContent = text;
      if (show === "value") longest = Math.max(longest, text.length);
    }
    table.style.setProperty("--longest", longest);
    const section = this.root.querySelector(`#step-${step.name}`);
    section.classList.toggle("wordy", show !== "value");
    section.querySelector(".dtype").textContent = step.array.dtype;
  }

  // Brings a step into view.
  reveal(name) {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const section = this.root.querySelector(`#step-${name}`);
    section.scrollIntoView({ block: "nearest", behavior: isCalm ? "auto" : "smooth" });
  }

  // One cell of each matrix is reached with Tab; arrow keys lead on from it.
  rove(matrix, i) {
    if (matrix.roving !== undefined) matrix.cells[matrix.roving].tabIndex = -1;
    matrix.roving = i;
    matrix.cells[i].tabIndex = 0;
  }
}

// The text of a cell: its value, its coordinates, or both.
function shownIn(trace, step, number, i, show) {
  const value = step.padding?.[i] && step.phase === "forward"
    ? paddingText(step.array.dtype)
    : shown(step.array.dtype, step.array.data[i]);
  if (show === "value") return value;
  const place = trace.places.text(number, i);
  if (show === "both") return place ? `${value}\n${place}` : value;
  return place || (step.padding?.[i] ? Say.page("padShort") : "·");
}

// Padding holds the lowest value there is; an integer's would be too wide to read.
const paddingText = (dtype) => (DTYPES[dtype].kind === "f" ? "-inf" : "min");
