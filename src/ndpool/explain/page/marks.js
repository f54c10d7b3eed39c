// What each cell is, whatever is pointed at: padding, winner, unseen by all windows, ...

const MARKS = ["padding", "winner", "empty", "unseen", "outside"];

function marksOf(links, windows, problem) {
  const { steps } = links;
  const winners = winnersOf(links);
  return steps.map((step, number) => {
    const count = step.array.data.length;
    const marks = Array.from({ length: count }, () => []);
    const isSparse = step.phase === "backward" && !["dout", "transpose"].includes(step.name);
    const isImage = ["x", "dx", "pad", "col2im"].includes(step.name);
    for (let i = 0; i < count; i += 1) {
      if (step.padding?.[i]) marks[i].push("padding");
      if (winners[number]?.has(i)) marks[i].push("winner");
      else if (isSparse) marks[i].push("empty");
      if (!isImage || step.padding?.[i]) continue;
      if (isOutside(problem, step, i)) marks[i].push("outside");
      else if (!windows.holding(number, i).length) marks[i].push("unseen");
    }
    return marks;
  });
}

// Forward: the cells that won. Backward: the cells that carry a gradient.
function winnersOf(links) {
  const { steps, number } = links;
  const found = steps.map(() => new Set());
  const last = number.get("out");
  for (let i = 0; i < steps[last].array.data.length; i += 1) {
    mergeInto(found, links.ancestors(last, i));
  }
  for (const name of ["max", "out_t"]) if (number.has(name)) found[number.get(name)].clear();
  const first = number.get("dout");
  for (let i = 0; i < steps[first].array.data.length; i += 1) {
    mergeInto(found, links.descendants(first, i));
  }
  found[number.get("transpose")]?.clear(); // as out_t: all of its cells count
  return found;
}

function mergeInto(found, more) {
  for (const [number, cells] of more) for (const i of cells) found[number].add(i);
}

// Outside the region asked for: shown because a window of the region holds it.
function isOutside({ spans }, { name, shape }, i) {
  const place = unflat(i, shape).slice(2);
  const isPadded = name === "pad" || name === "col2im";
  return spans.some((span, axis) => {
    const cell = place[axis] + span.cells[0] - (isPadded ? span.before : 0);
    const isReal = cell >= span.cells[0] && cell < span.cells[1];
    return isReal && (cell < span.region[0] || cell >= span.region[1]);
  });
}
