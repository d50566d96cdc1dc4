// Helpers of the code that theory/javascript.py writes. Each keeps its digits where the textbook form cancels, as the
// functions of theory/stable.py do. Entropies are in nats.

// 1 / (1 + e^-x), without overflow.
function logistic(x) {
  const small = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : small) / (1 + small);
}

// log(p / (1 - p)).
function logit(p) {
  if (p < 0.25 || p > 0.75) return Math.log(p) - Math.log1p(-p);
  // Near 1/2 the two logarithms cancel; 2p - 1 is exact.
  const offset = 2 * p - 1;
  return Math.log1p(offset) - Math.log1p(-offset);
}

// -p log p - (1 - p) log(1 - p), 0 at both ends. The second logarithm never sees a rounded 1 - p.
function binaryEntropy(p) {
  const term = p > 0 ? -p * Math.log(p) : 0;
  return p < 1 ? term - (1 - p) * Math.log1p(-p) : term;
}

// The binary entropy of logistic(x): even in x, a sum of positive terms.
function binaryEntropyOfLogit(x) {
  const size = Math.min(Math.abs(x), 2000);
  return Math.log1p(Math.exp(-size)) + size * logistic(-size);
}

// p log(p/q) + (1 - p) log((1 - p)/(1 - q)), as a sum of two terms of one sign.
function binaryDivergence(p, q) {
  const inside = q > 0 ? q * excess((p - q) / q) : p > 0 ? Infinity : 0;
  return inside + (q < 1 ? (1 - q) * excess((q - p) / (1 - q)) : p < 1 ? Infinity : 0);
}

// (1 + x) log(1 + x) - x for x >= -1; the alternating series sum of (-x)^j / (j (j - 1)) where that cancels.
function excess(x) {
  if (x <= -1) return 1;
  if (Math.abs(x) > 0.1) return (1 + x) * Math.log1p(x) - x;
  let sum = 0;
  let power = x * x;
  for (let j = 2; j < 20; j += 1) {
    sum += power / (j * (j - 1));
    power *= -x;
  }
  return sum;
}

// Entropy of a row with mass logistic(x) spread evenly over `upper` keys and the rest over `lower`.
function mixtureEntropyOfLogit(x, upper, lower) {
  return binaryEntropyOfLogit(x) + logistic(x) * Math.log(upper) + logistic(-x) * Math.log(lower);
}

// Smallest entropy of `n` keys whose logits span `r` nats (A5). The best number of upper keys is a floor or a ceiling
// of `n` times the best share; one neighbour on either side is tried too, since that product is rounded.
function lowestEntropy(n, r) {
  if (n < 2) return 0;
  const middle = Math.floor(bestShare(r) * n);
  let least = Infinity;
  for (let shift = -1; shift <= 2; shift += 1) {
    const top = Math.max(Math.min(middle + shift, n - 1), 1);
    least = Math.min(least, mixtureEntropyOfLogit(r + Math.log(top / (n - top)), top, n - top));
  }
  return least;
}

// Share of upper keys in the large row of smallest entropy: (z - 1)/(e^r - 1), z = r/(1 - e^-r).
function bestShare(r) {
  if (r < 0.1) return 0.5 - r / 6 + r ** 3 / 180 - r ** 5 / 5040;
  const shrink = -Math.expm1(-r);
  return ((r / shrink - 1) * Math.exp(-r)) / shrink;
}

// The real branch 0 or -1 of w e^w = x, by Halley's steps. Accurate away from the branch point -1/e.
function lambertW(x, branch) {
  const beyond = Math.sqrt(Math.max(0, 2 * (1 + Math.E * x)));
  if (beyond === 0) return -1;
  if (x === 0) return branch === 0 ? 0 : -Infinity;
  const far = Math.log(Math.abs(x));
  let w = (branch === 0 ? 1 : -1) * beyond - 1 - (beyond * beyond) / 3;
  if (branch === 0 && x > 1) w = far > 1 ? far - Math.log(far) : 0.6;
  if (branch !== 0 && x > -0.1) w = far - Math.log(-far);
  for (let step = 0; step < 60; step += 1) {
    const off = w - x * Math.exp(-w);
    const move = off / (w + 1 - ((w + 2) * off) / (2 * w + 2));
    w -= move;
    if (!(Math.abs(move) > 1e-16 * Math.abs(w))) break;
  }
  return w;
}

// total - a b, exact in sign even if the two nearly cancel (Dekker).
function lessProduct(total, a, b) {
  const split = (x) => {
    const high = 134217729 * x - (134217729 * x - x);
    return [high, x - high];
  };
  const product = a * b;
  const [highA, lowA] = split(a);
  const [highB, lowB] = split(b);
  const rest = highA * highB - product + highA * lowB + lowA * highB + lowA * lowB;
  return total - product - rest;
}
