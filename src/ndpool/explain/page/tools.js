// What stands around the steps: the buttons, the sums, the legend, the moments, and the words
// about the cell that is looked at, with the field to change it.

const LEGEND = ["self", "from", "to", "by", "mate", "twin"];
const LEGEND_MARKS = ["winner", "padding", "unseen", "outside"];

class Tools {
  constructor(app) {
    this.app = app;
    byId("theme").addEventListener("click", () => this.turnTheme());
    byId("share").addEventListener("click", () => this.share());
    byId("undo").addEventListener("click", () => app.undo());
    byId("redo").addEventListener("click", () => app.redo());
    byId("reset").addEventListener("click", () => app.reset());
    byId("copy").addEventListener("click", () => this.copy(byId("call").textContent, byId("copy")));
    byId("unpin").addEventListener("click", () => app.look({ pin: "" }));
    byId("celledit").addEventListener("submit", (event) => this.setCell(event));
    byId("cellvalue").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.backToCell();
    });
  }

  // ---- made anew for each language ----

  build() {
    const { app } = this;
    const languages = Object.keys(WORDS).map((lang) => [lang, WORDS[lang].language]);
    this.choice("languages", languages, (lang) => app.look({ lang }));
    for (const button of byId("languages").children) button.lang = button.value;
    const shows = SHOWS.map((show) => [show, Say.page(`show_${show}`)]);
    this.choice("shows", shows, (show) => app.look({ show }));
    this.legend();
    byId("momentlist").replaceChildren(...MOMENTS.map(({ name }) => this.momentItem(name)));
  }

  choice(id, options, chosen) {
    const buttons = options.map(([value, text]) => {
      const button = element("button", { type: "button", value }, text);
      button.addEventListener("click", () => chosen(value));
      return button;
    });
    byId(id).replaceChildren(...buttons);
  }

  legend() {
    const item = (name) => {
      const line = element("li", { id: `legend-${name}` });
      line.append(element("span", { class: `swatch ${name}`, "aria-hidden": "true" }));
      line.append(Say.page(`legend_${name}`));
      return line;
    };
    byId("legend").replaceChildren(...[...LEGEND, ...LEGEND_MARKS].map(item));
  }

  momentItem(name) {
    const item = element("li");
    const button = element("button", { type: "button", value: name }, momentShort(name));
    button.addEventListener("click", () => this.moment(name));
    item.append(button);
    return item;
  }

  // ---- shown anew after each change ----

  show() {
    const { app } = this;
    const { config, view, trace } = app;
    document.title = titleOf(config);
    byId("lead").textContent = leadOf(config, trace);
    byId("call").textContent = callText(config);
    press("languages", view.lang);
    press("shows", view.show);
    byId("undo").disabled = !app.past.length;
    byId("redo").disabled = !app.future.length;
    byId("reset").disabled = config === app.original && !view.pin && !view.moment;
    for (const button of byId("momentlist").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.value === view.moment);
    }
    showMoment(byId("moment"), view.moment, config, trace);
    byId("legend-outside").hidden = trace.problem.isWhole;
    showSums(byId("sums"), trace);
    this.tell("");
  }

  tell(message) {
    byId("told").textContent = message;
  }

  // ---- the moments ----

  moment(name) {
    const { app } = this;
    if (app.view.moment === name) {
      app.look({ moment: "" });
      return;
    }
    app.walk.end();
    app.remember();
    app.view = { ...app.view, walk: "", ...momentView(name) };
    app.load(momentConfig(name, app.config));
  }

  // ---- the words about a cell ----

  say(at) {
    const { trace, walk } = this.app;
    const pinned = this.app.pinned();
    const { formula, sentence } = at
      ? trace.sentences.of(at.number, at.cell)
      : walk.at
        ? saidOfWalk(trace, walk.at)
        : { formula: "", sentence: Say.page("hint") };
    const isStart = formula && sentence.startsWith(formula);
    setText("formula", formula);
    setText("rest", isStart ? sentence.slice(formula.length) : `${formula && " "}${sentence}`);
    const place = walk.place();
    const index = wholeWindow(trace, place.window);
    walk.show({
      stepName: `${place.step + 1}/${trace.steps.length} ${trace.steps[place.step].symbol}`,
      windowName: `${place.window + 1}/${trace.windows.count} [${index.join(", ")}]`,
    });
    byId("unpin").hidden = !pinned;
    this.showEdit(pinned);
  }

  isEditable({ number }) {
    return ["x", "dout"].includes(this.app.trace.steps[number].name);
  }

  showEdit(pinned) {
    const canEdit = pinned !== null && this.isEditable(pinned);
    byId("celledit").hidden = !canEdit;
    if (!canEdit) return;
    const { step, index } = this.cellAt(pinned);
    byId("celleditname").textContent = `${step.symbol}[${index.join(", ")}] =`;
    if (document.activeElement !== byId("cellvalue")) {
      byId("cellvalue").value = exactText(step.array.dtype, step.array.data[pinned.cell]);
      this.sayCell("");
    }
  }

  cellAt({ number, cell }) {
    const step = this.app.trace.steps[number];
    const index = wholeIndex(step, unflat(cell, step.shape), this.app.trace.places.axes);
    return { step, index };
  }

  startEdit(at, text) {
    const { step } = this.cellAt(at);
    const pinned = this.app.pinned();
    if (!pinned || pinned.number !== at.number || pinned.cell !== at.cell) this.app.pin(at.number, at.cell);
    const field = byId("cellvalue");
    field.focus(); // first, because leaving the cell writes its number there
    field.value = text ?? exactText(step.array.dtype, step.array.data[at.cell]);
    if (text === undefined) field.select();
  }

  setCell(event) {
    event.preventDefault();
    const pinned = this.app.pinned();
    const { step, index } = this.cellAt(pinned);
    const { x, base } = this.app.config;
    const sizes = step.name === "x" ? x.shape.slice(2) : this.app.trace.problem.whole.out;
    const [n, c, ...place] = index;
    const at = [n - (base?.n ?? 0), c - (base?.c ?? 0), ...place];
    const pair = [flat(at, [...x.shape.slice(0, 2), ...sizes]), byId("cellvalue").value];
    const field = step.name === "x" ? "cells" : "dout";
    if (this.app.tryEdit({ [field]: [pair] }, "cell")) this.backToCell();
  }

  backToCell() {
    const pinned = this.app.pinned();
    if (pinned) this.app.stepsView.matrices[pinned.number].cells[pinned.cell].focus();
  }

  sayCell(message) {
    byId("cellerror").textContent = message;
    byId("cellvalue").setAttribute("aria-invalid", message !== "");
  }

  // ---- buttons ----

  turnTheme() {
    const root = document.documentElement;
    const isDark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
  }

  share() {
    this.app.writeAddressNow();
    this.copy(location.href, byId("share"));
  }

  copy(text, button) {
    const done = (word) => {
      const before = button.dataset.w;
      button.textContent = Say.page(word);
      setTimeout(() => (button.textContent = Say.page(before)), 1500);
    };
    if (!navigator.clipboard) {
      prompt(Say.page("copyThis"), text);
      return;
    }
    navigator.clipboard.writeText(text).then(() => done("copied"), () => prompt(Say.page("copyThis"), text));
  }
}

