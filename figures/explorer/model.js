// From a state of the page to its numbers and its verdict; nothing here touches the page itself. The functions of
// quantities.py come before. Python decides exactly and this file in float64: within rounding a decision is TOO_CLOSE.

const GUARANTEED = 'guaranteed';
const POSSIBLE = 'possible';
const IMPOSSIBLE = 'impossible';
const TOO_CLOSE = 'too close';

// Many times the error of a separation and its threshold in float64, relative to their terms, and underflow.
const ROUNDINGS = 64 * 2 ** -53;
const UNDERFLOW = 1e-300;
// Python widens a comparison of bounds in float64 by this share of them.
const WIDENED = 1e-11;
// Numbers of own keys are counted one by one up to this many; of more, this many at even distances.
const COUNTED = 65536;

// The dial of a layer, counted from 0; F of the theory.
function layerDial(value, layer) {
  const exponent = SCHEDULES[value.schedule];
  return exponent === null ? 0 : value.dial * (layer / (value.layers - 1)) ** exponent;
}

// (margin + penalty)/temperature - log(1 - dial), infinite only if float64 cannot hold it.
function separation(value, dial) {
  const { margin, penalty, temperature } = value;
  if (Number.isFinite(margin + penalty)) return separationOf(margin, penalty, temperature, dial);
  return margin / temperature + penalty / temperature - Math.log1p(-dial);
}

// The rows of a causal context (A7), as theory/design/causal_rows.py chooses them: the row with the largest k/m, which
// binds the fidelity, and the rows one of which has the largest entropy. Blocks have from `least` to `most` keys.
function causalRows({ context, block_least: least, block: most, own_keys: own }) {
  const until = (position) => (position > 0 ? Math.min(Math.floor(position / least) * most, position) : 0);
  const from = (position) => Math.max(Math.ceil(position / most) * least, position);
  const row = (start, keys) => ({ keys: start + keys, own: keys, others: start, query: start + keys - 1 });
  const last = until(context - own);
  const candidates = [row(last, own)];
  const room = context - most;
  const starts = [last, from(Math.max(room, least))];
  if (room >= least) starts.push(until(room));
  else candidates.push(row(0, most));
  for (const start of starts) {
    const keys = Math.min(most, context - start);
    if (keys >= own) candidates.push(row(start, keys));
  }
  const longest = candidates.filter((each) => each.others > 0).reduce((a, b) => (b.keys > a.keys ? b : a));
  return { farthest: candidates[0], nearest: row(least, own), longest, candidates };
}

// The largest entropy of a row at a separation known from below.
function entropyOf(row, d) {
  return row.others === 0 ? Math.log(row.own) : entropyMax(row.own, row.others, d);
}

// The largest entropy of a row that occurs, and the row that has it.
function worstEntropy(rows, d) {
  let worst = { entropy: -1, row: null };
  for (const row of rows.candidates) {
    const entropy = entropyOf(row, d);
    if (entropy > worst.entropy) worst = { entropy, row };
  }
  return worst;
}

// Sign of a difference in float64: 1, -1, or 0 where the rounding of its terms may decide.
function certainSign(lead, terms) {
  if (Number.isNaN(lead)) return 0;
  if (!Number.isFinite(lead)) return Math.sign(lead);
  return Math.abs(lead) > ROUNDINGS * terms + UNDERFLOW ? Math.sign(lead) : 0;
}

// Whether equal attention to so many keys has at most so many bits: 1, -1, or 0 within rounding. A whole number of bits
// is compared without rounding.
function uniformKept(keys, bits) {
  if (Number.isInteger(bits)) return keys <= 2 ** bits ? 1 : -1;
  return certainSign(bits * Math.LN2 - Math.log(keys), bits);
}

// Whether no separation is enough: a row's entropy stays above that of its own block, log m.
function atFloor({ own, others }, bits) {
  return Number.isInteger(bits) && others > 0 ? 2 ** bits <= own : uniformKept(own, bits) === -1;
}

// Whether a row with this separation, give or take an error, keeps the entropy: 1, -1, or 0 within rounding.
function entropyKept(row, bits, d, error) {
  const uniform = uniformKept(row.keys, bits);
  if (uniform === 1 || row.others === 0) return uniform;
  if (atFloor(row, bits)) return -1;
  if (Number.isNaN(d)) return 0;
  const allowed = bits * Math.LN2;
  const off = Number.isFinite(d) ? error : 0;
  if (certainSign(allowed - entropyOf(row, d - off), allowed) === 1) return 1;
  return certainSign(allowed - entropyOf(row, d + off), allowed) === -1 ? -1 : 0;
}

