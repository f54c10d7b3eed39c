// The address bar's hash holds the whole state: what differs from the file, and the view.

const AXIS_KEYS = { kernel: "k", stride: "s", dilation: "d" };

function toHash(config, view, original) {
  const found = new Map();
  if (String(config.x.shape) !== String(original.x.shape)) found.set("shape", config.x.shape.join("."));
  if (config.x !== original.x) arrayToHash(found, "x", config.x, basesOf(config, original));
  for (const [field, key] of Object.entries(AXIS_KEYS)) {
    if (differs(config[field], original[field])) found.set(key, config[field].join("."));
  }
  const pads = ({ before, after }) => [...before, ...after].join(".");
  if (pads(config) !== pads(original)) found.set("p", pads(config));
  for (const field of ["ceil", "dialect", "image", "channel"]) {
    if (config[field] !== original[field]) found.set(field, String(config[field]));
  }
  if (differs(config.region, original.region)) found.set("region", (config.region ?? ["all"]).join("."));
  if (config.dy !== original.dy) {
    if (typeof config.dy === "string") found.set("dy", config.dy);
    else arrayToHash(found, "dy", config.dy, []);
  }
  for (const [key, value] of Object.entries(view)) if (value) found.set(key, value);
  return [...found].map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
}

const differs = (one, other) => String(one) !== String(other);

// "coded", "file", or all numbers; then the cells that differ from that.
function arrayToHash(found, key, array, bases) {
  let best = null;
  for (const [name, base] of bases) {
    const changes = changesFrom(base, array, best ? best.changes.length : array.data.length / 2);
    if (changes) best = { name, changes };
  }
  if (!best) {
    const numbers = Array.from(array.data, (value) => exactText(array.dtype, value));
    found.set(key, `${array.dtype}:${numbers.join(",")}`);
    return;
  }
  if (key === "x" && best.name === "coded") found.set("x", "coded");
  const texts = best.changes.map((i) => `${i}:${exactText(array.dtype, array.data[i])}`);
  if (texts.length) found.set("cells", texts.join(","));
}

function basesOf(config, original) {
  const isLike = ({ dtype, shape }) => dtype === config.x.dtype && !differs(shape, config.x.shape);
  const bases = [["file", original.x]];
  if (config.x.data.length <= 1e5) bases.push(["coded", codedArray(config.x.shape)]);
  return bases.filter(([, base]) => isLike(base));
}

function changesFrom(base, array, most) {
  const changes = [];
  for (let i = 0; i < array.data.length; i += 1) {
    if (Object.is(base.data[i], array.data[i])) continue;
    changes.push(i);
    if (changes.length > most) return null;
  }
  return changes;
}

// The configuration and view of a hash; Refusal where it holds what cannot be.
function fromHash(hash, original) {
  const found = new Map(new URLSearchParams(hash.replace(/^#/, "").replace(/\+/g, "%2B")));
  const config = { ...original };
  const numbers = (key) => found.get(key).split(".");
  if (found.has("shape") || found.has("x")) config.x = arrayFromHash(found, original);
  const changes = {};
  for (const [field, key] of Object.entries(AXIS_KEYS)) if (found.has(key)) changes[field] = pairOf(numbers(key));
  if (found.has("p")) {
    const pads = numbers("p");
    Object.assign(changes, { before: pairOf(pads.slice(0, 2)), after: pairOf(pads.slice(2)) });
  }
  if (found.has("ceil")) changes.ceil = found.get("ceil") === "true";
  if (found.has("dialect") && found.get("dialect") in DIALECTS) changes.dialect = found.get("dialect");
  if (found.has("cells")) changes.cells = found.get("cells").split(",").map(pairFromHash);
  for (const field of ["image", "channel"]) {
    if (found.has(field)) changes[field] = found.get(field) === "null" ? null : found.get(field);
  }
  if (found.has("region")) changes.region = found.get("region") === "all" ? null : numbers("region");
  if (found.has("dy")) changes.dy = gradientFromHash(found.get("dy"), config, changes);
  return { config: edited(config, changes), view: viewFromHash(found) };
}

function pairOf(numbers) {
  if (numbers.length !== 2) throw new Refusal("hash", "needHash");
  return numbers;
}

function pairFromHash(text) {
  const [cell, value] = text.split(":");
  return [wholeNumber("hash", cell, 0, Number.MAX_SAFE_INTEGER), value ?? ""];
}

function arrayFromHash(found, original) {
  const shape = (found.get("shape") ?? original.x.shape.join(".")).split(".");
  const sizes = shape.map((size) => wholeNumber("hash", size, 1, LARGEST_SIZE));
  if (sizes.length !== 4 || product(sizes) > LARGEST_SIZE) throw new Refusal("hash", "needHash");
  const text = found.get("x") ?? "coded";
  return text === "coded" ? codedArray(sizes) : numbersFromHash(text, sizes);
}

function numbersFromHash(text, shape) {
  const [dtype, list] = text.split(":");
  const numbers = (list ?? "").split(",");
  if (!(dtype in DTYPES) || numbers.length !== product(shape)) throw new Refusal("hash", "needHash");
  const array = zeros(dtype, shape);
  numbers.forEach((number, i) => (array.data[i] = parseNumber(dtype, number)));
  return array;
}

function gradientFromHash(text, config, changes) {
  if (["out", "ones", "powers"].includes(text)) return text;
  const { dy: _, ...others } = changes;
  const next = edited({ ...config, dy: "ones" }, others);
  const shape = [...next.x.shape.slice(0, 2), ...pooledShape(next.x.shape, next)];
  return numbersFromHash(text, shape);
}

const VIEW_KEYS = ["lang", "show", "pin", "walk", "moment", "theme"];

function viewFromHash(found) {
  return Object.fromEntries(VIEW_KEYS.filter((key) => found.has(key)).map((key) => [key, found.get(key)]));
}
