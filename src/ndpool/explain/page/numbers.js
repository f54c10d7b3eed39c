// Numbers as NumPy stores them: every dtype in a typed array that rounds and wraps as it does.
// The 2-byte floats live in a Float32Array, which holds each of them exactly.

const rounded = (bits, least) => (value) => roundToBits(value, bits, least);

const DTYPES = {
  bool: { kind: "b", Array: Uint8Array, low: 0, high: 1 },
  int8: { kind: "i", Array: Int8Array, low: -(2 ** 7), high: 2 ** 7 - 1 },
  int16: { kind: "i", Array: Int16Array, low: -(2 ** 15), high: 2 ** 15 - 1 },
  int32: { kind: "i", Array: Int32Array, low: -(2 ** 31), high: 2 ** 31 - 1 },
  int64: { kind: "i", Array: BigInt64Array, low: -(2n ** 63n), high: 2n ** 63n - 1n },
  uint8: { kind: "i", Array: Uint8Array, low: 0, high: 2 ** 8 - 1 },
  uint16: { kind: "i", Array: Uint16Array, low: 0, high: 2 ** 16 - 1 },
  uint32: { kind: "i", Array: Uint32Array, low: 0, high: 2 ** 32 - 1 },
  uint64: { kind: "i", Array: BigUint64Array, low: 0n, high: 2n ** 64n - 1n },
  float16: { kind: "f", Array: Float32Array, low: -Infinity, digits: 5, round: rounded(10, -14) },
  bfloat16: { kind: "f", Array: Float32Array, low: -Infinity, digits: 4, round: rounded(7, -126) },
  float32: { kind: "f", Array: Float32Array, low: -Infinity, digits: 9, round: Math.fround },
  float64: { kind: "f", Array: Float64Array, low: -Infinity, digits: 17, round: (value) => value },
};

const isBig = (dtype) => typeof DTYPES[dtype].low === "bigint";
const isTwoByteFloat = (dtype) => dtype === "float16" || dtype === "bfloat16";
const zeroOf = (dtype) => (isBig(dtype) ? 0n : 0);

function zeros(dtype, shape) {
  return { dtype, shape, data: new DTYPES[dtype].Array(product(shape)) };
}

function product(sizes) {
  return sizes.reduce((total, size) => total * size, 1);
}

// To the nearest number of `bits` fraction bits and at least 2**least, ties to even.
function roundToBits(value, bits, least) {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(exponentOf(value), least);
  const unit = 2 ** (exponent - bits);
  const magic = 1.5 * 2 ** 52; // what is added to it loses its fraction, rounded to even
  const nearest = Math.sign(value) * (Math.abs(value) / unit + magic - magic) * unit;
  const largest = (2 - 2 ** -bits) * 2 ** (1 - least);
  if (Math.abs(nearest) > largest) return Math.sign(value) * Infinity;
  return nearest === 0 && value < 0 ? -0 : nearest;
}

const exponentBits = new Float64Array(1);
const exponentWords = new Uint32Array(exponentBits.buffer);

function exponentOf(value) {
  exponentBits[0] = value;
  return ((exponentWords[1] >>> 20) & 0x7ff) - 1023;
}

// What adds up in dx: bool by "or", integers wrap, the 2-byte floats are summed in float32.
function adder(dtype) {
  if (dtype === "bool") return (a, b) => a | b;
  const wide = isTwoByteFloat(dtype) ? "float32" : dtype;
  const cell = new DTYPES[wide].Array(1);
  return (a, b) => {
    cell[0] = a + b;
    return cell[0];
  };
}

// The number that was typed, as this dtype holds it; a `Refusal` where it holds none.
function parseNumber(dtype, text) {
  const { kind, low, high, round } = DTYPES[dtype];
  const plain = text.normalize("NFKC").trim().replace(/[−–]/g, "-").replace(/_/g, "");
  if (kind === "b") {
    if (/^(true|1)$/i.test(plain)) return 1;
    if (/^(false|0)$/i.test(plain)) return 0;
    throw new Refusal("cell", "needBool", { got: text });
  }
  if (kind === "i") {
    if (!/^[+-]?\d+$/.test(plain)) throw new Refusal("cell", "needInteger", { dtype, got: text });
    const value = BigInt(plain.replace("+", ""));
    if (value < low || value > high) {
      throw new Refusal("cell", "needRange", { dtype, low: `${low}`, high: `${high}`, got: text });
    }
    return isBig(dtype) ? value : Number(value);
  }
  if (/^[+-]?(nan)$/i.test(plain)) return NaN;
  if (/^[+-]?(inf|infinity|∞)$/i.test(plain)) return plain.startsWith("-") ? -Infinity : Infinity;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) {
    throw new Refusal("cell", "needNumber", { got: text });
  }
  const value = round(Number(plain));
  if (!Number.isFinite(value)) throw new Refusal("cell", "needFinite", { dtype, got: text });
  return value;
}

