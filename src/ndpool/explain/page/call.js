// The same in Python: the call that makes this trace.

function callText(config) {
  const words = [dataText(config), pairText(config.kernel)];
  if (String(config.stride) !== String(config.kernel)) words.push(`stride=${pairText(config.stride)}`);
  if ([...config.before, ...config.after].some(Boolean)) words.push(`padding=${padText(config)}`);
  if (String(config.dilation) !== "1,1") words.push(`dilation=${pairText(config.dilation)}`);
  if (config.ceil) words.push("ceil_mode=True");
  if (config.dy !== "out") words.push(typeof config.dy === "string" ? `dy="${config.dy}"` : "dy=dout");
  if (config.dialect !== "rows") words.push(`dialect="${config.dialect}"`);
  for (const field of ["image", "channel"]) {
    if (config[field] !== null) words.push(`${field}=${config[field]}`);
  }
  if (config.region) words.push(`region=(${config.region.join(", ")})`);
  return `ndpool.explain(${words.join(", ")})`;
}

const pairText = ([rows, columns]) => (rows === columns ? String(rows) : `(${rows}, ${columns})`);

function padText({ before, after }) {
  const pairs = [0, 1].map((axis) => [before[axis], after[axis]]);
  if (pairs.every(([first, last]) => first === last)) return pairText(before);
  return `(${pairs.map(([first, last]) => `(${first}, ${last})`).join(", ")})`;
}

// A shape where the array is coded, a small array itself, else "x".
function dataText({ x }) {
  if (x.data.length <= 1e4 && isCoded(x)) return `(${x.shape.join(", ")})`;
  if (x.data.length > 64) return "x";
  const skipped = x.shape.findIndex((size, axis) => size > 1 || axis === 2);
  const shape = x.shape.slice(skipped);
  const isPlain = x.dtype === "int64" || x.dtype === "float64";
  const [hasNone, dtype] = [isPlain, isPlain ? "" : `, dtype="${x.dtype}"`];
  const numbers = Array.from(x.data, (value) => pythonNumber(x.dtype, value, hasNone));
  return `np.array(${nested(numbers, shape)}${dtype})`;
}

function pythonNumber(dtype, value) {
  const text = exactText(dtype, value);
  if (DTYPES[dtype].kind !== "f") return text;
  if (/nan|inf/.test(text)) return text.replace(/(nan|inf)/, "np.$1");
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function nested(texts, shape) {
  if (shape.length === 1) return `[${texts.join(", ")}]`;
  const inner = texts.length / shape[0];
  const parts = range(shape[0]);
  return `[${Array.from(parts, (i) => nested(texts.slice(i * inner, (i + 1) * inner), shape.slice(1))).join(", ")}]`;
}
