// Makes the columns of tables sortable by a button in each heading; without it the tables stay as they are.
'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const original = [...body.rows];
  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = heading.textContent;
    button.title = 'Sort by this column';
    heading.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = heading.getAttribute('aria-sort') === 'ascending';
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      body.append(...sorted(original, column, down ? -1 : 1));
    });
  });
}

// Numbers by value, before text; undefined cells last in both directions; ties in the order of the file.
function sorted(rows, column, sign) {
  const keyed = rows.map((row, place) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    return { row, place, number: value === undefined ? null : Number(value), text: cell.textContent };
  });
  const empty = (each) => each.number === null && each.text === '';
  keyed.sort((a, b) => {
    if (empty(a) !== empty(b)) return empty(a) ? 1 : -1;
    if ((a.number === null) !== (b.number === null)) return a.number === null ? 1 : -1;
    const order = a.number === null ? a.text.localeCompare(b.text) : a.number - b.number;
    return sign * order || a.place - b.place;
  });
  return keyed.map((each) => each.row);
}

for (const command of document.querySelectorAll('pre.command')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(command.querySelector('code').textContent);
    button.textContent = 'Copied';
  });
  command.prepend(button);
}
