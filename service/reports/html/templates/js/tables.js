// Every table: sorting by its heads, a filter where it is long, and its figures as CSV.
const words = cell => {
  const copy = cell.cloneNode(true);
  for (const aside of all('svg, details, button:not(.sort), .note', copy)) aside.remove();
  return copy.textContent.replace(/\s+/g, ' ').trim();
};
const values = cell => {
  const found = all('data', cell).filter(d => !d.closest('.note, details.note'));
  return found.length ? found.map(d => d.value) : [words(cell)];
};
const rowsOf = table => all('tbody tr', table).filter(row => !row.classList.contains('group'));
const guarded = text => /^[=+@\t\r]|^-(?![\d.]+(e-?\d+)?%?$)/i.test(text) ? `'${text}` : text;
const quoted = text => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
const csvOf = table => {
  const heads = all('thead th', table);
  const body = rowsOf(table).map(row => [...row.cells].map(values));
  const columns = [];
  heads.forEach((head, k) => {
    const names = head.dataset.csv ? head.dataset.csv.split('|') : [words(head)];
    const cells = body.map(row => row[k] || []);
    const width = Math.max(names.length, ...cells.map(cell => cell.length));
    for (let i = 0; i < width; i += 1) {
      const column = cells.map(cell => cell[i] || '');
      if (!column.length || column.some(v => v)) columns.push([names[i] || `${names[0]} ${i + 1}`, ...column]);
    }
  });
  const lines = Array.from({ length: body.length + 1 }, (_, r) => columns.map(c => quoted(guarded(c[r]))).join(','));
  return `${lines.join('\n')}\n`;
};
const slug = text => text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 60).replace(/-$/, '') || 'table';
const names = new Set();
const nameOf = table => {
  const title = table.caption ? words(table.caption) : all('thead th', table).map(words).join(' ');
  const base = table.dataset.name || slug(title);
  let name = base;
  for (let again = 2; names.has(name); again += 1) name = `${base}-${again}`;
  names.add(name);
  return name;
};
const download = (table, name) => {
  const link = make('a', { download: `${name}.csv`, href: URL.createObjectURL(new Blob([csvOf(table)], { type: 'text/csv' })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const key = cell => {
  const value = values(cell)[0];
  const read = Number(value.replace(/[,%]/g, ''));
  return value === '' || value === '–' ? [2, 0, ''] : Number.isNaN(read) ? [1, 0, value] : [0, read, ''];
};
const sort = (table, column, descending) => {
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter(row => !row.classList.contains('group'));
    const keyed = rows.map(row => [key(row.cells[column] || row.cells[0]), row]);
    const way = descending ? -1 : 1;
    keyed.sort(([a], [b]) => a[0] === 2 || b[0] === 2 ? a[0] - b[0] : way * (a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2])));
    body.append(...keyed.map(([, row]) => row));
  }
};
// Of a long table the first rows, until all are asked for or some are sought. Tables in folded parts were asked for.
const SHOWN = 10;
const shorten = (table, rows) => {
  if (rows.length <= SHOWN + 6 || table.closest('details') || table.querySelector('tr.group')) return () => {};
  let whole = false;
  const limit = (sought = '') => rowsOf(table).forEach((row, k) => row.classList.toggle('beyond', !whole && !sought && k >= SHOWN));
  const more = button('', () => {
    whole = !whole;
    name();
    limit();
  }, { class: 'more' });
  const name = () => {
    more.textContent = whole ? `First ${SHOWN} rows` : `All ${rows.length} rows`;
    more.setAttribute('aria-expanded', String(whole));
  };
  name();
  limit();
  (table.closest('.scroll') || table).after(more);
  return limit;
};
for (const table of all('main table')) {
  const name = nameOf(table);
  table.dataset.name = name;
  const rows = rowsOf(table);
  const tools = make('div', { class: 'tools' });
  const title = table.caption ? words(table.caption) : name;
  const limit = shorten(table, rows);
  if (rows.length > 1 && !all('[colspan]', table).some(cell => !cell.closest('.group'))) {
    all('thead th', table).forEach((head, k) => {
      if (head.classList.contains('drawn')) return;
      const press = button('', () => {
        const descending = head.getAttribute('aria-sort') === 'descending' ? false
          : head.getAttribute('aria-sort') === 'ascending' || head.classList.contains('n');
        for (const other of all('thead th', table)) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
        sort(table, k, descending);
        limit();
      }, { class: 'sort' });
      press.append(...head.childNodes);
      head.append(press);
    });
  }
  if (rows.length > 12) {
    const field = make('input', { type: 'search', placeholder: 'filter rows', 'aria-label': `Filter rows of ${title}` });
    field.addEventListener('input', () => {
      const sought = field.value.toLowerCase();
      let left = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(sought);
        left += row.hidden ? 0 : 1;
      }
      limit(sought);
      said.textContent = `${left} of ${rows.length} rows`;
    });
    tools.append(field);
  }
  tools.append(button('CSV', () => download(table, name), { 'aria-label': `Download ${title} as CSV` }));
  const place = table.closest('.scroll') || table;
  const box = make('div', { class: 'tabled' });
  place.before(box);
  box.append(tools, place);
}
