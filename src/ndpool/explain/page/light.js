// What lights up when a cell is pointed at, and the words for it:
//   self   the cell           from   what its number came from
//   to     where it goes      by     what decided on it
//   twin   the same place in the other phase, with where that came from and goes to
//   mate   cells that share a window with it

function lightOf({ links, windows }, number, cell) {
  const light = {
    self: new Map([[number, new Set([cell])]]),
    from: links.ancestors(number, cell),
    to: links.descendants(number, cell),
    by: links.ancestors(number, cell, ["value", "choice"]),
    twin: twinLight(links, windows, number, cell),
    mate: windowLight(links, windows, windows.holding(number, cell)),
  };
  subtract(light.by, light.from);
  subtract(light.mate, light.self);
  return light;
}

function twinLight(links, windows, number, cell) {
  const other = windows.twins.get(number);
  if (other === undefined) return new Map();
  const light = new Map([[other, new Set([cell])]]);
  for (const more of [links.ancestors(other, cell), links.descendants(other, cell)]) {
    for (const [at, cells] of more) light.set(at, cells);
  }
  return light;
}

function windowLight(links, windows, held) {
  const light = new Map();
  links.steps.forEach((_, number) => {
    const cells = new Set();
    for (const w of held) for (const i of windows.of(number, w)) cells.add(i);
    if (cells.size) light.set(number, cells);
  });
  return light;
}

// A window on its walk: its cells in this step, and in all others.
function walkLight({ links, windows }, number, w) {
  const light = { walk: new Map([[number, new Set(windows.of(number, w))]]) };
  light.mate = windowLight(links, windows, [w]);
  light.mate.delete(number);
  return light;
}

function subtract(from, what) {
  for (const [number, cells] of what) for (const i of cells) from.get(number)?.delete(i);
}

class Lamp {
  constructor() {
    this.lit = [];
  }

  show(light, matrices) {
    this.clear();
    for (const [word, found] of Object.entries(light)) {
      for (const [number, cells] of found) {
        for (const i of cells) {
          const cell = matrices[number]?.cells[i];
          if (!cell) continue;
          cell.classList.add(word);
          this.lit.push(cell, word);
        }
      }
    }
  }

  clear() {
    for (let i = 0; i < this.lit.length; i += 2) this.lit[i].classList.remove(this.lit[i + 1]);
    this.lit.length = 0;
  }
}
