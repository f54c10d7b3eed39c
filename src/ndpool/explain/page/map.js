// The whole of a large image, small, with a frame around the region that is shown. The frame is
// moved with the pointer, with arrow keys, or with the numbers beside it.

class RegionMap {
  constructor(edit) {
    this.edit = edit;
    this.canvas = byId("map");
    this.fields = byId("regionfields");
    this.fields.addEventListener("submit", (event) => event.preventDefault());
    this.canvas.addEventListener("pointerdown", (event) => this.drag(event));
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.drag(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(trace, config) {
    this.trace = trace;
    this.config = config;
    const { problem } = trace;
    byId("region").hidden = problem.isWhole && config.region === null && !hiddenSentence(config, problem);
    if (byId("region").hidden) return;
    byId("hidden").textContent = hiddenSentence(config, problem);
    this.canvas.setAttribute("aria-label", Say.page("mapLabel"));
    this.showFields();
    this.draw();
  }

  get region() {
    return this.trace.problem.spans.map(({ region }) => region);
  }

  showFields() {
    const { problem } = this.trace;
    const [[r0, r1], [k0, k1]] = this.region;
    const one = ([from, to]) => (to - from === 1 ? from : "");
    const values = { image: one(problem.images), channel: one(problem.channels), r0, r1, k0, k1 };
    if (!this.fields.childElementCount || this.lang !== Say.lang) this.buildFields();
    for (const [name, value] of Object.entries(values)) byId(`region-${name}`).value = value;
    this.say("");
  }

  buildFields() {
    this.lang = Say.lang;
    const made = ["image", "channel", "r0", "r1", "k0", "k1"].map((name) => {
      const label = element("label", {}, Say.page(`region_${name}`));
      const input = element("input", { type: "number", min: 0, id: `region-${name}` });
      input.addEventListener("change", () => this.changed(name));
      label.append(input);
      return label;
    });
    const error = element("p", { class: "error", id: "error-region", role: "alert" });
    this.fields.replaceChildren(...made, error);
  }

  changed(name) {
    const value = (field) => byId(`region-${field}`).value;
    if (name === "image" || name === "channel") this.edit({ [name]: value(name) }, "region");
    else this.edit({ region: ["r0", "r1", "k0", "k1"].map(value) }, "region");
  }

  say(message) {
    byId("error-region").textContent = message;
  }

  get size() {
    return this.config.x.shape.slice(2);
  }

  drag(event) {
    const box = this.canvas.getBoundingClientRect();
    const [H, W] = this.size;
    const [top, left] = [
      ((event.clientY - box.top) / box.height) * H,
      ((event.clientX - box.left) / box.width) * W,
    ];
    const [rows, columns] = this.region.map(([from, to]) => to - from);
    this.moveTo(Math.round(top - rows / 2), Math.round(left - columns / 2));
    event.preventDefault();
    this.canvas.focus();
  }

  key(event) {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by) return;
    const step = event.shiftKey ? 10 : 1;
    this.moveTo(this.region[0][0] + by[0] * step, this.region[1][0] + by[1] * step);
    event.preventDefault();
  }

  moveTo(row, column) {
    const starts = [row, column].map((start, axis) => {
      const [from, to] = this.region[axis];
      return Math.max(0, Math.min(this.size[axis] - (to - from), start));
    });
    const ends = this.region.map(([from, to], axis) => starts[axis] + to - from);
    const region = [starts[0], ends[0], starts[1], ends[1]];
    if (String(region) !== String(this.region.flat())) this.edit({ region }, "region", true);
  }

  // Every pixel is one cell of the image, picked at equal distances.
  draw() {
    const [H, W] = this.size;
    const scale = Math.min(1, 240 / Math.max(H, W));
    const [height, width] = [H, W].map((n) => Math.max(1, Math.round(n * scale)));
    if (!this.isDrawn()) this.paint(height, width);
    const context = this.canvas.getContext("2d");
    context.putImageData(this.image, 0, 0);
    const [[r0, r1], [k0, k1]] = this.region.map((ends, axis) =>
      ends.map((end) => (end * [height, width][axis]) / this.size[axis]));
    for (const [colour, wide] of [["#fff", 4], ["#d55e00", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.strokeRect(k0, r0, Math.max(3, k1 - k0), Math.max(3, r1 - r0));
    }
  }

  isDrawn() {
    const { images, channels } = this.trace.problem;
    const now = [this.config.x, images[0], channels[0]];
    const isSame = this.drawn?.every((part, i) => part === now[i]);
    this.drawn = now;
    return isSame;
  }

  paint(height, width) {
    Object.assign(this.canvas, { height, width });
    const [H, W] = this.size;
    const { images, channels } = this.trace.problem;
    const { data, shape } = this.config.x;
    const plane = (images[0] * shape[1] + channels[0]) * H * W;
    const values = new Float64Array(height * width);
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < values.length; i += 1) {
      const [row, column] = [Math.floor(i / width), i % width];
      const from = Math.floor((row * H) / height) * W + Math.floor((column * W) / width);
      values[i] = Number(data[plane + from]);
      if (values[i] < low && values[i] > -Infinity) low = values[i];
      if (values[i] > high && values[i] < Infinity) high = values[i];
    }
    const context = this.canvas.getContext("2d");
    this.image = context.createImageData(width, height);
    const pixels = new Uint32Array(this.image.data.buffer);
    for (let i = 0; i < values.length; i += 1) {
      const grey = Math.round(255 * Math.max(0, Math.min(1, (values[i] - low) / (high - low || 1))));
      pixels[i] = 0xff000000 | (grey * 0x010101);
    }
  }
}

// What is hidden, as Trace.hidden says it.
function hiddenSentence({ x }, { images, channels, spans, isWhole, base }) {
  if (isWhole && base.N * base.C === x.shape[0] * x.shape[1]) return "";
  const text = Say.section("text");
  const from = (ends, first) => ends.map((end) => end + first);
  const ranges = { hidden_image: from(images, base.n), hidden_channel: from(channels, base.c) };
  Object.assign(ranges, { hidden_rows: spans[0].region, hidden_columns: spans[1].region });
  const parts = Object.entries(ranges)
    .map(([key, [first, end]], axis) => ({ key, first, end, of: [base.N, base.C, ...x.shape.slice(2)][axis] }))
    .filter(({ first, end, of }) => end - first < of)
    .map(({ key, first, end, of }) =>
      filledIn(text[key], { number: first + 1, first: first + 1, last: end, of }));
  const isPlain = spans.every(({ region, cells }) => String(region) === String(cells));
  const sentence = filledIn(text.hidden, { parts: parts.join(text.comma) });
  return isPlain ? sentence : sentence + text.hidden_context;
}
