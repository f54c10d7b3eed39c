// A step's array as one table. The last axis runs across and the one before it down; further
// axes take turns, so that an array of any number of axes is blocks within blocks.

// For each direction the axes from the outermost to the innermost.
function directions(axes, isNarrow) {
  const across = [];
  const down = [];
  for (let axis = axes - 1, turn = 0; axis >= 0; axis -= 1, turn += 1) {
    const goesDown = axes === 1 || (isNarrow ? turn !== 0 : turn % 2 === 1);
    (goesDown ? down : across).unshift(axis);
  }
  return { across, down };
}

const MANY = 14; // columns; more are drawn smaller

class Matrix {
  constructor(step, problem, isNarrow) {
    this.step = step;
    this.problem = problem;
    this.axes = axesOf(problem);
    const { across, down } = directions(step.shape.length, isNarrow);
    this.lines = { across: this.line(across), down: this.line(down) };
    this.cells = new Array(product(step.shape));
    this.labels = []; // what names rows, columns and blocks, and says it anew when a region moves
    this.table = this.build();
  }

  // What stands along one direction: for each line its index along each axis of that direction,
  // and whether a block or a group of an axis begins there.
  line(axes) {
    const { shape } = this.step;
    const sizes = axes.map((axis) => shape[axis]);
    const inner = sizes.at(-1) ?? 1;
    const group = axes.length ? this.groupSize(this.step.axes[axes.at(-1)]) : 1;
    return Array.from({ length: product(sizes) }, (_, i) => {
      const at = unflat(i, sizes);
      const last = at.at(-1) ?? 0;
      return {
        axes,
        at,
        last,
        isBlock: i > 0 && i % inner === 0,
        isGroup: last > 0 && last % group === 0 && group < inner,
      };
    });
  }

  // Rows or columns of a matrix that belong together: those of one image, channel, position.
  groupSize(axis) {
    const [first, ...rest] = axis.split("·");
    if (!rest.length || first === "h") return Infinity;
    return product(rest.map((part) => this.axes[part].size));
  }

  // Written as HTML, which is read faster than nodes are made one by one. All of it is numbers.
  build() {
    const { step, lines } = this;
    const isWide = lines.across.length > MANY;
    const table = element("table", { role: "grid", class: isWide ? "wide" : "" });
    const hasBlocks = step.shape.length > 2;
    const html = [this.columns()];
    const order = [];
    for (const row of lines.down) {
      if (row.isGroup) html.push('<tr class="gap" aria-hidden="true"><td></td></tr>');
      if (row === lines.down[0] || row.isBlock) {
        if (hasBlocks) html.push(this.captions(row));
        html.push(this.numbers());
      }
      html.push(this.row(row, order));
    }
    table.innerHTML = html.join("");
    table.querySelectorAll("th").forEach((node, i) => (this.labels[i].node = node));
    table.querySelectorAll("td[tabindex]").forEach((cell, i) => {
      cell.ndpool = { name: step.name, cell: order[i] };
      this.cells[order[i]] = cell;
    });
    return table;
  }

  // Widths that are known beforehand are laid out several times as fast.
  columns() {
    const columns = this.lines.across.map(({ isBlock, isGroup }) =>
      isBlock || isGroup ? '<col class="gap"><col>' : "<col>");
    return `<colgroup><col class="head">${columns.join("")}</colgroup>`;
  }

  // "[0, 1]" over each block: its index along the outer axes.
  captions(row) {
    const { across } = this.lines;
    const inner = this.step.shape[across[0].axes.at(-1)];
    const gaps = across.slice(0, inner).filter(({ isGroup }) => isGroup).length;
    const heads = across.filter((_, i) => i % inner === 0).map((column) => {
      const head = this.label(`colspan="${inner + gaps}" scope="colgroup"`, () => this.caption(row, column));
      return column.isBlock ? SPACER + head : head;
    });
    return `<tr class="captions">${CORNER}${heads.join("")}</tr>`;
  }

  caption(row, column) {
    const index = [];
    for (const { axes, at } of [row, column]) {
      axes.slice(0, -1).forEach((axis, i) => (index[axis] = this.shown(axis, at[i])));
    }
    return `[${Object.values(index).join(", ")}]`;
  }

  label(attributes, text) {
    this.labels.push({ node: null, text });
    return `<th ${attributes}>${text()}</th>`;
  }

  // The same array of another region: only where it stands in the whole has changed.
  moveTo(problem) {
    this.axes = axesOf(problem);
    for (const { node, text } of this.labels) {
      const now = text();
      if (node.textContent !== now) node.textContent = now;
    }
  }

  numbers() {
    const heads = this.lines.across.map((column) => {
      const head = this.label('scope="col"', () => this.shown(column.axes.at(-1), column.last));
      return column.isBlock || column.isGroup ? SPACER + head : head;
    });
    return `<tr class="numbers">${CORNER}${heads.join("")}</tr>`;
  }

  // Notes in `order` which cells these are.
  row(row, order) {
    const index = new Array(this.step.shape.length);
    row.axes.forEach((axis, i) => (index[axis] = row.at[i]));
    const cells = this.lines.across.map((column) => {
      column.axes.forEach((axis, i) => (index[axis] = column.at[i]));
      order.push(flat(index, this.step.shape));
      return column.isBlock || column.isGroup ? SPACER + CELL : CELL;
    });
    const head = this.label('scope="row"', () => this.shown(row.axes.at(-1), row.last));
    return `<tr>${head}${cells.join("")}</tr>`;
  }

  // An index as it is in the whole array.
  shown(axis, i) {
    return axis === undefined ? "" : String(wholeAlong(this.step.axes[axis], i, this.axes));
  }

  // The cell that arrow keys lead to, or the same one at the edge.
  moved(i, rows, columns) {
    const index = unflat(i, this.step.shape);
    const step = (lines, by) => {
      if (!lines[0]?.axes.length) return;
      const sizes = lines[0].axes.map((axis) => this.step.shape[axis]);
      const at = flat(lines[0].axes.map((axis) => index[axis]), sizes) + by;
      const to = unflat(Math.max(0, Math.min(lines.length - 1, at)), sizes);
      lines[0].axes.forEach((axis, k) => (index[axis] = to[k]));
    };
    step(this.lines.down, rows);
    step(this.lines.across, columns);
    return flat(index, this.step.shape);
  }
}

const CELL = '<td tabindex="-1"></td>';
const CORNER = '<td class="corner"></td>';
const SPACER = '<td class="gap" aria-hidden="true"></td>';

function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== "" && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  if (text !== "") made.textContent = text;
  return made;
}
