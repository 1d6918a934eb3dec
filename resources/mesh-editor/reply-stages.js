/** The replies of one workflow profile in the dialog of a mailbox: stages, each with its conditions. */
import { text } from './texts.js';

const { $ } = globalThis;

const KINDS = ['receipt', 'result', 'report'];
const OCCURS = ['expected', 'optional', 'any'];
const UNITS = ['minutes', 'hours', 'workingDays'];
const OUTCOMES = ['positive', 'partial', 'negative', 'unclear'];
const REQUEST_VALUES = ['localId', 'localIdStem', 'messageId', 'fileName', 'fileNameStem', 'subject', 'key'];

/**
 * The fields of a condition: its first text, and what it must equal. `list`: several texts, separated by commas.
 * `number`: a number where it is one.
 */
const TESTS = {
  subject: { read: (one) => one, show: (value) => [value] },
  subjectPattern: { read: (one) => one, show: (value) => [value] },
  localIdPattern: { read: (one) => one, show: (value) => [value] },
  fileNamePattern: { read: (one) => one, show: (value) => [value] },
  workflowId: { read: (one) => one, show: (value) => [value] },
  firstLine: { read: (one) => one, show: (value) => [value] },
  beginning: { read: (one) => one, show: (value) => [value] },
  json: {
    hasEquals: true,
    read: (path, equals) => (equals === '' ? { path } : { path, equals: oneOf(equals) }),
    show: ({ path, equals = '' }) => [path, [equals].flat().join(', ')],
  },
  columns: { read: (one) => listOf(one), show: (value) => [value.join(', ')] },
  firstRow: {
    hasEquals: true,
    read: (column, equals) => ({ column: numberOr(column), equals: oneOf(equals) }),
    show: ({ column, equals }) => [String(column), [equals].flat().join(', ')],
  },
  row: {
    hasEquals: true,
    read: (column, equals) => ({ column: numberOr(column), equals: oneOf(equals) }),
    show: ({ column, equals }) => [String(column), [equals].flat().join(', ')],
  },
  edifact: { read: (one) => one, show: (value) => [value] },
  'archive-has': { read: (one) => one, show: (value) => [value] },
  'archive-lacks': { read: (one) => one, show: (value) => [value] },
};
/** Where a reply has the value that names its request; the others need to say where. */
const PLACES = ['localId', 'subject', 'fileName', 'json', 'firstRow', 'beginning', 'rows'];
const WITH_PATH = new Set(['json', 'firstRow', 'rows']);

const listOf = (words) =>
  words
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);
/** A value without a comma is one text. */
function oneOf(words) {
  const list = listOf(words);
  return list.length > 1 ? list : (list[0] ?? '');
}
const numberOr = (value) => (/^\d+$/.test(value) ? Number(value) : value);

function select(name, choices, value) {
  const options = choices.map((choice) =>
    $('<option>')
      .val(choice)
      .text(text(`replies.${name}-${choice}`)),
  );
  return $('<select>')
    .attr('aria-label', text(`replies.${name}`))
    .append(options)
    .val(value ?? choices[0]);
}

function input(label, value) {
  const caption = text(`replies.${label}`);
  return $('<input type="text">')
    .attr({ 'aria-label': caption, placeholder: caption, title: caption })
    .val(value ?? '');
}

const labelled = (label, control) =>
  $('<label>').append($('<span>').text(text(`replies.${label}`)), control.removeAttr('placeholder'));

/** What a value is compared with, on a line of its own. */
const equalTo = (control) =>
  $('<span class="mesh-reply-equals">').append($('<span>').text(text('replies.equals')), control);

/** A button of a list: adds or removes. */
function button(icon, label, onClick) {
  const caption = text(`replies.${label}`);
  return $('<button type="button" class="red-ui-button red-ui-button-small">')
    .attr('title', caption)
    .append($('<i class="fa">').addClass(`fa-${icon}`), icon === 'plus' ? ` ${caption}` : '')
    .attr('aria-label', caption)
    .on('click', (event) => {
      event.preventDefault();
      onClick();
    });
}

/**
 * A list of rows that can be added and removed. `row` fills an element and returns a function that reads its value;
 * undefined is left out.
 */
