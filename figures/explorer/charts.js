// Draws the charts as SVG text. Each function takes a state's numbers and the size in pixels, and returns markup in
// layers, the lowest first, so that a layer that stays is not drawn again; none decides anything: model.js does.

const POINTS = 120;
const EDGE = { left: 58, right: 14, top: 12, bottom: 40 };

// Ends and step of an axis that covers the values; it moves in whole steps, so that a slider does not shake it.
function axisOver(low, high, step) {
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
}

// About `count` round numbers between two ends.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9 * step; index += 1) {
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}

// A frame with axes: the places of values, and the markup of grid and labels.
function frame(size, { x, y, xLabel, yLabel, xTicks, yTicks, xText = String, yText = String }) {
  const right = size.width - EDGE.right;
  const bottom = size.height - EDGE.bottom;
  const atX = (value) => EDGE.left + ((value - x[0]) / (x[1] - x[0])) * (right - EDGE.left);
  const atY = (value) => bottom - ((value - y[0]) / (y[1] - y[0])) * (bottom - EDGE.top);
  const marks = [];
  let lines = '';
  for (const value of xTicks) {
    const place = atX(value).toFixed(1);
    lines += `M${place} ${EDGE.top}V${bottom}`;
    marks.push(`<text class="soft" x="${place}" y="${bottom + 15}" text-anchor="middle">${xText(value)}</text>`);
  }
  for (const value of yTicks) {
    const place = atY(value).toFixed(1);
    lines += `M${EDGE.left} ${place}H${right}`;
    marks.push(`<text class="soft" x="${EDGE.left - 6}" y="${place}" dy=".35em" text-anchor="end">` +
      `${yText(value)}</text>`);
  }
  const middle = (EDGE.top + bottom) / 2;
  const labels = `<text x="${(EDGE.left + right) / 2}" y="${size.height - 6}" text-anchor="middle">${xLabel}</text>` +
    `<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${yLabel}</text>`;
  const axes = `<path class="axis" d="M${EDGE.left} ${EDGE.top}V${bottom}H${right}" fill="none"/>`;
  const grid = `<path class="grid" d="${lines}"/>`;
  return { atX, atY, right, bottom, grid, axes: axes + labels + marks.join(''), x, y };
}

// A curve from a function, cut at the frame's ends.
function curve({ atX, atY, x, y }, value, kind) {
  const places = [];
  for (let index = 0; index <= POINTS; index += 1) {
    const at = x[0] + ((x[1] - x[0]) * index) / POINTS;
    const height = Math.min(Math.max(value(at), y[0]), y[1]);
    places.push(`${atX(at).toFixed(1)} ${atY(height).toFixed(1)}`);
  }
  return `<path class="${kind}" d="M${places.join('L')}"/>`;
}

// The current setting: a dot, held inside the frame.
function here({ atX, atY, x, y }, across, up) {
  const inside = (value, [low, high]) => Math.min(Math.max(value, low), high);
  return `<circle class="here" r="6" cx="${atX(inside(across, x)).toFixed(1)}" cy="${atY(inside(up, y)).toFixed(1)}"/>`;
}

// A labelled vertical line where the target is reached; nothing if it lies outside.
function threshold(box, across, words, up = EDGE.top + 11) {
  if (!(across > box.x[0] && across < box.x[1])) return '';
  const place = box.atX(across);
  const toLeft = place > (EDGE.left + box.right) / 2;
  return `<path class="target" d="M${place.toFixed(1)} ${EDGE.top}V${box.bottom}"/><text class="target-text" ` +
    `x="${(place + (toLeft ? -5 : 5)).toFixed(1)}" y="${up}" text-anchor="${toLeft ? 'end' : 'start'}">` +
    `${words}</text>`;
}

// A labelled horizontal line.
function level(box, up, words, { kind = 'target', above = true, left = false } = {}) {
  if (!(up >= box.y[0] && up <= box.y[1])) return '';
  const place = box.atY(up);
  return `<path class="${kind}" d="M${EDGE.left} ${place.toFixed(1)}H${box.right}"/>` +
    `<text class="${kind}-text" x="${left ? EDGE.left + 5 : box.right - 4}" ` +
    `y="${(place + (above ? -5 : 14)).toFixed(1)}" text-anchor="${left ? 'start' : 'end'}">${words}</text>`;
}

// Margins that the charts show: what is set, what is needed, and some room.
function marginAxis(value, numbers) {
  const asked = Number.isFinite(numbers.margin_needed) ? numbers.margin_needed : value.margin;
  const low = Math.min(0, value.margin, asked);
  const high = Math.max(10, value.margin, asked);
  const step = 5 * 10 ** Math.max(0, Math.ceil(Math.log10((high - low) / 40)));
  return axisOver(low - step / 5, high + step / 5, step);
}

// The margin that one target needs, all else as set.
function marginLine(box, value, numbers, separationNeeded) {
  if (separationNeeded === null) return '';
  const margin = marginNeeded(separationNeeded, value.temperature, value.penalty, numbers.dial);
  return threshold(box, margin, `margin needed ${atMost(margin, 4)}`, box.bottom - 8);
}

