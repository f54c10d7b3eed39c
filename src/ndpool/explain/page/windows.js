// Which windows a cell belongs to, and which cells a window has in every step.

// The cell of the other phase that stands in the same place: its gradient, or what it is of.
const TWINS = {
  textbook: [
    ["x", "dx"],
    ["pad", "col2im"],
    ["im2col", "dcol"],
    ["reshape", "fill"],
    ["out_t", "transpose"],
    ["out", "dout"],
  ],
  direct: [
    ["x", "dx"],
    ["windows", "routes"],
    ["out", "dout"],
  ],
};

class Windows {
  constructor(links, problem) {
    this.links = links;
    this.problem = problem;
    this.isDirect = problem.dialect === "direct";
    this.members = new Map();
    this.owners = new Map();
    this.twins = new Map();
    for (const [one, other] of TWINS[this.isDirect ? "direct" : "textbook"]) {
      const pair = [links.number.get(one), links.number.get(other)];
      this.twins.set(pair[0], pair[1]).set(pair[1], pair[0]);
    }
    const [OH, OW] = problem.out;
    this.count = problem.N * problem.C * OH * OW;
  }

  step(name) {
    return this.links.steps[this.links.number.get(name)];
  }

  // [n, c, oh, ow] of window number w.
  index(w) {
    const { C, out } = this.problem;
    const [OH, OW] = out;
    const plane = OH * OW;
    if (this.isDirect) {
      return [Math.floor(w / (C * plane)), Math.floor(w / plane) % C, ...unflat(w % plane, out)];
    }
    return [Math.floor(w / (C * plane)), w % C, ...unflat(Math.floor(w / C) % plane, out)];
  }

  // The cells of window w in a step.
  of(number, w) {
    return linked(this.membersOf(number), w);
  }

  // The windows that a cell is in.
  holding(number, cell) {
    return linked(this.ownersOf(number), cell);
  }

  // window -> cells
  membersOf(number) {
    if (!this.members.has(number)) {
      const owners = this.ownersOf(number);
      this.members.set(number, inverted(owners, this.count));
    }
    return this.members.get(number);
  }

  // cell -> windows
  ownersOf(number) {
    if (!this.owners.has(number)) this.owners.set(number, this.findOwners(number));
    return this.owners.get(number);
  }

  findOwners(number) {
    const { name, array, links } = this.links.steps[number];
    const count = array.data.length;
    const { taps } = this.problem;
    switch (name) {
      case "reshape":
      case "windows":
        return linkOne("", "", range(count).map((i) => Math.floor(i / taps)));
      case "argmax":
      case "max":
      case "winners":
      case "out_t":
      case "transpose":
        return linkOne("", "", range(count));
      case "out":
        return linkOne("", "", this.isDirect ? range(count) : links[0].cells);
      case "fill":
      case "routes":
        return linkOne("", "", links.find(({ role }) => role === "choice").cells);
      case "dout":
        return this.ownersOf(this.links.number.get("out"));
      case "zeros":
        return this.ownersOf(this.links.number.get("fill"));
      case "col2im":
        return this.ownersOf(this.links.number.get("pad"));
      case "dx":
        return this.ownersOf(this.links.number.get("x"));
      case "im2col":
      case "pad":
      case "x":
        return this.ownersOfParent(number);
      default: // reshape_5d, reshape_6d, transpose_6d, dcol: one cell of the step before
        return this.through(links[0]);
    }
  }

  through(link) {
    const before = this.ownersOf(this.links.number.get(link.step));
    return linkOne("", "", picked(before.cells, link.cells, Int32Array));
  }

  // What the cells of the forward steps before `reshape` became tells whose they are.
  ownersOfParent(number) {
    const isChild = ({ role, child }) => role === "value" && this.links.steps[child].phase === "forward";
    const { child } = this.links.children[number].find(isChild);
    const step = this.links.steps[child];
    const link = step.links.find(({ role }) => role === "value");
    const owners = this.ownersOf(child);
    const pairs = [[], []];
    for (let i = 0; i < step.array.data.length; i += 1) {
      for (const parent of linked(link, i)) {
        for (const w of linked(owners, i)) pairs[0].push(parent) && pairs[1].push(w);
      }
    }
    return linkMany("", "", ...pairs, this.links.steps[number].array.data.length);
  }
}

function unflat(i, shape) {
  const index = [];
  for (let axis = shape.length - 1, rest = i; axis >= 0; axis -= 1) {
    index.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return index;
}

function flat(index, shape) {
  return index.reduce((total, i, axis) => total * shape[axis] + i, 0);
}
