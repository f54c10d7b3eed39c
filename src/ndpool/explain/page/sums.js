// The two equations that a backward pass must keep, as ndpool/explain/sums.py.

function sumsOf({ steps }) {
  const named = (...names) => steps.find(({ name }) => names.includes(name));
  const [x, dx, dout] = [named("x"), named("dx"), named("dout")];
  const [col, dcol] = [named("im2col", "windows"), named("dcol", "routes")];
  return {
    dx: total(dx.array),
    dout: total(dout.array),
    columns: dot(col.array, dcol.array, col.padding),
    image: dot(x.array, dx.array),
  };
}

// Integers are added without wrapping around; floats are rounded once, as near as makes no odds.
const wide = ({ dtype, data }) =>
  DTYPES[dtype].kind === "f" ? Array.from(data, Number) : Array.from(data, BigInt);

const total = (array) => addUp(wide(array));

function dot(a, b, padding = null) {
  const [left, right] = [wide(a), wide(b)];
  const isMixed = typeof left[0] !== typeof right[0];
  const terms = [];
  for (let i = 0; i < left.length; i += 1) {
    if (padding?.[i] || !right[i]) continue;
    terms.push(isMixed ? Number(left[i]) * Number(right[i]) : left[i] * right[i]);
  }
  return terms.length ? addUp(terms) : isMixed || typeof left[0] === "number" ? 0 : 0n;
}

function addUp(terms) {
  if (typeof terms[0] === "bigint") return terms.reduce((sum, term) => sum + term, 0n);
  // Neumaier's compensated sum
  let [sum, lost] = [0, 0];
  for (const term of terms) {
    const next = sum + term;
    lost += Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
    sum = next;
  }
  return Number.isFinite(lost) ? sum + lost : sum;
}

const sumText = (sum) => (typeof sum === "bigint" ? String(sum) : exactText("float64", sum));

// Whether the two are equal, as far as floats can tell.
function isSame(one, other) {
  if (typeof one === "bigint" && typeof other === "bigint") return one === other;
  const [a, b] = [Number(one), Number(other)];
  if (Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b))) return true;
  return Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));
}