function rows({ items, add, row, isLong = false }, changed) {
  const list = $('<div class="mesh-reply-rows">');
  const read = new Map();
  function append(item) {
    const element = $('<div class="mesh-reply-row">').toggleClass('mesh-reply-long', isLong);
    const values = $('<div class="mesh-reply-values">').appendTo(element);
    read.set(element, row(values, item, changed));
    element.append(
      button('times', `remove-${add}`, () => {
        read.delete(element);
        element.remove();
        changed();
      }),
    );
    list.append(element);
  }
  for (const item of items) append(item);
  const more = button('plus', add, () => {
    append(undefined);
    changed();
    list.children().last().find('input, select').first().trigger('focus');
  });
  return {
    element: $('<div>').append(list, more),
    read: () => [...read.values()].map((each) => each()).filter((value) => value !== undefined),
  };
}

/** The conditions of `when`, one in each row. */
function conditions(when = {}, changed) {
  const { archive, ...fields } = when;
  const items = Object.entries({
    ...fields,
    ...(archive?.has === undefined ? {} : { 'archive-has': archive.has }),
    ...(archive?.lacks === undefined ? {} : { 'archive-lacks': archive.lacks }),
  });
  const list = rows(
    {
      items,
      add: 'add-condition',
      row(element, [name, value] = []) {
        const test = select('test', Object.keys(TESTS), name);
        const [first = '', second = ''] = value === undefined ? [] : TESTS[name].show(value);
        const one = input('test-value', first);
        const two = input('test-equals', second);
        const equals = equalTo(two);
        const show = () => equals.toggle(TESTS[test.val()].hasEquals === true);
        test.on('change', show);
        element.append(test, one, equals).on('change input', changed);
        show();
        return () => {
          const { read } = TESTS[test.val()];
          const word = one.val().trim();
          return word === '' && test.val() !== 'subject' ? undefined : [test.val(), read(word, two.val().trim())];
        };
      },
    },
    changed,
  );
  return {
    element: list.element,
    read() {
      const read = Object.fromEntries(list.read());
      const { 'archive-has': has, 'archive-lacks': lacks, ...others } = read;
      const own = { ...(has === undefined ? {} : { has }), ...(lacks === undefined ? {} : { lacks }) };
      return Object.keys(own).length > 0 ? { ...others, archive: own } : others;
    },
  };
}

/** Where a value is, in a reply or in the request. */
function place(element, choices, value) {
  const where = select('place', choices, value?.in);
  const at = input('path', value?.path ?? (value?.column === undefined ? '' : String(value.column)));
  const pattern = input('pattern', value?.pattern);
  const show = () => at.toggle(WITH_PATH.has(where.val()));
  where.on('change', show);
  element.append(where, at, pattern);
  show();
  return () => {
    const chosen = where.val();
    const words = at.val().trim();
    return {
      in: chosen,
      ...(chosen === 'json' ? { path: words } : {}),
      ...(chosen === 'firstRow' || chosen === 'rows' ? { column: numberOr(words) } : {}),
      ...(pattern.val().trim() === '' ? {} : { pattern: pattern.val().trim() }),
    };
  };
}

function matchers(match, changed) {
  return rows(
    {
      items: match,
      add: 'add-match',
      row(element, value) {
        const read = place(element, PLACES, value);
        const request = select('request', REQUEST_VALUES, value?.request);
        element.append(equalTo(request)).on('change input', changed);
        return () => ({ ...read(), request: request.val() });
      },
    },
    changed,
  );
}

function outcomes(items, changed) {
  return rows(
    {
      items,
      add: 'add-outcome',
      isLong: true,
      row(element, value) {
        const outcome = select('outcome', OUTCOMES, value?.outcome ?? 'negative');
        const code = input('code', value?.code);
        const when = conditions(value?.when, changed);
        element.append(outcome, code, when.element).on('change input', changed);
        return () => ({
          outcome: outcome.val(),
          when: when.read(),
          ...(code.val().trim() === '' ? {} : { code: code.val().trim() }),
        });
      },
    },
    changed,
  );
}

