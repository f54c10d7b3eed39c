// Edits: a configuration and what is to change in it make another one, or a `Refusal`.
// Configurations are never changed themselves, so that undo is an earlier one.

const LARGEST_SIZE = 1e6; // cells of an array made in the page
const PER_AXIS = { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };
const FIELD_OF = { before: "padding", after: "padding" };
const LARGEST_NUMBER = 999;

function edited(config, changes) {
  const next = { ...config };
  for (const [field, value] of Object.entries(changes)) {
    if (field in PER_AXIS) next[field] = twoNumbers(field, value);
    else EDITS[field](next, value);
  }
  fitGradient(next);
  return next;
}

const EDITS = {
  shape(next, shape) {
    const sizes = shape.map((size) => wholeNumber("shape", size, 1, 1e6));
    if (product(sizes) > LARGEST_SIZE) {
      throw new Refusal("shape", "needFewer", { most: LARGEST_SIZE });
    }
    next.x = reshaped(next.x, sizes);
    next.region = next.image = next.channel = next.base = null;
  },
  data(next, text) {
    next.x = parseArray(text);
    next.region = next.image = next.channel = next.base = null;
  },
  // An array as the page's JSON has it.
  x(next, x) {
    next.x = decodeArray(x);
    next.region = next.image = next.channel = next.base = null;
  },
  fill(next, kind) {
    next.x = FILLS[kind](next.x);
  },
  cells(next, pairs) {
    next.x = withCells(next.x, pairs);
  },
  dy(next, dy) {
    next.dy = dy === "own" ? wholeGradient(next) : dy;
  },
  dout(next, pairs) {
    next.dy = withCells(typeof next.dy === "string" ? wholeGradient(next) : next.dy, pairs);
  },
  ceil(next, value) {
    next.ceil = Boolean(value);
  },
  dialect(next, value) {
    next.dialect = value;
  },
  image(next, value) {
    next.image = value === null ? null : wholeNumber("image", value, 0, next.x.shape[0] - 1);
  },
  channel(next, value) {
    next.channel = value === null ? null : wholeNumber("channel", value, 0, next.x.shape[1] - 1);
  },
  region(next, value) {
    next.region = value === null ? null : checkedRegion(value, next.x.shape);
  },
};

function twoNumbers(field, values) {
  const shownField = FIELD_OF[field] ?? field;
  return values.map((value) => wholeNumber(shownField, value, PER_AXIS[field], LARGEST_NUMBER));
}

function wholeNumber(field, value, low, high) {
  const text = String(value).normalize("NFKC").trim();
  const number = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!(number >= low && number <= high)) {
    throw new Refusal(field, "needWhole", { low, high, got: text });
  }
  return number;
}

function checkedRegion(ends, [, , H, W]) {
  const [r0, r1, k0, k1] = ends.map((end, i) => wholeNumber("region", end, 0, i < 2 ? H : W));
  if (r0 >= r1 || k0 >= k1) throw new Refusal("region", "needRegion");
  return [r0, r1, k0, k1];
}

function withCells(array, pairs) {
  const data = array.data.slice();
  for (const [i, text] of pairs) data[i] = parseNumber(array.dtype, String(text));
  return { ...array, data };
}

// Another shape: coded arrays stay coded; other data is repeated or cut along each axis.
function reshaped(x, shape) {
  if (isCoded(x)) return codedArray(shape);
  const array = zeros(x.dtype, shape);
  for (let i = 0; i < array.data.length; i += 1) {
    const index = unflat(i, shape).map((at, axis) => at % x.shape[axis]);
    array.data[i] = x.data[flat(index, x.shape)];
  }
  return array;
}

// A gradient of one's own keeps what fits another output; new cells get 1.
function fitGradient(next) {
  if (typeof next.dy === "string") return;
  const shape = [...next.x.shape.slice(0, 2), ...pooledShape(next.x.shape, next)];
  if (String(shape) === String(next.dy.shape)) return;
  const old = next.dy;
  const array = zeros(old.dtype, shape);
  for (let i = 0; i < array.data.length; i += 1) {
    const index = unflat(i, shape);
    const isKept = index.every((at, axis) => at < old.shape[axis]);
    array.data[i] = isKept ? old.data[flat(index, old.shape)] : isBig(old.dtype) ? 1n : 1;
  }
  next.dy = array;
}

