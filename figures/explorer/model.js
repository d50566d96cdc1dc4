// From a state of the page to its numbers and its verdict; nothing here touches the page itself. The functions of
// quantities.py come before. Python decides exactly and this file in float64: within rounding a decision is TOO_CLOSE.

const GUARANTEED = 'guaranteed';
const POSSIBLE = 'possible';
const IMPOSSIBLE = 'impossible';
const TOO_CLOSE = 'too close';

// Exponents of theory.numbers.schedule_bounds; null is a dial of 0 in every layer.
const SCHEDULES = {
  distributed: null, localist: 0, linear: 1, quadratic: 2, cubic: 3, quartic: 4, quintic: 5,
};

// Many times the error of a separation and its threshold in float64, relative to their terms, and underflow.
const ROUNDINGS = 64 * 2 ** -53;
const UNDERFLOW = 1e-300;
const MOST_KEYS = 1e12;
// Numbers of own keys are counted one by one up to this many; of more, this many at even distances.
const COUNTED = 65536;

// The setting of examples/RUN.toml. The texts are what the fields and the link hold.
const DEFAULTS = {
  context: '1024', block: '64', own_keys: '1', layers: '12', localised_layers: '1', schedule: 'quintic', dial: '0.99',
  margin: '4.5', temperature: '1', penalty: '0', logit_range: '8', fidelity: '0.9',
};

const WHOLE = /^[+]?\d+$/;
const REAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

// One line per field whose text breaks a law of RUN.toml, by the field's name; empty if there is none.
function complaints(texts) {
  const found = {};
  const value = {};
  const read = (name, pattern, what, holds, law) => {
    const text = texts[name].trim();
    value[name] = Number(text);
    if (!pattern.test(text)) found[name] = `${shown(text)} is not ${what}`;
    else if (!Number.isFinite(value[name])) found[name] = `${shown(text)} is too large`;
    else if (!holds(value[name])) found[name] = `${shown(text)} must ${law}`;
  };
  const whole = (name, low, high, law) => read(name, WHOLE, 'a whole number', (x) => x >= low && x <= high, law);
  const real = (name, holds, law) => read(name, REAL, 'a number', holds, law);
  whole('context', 2, MOST_KEYS, 'be from 2 to 1e12 keys');
  whole('block', 1, MOST_KEYS, 'be at least 1');
  whole('own_keys', 1, MOST_KEYS, 'be at least 1');
  whole('layers', 2, 10000, 'be from 2 to 10000');
  whole('localised_layers', 1, 10000, 'be at least 1');
  real('margin', () => true, '');
  real('temperature', (x) => x > 0, 'be above 0');
  real('penalty', (x) => x >= 0, 'be at least 0');
  real('dial', (x) => x >= 0 && x < 1, 'be at least 0 and below 1');
  real('fidelity', (x) => x > 0 && x < 1, 'lie between 0 and 1');
  if (texts.logit_range.trim() !== '') real('logit_range', (x) => x >= 0, 'be at least 0, or empty');
  if (!Object.hasOwn(SCHEDULES, texts.schedule)) {
    found.schedule = `${shown(texts.schedule)} must be one of ${Object.keys(SCHEDULES).join(', ')}`;
  }
  const beside = (name, holds, law, ...others) => {
    if ([name, ...others].every((each) => !found[each]) && !holds) found[name] = `${shown(texts[name])} must ${law}`;
  };
  beside('block', value.block < value.context, `be smaller than the context, ${texts.context}`, 'context');
  beside('own_keys', value.own_keys <= value.block, `be at most the block, ${texts.block}`, 'block');
  beside('own_keys', value.block + value.own_keys <= value.context,
    'leave a row that has a key outside its block: block and own keys together fit in the context', 'block', 'context');
  const few = value.localised_layers <= value.layers;
  beside('localised_layers', few, `be at most the layers, ${texts.layers}`, 'layers');
  if (value.logit_range !== undefined) {
    beside('margin', marginFits(value), `be at most the logit range times the temperature, ` +
      `${texts.logit_range} × ${texts.temperature}: no row has more`, 'logit_range', 'temperature');
  }
  return found;
}

// A text as an error shows it.
function shown(text) {
  const plain = text.trim();
  if (plain === '') return 'an empty field';
  return plain.length > 24 ? `${plain.slice(0, 20)}…` : plain;
}

