// Drawings: the values of a point at the pointer or, with the arrow keys, at the focus; legends that hide lines.
const tip = make('div', { class: 'tip', 'aria-hidden': 'true' });
tip.hidden = true;
document.body.append(tip);
const showTip = (text, x, y) => {
  tip.textContent = text;
  tip.hidden = false;
  const wide = tip.offsetWidth;
  tip.style.left = `${Math.max(4, Math.min(x + 12, document.documentElement.clientWidth - wide - 8)) + window.scrollX}px`;
  tip.style.top = `${(y - tip.offsetHeight - 10 < 4 ? y + 18 : y - tip.offsetHeight - 10) + window.scrollY}px`;
};
const hideTip = () => { tip.hidden = true; };
const spoken = new WeakMap();
const textOf = point => (spoken.has(point) ? spoken.get(point) : '');
// Words of a point lose their native tooltip, which would stand over ours.
const take = element => {
  const title = [...element.children].find(child => child.tagName === 'title');
  if (!title) return;
  spoken.set(element, title.textContent);
  title.remove();
};
const points = svg => all('.point', svg).filter(point => point.getBoundingClientRect().width > 0);
const decoded = path => [...path.getAttribute('d').matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(m => [Number(m[1]), Number(m[2])]);
// Lines: the x nearest to the pointer, and what every visible line reads there.
const lines = svg => all('.series', svg).filter(g => !g.classList.contains('off')).map(g => {
  const path = g.querySelector('path');
  return { name: textOf(g), points: path.points || (path.points = decoded(path)) };
});
const readLines = (svg, x) => {
  const [x0, x1, y0, y1] = svg.dataset.scale.split(' ').map(Number);
  const base = Number(svg.dataset.base);
  const value = x0 + (x - 46) / 280 * ((x1 - x0) || 1);
  const read = lines(svg).map(({ name, points: many }) => {
    const near = many.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
    return `${name}: ${number(y0 + (base - near[1]) / (base - 20) * ((y1 - y0) || 1))}`;
  });
  return `${svg.dataset.x} ${number(value)}\n${read.join('\n')}`;
};
const stops = svg => [...new Set(lines(svg).flatMap(l => l.points.map(p => p[0])))].sort((a, b) => a - b);
const cursor = (svg, x) => {
  let mark = svg.querySelector('.cursor');
  if (!mark) {
    mark = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    mark.setAttribute('class', 'cursor');
    svg.append(mark);
  }
  mark.setAttribute('d', x === null ? '' : `M${x} 16L${x} ${svg.dataset.base}`);
};
for (const svg of all('figure svg.chart')) {
  const title = svg.querySelector('title');
  svg.setAttribute('aria-label', title ? title.textContent : '');
  if (title && title.parentNode === svg) title.remove();
  for (const element of all('.point, .series, circle, rect', svg)) take(element);
  const isLines = svg.classList.contains('curves');
  const frame = make('div', { class: 'plot', tabindex: '0', role: 'application', 'aria-roledescription': 'chart',
    'aria-label': `${svg.getAttribute('aria-label')}. Arrow keys read its values.` });
  svg.before(frame);
  frame.append(svg);
  let at = -1;
  const step = way => {
    if (isLines) {
      const xs = stops(svg);
      if (!xs.length) return;
      at = Math.max(0, Math.min(xs.length - 1, at + way));
      cursor(svg, xs[at]);
      const box = svg.getBoundingClientRect();
      show(readLines(svg, xs[at]), box.left + xs[at] / 340 * box.width, box.top + 20);
      return;
    }
    const many = points(svg);
    if (!many.length) return;
    at = Math.max(0, Math.min(many.length - 1, at + way));
    for (const other of many) other.classList.toggle('lit', other === many[at]);
    const box = many[at].getBoundingClientRect();
    show(textOf(many[at]), box.left + box.width / 2, box.top);
  };
  const show = (text, x, y) => { showTip(text, x, y); said.textContent = text; };
  frame.addEventListener('keydown', event => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -1e6, End: 1e6 }[event.key];
    if (event.key === 'Escape') { hideTip(); return; }
    if (!way || svg.classList.contains('squares')) return;
    event.preventDefault();
    step(way);
  });
  frame.addEventListener('blur', () => {
    hideTip();
    if (isLines) cursor(svg, null);
    for (const other of points(svg)) other.classList.remove('lit');
  });
  // While the keyboard reads a drawing, a page that scrolls under a resting pointer must not take its words away.
  const leave = () => {
    if (document.activeElement === frame) return;
    hideTip();
    if (isLines) cursor(svg, null);
  };
  svg.addEventListener('pointermove', event => {
    if (isLines) {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * 340;
      if (x < 40 || x > 332) { leave(); return; }
      cursor(svg, Math.max(46, Math.min(326, x)));
      showTip(readLines(svg, Math.max(46, Math.min(326, x))), event.clientX, event.clientY);
      return;
    }
    const point = event.target.closest('.point');
    if (point) showTip(textOf(point), event.clientX, event.clientY); else leave();
  });
  svg.addEventListener('pointerleave', leave);
}
// Legends whose keys stand for lines of the drawing beside them, in the same order.
for (const legend of all('figure .legend')) {
  const svg = legend.parentNode.querySelector('svg.curves');
  const drawn = svg ? all('.series', svg) : [];
  all('li', legend).slice(0, drawn.length).forEach((item, k) => {
    const press = button('', () => {
      const off = drawn[k].classList.toggle('off');
      press.setAttribute('aria-pressed', String(!off));
    }, { 'aria-pressed': 'true' });
    press.append(...item.childNodes);
    item.append(press);
  });
}