function press(id, value) {
  for (const button of byId(id).children) button.setAttribute("aria-pressed", button.value === value);
}

const titleOf = ({ name }) => (name ? `${name} · ${Say.page("title")}` : Say.page("title"));

// Only what has changed is read out.
function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

// What is pooled, in a line.
function leadOf({ x, name }, { problem }) {
  const about = name ?? "x";
  const shapes = { name: about, shape: `(${x.shape.join(", ")})`, dtype: x.dtype };
  return Say.page("lead", { ...shapes, out: `(${[...x.shape.slice(0, 2), ...problem.whole.out].join(", ")})` });
}

function showSums(root, trace) {
  const sums = sumsOf(trace);
  const line = (left, right, one, other) => {
    const made = element("p", { class: isSame(one, other) ? "equal" : "unequal" });
    made.append(element("code", {}, left), ` ${sumText(one)} `);
    made.append(element("span", { class: "sign" }, isSame(one, other) ? "=" : "≠"));
    made.append(` ${sumText(other)} `, element("code", {}, right));
    return made;
  };
  const lines = [
    line("Σ dout", "Σ dx", sums.dout, sums.dx),
    line("⟨im2col(x), c⟩", "⟨x, col2im(c)⟩", sums.columns, sums.image),
  ];
  if (!isSame(sums.dout, sums.dx)) {
    const isInexact = DTYPES[trace.steps.at(-1).array.dtype].kind === "f";
    lines.push(element("p", { class: "note" }, Say.page(isInexact ? "sumsRound" : "sumsWrap")));
  }
  root.replaceChildren(...lines);
}
