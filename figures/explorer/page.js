// The page: fields and sliders, the texts, the link and the buttons.

const $ = (id) => document.getElementById(id);

// Slider: from a position to the field's text, and back. A slider steps by a hundredth of its length or finer.
const straight = (low, high, step) => ({
  low, high, step, text: (at) => String(Number(at.toFixed(6))), at: (x) => x,
});
const byPowers = (low, high, step, whole) => ({
  low: Math.log2(low), high: Math.log2(high), step,
  text: (at) => (whole ? String(Math.round(2 ** at)) : round(2 ** at, 3)), at: (x) => Math.log2(x),
});
// The nearer to 1, the finer.
const byNines = (low, high, step) => ({
  low, high, step, text: (at) => String(Number((1 - round(2 ** -at, 2)).toFixed(12))), at: (x) => -Math.log2(1 - x),
});

const GROUPS = [
  ['The text', [
    ['context', 'Context', 'tokens that the model sees at once', byPowers(2, 2 ** 20, 0.25, true)],
    ['block', 'Block', 'tokens in each block, or in the largest if they differ', byPowers(1, 2 ** 14, 0.25, true)],
    ['block_least', 'Smallest block', 'only if blocks follow the text and differ in size; empty if all are equal',
      byPowers(1, 2 ** 14, 0.25, true)],
  ]],
  ['What you ask for', [
    ['fidelity', 'Target fidelity', 'least share of attention on the own block; empty if not asked for',
      byNines(0.05, 14, 0.05)],
    ['entropy_bits', 'Target entropy', 'largest spread of a row, in bits: 6 bits are 64 tokens evenly; empty if not ' +
      'asked for', straight(0, 20, 0.05)],
    ['localised_layers', 'Layers that must keep it', 'the last ones, whose dials are the largest', straight(1, 48, 1)],
    ['own_keys', 'Own tokens at least', 'leaves out rows that see fewer tokens of their own block; 1 leaves out none',
      straight(1, 64, 1)],
  ]],
  ['The scores', [
    ['margin', 'Margin', 'every row’s lowest score in its block minus its highest score outside',
      straight(-5, 20, 0.05)],
    ['temperature', 'Temperature', 'the scores are divided by it', byPowers(1 / 16, 16, 0.05)],
    ['logit_range', 'Logit range', 'highest minus lowest score of a row, over the temperature; empty if unknown',
      straight(0, 40, 0.1)],
  ]],
  ['What strengthens the block', [
    ['penalty', 'Penalty', 'taken off every score outside the block', straight(0, 20, 0.05)],
    ['dial', 'Dial', 'of the last layer: 0 changes nothing, near 1 the rest is almost masked', byNines(0, 20, 0.05)],
    ['schedule', 'Schedule', 'how the dial grows over the layers; localist gives each layer the same', null],
    ['layers', 'Layers', 'of the model', straight(2, 96, 1)],
  ]],
];
// What an empty field says.
const EMPTY = { block_least: 'all equal', fidelity: 'none', entropy_bits: 'none', logit_range: 'unknown' };
const FIELDS = GROUPS.flatMap(([, fields]) => fields);

let texts = { ...DEFAULTS };
let current = null;
let linkTimer = 0;
let waiting = 0;
let late = null;
const sizes = {};
// What was last put into each element.
const contents = new WeakMap();

