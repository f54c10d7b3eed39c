// Words of the language that is set: WORDS is { en: {...}, ja: {...} }, the files that Python reads.

const Say = {
  lang: "en",

  section(name) {
    return (WORDS[Say.lang] ?? WORDS.en)[name];
  },

  // A word of the page, with {name} put in; English where a language does not have it yet.
  page(key, values = {}) {
    return filledIn(Say.section("page")[key] ?? WORDS.en.page[key] ?? key, values);
  },

  step(dialect, name) {
    const steps = Say.section("steps");
    return steps[`${dialect}.${name}`] ?? steps[name];
  },

  refusal({ word, values }) {
    return Say.page(word, { ...values, axis: values.axis ? Say.page(values.axis) : "" });
  },

  // Fills what page.html marks: data-w with text, data-label with an accessible name.
  everywhere() {
    document.documentElement.lang = Say.lang;
    for (const node of document.querySelectorAll("[data-w]")) {
      node.textContent = Say.page(node.dataset.w);
    }
    for (const node of document.querySelectorAll("[data-label]")) {
      node.setAttribute("aria-label", Say.page(node.dataset.label));
      if (node.tagName === "BUTTON") node.title = Say.page(node.dataset.label);
    }
  },
};

const filledIn = (text, values) =>
  text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
