// The page begins. `ndpool` is there for the console, and for tests.

const app = new App(JSON.parse(byId("data").textContent));
app.start();
document.documentElement.dataset.ready = "yes";

window.ndpool = {
  app,
  compute,
  edit: (changes) => app.edit(changes),
  get config() {
    return app.config;
  },
  get trace() {
    return app.trace;
  },
};