function buildControls() {
  const form = $('controls');
  const options = Object.keys(SCHEDULES).map((each) => `<option>${each}</option>`).join('');
  for (const [title, fields] of GROUPS) {
    const set = document.createElement('fieldset');
    set.innerHTML = `<legend>${title}</legend>`;
    for (const [name, label, hint, slider] of fields) {
      const field = document.createElement('div');
      field.className = 'field';
      const aids = `aria-describedby="${name}-hint ${name}-complaint"`;
      const entry = slider
        ? `<input type="text" inputmode="decimal" spellcheck="false" id="${name}" ${aids}` +
          `${EMPTY[name] ? ` placeholder="${EMPTY[name]}"` : ''}>`
        : `<select id="${name}" ${aids}>${options}</select>`;
      field.innerHTML = `<div class="top"><label for="${name}">${label}</label>${entry}</div>` +
        (slider ? `<input type="range" id="${name}-slider" min="${slider.low}" max="${slider.high}" ` +
          `step="${slider.step}" aria-label="${label}, slider">` : '') +
        `<p class="hint" id="${name}-hint">${hint}</p><p class="complaint" id="${name}-complaint" role="alert"></p>`;
      set.append(field);
    }
    form.append(set);
  }
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', (event) => {
    const { id, value } = event.target;
    if (id.endsWith('-slider')) {
      const name = id.slice(0, -'-slider'.length);
      const [, , , slider] = FIELDS.find(([each]) => each === name);
      texts[name] = slider.text(Number(value));
      settle(name);
      setFields();
    } else texts[id] = value;
    drawSoon(id);
  });
}

// Draws at most once per frame: at once if nothing was drawn in this frame, and else when it ends.
function drawSoon(moved) {
  late = moved;
  if (waiting) return;
  draw(late);
  late = null;
  waiting = requestAnimationFrame(() => {
    waiting = 0;
    if (late !== null) drawSoon(late);
  });
}

// A slider leaves no setting that cannot be: what it makes too large gives way, or the slider itself stops.
function settle(moved) {
  const at = (name) => Number(texts[name]);
  const limit = (name, most) => {
    if (at(name) > most) texts[name] = String(most);
  };
  limit('block', Math.max(1, at('context') - 1));
  limit('block_least', at('block'));
  limit('own_keys', Math.min(at('block'), Math.max(1, at('context') - (at('block_least') || at('block')))));
  limit('localised_layers', at('layers'));
  if (texts.logit_range.trim() === '') return;
  const temperature = at('temperature');
  const most = Number((at('logit_range') * temperature).toFixed(6));
  const fits = marginFits({ margin: most, logit_range: at('logit_range'), temperature });
  limit('margin', fits ? most : Number((most - 1e-6).toFixed(6)));
}

function setFields() {
  for (const [name] of FIELDS) $(name).value = texts[name];
}

// Computes and draws the state; `moved` is the slider that the user holds, whose place is left alone.
function draw(moved = '') {
  const found = complaints(texts);
  for (const [name, , , slider] of FIELDS) {
    const complaint = found[name] ?? '';
    fill($(`${name}-complaint`), complaint);
    $(name).setAttribute('aria-invalid', String(complaint !== ''));
    if (!slider) continue;
    const range = $(`${name}-slider`);
    const at = slider.at(Number(texts[name]));
    if (`${name}-slider` !== moved && texts[name].trim() !== '' && !Number.isNaN(at)) range.value = String(at);
    range.classList.toggle('unset', texts[name].trim() === '');
    range.setAttribute('aria-valuetext', texts[name].trim() || EMPTY[name] || 'empty');
  }
  const faulty = Object.keys(found);
  for (const id of ['charts', 'numbers', 'run-file', 'row-command', 'binding', 'advice']) {
    $(id).classList.toggle('stale', faulty.length > 0);
  }
  for (const id of ['copy-command', 'copy-file', 'copy-row', 'copy-link']) $(id).disabled = faulty.length > 0;
  if (faulty.length) {
    current = null;
    const labels = FIELDS.filter(([name]) => found[name]).map(([, label]) => label.toLowerCase());
    say('none', 'No answer yet', `Correct the marked field first: ${labels.join(', ')}.`);
    return;
  }
  const value = parsed(texts);
  const numbers = evaluateState(value);
  current = { value, numbers };
  const [headline, sentence, inShort] = verdictWords(value, numbers);
  say(numbers.verdict, headline, sentence, inShort);
  fill($('binding'), hardestRow(value, numbers));
  fill($('advice'), advice(value, numbers));
  table(value, numbers);
  fill($('run-file'), runFile(value));
  const command = rowCommand(value, numbers);
  $('copy-row').disabled = command === '';
  fill($('row-command'), command || 'The hardest row sees no token outside its block; RUN.toml decides it.');
  for (const [id, chart, about] of CHARTS) {
    const svg = $(id);
    chart(value, numbers, sizes[id]).forEach((markup, layer) => fill(svg.children[layer], markup, 'innerHTML'));
    svg.setAttribute('aria-label', about(value, numbers));
  }
  clearTimeout(linkTimer);
  // Browsers limit how often a page may change its address.
  linkTimer = setTimeout(() => history.replaceState(null, '', `#${fragmentOf(texts)}`), 400);
}