// Whether the margin is at most logit range times temperature, decided without rounding where float64 can hold it.
function marginFits({ margin, logit_range: range, temperature }) {
  const spare = lessProduct(margin, range, temperature);
  return Number.isFinite(spare) ? spare <= 0 : margin / temperature <= range;
}

// The numbers of texts that complaints() finds no fault with. An empty logit range is null.
function parsed(texts) {
  const value = { schedule: texts.schedule };
  for (const name of Object.keys(DEFAULTS)) if (name !== 'schedule') value[name] = Number(texts[name]);
  if (texts.logit_range.trim() === '') value.logit_range = null;
  return value;
}

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

// The rows of a causal context in windows (A7), as theory/design/causal_rows.py chooses them: the row with the largest
// k/m, which binds the fidelity, and the rows one of which has the largest entropy.
function causalRows({ context, block, own_keys: own }) {
  const until = (position) => (position > 0 ? Math.floor(position / block) * block : 0);
  const from = (position) => Math.ceil(position / block) * block;
  const row = (start, keys) => ({ keys: start + keys, own: keys, others: start, query: start + keys - 1 });
  const last = until(context - own);
  const candidates = [row(last, own)];
  const room = context - block;
  const starts = [last, from(Math.max(room, block))];
  if (room >= block) starts.push(until(room));
  else candidates.push(row(0, block));
  for (const start of starts) {
    const keys = Math.min(block, context - start);
    if (keys >= own) candidates.push(row(start, keys));
  }
  return { farthest: candidates[0], nearest: row(block, own), candidates };
}