// Whether the entropy of the longest row certainly exceeds so many bits at this range, give or take an error.
function entropyMissed({ longest }, bits, seen, error) {
  const allowed = bits * Math.LN2;
  const least = (range) => {
    const within = Math.min(Math.max(range, 0), Number.MAX_VALUE);
    return entropyMin(longest.own, longest.others, within) * (1 - WIDENED);
  };
  if (certainSign(least(seen + error) - allowed, allowed) === 1) return 1;
  return certainSign(least(seen - error) - allowed, allowed) === -1 ? -1 : 0;
}

// What is said of a layer with this dial: every row, some row or no row keeps the targets.
function standing(value, rows, fidelity, dial) {
  const { margin, penalty, temperature, logit_range: range, entropy_bits: bits } = value;
  const bias = -Math.log1p(-dial);
  // The dial of an inner layer is rounded, which its bias magnifies by 1/(1 - dial).
  const rounded = dial === 0 || dial === value.dial ? 0 : dial / (1 - dial);
  const biases = 1 + bias + rounded + penalty / temperature;
  const d = separation(value, dial);
  const terms = biases + Math.abs(margin / temperature);
  let kept = 1;
  if (fidelity) kept = certainSign(d - fidelity.value, terms + fidelity.terms);
  // The number of keys, too, is a term of a row's entropy: log(k/m) is below 28.
  const error = ROUNDINGS * (28 + terms);
  if (bits !== null) kept = Math.min(kept, ...rows.candidates.map((row) => entropyKept(row, bits, d, error)));
  if (kept !== -1) return kept === 1 ? GUARANTEED : TOO_CLOSE;
  if (range === null) return POSSIBLE;
  const seen = rangeSeen(range, penalty, temperature, dial);
  let missed = -1;
  if (fidelity) missed = certainSign(fidelity.value - seen, biases + range + fidelity.terms);
  if (bits !== null) missed = Math.max(missed, entropyMissed(rows, bits, seen, ROUNDINGS * (28 + biases + range)));
  return [POSSIBLE, TOO_CLOSE, IMPOSSIBLE][missed + 1];
}

// The separation that the fidelity needs in the row that binds, and the size of its terms; null if it is no target.
function fidelityNeeds(value, { farthest }) {
  if (value.fidelity === null) return null;
  const windows = value.block_least === value.block;
  const ratio = windows ? largestRatio(value.context, value.block, value.own_keys) : farthest.others / farthest.own;
  const terms = Math.abs(Math.log(ratio)) + Math.abs(logit(value.fidelity));
  return { value: separationNeeded(ratio, value.fidelity), terms };
}