function phaseChart(value, numbers, size) {
  const x = marginAxis(value, numbers);
  const sum = numbers.margin_needed + value.penalty;
  const most = Math.max(10, value.penalty * 1.05, Number.isFinite(sum) ? Math.min(sum, 4 * (x[1] - x[0])) : 0);
  const y = [0, axisOver(0, most, 5 * 10 ** Math.max(0, Math.ceil(Math.log10(most / 40))))[1]];
  const box = frame(size, {
    x, y, xLabel: 'margin (nats)', yLabel: 'penalty (nats)', xTicks: ticks(...x, 6), yTicks: ticks(...y, 5),
  });
  const area = (kind, corners) => `<path class="${kind}" d="M${corners
    .map(([across, up]) => `${box.atX(across).toFixed(1)} ${box.atY(up).toFixed(1)}`).join('L')}Z"/>`;
  const within = (up) => Math.min(Math.max(up, y[0]), y[1]);
  const whole = (kind, low, high) => area(kind, [[x[0], low], [x[1], low], [x[1], high], [x[0], high]]);
  const parts = [whole('possible', y[0], y[1])];
  const widest = value.logit_range === null ? Infinity : value.logit_range * value.temperature;
  // Impossible: the penalty is too small even for the largest margin that the range allows.
  const lost = Number.isFinite(widest) ? marginNeeded(numbers.range_needed, value.temperature, 0, numbers.dial) - widest
    : -Infinity;
  parts.push(whole('impossible', 0, within(lost)));
  // Guaranteed: margin + penalty >= sum. Its border runs from the upper to the lower edge, cut at the sides.
  const acrossAt = (up) => Math.min(Math.max(sum - up, x[0]), x[1]);
  const upAt = (across) => within(sum - across);
  const kept = [
    [acrossAt(y[1]), y[1]], [acrossAt(y[1]), upAt(acrossAt(y[1]))], [acrossAt(0), upAt(acrossAt(0))],
    [acrossAt(0), 0], [x[1], 0], [x[1], y[1]],
  ].filter(([across, up]) => across + up >= sum - 1e-9 * (1 + Math.abs(sum)));
  if (kept.length) parts.push(area('guaranteed', kept));
  if (widest < x[1]) {
    const left = Math.max(widest, x[0]);
    parts.push(area('ground', [[left, 0], [x[1], 0], [x[1], y[1]], [left, y[1]]]));
    const [from, to] = [box.atX(left), box.right];
    const lines = [];
    for (let place = from; place < to + (box.bottom - EDGE.top); place += 9) {
      const [startX, startY] = place <= to ? [place, EDGE.top] : [to, EDGE.top + place - to];
      const length = Math.min(startX - from, box.bottom - startY);
      lines.push(`M${startX.toFixed(1)} ${startY.toFixed(1)}l${(-length).toFixed(1)} ${length.toFixed(1)}`);
    }
    parts.push(`<path class="hatch" d="${lines.join('')}"/>`);
  }
  const label = (words, across, up, anchor) => `<text class="area" x="${across.toFixed(1)}" y="${up.toFixed(1)}" ` +
    `text-anchor="${anchor}">${words}</text>`;
  const rim = Math.min(widest, x[1]);
  const low = box.atY(within(lost));
  if (rim + 0.8 * y[1] > sum + 2 && rim > x[0]) parts.push(label('guaranteed', box.atX(rim) - 6, EDGE.top + 16, 'end'));
  if (box.bottom - low > 18) parts.push(label('impossible', EDGE.left + 6, box.bottom - 6, 'start'));
  const room = low - box.atY(upAt(x[0]));
  if (upAt(x[0]) > y[0] && room > 30) parts.push(label('possible', EDGE.left + 6, low - 6, 'start'));
  const guides = `<path class="guide" d="M${box.atX(value.margin).toFixed(1)} ${box.bottom}` +
    `V${box.atY(value.penalty).toFixed(1)}H${EDGE.left}" fill="none"/>`;
  return [parts.join(''), box.axes, guides + here(box, value.margin, value.penalty)];
}

function leakChart(value, numbers, size) {
  const x = marginAxis(value, numbers);
  const { own, others } = { own: numbers.row.own, others: numbers.row.keys - numbers.row.own };
  const target = value.fidelity === null ? 0.1 : 1 - value.fidelity;
  const at = (margin) => separation({ ...value, margin }, numbers.dial);
  const log = (leak) => Math.log10(Math.max(leak, 1e-300));
  const least = Math.min(log(target), log(leakMax(own, others, at(x[1]))), -1);
  const y = [Math.max(Math.floor(least), Math.floor(log(target)) - 8, -300), 0];
  const step = Math.ceil(-y[0] / 6);
  const yTicks = Array.from({ length: Math.floor(-y[0] / step) + 1 }, (_, index) => -index * step);
  const box = frame(size, {
    x, y, xLabel: 'margin (nats)', yLabel: 'leak, at most (share)', xTicks: ticks(...x, 6), yTicks,
    yText: (power) => (power > -4 ? String(Number(`1e${power}`)) : `1e${power}`.replace('-', '−')),
  });
  return [box.grid + box.axes,
    curve(box, (margin) => log(leakExponential(own, others, at(margin))), 'line dashed') +
    curve(box, (margin) => log(leakMax(own, others, at(margin))), 'line') +
    (value.fidelity === null ? '' : level(box, log(target), 'allowed leak', { above: y[0] > log(target) - 0.4 })) +
    marginLine(box, value, numbers, numbers.fidelity_needs) +
    here(box, value.margin, log(numbers.leak_max))];
}