// The largest entropy of a row that occurs, at a separation known from below, and the row that has it.
function worstEntropy(rows, d) {
  let worst = { entropy: -1, row: null };
  for (const row of rows.candidates) {
    const entropy = row.others === 0 ? Math.log(row.own) : entropyMax(row.own, row.others, d);
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

// What is said of a layer with this dial: every row, some row or no row keeps the fidelity.
function standing(value, needed, dial) {
  const { margin, penalty, temperature, logit_range: range } = value;
  const bias = -Math.log1p(-dial);
  // The dial of an inner layer is rounded, which its bias magnifies by 1/(1 - dial).
  const rounded = dial === 0 || dial === value.dial ? 0 : dial / (1 - dial);
  const terms = 1 + bias + rounded + penalty / temperature + needed.terms;
  const kept = certainSign(separation(value, dial) - needed.value, terms + Math.abs(margin / temperature));
  if (kept !== -1) return kept === 1 ? GUARANTEED : TOO_CLOSE;
  if (range === null) return POSSIBLE;
  const reached = certainSign(rangeSeen(range, penalty, temperature, dial) - needed.value, terms + range);
  return [IMPOSSIBLE, TOO_CLOSE, POSSIBLE][reached + 1];
}

// The separation that the fidelity needs in the row that binds, and the size of its terms.
function neededSeparation(value) {
  const ratio = largestRatio(value.context, value.block, value.own_keys);
  const terms = Math.abs(Math.log(ratio)) + Math.abs(logit(value.fidelity));
  return { value: separationNeeded(ratio, value.fidelity), terms };
}

// Share of the rows with a key outside their block that keep the fidelity (A7), in float64 and not exactly.
function shareKept(value, d) {
  const { context, block, own_keys: least, fidelity } = value;
  const most = Math.min(block, context - block);
  const number = Math.min(most - least + 1, COUNTED);
  const factor = ((1 - fidelity) / fidelity) * (1 - 1e-11) * Math.exp(d);
  let kept = 0;
  let all = 0;
  for (let index = 0; index < number; index += 1) {
    const own = number === 1 ? least : Math.floor(least + (index * (most - least)) / (number - 1));
    const room = Math.floor((context - own) / block);
    all += room;
    kept += Math.min(room, Math.floor((own * factor) / block));
  }
  return kept / all;
}

// Everything that the page shows of a state, as plain numbers and words.
function evaluateState(value) {
  const rows = causalRows(value);
  const { farthest } = rows;
  const needed = neededSeparation(value);
  const binding = value.layers - value.localised_layers;
  const dial = layerDial(value, binding);
  const d = separation(value, dial);
  const plain = separation(value, 0);
  const decision = standing(value, needed, dial);
  const worst = worstEntropy(rows, d);
  const seen = value.logit_range === null
    ? null : Math.min(rangeSeen(value.logit_range, value.penalty, value.temperature, dial), Number.MAX_VALUE);
  const layers = [];
  for (let layer = 0; layer < value.layers; layer += 1) {
    const own = layerDial(value, layer);
    layers.push({ layer, dial: own, standing: standing(value, needed, own) });
  }
  return {
    verdict: decision,
    layer: binding,
    dial,
    row: { query: farthest.query, keys: farthest.keys, own: farthest.own },
    separation: d,
    needed: needed.value,
    leak_max: leakMax(farthest.own, farthest.others, d),
    leak_exponential: leakExponential(farthest.own, farthest.others, d),
    fidelity_min: fidelityMin(farthest.own, farthest.others, d),
    entropy_max: worst.entropy,
    entropy_row: { query: worst.row.query, keys: worst.row.keys, own: worst.row.own },
    entropy_min: seen === null ? null : entropyMin(rows.nearest.own, rows.nearest.others, seen),
    margin_needed: marginNeeded(needed.value, value.temperature, value.penalty, dial),
    penalty_needed: penaltyNeeded(needed.value, value.temperature, value.margin, dial),
    dial_needed: dialNeeded(plain, needed.value),
    share: decision === GUARANTEED ? 1 : shareKept(value, d),
    layers,
    guaranteed_layers: layers.filter((each) => each.standing === GUARANTEED).length,
  };
}

// A number as TOML and Python read it back, with a point or an exponent.
function asFloat(x) {
  const text = String(Object.is(x, -0) ? 0 : x);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

// The run file of a state; `localist check` of it gives the page's verdict.
function runFile(value) {
  const lines = [
    '[model]', `layers = ${value.layers}`, `context = ${value.context}`, '',
    '[locality]', `block = ${value.block}`, `temperature = ${asFloat(value.temperature)}`,
    `margin = ${asFloat(value.margin)}`, `schedule = "${value.schedule}"`, `dial = ${asFloat(value.dial)}`,
    `penalty = ${asFloat(value.penalty)}`,
  ];
  if (value.logit_range !== null) lines.push(`logit_range = ${asFloat(value.logit_range)}`);
  lines.push('', '[targets]', `fidelity = ${asFloat(value.fidelity)}`, `localised_layers = ${value.localised_layers}`,
    `own_keys = ${value.own_keys}`);
  return `${lines.join('\n')}\n`;
}

// Shell commands that write the run file and check it.
function runCommand(value) {
  return `cat > RUN.toml <<'END'\n${runFile(value)}END\nlocalist check RUN.toml\n`;
}

// The command for the one row that binds, in the layer that binds. An equals sign keeps a minus from being an option.
function rowCommand(value, numbers) {
  return `localist check --keys ${numbers.row.keys} --block ${numbers.row.own} --margin=${asFloat(value.margin)} ` +
    `--temperature ${asFloat(value.temperature)} --penalty ${asFloat(value.penalty)} --dial ${asFloat(numbers.dial)} ` +
    `--target-fidelity ${asFloat(value.fidelity)}`;
}

// The fragment of a link that carries the state.
function fragmentOf(texts) {
  return Object.keys(DEFAULTS).map((name) => `${name}=${encodeURIComponent(texts[name].trim())}`).join('&');
}

// The texts of a fragment, and one line per mistake; a field with a mistake keeps its default.
function readFragment(fragment) {
  const texts = { ...DEFAULTS };
  const problems = [];
  for (const part of fragment.replace(/^#/, '').split('&').filter(Boolean)) {
    const [name, written] = [part.split('=', 1)[0], part.slice(part.indexOf('=') + 1)];
    let text = null;
    try {
      text = decodeURIComponent(written);
    } catch {
      problems.push(`${shown(name)}: ${shown(written)} cannot be read`);
      continue;
    }
    if (!Object.hasOwn(DEFAULTS, name) || !part.includes('=')) problems.push(`${shown(part)}: no such setting`);
    else texts[name] = text;
  }
  for (let round = 0; round < 3; round += 1) {
    const found = Object.entries(complaints(texts));
    for (const [name, complaint] of found) {
      problems.push(`${name}: ${complaint}; the default is used`);
      texts[name] = DEFAULTS[name];
    }
    if (found.length === 0) return { texts, problems };
  }
  return { texts: { ...DEFAULTS }, problems: [...problems, 'the settings do not fit together; the defaults are used'] };
}
