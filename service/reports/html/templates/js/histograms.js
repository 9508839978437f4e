// Columns: hide a table's marks, shares or counts, linear or logarithmic heights.
const BASE = 112;
const TALL = 88;
const restored = new WeakMap();
const marksOf = point => [point.querySelector('rect'), point.querySelector('.holdout-line'), point.querySelector('circle')];
const remember = point => {
  if (restored.has(point)) return;
  const [rect, dash, dot] = marksOf(point);
  restored.set(point, { y: rect.getAttribute('y'), height: rect.getAttribute('height'), d: dash && dash.getAttribute('d'),
    cy: dot.getAttribute('cy'), cut: point.classList.contains('cut'), text: textOf(point) });
};
const redraw = (svg, mode, rows) => {
  const many = all('.point', svg);
  const plain = mode.scale === 'linear' && mode.unit === 'shares';
  for (const point of many) remember(point);
  svg.classList.toggle('other-scale', !plain);
  const weights = mode.unit === 'counts' ? rows : [1, 1, 1];
  const read = many.map(point => point.dataset.v.split(' ').map((v, k) => Number(v) * weights[k]));
  const positive = read.flat().filter(v => v > 0);
  const top = Math.max(...positive, 1e-12);
  const low = Math.min(...positive, top) / 2;
  const height = v => mode.scale === 'log' ? v > 0 ? Math.log(v / low) / Math.log(top / low || 2) * TALL : 0 : v / top * TALL;
  many.forEach((point, k) => {
    const [rect, dash, dot] = marksOf(point);
    const kept = restored.get(point);
    point.classList.toggle('cut', plain && kept.cut);
    spoken.set(point, kept.text);
    if (plain) {
      rect.setAttribute('y', kept.y);
      rect.setAttribute('height', kept.height);
      dot.setAttribute('cy', kept.cy);
      if (dash) dash.setAttribute('d', kept.d);
      return;
    }
    const [real, synthetic, holdout] = read[k];
    rect.setAttribute('y', BASE - height(real));
    rect.setAttribute('height', height(real));
    dot.setAttribute('cy', BASE - height(synthetic));
    if (dash) dash.setAttribute('d', kept.d.replace(/([ML][-\d.]+) [-\d.]+/g, `$1 ${BASE - height(holdout)}`));
    if (mode.unit === 'counts') {
      const label = kept.text.slice(0, kept.text.lastIndexOf(': real '));
      const held = holdout === undefined ? '' : `, holdout ${number(holdout)}`;
      spoken.set(point, `${label}: real ${number(real)}, synthetic ${number(synthetic)}${held} rows`);
    }
  });
  let end = svg.querySelector('.top');
  if (!end) {
    end = document.createElementNS('http://www.w3.org/2000/svg', 'text');
    for (const [name, value] of [['x', 316], ['y', 11], ['class', 'label top'], ['text-anchor', 'end']]) end.setAttribute(name, value);
    svg.append(end);
  }
  const shown = mode.unit === 'counts' ? number(top) : percent(top, 0);
  end.textContent = plain ? '' : mode.scale === 'log' ? `${shown}, logarithmic` : shown;
};
for (const grid of all('.histograms')) {
  const section = grid.closest('section');
  const rows = (grid.dataset.rows || '').split(' ').map(Number);
  const mode = { unit: 'shares', scale: 'linear' };
  const again = () => { for (const svg of all('svg.histogram', grid)) redraw(svg, mode, rows); };
  const tools = make('div', { class: 'tools wide' });
  if (rows[0] && rows[1]) tools.append(choice('Heights', ['shares', 'counts'], name => { mode.unit = name; again(); }));
  tools.append(choice('Scale', ['linear', 'log'], name => { mode.scale = name; again(); }));
  const figures = all(':scope > figure', grid);
  if (figures.length > 6) {
    const field = make('input', { type: 'search', placeholder: 'find a column', 'aria-label': 'Find a column' });
    field.addEventListener('input', () => {
      const sought = field.value.toLowerCase();
      for (const figure of figures) figure.hidden = !figure.querySelector('figcaption').textContent.toLowerCase().includes(sought);
      said.textContent = `${figures.filter(f => !f.hidden).length} columns`;
    });
    tools.append(field);
  }
  grid.before(tools);
  for (const item of all('.legend [data-series]', section)) {
    const press = button('', () => {
      const off = grid.classList.toggle(`no-${item.dataset.series}`);
      press.setAttribute('aria-pressed', String(!off));
    }, { 'aria-pressed': 'true' });
    press.append(...item.childNodes);
    item.append(press);
  }
}
