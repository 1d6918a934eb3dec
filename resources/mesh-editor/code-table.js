/** The editable table of codes in the dialog of a mesh-codes, with search, import and export. */
import { text } from './texts.js';
import { isVariable } from './validation.js';

const { $ } = globalThis;

/** The columns in their order, named as in a file. The others are shown on demand. */
const COLUMNS = [
  { name: 'sourceSystem', isMore: true },
  { name: 'source' },
  { name: 'targetSystem', isMore: true },
  { name: 'target' },
  { name: 'display' },
  { name: 'equivalence', isMore: true },
  { name: 'priority', isMore: true },
];
/** How many rows are shown, and how many more at a press: a dialog with thousands of fields is slow. */
const SHOWN = 100;

/** True for a blank value, a variable, or the JSON that the table stores. */
export function isCodeRows(value) {
  return !value || isVariable(value) || parsed(value) !== undefined;
}

function parsed(value) {
  try {
    const rows = JSON.parse(value || '[]');
    return Array.isArray(rows) ? rows : undefined;
  } catch {
    return undefined;
  }
}

export function button(icon, label, onClick) {
  return $('<button type="button" class="red-ui-button red-ui-button-small">')
    .append($('<i class="fa" aria-hidden="true">').addClass(`fa-${icon}`), ` ${text(`codes.${label}`)}`)
    .on('click', (event) => {
      event.preventDefault();
      onClick();
    });
}

/** A button with an icon alone, for the end of a row; `of` names the row. */
export function rowButton(icon, label, of, onClick) {
  const name = text(`codes.${label}`, { code: of });
  return $('<button type="button" class="red-ui-button red-ui-button-small">')
    .attr({ 'aria-label': name, title: name })
    .append($('<i class="fa" aria-hidden="true">').addClass(`fa-${icon}`))
    .on('click', (event) => {
      event.preventDefault();
      onClick();
    });
}

export function searchField(onSearch) {
  const caption = text('codes.search');
  return $('<input type="search" class="mesh-codes-search">')
    .attr({ 'aria-label': caption, placeholder: caption })
    .on('input', onSearch);
}

const isFilled = (row) => COLUMNS.some(({ name }) => String(row[name] ?? '').trim() !== '');
const keyOf = ({ sourceSystem = '', source = '' }) => JSON.stringify([sourceSystem.trim(), source.trim()]);

/**
 * Shows the rows of the hidden `field` in `container`, and stores them there as JSON.
 * @returns what adds a row
 */