function dialChart(value, numbers, size) {
  const own = numbers.row.own;
  const others = numbers.row.keys - own;
  const plain = separation(value, 0);
  // The axis is stretched towards 1: it counts the nats that the dial adds to the separation.
  const bias = (dial) => -Math.log1p(-dial);
  const needed = numbers.dial_needed;
  const forEntropy = numbers.binds === 'entropy' ? 'for the entropy ' : '';
  const most = Math.max(7.5, bias(numbers.dial) + 1, needed < ALMOST_ONE ? bias(needed) + 1 : 0);
  const nines = [0, 0.5, 0.9, 0.99, 0.999, ...[4, 5, 6, 8, 10, 12, 14].map((power) => 1 - 10 ** -power)];
  const box = frame(size, {
    x: [0, most], y: [0, 1], xLabel: 'dial of the layer', yLabel: 'fidelity, at least (share)',
    xTicks: nines.map(bias).filter((nats) => nats < most).filter((_, index, all) => all.length < 8 || index % 2 === 0),
    yTicks: ticks(0, 1, 5),
    xText: (nats) => (nats > 8 ? `1−1e−${Math.round(nats / Math.LN10)}` : round(-Math.expm1(-nats), 5)),
  });
  return [box.grid + box.axes,
    curve(box, (nats) => dialledFidelity(own, others, plain, -Math.expm1(-nats)), 'line') +
    (value.fidelity === null ? ''
      : level(box, value.fidelity, 'target', { above: value.fidelity < 0.85, left: true })) +
    (needed > 0 && needed < 1 ? threshold(box, bias(needed), `dial needed ${forEntropy}${dialText(needed)}`,
      box.bottom - 8) : '') +
    here(box, bias(numbers.dial), numbers.fidelity_min)];
}

function entropyChart(value, numbers, size) {
  const x = marginAxis(value, numbers);
  const rows = causalRows(value);
  const bits = (nats) => nats / Math.LN2;
  const top = bits(worstEntropy(rows, -1).entropy);
  const y = [0, Math.ceil(top * 1.02)];
  const box = frame(size, {
    x, y, xLabel: 'margin (nats)', yLabel: 'entropy in bits', xTicks: ticks(...x, 6), yTicks: ticks(...y, 5),
  });
  const at = (margin) => worstEntropy(rows, separation({ ...value, margin }, numbers.dial)).entropy;
  const most = Math.max(...rows.candidates.map((row) => row.own));
  const block = `a full block, ${plural(most, 'token')}`;
  return [box.grid + box.axes, level(box, bits(Math.log(most)), block, { kind: 'floor', above: false }) +
    (numbers.entropy_min === null ? '' : curve(box, () => bits(numbers.entropy_min), 'line dotted')) +
    (value.entropy_bits === null ? '' : level(box, value.entropy_bits, 'target', { left: true })) +
    marginLine(box, value, numbers, numbers.entropy_needs) +
    curve(box, (margin) => bits(at(margin)), 'line') + here(box, value.margin, bits(numbers.entropy_max))];
}

function layersChart(value, numbers, size) {
  const box = frame(size, {
    x: [-0.5, value.layers - 0.5], y: [0, 1], xLabel: 'layer, first to last', yLabel: 'dial',
    xTicks: ticks(0, value.layers - 1, Math.min(8, value.layers)).filter(Number.isInteger), yTicks: [0, 0.5, 1],
  });
  // One bar for each layer; of very many layers, one for every few.
  const group = Math.ceil(value.layers / 200);
  const bars = [];
  for (let first = 0; first < value.layers; first += group) {
    const last = Math.min(first + group, value.layers) - 1;
    const { dial, standing: kind } = numbers.layers[last];
    const left = box.atX(first - 0.5);
    const width = (box.atX(last + 0.5) - left) * (value.layers <= 64 ? 0.9 : 1);
    const up = Math.min(box.atY(dial), box.bottom - 2);
    bars.push(`<rect class="${kind === TOO_CLOSE ? 'close' : kind}" x="${left.toFixed(2)}" y="${EDGE.top}" ` +
      `width="${width.toFixed(2)}" height="${(box.bottom - EDGE.top).toFixed(1)}"/>` +
      `<rect class="dial-bar" x="${(left + width * 0.3).toFixed(2)}" y="${up.toFixed(1)}" ` +
      `width="${(width * 0.4).toFixed(2)}" height="${(box.bottom - up).toFixed(1)}"/>`);
  }
  const mark = box.atX(numbers.layer);
  return [bars.join(''), box.axes, `<path class="here" d="M${mark.toFixed(1)} ${EDGE.top + 1}l-6 -11h12z"/>`];
}
