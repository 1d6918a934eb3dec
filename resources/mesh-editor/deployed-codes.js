/** What a deployed mesh-codes has: its version and rows, what is wrong, and the codes that were looked up in vain. */
import { button, download, failure, rowButton, searchField } from './code-table.js';
import { text } from './texts.js';

const { RED, $ } = globalThis;

const UNKNOWN_COLUMNS = [{ name: 'sourceSystem' }, { name: 'source' }, { name: 'target' }, { name: 'count' }];
/** A search of a large table starts when the typing rests (milliseconds). */
const SEARCH_AFTER_MS = 250;

/**
 * Shows it in `container`; nothing for a node that is not deployed yet.
 * @param table where an unknown code is added (code-table.js)
 */
export function deployedCodes(node, container, table) {
  if (!RED.nodes.node(node.id)) return;
  const path = `mesh/codes/${encodeURIComponent(node.id)}`;
  const about = $('<div role="status" class="mesh-codes-about">');
  const findings = $('<div>');
  const rows = $('<div class="mesh-codes-grid" tabindex="0">').attr('aria-label', text('codes.deployed'));
  const unknown = $('<div>');
  let timer;
  const search = searchField(() => {
    clearTimeout(timer);
    timer = setTimeout(() => void load(), SEARCH_AFTER_MS);
  });
  const searchRow = $('<div class="mesh-codes-tools">').append(
    search,
    button('refresh', 'refresh', () => void load()),
  );
  $(container).append($('<h4>').text(text('codes.deployed')), searchRow, about, findings, rows, unknown);

  async function load() {
    try {
      show(await $.getJSON(path, { search: search.val() }));
    } catch (xhr) {
      about.text(xhr.status === 404 ? text('codes.not-deployed') : failure(xhr));
    }
  }

  function show(found) {
    const { version, rows: count, readAt, matches = [], matchCount = 0, problem } = found;
    const parts = [problem];
    if (version !== undefined) {
      const read = new Date(readAt).toLocaleString();
      parts.push(text('codes.serves', { version, rows: count, read }));
      if (matchCount > matches.length) parts.push(text('codes.shown', { shown: matches.length, count: matchCount }));
    }
    about.text(parts.filter(Boolean).join(' ')).toggleClass('mesh-codes-problem', problem !== undefined);
    findings
      .empty()
      .append(
        findingsOf('errors', found.errors, found.errorCount),
        findingsOf('warnings', found.warnings, found.warningCount),
      );
    rows.empty().toggle(matches.length > 0);
    if (matches.length > 0) rows.append(readOnly(matches));
    showUnknown(found.unknown, found.notListed);
  }

  function findingsOf(kind, list, count) {
    if (list.length === 0) return '';
    const items = list.map(({ line, column, text: said }) => {
      const at = [line === undefined ? '' : text('codes.line', { line }), column ?? ''].filter(Boolean).join(', ');
      return $('<li>').text(`${at}: ${said}`);
    });
    return $('<details>').append(
      $('<summary>').text(text(`codes.${kind}`, { count })),
      $('<ol class="mesh-codes-findings">').append(items),
    );
  }

  function readOnly(matches) {
    const columns = ['source', 'code', 'display', 'system'];
    const head = columns.map((name) => $('<th scope="col">').text(text(`codes.shown-${name}`)));
    const body = matches.map((row) => $('<tr>').append(columns.map((name) => $('<td>').text(row[name] ?? ''))));
    return $('<table class="mesh-codes-table">').append(
      $('<thead>').append($('<tr>').append(head)),
      $('<tbody>').append(body),
    );
  }

  function showUnknown(codes, notListed) {
    unknown.empty().append($('<h4>').text(text('codes.unknown')));
    const summary = [text('codes.unknown-count', { count: codes.length })];
    if (notListed > 0) summary.push(text('codes.not-listed', { count: notListed }));
    unknown.append($('<div role="status">').text(summary.join(' ')));
    if (codes.length === 0) return;
    const canAdd = $('#node-config-input-from').val() !== 'file';
    const head = ['source', 'sourceSystem'].map((name) => $('<th scope="col">').text(text(`codes.column-${name}`)));
    head.push(
      $('<th scope="col">').text(text('codes.times')),
      $('<th scope="col">').append($('<span class="mesh-codes-hidden">').text(text('codes.actions'))),
    );
    const body = codes.map(({ system = '', code, count }) => {
      const add = rowButton('plus', 'add-unknown', code, () =>
        table.add({ source: code, ...(system && { sourceSystem: system }) }),
      );
      const dismiss = rowButton('times', 'dismiss', code, () => void forget([{ system, code }]));
      return $('<tr>').append(
        [code, system, count].map((value) => $('<td>').text(value)),
        $('<td class="mesh-codes-actions">').append(canAdd ? add : '', dismiss),
      );
    });
    unknown.append(
      $('<div class="mesh-codes-grid" tabindex="0">')
        .attr('aria-label', text('codes.unknown'))
        .append(
          $('<table class="mesh-codes-table">').append(
            $('<thead>').append($('<tr>').append(head)),
            $('<tbody>').append(body),
          ),
        ),
      $('<div class="mesh-codes-tools">').append(
        button('download', 'export-unknown', () => {
          const list = codes.map(({ system, code, count }) => ({
            sourceSystem: system,
            source: code,
            target: '',
            count,
          }));
          download('unknown-codes.csv', UNKNOWN_COLUMNS, list);
        }),
        button('trash', 'dismiss-all', () => void forget(undefined)),
      ),
    );
  }

  async function forget(codes) {
    try {
      const left = await $.ajax({
        url: `${path}/forget`,
        method: 'POST',
        contentType: 'application/json; charset=utf-8',
        data: JSON.stringify({ codes }),
      });
      showUnknown(left.unknown, left.notListed);
      unknown.find('button').first().trigger('focus');
    } catch (xhr) {
      about.text(failure(xhr));
    }
  }

  $('#node-config-input-from').on('change', () => void load());
  void load();
}
