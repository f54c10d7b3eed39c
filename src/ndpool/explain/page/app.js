// The page: one configuration, its trace, and what of it is looked at. Every change goes through
// `edit` or `look`, and every change ends in `show`.

const HISTORY = 200; // configurations that undo can go back to
const HASH_PAUSE = 250; // milliseconds; browsers refuse an address that changes more often

class App {
  constructor(data) {
    this.original = { ...data, x: decodeArray(data.x) };
    if (typeof data.dy !== "string") this.original.dy = decodeArray(data.dy);
    this.view = { lang: data.lang, show: "value", pin: "", walk: "", moment: "" };
    if (isMoment(this.original)) this.view = { ...this.view, ...momentView(data.name) };
    this.config = this.original;
    this.past = [];
    this.future = [];
    this.lamp = new Lamp();
    this.stepsView = new StepsView(byId("steps"));
    this.controls = new Controls((changes, field) => this.tryEdit(changes, field));
    this.map = new RegionMap((changes, field, isMove) => this.tryEdit(changes, field, isMove));
    this.walk = new Walk(() => this.walked());
    this.pointer = new Pointer(this);
    this.tools = new Tools(this);
  }

  start() {
    try {
      this.trace = analysed(this.config);
      this.fromAddress();
    } catch (error) {
      this.failed(error);
    }
    byId("settings").open = !this.stepsView.isNarrow;
    this.show();
    addEventListener("hashchange", () => this.addressChanged());
    this.stepsView.narrow.addEventListener("change", () => this.turned());
  }

  // ---- the configuration ----

  // Makes the change, or throws a Refusal and changes nothing.
  edit(changes, isMove = false) {
    const next = edited(this.config, changes);
    const trace = analysed(next);
    if (!isMove) this.remember();
    this.config = next;
    this.trace = trace;
    this.keepInside();
    this.show();
  }

  tryEdit(changes, field, isMove) {
    try {
      this.edit(changes, isMove);
      return true;
    } catch (error) {
      this.failed(error, field);
      return false;
    }
  }

  // A refusal is said beside the field that was typed in.
  failed(error, field) {
    if (!(error instanceof Refusal)) throw error;
    const message = Say.refusal(error);
    if (field === "region") this.map.say(message);
    else if (field === "cell") this.tools.sayCell(message);
    else if (!this.controls.say(field ?? error.field, message)) this.tools.tell(message);
  }

  remember() {
    this.past.push(this.config);
    if (this.past.length > HISTORY) this.past.shift();
    this.future.length = 0;
  }

  undo() {
    if (this.past.length) this.swap(this.past, this.future);
  }

  redo() {
    if (this.future.length) this.swap(this.future, this.past);
  }

  swap(from, to) {
    to.push(this.config);
    this.load(from.pop());
  }

  reset() {
    if (this.config !== this.original) this.remember();
    this.view = { ...this.view, pin: "", moment: "", walk: "" };
    this.walk.end();
    this.load(this.original);
  }

  load(config) {
    this.config = config;
    this.trace = analysed(config);
    this.keepInside();
    this.show();
  }

  // What was pinned may not be there any more.
  keepInside() {
    if (this.view.pin && !this.pinned()) this.view.pin = "";
  }

  // ---- the view ----

  look(changes) {
    Object.assign(this.view, changes);
    this.show();
  }

  // The pinned cell as { number, cell }, or null.
  pinned() {
    const [name, ...index] = this.view.pin.split(".");
    const number = this.trace.links.number.get(name);
    if (number === undefined) return null;
    const { shape } = this.trace.steps[number];
    const at = index.map(Number);
    const isInside = at.length === shape.length && at.every((i, axis) => i >= 0 && i < shape[axis]);
    return isInside ? { number, cell: flat(at, shape) } : null;
  }

  pin(number, cell) {
    const { name, shape } = this.trace.steps[number];
    const pin = [name, ...unflat(cell, shape)].join(".");
    this.walk.end();
    this.look({ pin: this.view.pin === pin ? "" : pin, walk: "" });
  }

  walked() {
    const { at } = this.walk;
    this.look({ walk: at ? `${at.window}.${at.step}` : "", pin: "" });
    if (at) this.stepsView.reveal(this.trace.steps[at.step].name);
  }

  // ---- the address ----

  fromAddress() {
    if (location.hash.length < 2) return;
    const { config, view } = fromHash(location.hash, this.original);
    const trace = analysed(config);
    Object.assign(this, { config, trace });
    this.view = { ...this.view, pin: "", walk: "", moment: "", show: "value", ...view };
    const [window, step] = this.view.walk.split(".").map(Number);
    if (this.view.walk) this.walk.at = { window, step };
  }

  addressChanged() {
    if (location.hash.slice(1) === this.hash()) return;
    try {
      this.fromAddress();
    } catch (error) {
      this.failed(error);
    }
    this.show();
  }

  hash() {
    const { lang, show, ...rest } = this.view;
    const view = { ...rest };
    if (lang !== this.original.lang) view.lang = lang;
    if (show !== "value") view.show = show;
    if (isMoment(this.original) && !view.moment) view.moment = "none"; // it would open by itself
    return toHash(this.config, view, this.original);
  }

  writeAddress() {
    clearTimeout(this.hashTimer);
    this.hashTimer = setTimeout(() => this.writeAddressNow(), HASH_PAUSE);
  }

  writeAddressNow() {
    clearTimeout(this.hashTimer);
    const hash = this.hash();
    if (location.hash.slice(1) === hash || window.parent !== window) return;
    history.replaceState(null, "", `#${hash}`);
  }

  // ---- showing ----

  show() {
    if (!(this.view.lang in WORDS)) this.view.lang = this.original.lang;
    if (!SHOWS.includes(this.view.show)) this.view.show = "value";
    const isOther = this.shownLang !== this.view.lang;
    Say.lang = this.shownLang = this.view.lang;
    if (isOther) {
      Say.everywhere();
      this.controls.build();
      this.tools.build();
    }
    const { trace, config, view } = this;
    this.pointer.forget();
    this.stepsView.show(trace, config.dialect, view.show);
    this.controls.show(config);
    this.map.show(trace, config);
    this.walk.resize(trace.steps.length, trace.windows.count);
    this.tools.show();
    this.light();
    this.writeAddress();
  }

  // From a narrow page to a wide one, or back.
  turned() {
    this.stepsView.show(this.trace, this.config.dialect, this.view.show);
    this.light();
  }

  // Lights what is pointed at, else what is pinned, else the walk.
  light() {
    const { trace } = this;
    const at = this.pointer.at ?? this.pinned();
    if (at) this.lamp.show(lightOf(trace, at.number, at.cell), this.stepsView.matrices);
    else if (this.walk.at) this.lamp.show(walkLight(trace, this.walk.at.step, this.walk.at.window), this.stepsView.matrices);
    else this.lamp.clear();
    this.tools.say(at);
  }
}

const SHOWS = ["value", "place", "both"];

function analysed(config) {
  const { steps, problem } = compute(config);
  const links = new Links(steps);
  const windows = new Windows(links, problem);
  const places = new Places(links, problem);
  const trace = { steps, problem, links, windows, places };
  trace.marks = marksOf(links, windows, problem);
  trace.sentences = new Sentences(trace);
  return trace;
}
