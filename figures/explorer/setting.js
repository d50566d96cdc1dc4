// A setting as the fields, the link, RUN.toml and the commands hold it; nothing here computes what it guarantees.

const MOST_KEYS = 1e12;

// Exponents of theory.numbers.schedule_bounds; null is a dial of 0 in every layer.
const SCHEDULES = {
  distributed: null, localist: 0, linear: 1, quadratic: 2, cubic: 3, quartic: 4, quintic: 5,
};

// The setting of examples/RUN.toml. The texts are what the fields and the link hold.
const DEFAULTS = {
  context: '1024', block: '64', block_least: '', own_keys: '1', layers: '12', localised_layers: '1',
  schedule: 'quintic', dial: '0.99', margin: '4.5', temperature: '1', penalty: '0', logit_range: '8', fidelity: '0.9',
  entropy_bits: '',
};
// Fields that may be empty.
const OPTIONAL = ['block_least', 'logit_range', 'fidelity', 'entropy_bits'];

const WHOLE = /^[+]?\d+$/;
const REAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

// One line per field whose text breaks a law of RUN.toml, by the field's name; empty if there is none.
function complaints(texts) {
  const found = {};
  const value = {};
  const read = (name, pattern, what, holds, law) => {
    const text = texts[name].trim();
    if (text === '' && OPTIONAL.includes(name)) return;
    value[name] = Number(text);
    if (!pattern.test(text)) found[name] = `${shown(text)} is not ${what}`;
    else if (!Number.isFinite(value[name])) found[name] = `${shown(text)} is too large`;
    else if (!holds(value[name])) found[name] = `${shown(text)} must ${law}`;
  };
  const whole = (name, low, high, law) => read(name, WHOLE, 'a whole number', (x) => x >= low && x <= high, law);
  const real = (name, holds, law) => read(name, REAL, 'a number', holds, law);
  whole('context', 2, MOST_KEYS, 'be from 2 to 1e12 keys');
  whole('block', 1, MOST_KEYS, 'be at least 1');
  whole('block_least', 1, MOST_KEYS, 'be at least 1, or empty');
  whole('own_keys', 1, MOST_KEYS, 'be at least 1');
  whole('layers', 2, 10000, 'be from 2 to 10000');
  whole('localised_layers', 1, 10000, 'be at least 1');
  real('margin', () => true, '');
  real('temperature', (x) => x > 0, 'be above 0');
  real('penalty', (x) => x >= 0, 'be at least 0');
  real('dial', (x) => x >= 0 && x < 1, 'be at least 0 and below 1');
  real('fidelity', (x) => x > 0 && x < 1, 'lie between 0 and 1, or be empty');
  real('entropy_bits', (x) => x >= 0, 'be at least 0, or empty');
  real('logit_range', (x) => x >= 0, 'be at least 0, or empty');
  if (texts.fidelity.trim() === '' && texts.entropy_bits.trim() === '') {
    found.fidelity = 'a fidelity or an entropy must be given';
  }
  if (!Object.hasOwn(SCHEDULES, texts.schedule)) {
    found.schedule = `${shown(texts.schedule)} must be one of ${Object.keys(SCHEDULES).join(', ')}`;
  }
  const beside = (name, holds, law, ...others) => {
    if ([name, ...others].every((each) => !found[each]) && !holds) found[name] = `${shown(texts[name])} must ${law}`;
  };
  beside('block', value.block < value.context, `be smaller than the context, ${texts.context}`, 'context');
  const least = value.block_least ?? value.block;
  beside('block_least', least <= value.block, `be at most the largest block, ${texts.block}`, 'block');
  beside('own_keys', value.own_keys <= value.block, `be at most the block, ${texts.block}`, 'block');
  beside('own_keys', least + value.own_keys <= value.context,
    'leave a row that has a key outside its block: the smallest block and the own tokens together fit in the context',
    'block', 'block_least', 'context');
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

// The numbers of texts that complaints() finds no fault with. An empty field is null; without a smallest block the
// blocks are windows of one size.
function parsed(texts) {
  const value = { schedule: texts.schedule };
  for (const name of Object.keys(DEFAULTS)) if (name !== 'schedule') value[name] = Number(texts[name]);
  for (const name of OPTIONAL) if (texts[name].trim() === '') value[name] = null;
  value.block_least ??= value.block;
  return value;
}

// A number as TOML and Python read it back, with a point or an exponent.
function asFloat(x) {
  const text = String(Object.is(x, -0) ? 0 : x);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

// The run file of a state; `localist check` of it gives the page's verdict.
function runFile(value) {
  const sizes = value.block_least === value.block ? [`block = ${value.block}`]
    : [`block_least = ${value.block_least}`, `block_most = ${value.block}`];
  const lines = [
    '[model]', `layers = ${value.layers}`, `context = ${value.context}`, '',
    '[locality]', ...sizes, `temperature = ${asFloat(value.temperature)}`,
    `margin = ${asFloat(value.margin)}`, `schedule = "${value.schedule}"`, `dial = ${asFloat(value.dial)}`,
    `penalty = ${asFloat(value.penalty)}`,
  ];
  if (value.logit_range !== null) lines.push(`logit_range = ${asFloat(value.logit_range)}`);
  lines.push('', '[targets]');
  if (value.fidelity !== null) lines.push(`fidelity = ${asFloat(value.fidelity)}`);
  if (value.entropy_bits !== null) lines.push(`entropy_bits = ${asFloat(value.entropy_bits)}`);
  lines.push(`localised_layers = ${value.localised_layers}`, `own_keys = ${value.own_keys}`);
  return `${lines.join('\n')}\n`;
}

// Shell commands that write the run file and check it.
function runCommand(value) {
  return `cat > RUN.toml <<'END'\n${runFile(value)}END\nlocalist check RUN.toml\n`;
}

// The command for the one row that binds, in the layer that binds; empty for a row without a key outside its block,
// which no command takes. An equals sign keeps a minus from being an option.
function rowCommand(value, numbers) {
  const entropy = numbers.binds === 'entropy';
  const row = entropy ? numbers.entropy_row : numbers.row;
  if (row.own === row.keys) return '';
  // Of all rows that a separation below 0 allows, that of equal scores has the largest entropy.
  const [margin, penalty, dial] = entropy && numbers.separation < 0 ? [0, 0, 0]
    : [value.margin, value.penalty, numbers.dial];
  const target = entropy ? `entropy-bits ${asFloat(value.entropy_bits)}` : `fidelity ${asFloat(value.fidelity)}`;
  return `localist check --keys ${row.keys} --block ${row.own} --margin=${asFloat(margin)} ` +
    `--temperature ${asFloat(value.temperature)} --penalty ${asFloat(penalty)} --dial ${asFloat(dial)} ` +
    `--target-${target}`;
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
