// The walk: one window through all steps, forward and back, then the next window.

const PACE = 1100; // milliseconds a step

class Walk {
  constructor(changed) {
    this.changed = changed;
    this.sizes = { step: 1, window: 1 };
    this.at = null; // { step, window }
    this.timer = 0;
    this.sliders = { step: byId("walkstep"), window: byId("walkwindow") };
    for (const [name, slider] of Object.entries(this.sliders)) {
      slider.addEventListener("input", () => this.go({ ...this.place(), [name]: Number(slider.value) }));
    }
    byId("play").addEventListener("click", () => this.toggle());
    byId("back").addEventListener("click", () => this.by(-1));
    byId("on").addEventListener("click", () => this.by(1));
  }

  place() {
    return this.at ?? { step: 0, window: 0 };
  }

  resize(steps, windows) {
    this.sizes = { step: steps, window: windows };
    this.sliders.step.max = steps - 1;
    this.sliders.window.max = windows - 1;
    if (this.at) {
      const within = (name) => Math.min(this.at[name], this.sizes[name] - 1);
      this.at = { step: within("step"), window: within("window") };
    }
  }

  go(at) {
    this.at = at;
    this.changed();
  }

  by(steps) {
    const { step, window } = this.place();
    const all = this.sizes.step * this.sizes.window;
    const start = this.at ? window * this.sizes.step + step + steps : 0;
    const next = (start + all) % all;
    this.go({ step: next % this.sizes.step, window: Math.floor(next / this.sizes.step) });
  }

  get isPlaying() {
    return this.timer !== 0;
  }

  toggle() {
    if (this.isPlaying) {
      this.pause();
      this.changed();
      return;
    }
    this.timer = setInterval(() => this.by(1), PACE);
    this.by(this.at ? 1 : 0);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
  }

  end() {
    this.pause();
    this.at = null;
  }

  show({ stepName, windowName }) {
    const { step, window } = this.place();
    this.sliders.step.value = step;
    this.sliders.window.value = window;
    this.sliders.step.setAttribute("aria-valuetext", stepName);
    this.sliders.window.setAttribute("aria-valuetext", windowName);
    byId("walkstepname").textContent = stepName;
    byId("walkwindowname").textContent = windowName;
    byId("play").textContent = this.isPlaying ? "❚❚" : "▶";
    byId("play").setAttribute("aria-pressed", this.isPlaying);
    byId("play").setAttribute("aria-label", Say.page(this.isPlaying ? "pause" : "play"));
  }
}

const byId = (id) => document.getElementById(id);
