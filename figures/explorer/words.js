// The page's words and rounded numbers; nothing here touches the page itself.

// Above this, rounding hides whether a dial lies below 1.
const ALMOST_ONE = 1 - 2 ** -50;
const round = (x, digits) => String(Number(x.toPrecision(digits)));

// Bounds in few digits, rounded so that what is shown still holds.
function directed(x, digits, up) {
  if (!Number.isFinite(x) || x === 0) return shownNumber(x);
  let text = x.toPrecision(digits);
  if (up ? Number(text) < x : Number(text) > x) {
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) - digits + 1);
    text = (Number(text) + (up ? unit : -unit)).toPrecision(digits);
  }
  return shownNumber(Number(text));
}
const atMost = (x, digits) => directed(x, digits, true);
const atLeast = (x, digits) => directed(x, digits, false);

function shownNumber(x) {
  if (x === Infinity) return '∞';
  if (x === -Infinity) return '−∞';
  return String(x).replace('-', '−').replace('e+', 'e');
}

// A dial near 1 says more by what is left.
function dialText(x) {
  if (x >= 1) return '1';
  return x > 0.9999 ? `1 − ${atLeast(1 - x, 2)}` : atMost(x, 4);
}

const thousands = (x) => String(x).replace(/\B(?=(\d{3})+$)/g, ',');
const plural = (count, word) => `${thousands(count)} ${word}${count === 1 ? '' : 's'}`;
const bitsOf = (nats) => `${atMost(nats / Math.LN2, 4)} bits`;

// What the targets ask of a row, and what a row does that misses them.
function asked({ fidelity, entropy_bits: bits }) {
  const share = fidelity === null ? '' : `${round(100 * fidelity, 12)} %`;
  const all = [];
  const missing = [];
  if (share) all.push(`at least ${share} of the attention stays in its own block`);
  if (share) missing.push(`keep less than ${share} of its attention in its block`);
  if (bits !== null) all.push(`the attention has at most ${bits} bits of entropy`);
  if (bits !== null) missing.push(`have more than ${bits} bits of entropy`);
  return { kept: all.join(', and '), missed: missing.join(', or ') };
}

// Headline, sentence, and the verdict in a few words more.
function verdictWords(value, numbers) {
  const { kept, missed } = asked(value);
  const last = value.localised_layers === 1 ? 'layer' : plural(value.localised_layers, 'layer');
  const where = value.localised_layers === value.layers ? 'in every layer' : `in the last ${last}`;
  const rows = value.own_keys === 1
    ? 'every token of the context' : `every token that sees ${value.own_keys} tokens of its block or more`;
  const [headline, sentence] = {
    [GUARANTEED]: ['Guaranteed',
      `As long as every row has this margin: for ${rows}, ${kept}, ${where}.`],
    [POSSIBLE]: ['Not guaranteed', `Some row may ${missed}: that depends on the scores.`],
    [IMPOSSIBLE]: ['Impossible',
      `Whatever the scores, as long as they range over ${value.logit_range} nats at most, some row is bound to ` +
      `${missed}.`],
    [TOO_CLOSE]: ['Too close to call here',
      'The setting lies within rounding of a threshold. Run the command below: it decides in exact arithmetic.'],
  }[numbers.verdict];
  return [headline, sentence, numbers.needed === Infinity ? ': no separation is enough'
    : `: needs ${numbers.needed === -Infinity ? 'nothing' : atMost(numbers.needed, 4)}, has ` +
      `${atLeast(numbers.separation, 4)}`];
}

// The row that binds, what it needs and what it has.
function hardestRow(value, numbers) {
  const entropy = numbers.binds === 'entropy';
  const row = entropy ? numbers.entropy_row : numbers.row;
  const part = `${row.own <= row.keys / 2 ? 'only ' : ''}${thousands(row.own)} of them ${row.own === 1 ? 'is' : 'are'}`;
  const within = row.own === row.keys ? 'all of them in its own block' : `and ${part} in its own block`;
  const spread = entropy ? ` It may spread over as much as ${bitsOf(numbers.entropy_max)}.` : '';
  const what = entropy ? 'target entropy' : 'target fidelity';
  const needed = {
    [Infinity]: `No separation is enough for the ${what}: a row that stays in its block may spread over all of it.`,
    [-Infinity]: `The ${what} needs no separation: no row of this context spreads further.`,
  }[numbers.needed] ?? `The ${what} needs a separation of ${atMost(numbers.needed, 4)} nats.`;
  const other = entropy ? numbers.fidelity_needs : numbers.entropy_needs;
  const less = other === null || numbers.needed === Infinity ? ''
    : ` The target ${entropy ? 'fidelity' : 'entropy'} needs ${other === -Infinity ? 'none' : atMost(other, 4)}.`;
  const certain = numbers.share === 1 ? ''
    : ` About ${atLeast(100 * numbers.share, 4)} % of its rows are certain to keep the target.`;
  return `The hardest row: token ${thousands(row.query)} (counted from 0) sees ${plural(row.keys, 'token')}, ` +
    `${within}.${spread} ${needed}${less} Layer ${numbers.layer} (counted from 0) has ` +
    `${atLeast(numbers.separation, 4)}.${certain}`;
}