export function codeTable(container, field) {
  const rows = parsed($(field).val()) ?? [];
  let shown = SHOWN;
  let showsAll = rows.some((row) => COLUMNS.some(({ name, isMore }) => isMore && row[name]));

  const status = $('<div role="status" class="mesh-codes-status">');
  const search = searchField(() => {
    shown = SHOWN;
    render();
  });
  const file = $('<input type="file" accept=".csv,.txt,text/csv" class="mesh-codes-import" tabindex="-1">')
    .attr('aria-label', text('codes.import'))
    .hide()
    .on('change', () => void importFile());
  const all = $('<input type="checkbox">')
    .prop('checked', showsAll)
    .on('change', () => {
      showsAll = all.prop('checked');
      render();
    });
  const tools = $('<div class="mesh-codes-tools">').append(
    search,
    button('plus', 'add', () => add({})),
    button('upload', 'import', () => file.trigger('click')),
    button('download', 'export', () => download('codes.csv', COLUMNS, rows.filter(isFilled))),
    file,
    $('<label>').append(all, ` ${text('codes.all-columns')}`),
  );
  const body = $('<tbody>');
  const head = $('<tr>');
  const more = button('chevron-down', 'more', () => {
    shown += SHOWN;
    render();
  });
  const grid = $('<div class="mesh-codes-grid">').append(
    $('<table class="mesh-codes-table">').append($('<thead>').append(head), body),
  );
  $(container).append(tools, grid, more, status);

  const columns = () => COLUMNS.filter(({ isMore }) => showsAll || !isMore);
  const isWanted = (row) => {
    const wanted = search.val().trim().toLowerCase();
    return (
      wanted === '' ||
      COLUMNS.some(({ name }) =>
        String(row[name] ?? '')
          .toLowerCase()
          .includes(wanted),
      )
    );
  };

  function save() {
    const filled = rows.filter(isFilled);
    $(field)
      .val(filled.length > 0 ? JSON.stringify(filled) : '')
      .trigger('change');
    tell();
  }

  function tell(before = '') {
    const filled = rows.filter(isFilled);
    const twice = filled.length - new Set(filled.map(keyOf)).size;
    const parts = [before, text('codes.count', { count: filled.length })];
    if (twice > 0) parts.push(text('codes.twice', { count: twice }));
    status.text(parts.filter(Boolean).join(' '));
  }

  function render() {
    head.empty().append(
      columns().map(({ name }) => $('<th scope="col">').text(text(`codes.column-${name}`))),
      $('<th scope="col">').append($('<span class="mesh-codes-hidden">').text(text('codes.actions'))),
    );
    const wanted = rows.filter(isWanted);
    body.empty().append(wanted.slice(0, shown).map((row) => rowOf(row)));
    more.toggle(wanted.length > shown);
    grid.toggle(rows.length > 0);
    tell();
  }

  function rowOf(row) {
    const number = rows.indexOf(row) + 1;
    const cells = columns().map(({ name }) =>
      $('<td>').append(
        $('<input type="text">')
          .attr('aria-label', text('codes.cell', { column: text(`codes.column-${name}`), row: number }))
          .val(row[name] ?? '')
          .on('input', function () {
            const value = $(this).val();
            if (value === '' && name !== 'source' && name !== 'target') delete row[name];
            else row[name] = value;
            save();
          }),
      ),
    );
    const remove = rowButton('times', 'remove', row.source || number, () => {
      const at = rows.indexOf(row);
      rows.splice(at, 1);
      save();
      render();
      const next = body
        .find('tr')
        .eq(Math.min(at, rows.length - 1))
        .find('button');
      (next.length > 0 ? next : search).trigger('focus');
    });
    return $('<tr>').append(cells, $('<td>').append(remove));
  }

  /** Adds a row on top, where it is seen, and moves to its first field that is empty. */
  function add(row) {
    rows.unshift({ source: '', target: '', ...row });
    search.val('');
    if (row.sourceSystem) all.prop('checked', (showsAll = true));
    save();
    render();
    const empty = columns().findIndex(({ name, isMore }) => !isMore && !rows[0][name]);
    body.find('tr').first().find('input').eq(Math.max(0, empty)).trigger('focus');
  }

  async function importFile() {
    const [chosen] = file[0].files;
    if (chosen === undefined) return;
    const content = decoded(await chosen.arrayBuffer());
    file.val('');
    try {
      const { rows: read, errors } = await $.ajax({
        url: 'mesh/codes/read',
        method: 'POST',
        contentType: 'application/json; charset=utf-8',
        data: JSON.stringify({ text: content, delimiter: delimiterOf(content) }),
      });
      const [first] = errors;
      if (first !== undefined) {
        const at = first.line === undefined ? '' : `${text('codes.line', { line: first.line })}: `;
        status.text(`${text('codes.not-imported')} ${at}${first.text}`);
        return;
      }
      const known = new Set(rows.map((row) => JSON.stringify(COLUMNS.map(({ name }) => String(row[name] ?? '')))));
      const own = read.filter((row) => !known.has(JSON.stringify(COLUMNS.map(({ name }) => String(row[name] ?? '')))));
      rows.push(...own);
      if (own.some((row) => COLUMNS.some(({ name, isMore }) => isMore && row[name])))
        all.prop('checked', (showsAll = true));
      save();
      render();
      tell(text('codes.imported', { count: own.length, known: read.length - own.length }));
    } catch (xhr) {
      status.text(failure(xhr));
    }
  }

  render();
  return { add };
}

/** Returns what a failed request says. */
export function failure({ status, responseJSON }) {
  const { message = text('codes.failed'), advice } = (responseJSON || {}).error || {};
  return status === 401 || status === 403 ? text('codes.refused') : [message, advice].filter(Boolean).join(' ');
}

/** The text of a file: UTF-8, or Windows-1252 as Excel writes it. */
function decoded(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The delimiter that the first line has most of. */
function delimiterOf(content) {
  const [line = ''] = content.split('\n', 1);
  const count = (delimiter) => line.split(delimiter).length;
  return [',', ';', '\t', '|'].reduce((best, each) => (count(each) > count(best) ? each : best));
}

/** Saves rows as a CSV file. */
export function download(name, columns, rows) {
  const lines = [
    columns.map((column) => column.name),
    ...rows.map((row) => columns.map((column) => row[column.name] ?? '')),
  ];
  const csv = lines.map((line) => line.map(quoted).join(',')).join('\r\n');
  // The byte order mark makes Excel read UTF-8.
  const url = URL.createObjectURL(new Blob([`\uFEFF${csv}\r\n`], { type: 'text/csv' }));
  $('<a>').attr({ href: url, download: name })[0].click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A value that a spreadsheet would take for a formula gets an apostrophe before it, which is taken off when it is read. */
function quoted(value) {
  const own = String(value);
  const safe = /^'*[=+\-@]/.test(own) && !/^-\d+(\.\d+)?$/.test(own) ? `'${own}` : own;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}
