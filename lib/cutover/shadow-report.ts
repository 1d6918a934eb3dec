/**
 * The report on a comparison or a reconciliation, in Markdown, for a person to sign. It names files, fields and numbers;
 * values are in it only if they were asked for.
 */
import type { Comparison } from './compare';
import type { Reconciliation } from './reconcile';

/** What both reports say at their head. */
export interface ReportHead {
  mailboxId: string;
  /** What was compared: folders, workflow. */
  about: string;
  /** ISO 8601 UTC. */
  at: string;
}

/** Differences that are listed one by one at most. */
const LISTED = 1000;

/** Returns the report on a comparison. */
export function comparisonReport(head: ReportHead, { messages, same, different, missing, extra }: Comparison): string {
  const fields = new Map<string, number>();
  for (const each of different) {
    for (const field of new Set(each.fields.map(plain))) fields.set(field, (fields.get(field) ?? 0) + 1);
  }
  const byCount = [...fields].toSorted(([, one], [, other]) => other - one);
  return page('Shadow: what the MESH Client sent, and what Node-RED would have sent', head, [
    table(
      ['messages', 'same', 'different', 'missing', 'extra'],
      [[messages, same, different.length, missing.length, extra.length]],
    ),
    '## Fields that differ',
    byCount.length === 0 ? 'None.' : table(['field', 'messages'], byCount),
    '## Messages that differ',
    list(
      different.map(({ name, workflowId, fields: of, values }) => [
        name,
        workflowId,
        (values ?? of.map((field) => ({ field, client: '', ours: '' })))
          .map(({ field, client, ours }) => (values ? `${field}: “${client}”, here “${ours}”` : field))
          .join('; '),
      ]),
      ['message', 'workflow', 'fields'],
    ),
    '## Missing: sent by the client, and not made here',
    list(
      missing.map((name) => [name]),
      ['message'],
    ),
    '## Extra: made here, and not sent by the client',
    list(
      extra.map((name) => [name]),
      ['message'],
    ),
  ]);
}

/** Returns the report on a reconciliation. */
export function reconciliationReport(head: ReportHead, found: Reconciliation): string {
  const { source, accepted, collected, answered, unexplained, twice } = found;
  const reasons = (of: Record<string, number>): string =>
    Object.keys(of).length === 0 ? 'None.' : table(['reason', 'messages'], Object.entries(of));
  return page('Reconciliation: what became of every message', head, [
    table(
      ['source', 'accepted', 'collected', 'answered', 'unexplained', 'twice'],
      [[source, accepted, collected, answered, unexplained.length, twice.length]],
    ),
    '## Not accepted, and why',
    reasons(found.notAccepted),
    '## Accepted and not collected, and why',
    reasons(found.notCollected),
    '## Accepted and not answered, and why',
    reasons(found.notAnswered),
    '## Unexplained',
    list(
      unexplained.map((localId) => [localId]),
      ['local id'],
    ),
    '## Accepted more than once',
    list(
      twice.map((localId) => [localId]),
      ['local id'],
    ),
  ]);
}

function page(title: string, { mailboxId, about, at }: ReportHead, parts: string[]): string {
  const signed = table(['checked by', 'date', 'signature'], [['', '', '']]);
  return `${[`# ${title}`, `Mailbox ${cell(mailboxId)}. ${cell(about)} Made at ${at}.`, ...parts, '## Signed', signed].join('\n\n')}\n`;
}

function list(rows: string[][], head: string[]): string {
  if (rows.length === 0) return 'None.';
  const more = rows.length > LISTED ? `\n\nAnd ${rows.length - LISTED} more.` : '';
  return `${table(head, rows.slice(0, LISTED))}${more}`;
}

function table(head: string[], rows: Array<Array<string | number>>): string {
  const line = (cells: Array<string | number>): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Names and values come from outside: they must not become markup. */
const cell = (value: string | number): string =>
  String(value)
    .replaceAll(/[\r\n]+/g, ' ')
    .replaceAll(/[\\`*_<>|[\]&#]/g, String.raw`\$&`);

/** Returns the name of a field without the numbers of repeats, so that the same field is counted once. */
const plain = (field: string): string => field.replaceAll(/\[\d+\]/g, '');