function stage(element, value = { match: [{ in: 'localId', request: 'localId' }] }, changed) {
  const [[unit, amount]] = Object.entries(value.dueWithin ?? { hours: '' });
  const name = input('name', value.name);
  const kind = select('kind', KINDS, value.kind);
  const occurs = select('occurs', OCCURS, value.occurs);
  const due = input('due', amount).attr('inputmode', 'decimal');
  const units = select('unit', UNITS, unit);
  const { workflowId, ...others } = value.when ?? {};
  const workflow = input('workflow', workflowId);
  const from = input('from', value.from === 'recipient' ? '' : [value.from ?? []].flat().join(', '));
  const when = conditions(others, changed);
  const match = matchers(value.match ?? [], changed);
  const says = outcomes(value.outcomes ?? [], changed);
  const otherwise = select('outcome', OUTCOMES, value.otherwise);
  const { column, requestColumn, minimumPercent = 0 } = value.compare ?? {};
  const compared = input('compare-column', column === undefined ? '' : String(column));
  const sentColumn = input('compare-request', requestColumn === undefined ? '' : String(requestColumn));
  const percent = input('compare-percent', minimumPercent === 0 ? '' : String(minimumPercent));
  const heading = (label) => $('<div class="mesh-reply-heading">').text(text(`replies.${label}`));
  element
    .append(
      $('<div class="mesh-reply-grid">').append(
        labelled('name', name),
        labelled('kind', kind),
        labelled('occurs', occurs),
        labelled('due', $('<span class="mesh-reply-due">').append(due, units)),
        labelled('workflow', workflow),
        labelled('from', from),
      ),
      heading('when'),
      when.element,
      heading('match'),
      match.element,
      heading('outcomes'),
      says.element,
      $('<div class="mesh-reply-grid">').append(labelled('otherwise', otherwise)),
      heading('compare'),
      $('<div class="mesh-reply-grid">').append(
        labelled('compare-column', compared),
        labelled('compare-request', sentColumn),
        labelled('compare-percent', percent.attr('inputmode', 'decimal')),
      ),
    )
    .on('change input', changed);
  return () => {
    const number = Number(due.val().trim());
    const time =
      due.val().trim() === '' ? {} : { dueWithin: { [units.val()]: Number.isNaN(number) ? due.val() : number } };
    const elsewhere = workflow.val().trim();
    return {
      name: name.val().trim(),
      kind: kind.val(),
      occurs: occurs.val(),
      ...time,
      ...(from.val().trim() === '' ? {} : { from: oneOf(from.val()) }),
      when: { ...(elsewhere === '' ? {} : { workflowId: elsewhere }), ...when.read() },
      match: match.read(),
      outcomes: says.read(),
      otherwise: otherwise.val(),
      ...comparison(compared.val().trim(), sentColumn.val().trim(), percent.val().trim()),
    };
  };
}

/** Without a column, nothing is compared. */
function comparison(column, requestColumn, percent) {
  if (column === '') return {};
  const minimum = Number.isNaN(Number(percent)) ? percent : Number(percent);
  return {
    compare: {
      column: numberOr(column),
      ...(requestColumn === '' ? {} : { requestColumn: numberOr(requestColumn) }),
      ...(percent === '' ? {} : { minimumPercent: minimum }),
    },
  };
}

/**
 * The replies of a profile. `read` returns what belongs into the profile: nothing without a stage, so that a built-in
 * profile keeps its own.
 * @param profile as it was stored
 * @param changed called after every change
 */
export function replyStages({ replies = [], requestKey, about }, changed) {
  const list = rows({ items: replies, add: 'add-stage', row: stage, isLong: true }, changed);
  const line = input('about', about);
  const key = rows(
    {
      items: requestKey === undefined ? [] : [requestKey],
      add: 'add-key',
      row(element, value) {
        const read = place(
          element,
          PLACES.filter((each) => each !== 'localId' && each !== 'rows'),
          value,
        );
        element.on('change input', changed);
        return read;
      },
    },
    changed,
  );
  line.on('change input', changed);
  return {
    element: $('<details class="mesh-replies">')
      .prop('open', replies.length > 0)
      .append($('<summary>').text(text('replies.title')), labelled('about', line), list.element, key.element),
    read() {
      const stages = list.read();
      const [own] = key.read();
      return {
        ...(line.val().trim() === '' ? {} : { about: line.val().trim() }),
        ...(stages.length === 0 ? {} : { replies: stages }),
        ...(own === undefined ? {} : { requestKey: own }),
      };
    },
  };
}