const CHARTS = [
  ['phase-chart', phaseChart, (value, numbers) => `Margin ${value.margin} and penalty ${value.penalty}: ` +
    `${numbers.verdict}. Guaranteed where margin plus penalty is at least ` +
    `${atMost(numbers.margin_needed + value.penalty, 5)}.`],
  ['leak-chart', leakChart, (value, numbers) => `Largest leak of the hardest row, falling with the margin; at margin ` +
    `${value.margin} it is ${atMost(numbers.leak_max, 4)}. The target needs margin ` +
    `${atMost(numbers.margin_needed, 5)}.`],
  ['dial-chart', dialChart, (value, numbers) => `Least fidelity of the hardest row, rising with the dial; at dial ` +
    `${dialText(numbers.dial)} it is ${atLeast(numbers.fidelity_min, 4)}.`],
  ['entropy-chart', entropyChart, (value, numbers) => `Largest entropy of a row, falling with the margin; at margin ` +
    `${value.margin} it is ${atMost(numbers.entropy_max / Math.LN2, 4)} bits.`],
  ['layers-chart', layersChart, (value, numbers) => `Dials of ${value.layers} layers; ` +
    `${numbers.guaranteed_layers} are guaranteed to keep the target.`],
];

function say(verdict, headline, sentence, inShort = '') {
  $('verdict').dataset.verdict = verdict;
  $('bar-verdict').dataset.verdict = verdict;
  for (const [id, text] of [['headline', headline], ['bar-verdict', headline + inShort], ['sentence', sentence]]) {
    fill($(id), text);
  }
}

// Changes an element's content, but only if it differs: the browser lays out anew what is set.
function fill(element, content, property = 'textContent') {
  if (contents.get(element) === content) return;
  contents.set(element, content);
  element[property] = content;
}

function table(value, numbers) {
  const list = $('numbers');
  const rows = numberRows(value, numbers);
  fill(list, rows.map(([name]) => `<div><dt></dt><dd data-quantity="${name}"></dd></div>`).join(''), 'innerHTML');
  rows.forEach(([name, label, text], index) => {
    const [term, number] = list.children[index].children;
    fill(term, label);
    fill(number, text);
    number.dataset.value = numbers[name];
  });
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages from a file may not use the clipboard; a selected text may be copied.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  $('copied').textContent = `${what} copied`;
}

function fromLink() {
  const read = readFragment(location.hash);
  texts = read.texts;
  const list = $('problems');
  list.hidden = read.problems.length === 0;
  list.replaceChildren(...read.problems.map((problem) => {
    const item = document.createElement('li');
    item.textContent = `The link: ${problem}.`;
    return item;
  }));
  setFields();
  draw();
}

function measure() {
  for (const [id] of CHARTS) {
    const svg = $(id);
    sizes[id] = { width: svg.clientWidth || 360, height: svg.clientHeight || 260 };
  }
}

buildControls();
measure();
const buttons = {
  'copy-command': () => copy(runCommand(current.value), 'Command'),
  'copy-file': () => copy(runFile(current.value), 'RUN.toml'),
  'copy-row': () => copy(`${rowCommand(current.value, current.numbers)}\n`, 'Command'),
  'copy-link': () => copy(`${location.href.split('#')[0]}#${fragmentOf(texts)}`, 'Link'),
  reset: () => {
    history.replaceState(null, '', '#');
    fromLink();
  },
};
for (const [id, press] of Object.entries(buttons)) $(id).addEventListener('click', press);
addEventListener('hashchange', fromLink);
new ResizeObserver(() => {
  measure();
  if (current) draw();
}).observe($('charts'));
fromLink();