// What alone would make it guaranteed; a margin beyond the logit range is no way out.
function advice(value, numbers) {
  if (numbers.verdict !== POSSIBLE && numbers.verdict !== IMPOSSIBLE) return '';
  if (numbers.needed === Infinity) {
    return 'No margin, penalty or dial is enough. Ask for more than ' +
      `${atMost(Math.log2(largestBlock(value)), 5)} bits of entropy, or set smaller blocks.`;
  }
  const ways = [];
  const most = value.logit_range === null ? Infinity : value.logit_range * value.temperature;
  const margin = atMost(numbers.margin_needed, 5);
  if (Number(margin.replace('−', '-')) < most) ways.push(`a margin of ${margin}`);
  ways.push(`a penalty of ${atMost(numbers.penalty_needed, 5)}`);
  // The layer has a share of the dial that is set.
  const dial = numbers.dial_needed / layerDial({ ...value, dial: 1 }, numbers.layer);
  if (dial < ALMOST_ONE) ways.push(`a dial of ${dialText(dial)}`);
  const listed = ways.length > 1 ? `${ways.slice(0, -1).join(', ')} or ${ways.at(-1)}` : ways[0];
  return `Enough by itself would be ${listed}.`;
}

// The most keys of its own block that a row sees.
const largestBlock = (value) => Math.max(...causalRows(value).candidates.map((row) => row.own));

// Name, label and text of each number below the charts.
function numberRows(value, numbers) {
  const close = numbers.layers.filter((each) => each.standing === TOO_CLOSE).length;
  const bits = (nats) => `${atMost(nats, 5)} nats (${atMost(nats / Math.LN2, 5)} bits)`;
  const none = 'none is enough';
  const enough = (needed) => ({ [Infinity]: none, [-Infinity]: 'any is enough' })[needed] ?? atMost(needed, 6);
  const needed = value.fidelity === null || value.entropy_bits === null ? [] : ['fidelity', 'entropy'];
  return [
    ['leak_max', 'leak of every row, at most', atMost(numbers.leak_max, 5)],
    ['leak_exponential', 'the same, exponential bound', atMost(numbers.leak_exponential, 5)],
    ['fidelity_min', 'fidelity of every row, at least', atLeast(numbers.fidelity_min, 6)],
    ['entropy_max', 'entropy of every row, at most', bits(numbers.entropy_max)],
    ['entropy_min', 'entropy of every row, at least', numbers.entropy_min === null
      ? 'needs a logit range' : `${atLeast(numbers.entropy_min, 5)} nats`],
    ['separation', `separation that layer ${numbers.layer} has, nats`, atLeast(numbers.separation, 6)],
    ...needed.map((target) => [`${target}_needs`, `separation needed for the ${target}, nats`,
      enough(numbers[`${target}_needs`])]),
    ['needed', 'separation needed, nats', enough(numbers.needed)],
    ['margin_needed', 'margin needed, all else as set', enough(numbers.margin_needed)],
    ['penalty_needed', 'penalty needed, all else as set', enough(numbers.penalty_needed)],
    ['dial_needed', `dial needed in layer ${numbers.layer}`, numbers.needed === Infinity ? none
      : numbers.dial_needed < ALMOST_ONE ? dialText(numbers.dial_needed) : 'none, or one within rounding of 1'],
    ['share', `rows of layer ${numbers.layer} certain to keep the target`, `${atLeast(100 * numbers.share, 5)} %`],
    ['guaranteed_layers', 'layers guaranteed to keep it',
      `${numbers.guaranteed_layers} of ${value.layers}${close ? `, and ${close} too close to call` : ''}`],
  ];
}
