// Small helpers. All texts go in as texts, never as markup.
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const button = (words, act, attributes = {}) => {
  const made = make('button', { type: 'button', ...attributes }, words);
  made.addEventListener('click', act);
  return made;
};
const percent = (v, digits = 1) => `${(100 * v).toFixed(digits)}%`;
const number = v => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString('en') : String(Number(v.toPrecision(3)));
const said = make('p', { class: 'sr', role: 'status', 'aria-live': 'polite' });
document.body.append(said);
// One choice of several: a group of buttons of which one is pressed.
const choice = (title, names, choose) => {
  const box = make('span', { class: 'choice', role: 'group', 'aria-label': title }, make('span', {}, title));
  names.forEach((name, k) => box.append(button(name, event => {
    for (const other of all('button', box)) other.setAttribute('aria-pressed', String(other === event.currentTarget));
    choose(name);
  }, { 'aria-pressed': String(k === 0) })));
  return box;
};