// Where a rising condition begins to hold, from 0 on; Infinity if it never does.
function firstWhere(holds) {
  if (holds(0)) return 0;
  let [low, high] = [0, 1];
  while (!holds(high)) {
    [low, high] = [high, 2 * high];
    if (high > 2 ** 12) return Infinity;
  }
  for (let middle = (low + high) / 2; low < middle && middle < high; middle = (low + high) / 2) {
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

// The separation that the entropy needs in every row: -Infinity if any is enough, Infinity if none is.
function entropyNeeds({ entropy_bits: bits }, rows) {
  if (bits === null) return null;
  const needed = rows.candidates.map((row) => {
    if (uniformKept(row.keys, bits) === 1) return -Infinity;
    if (row.others === 0 || atFloor(row, bits)) return Infinity;
    return firstWhere((d) => entropyOf(row, d) <= bits * Math.LN2);
  });
  return Math.max(...needed);
}

// The range of the softmax's inputs below which some row certainly misses a target (A1, A5); 0 if there is none.
function rangeNeeded(value, rows, fidelity) {
  const { longest } = rows;
  const allowed = (value.entropy_bits ?? Infinity) * Math.LN2;
  return Math.max(fidelity ? fidelity.value : 0,
    firstWhere((range) => entropyMin(longest.own, longest.others, range) * (1 - WIDENED) <= allowed));
}

// The largest k/m with which the entropy bound keeps the target, as a function of m. With x = (k/m) e^-d it is
// the root of log(1 + x) + d x/(1 + x) = allowed - log m, concave in u = log(1 + x), so that Newton's steps converge.
function entropyReach(d, allowed) {
  const gap = Math.max(d, 0);
  let u = 0;
  return (own) => {
    const spare = allowed - Math.log(own);
    if (!(spare > 0)) return 0;
    for (let step = 0; step < 60; step += 1) {
      const small = Math.exp(-u);
      const next = Math.max(0, u + (spare - u + gap * Math.expm1(-u)) / (1 + gap * small));
      const moved = Math.abs(next - u);
      u = next;
      if (moved <= 1e-15 * u) break;
    }
    return Math.expm1(u) * Math.exp(gap);
  };
}

// Share of the rows with a key outside their block that keep the targets (A7), in float64 and not exactly, counted as
// theory/design/causal_rows.py counts.
function shareKept(value, d) {
  const { context, block_least: least, block: most, own_keys: first, fidelity, entropy_bits: bits } = value;
  const spread = most - least;
  const meet = spread > 0 ? Math.max(1, Math.ceil((least - 1) / spread)) : Infinity;
  const starts = (until) => {
    const blocks = Math.floor(until / least);
    if (blocks < 1) return 0;
    const apart = Math.min(blocks, meet);
    const end = blocks < meet ? Math.min(until, apart * most) : until;
    return ((apart * (apart - 1)) / 2) * spread + apart + end - apart * least;
  };
  const last = Math.min(most, context - least);
  const number = Math.min(last - first + 1, COUNTED);
  const step = number > 1 ? (last - first) / (number - 1) : 0;
  const byMass = fidelity === null ? Infinity : ((1 - fidelity) / fidelity) * (1 - WIDENED) * Math.exp(d);
  const byEntropy = bits === null ? () => Infinity : entropyReach(d, bits * Math.LN2 * (1 - WIDENED));
  let kept = 0;
  let all = 0;
  for (let index = 0; index < number; index += 1) {
    const own = Math.floor(index === number - 1 ? last : first + index * step);
    const room = context - own;
    all += starts(room);
    kept += starts(Math.min(room, Math.floor(own * Math.min(byMass, byEntropy(own)))));
  }
  return kept / all;
}

// Dial and standing of every layer. The dials rise with depth, so what is certain of two layers is so between them.
function everyLayer(value, standingOf) {
  const layers = Array.from({ length: value.layers }, (_, layer) => ({ layer, dial: layerDial(value, layer) }));
  const decided = (each) => {
    each.standing ??= standingOf(each.dial);
    return each.standing;
  };
  const decideBetween = (first, last) => {
    const same = decided(layers[first]) === decided(layers[last]) && layers[first].standing !== TOO_CLOSE;
    if (last - first < 2) return;
    const middle = Math.floor((first + last) / 2);
    if (same) for (let layer = first + 1; layer < last; layer += 1) layers[layer].standing = layers[first].standing;
    else {
      decideBetween(first, middle);
      decideBetween(middle, last);
    }
  };
  decideBetween(0, value.layers - 1);
  return layers;
}

// Everything that the page shows of a state, as plain numbers and words.
function evaluateState(value) {
  const rows = causalRows(value);
  const { farthest } = rows;
  const fidelity = fidelityNeeds(value, rows);
  const entropy = entropyNeeds(value, rows);
  const binds = fidelity === null || (entropy !== null && entropy > fidelity.value) ? 'entropy' : 'fidelity';
  const needed = binds === 'entropy' ? entropy : fidelity.value;
  const binding = value.layers - value.localised_layers;
  const dial = layerDial(value, binding);
  const d = separation(value, dial);
  const decision = standing(value, rows, fidelity, dial);
  const worst = worstEntropy(rows, d);
  const seen = value.logit_range === null
    ? null : Math.min(rangeSeen(value.logit_range, value.penalty, value.temperature, dial), Number.MAX_VALUE);
  const layers = everyLayer(value, (own) => standing(value, rows, fidelity, own));
  return {
    verdict: decision,
    binds,
    layer: binding,
    dial,
    row: { query: farthest.query, keys: farthest.keys, own: farthest.own },
    separation: d,
    needed,
    fidelity_needs: fidelity === null ? null : fidelity.value,
    entropy_needs: entropy,
    leak_max: leakMax(farthest.own, farthest.others, d),
    leak_exponential: leakExponential(farthest.own, farthest.others, d),
    fidelity_min: fidelityMin(farthest.own, farthest.others, d),
    entropy_max: worst.entropy,
    entropy_row: { query: worst.row.query, keys: worst.row.keys, own: worst.row.own },
    entropy_min: seen === null ? null : entropyMin(rows.nearest.own, rows.nearest.others, seen),
    range_needed: seen === null ? null : rangeNeeded(value, rows, fidelity),
    margin_needed: marginNeeded(needed, value.temperature, value.penalty, dial),
    penalty_needed: penaltyNeeded(needed, value.temperature, value.margin, dial),
    dial_needed: Number.isFinite(needed) ? dialNeeded(separation(value, 0), needed) : Number(needed > 0),
    share: decision === GUARANTEED ? 1 : shareKept(value, d),
    layers,
    guaranteed_layers: layers.filter((each) => each.standing === GUARANTEED).length,
  };
}
