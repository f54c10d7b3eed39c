// Pointing, pinning and moving with the pointer and with keys.

class Pointer {
  constructor(app) {
    this.app = app;
    this.at = null;
    const root = byId("steps");
    root.addEventListener("pointerover", (event) => this.over(event));
    root.addEventListener("pointerleave", () => this.leave());
    root.addEventListener("click", (event) => this.click(event));
    root.addEventListener("dblclick", (event) => this.double(event));
    root.addEventListener("focusin", (event) => this.focus(event));
    root.addEventListener("focusout", () => this.leave());
    root.addEventListener("keydown", (event) => this.key(event));
    addEventListener("keydown", (event) => this.shortcut(event));
  }

  cellOf({ target }) {
    const found = target.closest?.("td")?.ndpool;
    if (!found) return null;
    return { number: this.app.trace.links.number.get(found.name), cell: found.cell };
  }

  over(event) {
    if (event.pointerType === "touch") return;
    const at = this.cellOf(event);
    if (at || this.at) this.point(at);
  }

  leave() {
    if (this.at) this.point(null);
  }

  point(at) {
    this.at = at;
    this.app.light();
  }

  // After a change only the cell that has the keyboard is still pointed at.
  forget() {
    const target = document.activeElement;
    this.at = target.matches(":focus-visible") ? this.cellOf({ target }) : null;
  }

  click(event) {
    const at = this.cellOf(event);
    if (!at) return;
    this.rove(at);
    this.app.pin(at.number, at.cell);
  }

  double(event) {
    const at = this.cellOf(event);
    if (at && this.app.tools.isEditable(at)) this.app.tools.startEdit(at);
  }

  focus(event) {
    const at = this.cellOf(event);
    if (!at || !event.target.matches(":focus-visible")) return;
    this.rove(at);
    this.point(at);
  }

  rove({ number, cell }) {
    this.app.stepsView.rove(this.app.stepsView.matrices[number], cell);
  }

  key(event) {
    const at = this.cellOf(event);
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) this.move(at, ...move);
    else if (event.key === "Home" || event.key === "End") this.move(at, 0, event.key === "Home" ? -1e9 : 1e9);
    else if (event.key === "Enter" || event.key === " ") this.enter(at, event.key);
    else if (/^[-\d.]$/.test(event.key) && this.app.tools.isEditable(at)) {
      this.app.tools.startEdit(at, event.key);
    } else return;
    event.preventDefault();
  }

  move({ number, cell }, rows, columns) {
    const matrix = this.app.stepsView.matrices[number];
    const next = matrix.moved(cell, rows, columns);
    this.rove({ number, cell: next });
    matrix.cells[next].focus();
    matrix.cells[next].scrollIntoView({ block: "nearest", inline: "nearest" });
    this.point({ number, cell: next });
  }

  // Pins; Enter on a pinned cell that can be edited goes to its field.
  enter(at, key) {
    const pinned = this.app.pinned();
    const isPinned = pinned && pinned.number === at.number && pinned.cell === at.cell;
    if (key === "Enter" && isPinned && this.app.tools.isEditable(at)) {
      this.app.tools.startEdit(at);
      return;
    }
    this.app.pin(at.number, at.cell);
    this.app.stepsView.matrices[at.number].cells[at.cell].focus();
  }

  shortcut(event) {
    const isTyping = event.target.matches("input, textarea, select");
    if (event.key === "Escape" && !isTyping) {
      this.app.walk.end();
      this.app.look({ pin: "", walk: "" });
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !isTyping) {
      if (event.shiftKey) this.app.redo();
      else this.app.undo();
      event.preventDefault();
    }
  }
}

const MOVES = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};