// The shortest text that reads back as the same number.
function exactText(dtype, value) {
  const { kind, digits, round } = DTYPES[dtype];
  if (kind === "b") return value ? "True" : "False";
  if (kind === "i") return String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  for (let count = 1; dtype !== "float64" && count <= digits; count += 1) {
    if (round(Number(value.toPrecision(count))) !== value) continue;
    return plainOrScientific(toDigits(value, count));
  }
  return plainOrScientific(String(value)); // of float64 that is the shortest already
}

// What stands in a cell and in a sentence: floats to 4 decimals, in NumPy's way; the twin of
// ndpool/explain/numbers.py.
function shown(dtype, value) {
  const { kind } = DTYPES[dtype];
  if (kind !== "f") return String(value);
  if (!Number.isFinite(value)) return exactText(dtype, value);
  const known = (remembered[dtype] ??= new Map());
  const key = Object.is(value, -0) ? "-0" : value;
  if (known.size > 50000) known.clear();
  if (!known.has(key)) known.set(key, floatText(dtype, value));
  return known.get(key);
}

const remembered = {}; // the same few numbers stand in all steps

function floatText(dtype, value) {
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const asShown = dtype === "bfloat16" ? "float32" : dtype;
  const shortest = Number(exactText(asShown, size));
  const isPlain = size === 0 || (size >= 1e-4 && size < 1e7);
  return sign + (isPlain ? positional(shortest, size) : scientific(shortest, size));
}

// "0.1235", "0.5", "1122.": the shortest digits, or 4 decimals of the exact value.
function positional(shortest, size) {
  const text = String(shortest);
  const decimals = text.includes(".") ? text.length - text.indexOf(".") - 1 : 0;
  if (decimals <= 4) return decimals ? text : `${text}.`;
  const kept = exponentOfTen(size) + 5;
  const short = kept > 0 ? toDigits(size, kept) : size.toFixed(4);
  return Number(short).toFixed(4).replace(/0+$/, "");
}

function scientific(shortest, size) {
  const isShort = shortest.toExponential().split("e")[0].length <= 5;
  const [digits, power] = (isShort ? shortest.toExponential() : toDigits(size, 4)).split("e");
  const front = digits.includes(".") ? digits.replace(/\.?0*$/, "") : digits;
  return `${front}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

const exponentOfTen = (value) => Number(value.toExponential().split("e")[1]);

// toExponential of `count` digits, but of two equally near numbers the even one, as NumPy chooses.
function toDigits(value, count) {
  const up = value.toExponential(count - 1);
  const [digits, power] = value.toExponential(Math.min(100, count + 50)).split("e");
  const all = digits.replace(/[-.]/g, "");
  const isTie = /^50*$/.test(all.slice(count));
  if (!isTie || Number(all[count - 1]) % 2 === 1) return up;
  const kept = all.slice(0, count);
  return `${value < 0 ? "-" : ""}${kept[0]}.${kept.slice(1)}e${power}`;
}

// One way of writing for all sizes: 0.00012, 123456, 1.2e-5, 1e+6.
function plainOrScientific(text) {
  const [mantissa, exponent] = Number(text).toExponential().split("e").map(String);
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(text));
  return `${mantissa}e${power < 0 ? "-" : "+"}${Math.abs(power)}`;
}

// ---- bytes, as the page's JSON and the address bar carry them ----

function decodeArray({ dtype, shape, data }) {
  const array = zeros(dtype, shape);
  if (Array.isArray(data)) {
    array.data.set(data.map((text) => parseNumber(dtype, String(text))));
    return array;
  }
  const bytes = bytesOf(data);
  if (isTwoByteFloat(dtype)) {
    const halves = new Uint16Array(bytes.buffer);
    const widen = dtype === "float16" ? widenHalf : widenBrain;
    for (let i = 0; i < halves.length; i += 1) array.data[i] = widen(halves[i]);
    return array;
  }
  array.data = new DTYPES[dtype].Array(bytes.buffer);
  return array;
}

// A loop, because for megabytes a callback a letter takes a second.
function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function widenHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const brainBits = new Uint32Array(1);
const brainFloat = new Float32Array(brainBits.buffer);

function widenBrain(bits) {
  brainBits[0] = bits << 16;
  return brainFloat[0];
}

// What an edit cannot be: the field it belongs to, the word for it, and what the word names.
class Refusal extends Error {
  constructor(field, word, values = {}) {
    super(`${field}: ${word}`);
    Object.assign(this, { field, word, values });
  }
}
