// Links between cells, as the trace has them: for each cell of a step, `cells[starts[i]]` up to
// `cells[starts[i + 1]]` are the cells of another step that it came from.

// Cell i came from cell sources[i] alone, or from none where that is -1.
function linkOne(role, step, sources) {
  const starts = new Int32Array(sources.length + 1);
  const cells = new Int32Array(sources.length);
  let used = 0;
  for (let i = 0; i < sources.length; i += 1) {
    if (sources[i] >= 0) cells[used++] = sources[i];
    starts[i + 1] = used;
  }
  return { role, step, starts, cells: cells.subarray(0, used) };
}

// Turns "pair k goes from sources[k] to targets[k]" into a link of `count` targets; pairs of one
// target keep their order.
function linkMany(role, step, targets, sources, count) {
  const starts = new Int32Array(count + 1);
  for (const target of targets) starts[target + 1] += 1;
  for (let i = 0; i < count; i += 1) starts[i + 1] += starts[i];
  const next = starts.slice(0, count);
  const cells = new Int32Array(targets.length);
  for (let k = 0; k < targets.length; k += 1) cells[next[targets[k]]++] = sources[k];
  return { role, step, starts, cells };
}

function inverted({ starts, cells }, count) {
  const sources = new Int32Array(cells.length);
  for (let i = 0; i + 1 < starts.length; i += 1) sources.fill(i, starts[i], starts[i + 1]);
  return linkMany("", "", cells, sources, count);
}

const linked = ({ starts, cells }, i) => cells.subarray(starts[i], starts[i + 1]);

// A computed trace that can be asked where a cell came from and where it goes.
class Links {
  constructor(steps) {
    this.steps = steps;
    this.number = new Map(steps.map((step, number) => [step.name, number]));
    this.children = steps.map(() => []);
    steps.forEach((step, child) => {
      for (const link of step.links) {
        const parent = this.number.get(link.step);
        const count = steps[parent].array.data.length;
        let inverse = null;
        const back = () => (inverse ??= inverted(link, count));
        this.children[parent].push({ role: link.role, child, back });
      }
    });
  }

  // Everything the cell came from: Map of step number -> Set of cells, itself left out.
  ancestors(number, cell, roles = ["value"]) {
    const found = new Map([[number, new Set([cell])]]);
    for (let at = number; at >= 0; at -= 1) {
      if (!found.has(at)) continue;
      for (const link of this.steps[at].links) {
        if (!roles.includes(link.role)) continue;
        const parents = reached(found, this.number.get(link.step));
        for (const i of found.get(at)) for (const j of linked(link, i)) parents.add(j);
      }
    }
    return without(found, number);
  }

  // Everything it goes to.
  descendants(number, cell, roles = ["value"]) {
    const found = new Map([[number, new Set([cell])]]);
    for (let at = number; at < this.steps.length; at += 1) {
      if (!found.has(at)) continue;
      for (const { role, child, back } of this.children[at]) {
        if (!roles.includes(role)) continue;
        const children = reached(found, child);
        for (const i of found.get(at)) for (const j of linked(back(), i)) children.add(j);
      }
    }
    return without(found, number);
  }

  // The cells of step `to` that the cell came from by these roles, in the trace's order.
  follow(name, cell, to, roles = ["value"]) {
    const found = this.ancestors(this.number.get(name), cell, roles).get(this.number.get(to));
    return found ? [...found] : [];
  }
}

function reached(found, number) {
  if (!found.has(number)) found.set(number, new Set());
  return found.get(number);
}

function without(found, number) {
  found.delete(number);
  for (const [key, cells] of found) if (!cells.size) found.delete(key);
  return found;
}
