// Coordinates as the coded arrays count them, from 1: n1 c2 r3 k4. Offsets of a region included.

class Places {
  constructor(links, problem) {
    this.links = links;
    this.axes = axesOf(problem);
    this.found = new Map();
  }

  // The cells of x (forward) or dout (backward) whose numbers each cell of a step holds.
  origins(number) {
    if (!this.found.has(number)) this.found.set(number, this.find(number));
    return this.found.get(number);
  }

  find(number) {
    const step = this.links.steps[number];
    const count = step.array.data.length;
    if (step.name === "x" || step.name === "dout") return linkOne("", "", range(count));
    if (step.name === "argmax") return this.origins(this.links.number.get("max"));
    if (step.name === "winners") return this.origins(this.links.number.get("out"));
    const link = step.links.find(({ role }) => role === "value");
    if (!link) return linkOne("", "", new Int32Array(count).fill(-1));
    const before = this.origins(this.links.number.get(link.step));
    const pairs = [[], []];
    for (let i = 0; i < count; i += 1) {
      for (const j of linked(link, i)) {
        for (const origin of linked(before, j)) pairs[0].push(i) && pairs[1].push(origin);
      }
    }
    return linkMany("", "", ...pairs, count);
  }

  // "n1 c2\nr3 k4", one line more for each further cell, four at most; "" where there is none.
  text(number, cell) {
    const step = this.links.steps[number];
    const origins = linked(this.origins(number), cell);
    if (!origins.length) return "";
    const source = this.links.steps[this.links.number.get(step.phase === "forward" ? "x" : "dout")];
    const coordinates = Array.from(origins, (i) =>
      wholeIndex(source, unflat(i, source.shape), this.axes),
    );
    const [n, c] = coordinates[0];
    const lines = coordinates.map(([, , r, k]) => `r${r + 1} k${k + 1}`);
    const more = lines.length > 4 ? [`+${lines.length - 3}`] : [];
    return [`n${n + 1} c${c + 1}`, ...lines.slice(0, more.length ? 3 : 4), ...more].join("\n");
  }
}

// Each axis by its name: `size` is shown of `whole`, beginning at `offset`.
function axesOf({ images, channels, spans, whole, padded, kernel, stride, base }) {
  const shown = ([from, to], of, first = 0) => ({ offset: from + first, size: to - from, whole: of });
  const axes = { n: shown(images, base.N, base.n), c: shown(channels, base.C, base.c) };
  [["r", "rp", "oh", "h"], ["k", "kp", "ow", "w"]].forEach(([cell, inPadded, output, tap], axis) => {
    const { cells, outs, wholePadded } = spans[axis];
    axes[cell] = shown(cells, whole.shape[2 + axis]);
    axes[inPadded] = { offset: outs[0] * stride[axis], size: padded[axis], whole: wholePadded };
    axes[output] = shown(outs, whole.out[axis]);
    axes[tap] = shown([0, kernel[axis]], kernel[axis]);
  });
  return axes;
}

// An index along a step's axis, "n·oh·ow" too, as it is in the whole array.
function wholeAlong(name, at, axes) {
  const parts = name.split("·").map((part) => axes[part]);
  const places = unflat(at, parts.map(({ size }) => size));
  const moved = places.map((place, i) => place + parts[i].offset);
  return flat(moved, parts.map(({ whole }) => whole));
}

const wholeIndex = (step, index, axes) =>
  index.map((at, axis) => wholeAlong(step.axes[axis], at, axes));