// dout for the whole output, as an array.
function wholeGradient(config) {
  if (typeof config.dy !== "string") return config.dy;
  const everything = { ...config, image: null, channel: null, region: null };
  const [OH, OW] = pooledShape(config.x.shape, config);
  const [N, C] = config.x.shape;
  if (N * C * OH * OW * product(config.kernel) > LARGEST) {
    throw new Refusal("dy", "needFewer", { most: LARGEST });
  }
  return compute(everything).steps.find(({ name }) => name === "dout").array;
}

// ---- arrays made in the page ----

const FILLS = {
  coded: ({ shape }) => codedArray(shape),
  random: (x) => filledWith(x, (i) => (noise(i) % 19) - 9),
  ties: (x) => filledWith(x, (i) => noise(i) % 2),
  nan: ({ shape }) =>
    filledWith({ dtype: "float64", shape }, (i) => (noise(i) % 7 === 0 ? NaN : (noise(i) % 19) - 9)),
};

function filledWith({ dtype, shape }, numberAt) {
  const array = zeros(dtype, shape);
  const { low, kind } = DTYPES[dtype];
  for (let i = 0; i < array.data.length; i += 1) {
    const number = low === 0 || low === 0n ? Math.abs(numberAt(i)) : numberAt(i);
    array.data[i] = kind === "b" ? number % 2 : isBig(dtype) ? BigInt(number) : number;
  }
  return array;
}

// The same for everybody, so that a link shows the same numbers.
function noise(i) {
  let bits = Math.imul(i + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  return (bits ^ (bits >>> 13)) >>> 0;
}

// As ndpool.textbook.coded_array: each coordinate in as many digits as its axis needs.
function codedArray(shape) {
  const digits = shape.map((size) => String(size).length);
  const array = zeros("int64", shape);
  const weights = digits.map((_, axis) => 10n ** BigInt(digits.slice(axis + 1).reduce((a, b) => a + b, 0)));
  for (let i = 0; i < array.data.length; i += 1) array.data[i] = codeAt(unflat(i, shape), weights);
  return array;
}

const codeAt = (index, weights) =>
  index.reduce((code, at, axis) => code + BigInt(at + 1) * weights[axis], 0n);

function isCoded({ dtype, shape, data }) {
  if (dtype !== "int64") return false;
  const coded = codedArray(shape).data;
  return data.every((value, i) => value === coded[i]);
}

// Numbers as people paste them: a row a line, or brackets. Integers become int64, else float64.
function parseArray(text) {
  const plain = text.normalize("NFKC").replace(/[−–]/g, "-").replace(/array\(|\)/g, "").trim();
  if (!plain) throw new Refusal("data", "needNumbers");
  const nested = plain.includes("[") ? parseBrackets(plain) : parseLines(plain);
  const { shape, numbers } = flattened(nested);
  if (shape.length > 4) throw new Refusal("data", "needFourAxes");
  const sizes = [1, 1, 1, 1, ...shape].slice(-4);
  if (!numbers.length) throw new Refusal("data", "needNumbers");
  if (numbers.length > LARGEST_SIZE) throw new Refusal("data", "needFewer", { most: LARGEST_SIZE });
  const dtype = numbers.every((number) => /^[+-]?\d+$/.test(number)) ? "int64" : "float64";
  const array = zeros(dtype, sizes);
  numbers.forEach((number, i) => (array.data[i] = asField("data", () => parseNumber(dtype, number))));
  return array;
}

const parseLines = (text) => text.split(/\n/).filter((line) => line.trim()).map(words);
const words = (line) => line.split(/[\s,;]+/).filter(Boolean);

function parseBrackets(text) {
  const stack = [[]];
  for (const part of text.match(/[[\]]|[^\s,[\]]+/g)) {
    if (part === "[") stack.push([]);
    else if (part !== "]") stack.at(-1).push(part);
    else if (stack.length < 2) throw new Refusal("data", "needBrackets");
    else {
      const done = stack.pop();
      stack.at(-1).push(done);
    }
  }
  if (stack.length !== 1 || stack[0].length !== 1) throw new Refusal("data", "needBrackets");
  return stack[0][0];
}

function flattened(nested) {
  if (!Array.isArray(nested)) return { shape: [], numbers: [nested] };
  const parts = nested.map(flattened);
  if (parts.some(({ shape }) => String(shape) !== String(parts[0].shape))) {
    throw new Refusal("data", "needRectangle");
  }
  const inner = parts.length ? parts[0].shape : [];
  return { shape: [nested.length, ...inner], numbers: parts.flatMap(({ numbers }) => numbers) };
}

// Runs it so that what it refuses is said beside this field.
function asField(field, run) {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refusal) error.field = field;
    throw error;
  }
}
