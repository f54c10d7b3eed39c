// The controls: what they show follows the configuration; what is typed becomes an edit, and a
// refused one is answered beside its field.

const NUMBER_FIELDS = [
  { field: "shape", labels: ["N", "C", "H", "W"], low: 1, read: ({ x }) => x.shape },
  { field: "kernel", labels: ["rowsShort", "columnsShort"], low: 1, read: ({ kernel }) => kernel },
  { field: "stride", labels: ["rowsShort", "columnsShort"], low: 1, read: ({ stride }) => stride },
  {
    field: "padding",
    labels: ["top", "bottom", "left", "right"],
    low: 0,
    read: ({ before, after }) => [before[0], after[0], before[1], after[1]],
    write: ([top, bottom, left, right]) => ({ before: [top, left], after: [bottom, right] }),
  },
  { field: "dilation", labels: ["rowsShort", "columnsShort"], low: 1, read: ({ dilation }) => dilation },
];

const CHOICES = [
  { field: "dialect", options: ["rows", "columns", "direct"], read: ({ dialect }) => dialect },
  {
    field: "dy",
    options: ["out", "ones", "powers", "own"],
    read: ({ dy }) => (typeof dy === "string" ? dy : "own"),
  },
];

class Controls {
  constructor(edit) {
    this.edit = edit;
    this.form = byId("controls");
    this.fields = new Map();
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  // Makes all fields in the language that is set.
  build() {
    this.fields.clear();
    this.form.replaceChildren(
      ...NUMBER_FIELDS.map((known) => this.numbers(known)),
      this.ceil(),
      ...CHOICES.map((known) => this.choice(known)),
      this.fill(),
      this.data(),
    );
  }

  group(field, ...inside) {
    const group = element("fieldset", { class: `field ${field}` });
    const error = element("p", { class: "error", id: `error-${field}`, role: "alert" });
    group.append(element("legend", {}, Say.page(field)), ...inside, error);
    this.fields.set(field, { group, error, inputs: [...group.querySelectorAll("input, select, textarea")] });
    return group;
  }

  numbers({ field, labels, low, write }) {
    const inputs = labels.map((label, i) => {
      const word = label.length > 1 ? Say.page(label) : label;
      const input = element("input", {
        type: "number", min: low, step: 1, id: `${field}-${i}`, "aria-describedby": `error-${field}`,
      });
      const wrapped = element("label", {}, word);
      wrapped.append(input);
      input.addEventListener("change", () => {
        const values = inputs.map((one) => one.querySelector("input").value);
        this.send(field, write ? write(values) : { [field]: values });
      });
      return wrapped;
    });
    const row = element("div", { class: "row" });
    row.append(...inputs);
    return this.group(field, row);
  }

  ceil() {
    const input = element("input", { type: "checkbox", id: "ceil" });
    const label = element("label", { class: "check" });
    label.append(input, Say.page("ceilOn"));
    input.addEventListener("change", () => this.send("ceil", { ceil: input.checked }));
    return this.group("ceil", label);
  }

  choice({ field, options }) {
    const select = this.select(field, options);
    select.addEventListener("change", () => this.send(field, { [field]: select.value }));
    return this.group(field, select);
  }

  select(field, options) {
    const select = element("select", {
      id: field, "aria-label": Say.page(field), "aria-describedby": `error-${field}`,
    });
    for (const option of options) {
      select.append(element("option", { value: option }, Say.page(`${field}_${option}`)));
    }
    return select;
  }

  fill() {
    const select = this.select("fill", ["choose", "coded", "random", "ties", "nan"]);
    select.addEventListener("change", () => {
      if (select.value !== "choose") this.send("fill", { fill: select.value });
      select.value = "choose";
    });
    return this.group("fill", select);
  }

  // Numbers of one's own, pasted.
  data() {
    const area = element("textarea", {
      id: "data-text", rows: 4, spellcheck: "false", placeholder: "1 5 2\n3 4 9",
      "aria-label": Say.page("data"), "aria-describedby": "error-data",
    });
    const button = element("button", { type: "button" }, Say.page("use"));
    button.addEventListener("click", () => this.send("data", { data: area.value }));
    const details = element("details", { class: "own" });
    details.append(element("summary", {}, Say.page("paste")), area, button);
    return this.group("data", details);
  }

  send(field, changes) {
    this.edit(changes, field);
  }

  // What the configuration says, in every field; what was refused is forgotten.
  show(config) {
    for (const { field, read } of NUMBER_FIELDS) {
      read(config).forEach((value, i) => (byId(`${field}-${i}`).value = value));
    }
    for (const { field, read } of CHOICES) byId(field).value = read(config);
    byId("ceil").checked = config.ceil;
    for (const field of this.fields.keys()) this.say(field, "");
  }

  // The message beside a field; the fields' own group where there is none of that name.
  say(field, message) {
    const found = this.fields.get(field);
    if (!found) return false;
    found.error.textContent = message;
    for (const input of found.inputs) input.setAttribute("aria-invalid", message !== "");
    if (field === "data" && message) found.group.querySelector("details").open = true;
    return true;
  }
}
