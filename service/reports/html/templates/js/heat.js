// Pairs: a map that zooms, built from the table beside it; a square opens its pair.
const SVG = 'http://www.w3.org/2000/svg';
const draw = (tag, attributes, text) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const cutTo = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
const heatMap = figure => {
  const table = figure.querySelector('table[data-name="pairs"]');
  const plot = figure.querySelector('.plot');
  if (!table || !plot) return;
  const columns = new Map();
  const measures = all('thead th', table).map(words).slice(2);
  const found = rowsOf(table).map(row => {
    const [i, j] = row.dataset.i.split(' ').map(Number);
    columns.set(i, words(row.cells[0]));
    columns.set(j, words(row.cells[1]));
    const read = [...row.cells].slice(2).map(cell => cell.querySelector('data') ? Number(values(cell)[0]) : null);
    return { i, j, read, row };
  });
  if (columns.size < 3) return;
  const state = { order: 'table', measure: 0, first: 0, most: Math.min(columns.size, 48), row: 1, column: 0 };
  const worst = () => {
    const top = new Map();
    for (const p of found) for (const k of [p.i, p.j]) top.set(k, Math.max(top.get(k) || 0, p.read[state.measure] || 0));
    return [...columns.keys()].sort((a, b) => (top.get(b) || 0) - (top.get(a) || 0));
  };
  let order = [];
  let pairs = new Map();
  let top = 0.05;
  const arrange = () => {
    order = state.order === 'table' ? [...columns.keys()].sort((a, b) => a - b) : worst();
    const place = new Map(order.map((k, at) => [k, at]));
    pairs = new Map(found.map(p => {
      const [low, high] = [place.get(p.i), place.get(p.j)].sort((a, b) => a - b);
      return [`${high} ${low}`, p];
    }));
    top = Math.max(0.05, ...found.map(p => p.read[state.measure] || 0));
  };
  const svg = draw('svg', { class: 'chart squares live', preserveAspectRatio: 'xMinYMid meet', role: 'img', 'aria-label': 'Map of pairs' });
  const wordsOf = pair => `${columns.get(pair.i)} × ${columns.get(pair.j)}\n${measures.map((m, k) => pair.read[k] === null ? '' : `${m} ${percent(pair.read[k])}`).filter(Boolean).join('\n')}`;
  const detail = make('div', { class: 'pair-detail', role: 'status' });
  detail.hidden = true;
  const open = pair => {
    detail.hidden = false;
    const list = make('dl', { class: 'values' });
    measures.forEach((m, k) => { if (pair.read[k] !== null) list.append(make('dt', {}, m), make('dd', {}, percent(pair.read[k], 2))); });
    detail.replaceChildren(make('h3', {}, make('bdi', {}, columns.get(pair.i)), ' × ', make('bdi', {}, columns.get(pair.j))), list);
    const way = all('.two-way').find(d => d.dataset.pair === `${pair.i} ${pair.j}` || d.dataset.pair === `${pair.j} ${pair.i}`);
    if (way) detail.append(button('Two-way table', () => { way.open = true; way.scrollIntoView({ block: 'start' }); way.querySelector('summary').focus(); }));
    detail.append(button('Row in the table', () => {
      table.closest('details').open = true;
      for (const lit of all('.lit', table)) lit.classList.remove('lit');
      pair.row.hidden = false;
      pair.row.classList.add('lit');
      pair.row.scrollIntoView({ block: 'center' });
    }));
  };
  const paint = () => {
    const shown = order.slice(state.first, state.first + state.most);
    const side = shown.length <= 24 ? 20 : shown.length <= 60 ? 12 : Math.max(3, 720 / shown.length);
    const labelled = side >= 9;
    const left = labelled ? 130 : 10;
    const size = (shown.length - 1) * side;
    svg.setAttribute('viewBox', `0 0 ${left + size + 40} ${size + (labelled ? 96 : 12)}`);
    const made = [];
    for (let r = 1; r < shown.length; r += 1) for (let c = 0; c < r; c += 1) {
      const pair = pairs.get(`${r + state.first} ${c + state.first}`);
      if (!pair || pair.read[state.measure] === null) continue;
      const square = draw('rect', { x: left + c * side, y: (r - 1) * side, width: side - (side > 6 ? 1 : 0), height: side - (side > 6 ? 1 : 0),
        class: 'heat', 'fill-opacity': Math.max(0.04, Math.min(1, pair.read[state.measure] / top)) });
      square.pair = pair;
      if (r === state.row && c === state.column && document.activeElement === plot) square.classList.add('lit');
      made.push(square);
    }
    if (labelled) shown.forEach((k, at) => {
      if (at) made.push(draw('text', { x: left - 6, y: (at - 1) * side + side * 0.7, class: 'label', 'text-anchor': 'end' }, cutTo(columns.get(k), 20)));
      if (at < shown.length - 1) made.push(draw('text', { transform: `translate(${left + at * side + side * 0.35} ${size + 8}) rotate(55)`, class: 'label' }, cutTo(columns.get(k), 16)));
    });
    if (shown.length >= 6) made.push(draw('text', { x: left + size, y: 14, class: 'label', 'text-anchor': 'end' }, `darkest: ${percent(top)}`));
    svg.replaceChildren(...made);
  };
  const zoom = factor => {
    const middle = state.first + state.most / 2;
    state.most = Math.max(Math.min(6, columns.size), Math.min(columns.size, Math.round(state.most * factor)));
    state.first = Math.max(0, Math.min(columns.size - state.most, Math.round(middle - state.most / 2)));
    state.row = Math.min(state.row, state.most - 1);
    state.column = Math.min(state.column, state.row - 1);
    paint();
  };
  const move = way => {
    state.first = Math.max(0, Math.min(columns.size - state.most, state.first + way));
    paint();
  };
  arrange();
  paint();
  const still = plot.querySelector('svg');
  still.classList.add('still');
  plot.append(svg);
  plot.setAttribute('aria-label', 'Map of pairs. Arrow keys move from square to square, Enter opens a pair, plus and minus zoom.');
  const tools = make('div', { class: 'tools wide' },
    choice('Order', ['table', 'worst first'], name => { state.order = name === 'table' ? 'table' : 'worst'; state.first = 0; arrange(); paint(); }),
    choice('Colour', ['Trend', 'Total variation'], name => { state.measure = measures.indexOf(name); arrange(); paint(); }),
    make('span', { class: 'choice', role: 'group', 'aria-label': 'Zoom' }, make('span', {}, 'Zoom'),
      button('−', () => zoom(1.6), { 'aria-label': 'Zoom out' }), button('+', () => zoom(1 / 1.6), { 'aria-label': 'Zoom in' }),
      button('‹', () => move(-Math.ceil(state.most / 3)), { 'aria-label': 'Earlier columns' }),
      button('›', () => move(Math.ceil(state.most / 3)), { 'aria-label': 'Later columns' })));
  plot.before(tools);
  plot.after(detail);
  svg.addEventListener('pointermove', event => event.target.pair ? showTip(wordsOf(event.target.pair), event.clientX, event.clientY) : hideTip());
  svg.addEventListener('pointerleave', hideTip);
  svg.addEventListener('click', event => { if (event.target.pair) open(event.target.pair); });
  const current = () => pairs.get(`${state.row + state.first} ${state.column + state.first}`);
  plot.addEventListener('keydown', event => {
    const way = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (event.key === '+' || event.key === '=') zoom(1 / 1.6);
    else if (event.key === '-') zoom(1.6);
    else if (event.key === 'Enter' && current()) open(current());
    else if (way) {
      const row = state.row + way[0];
      if (row >= state.most) move(1);
      else if (row < 1) move(-1);
      state.row = Math.max(1, Math.min(state.most - 1, row));
      state.column = Math.max(0, Math.min(state.row - 1, state.column + way[1]));
      paint();
      const lit = svg.querySelector('.lit');
      const text = current() ? wordsOf(current()) : 'This pair was not computed.';
      said.textContent = text;
      if (lit) { const box = lit.getBoundingClientRect(); showTip(text, box.right, box.top); } else hideTip();
    } else return;
    event.preventDefault();
  });
  plot.addEventListener('blur', () => { hideTip(); for (const lit of all('.lit', svg)) lit.classList.remove('lit'); });
};
all('.heat-figure').forEach(heatMap);
