/**
 * docs/file-flows.html, the index of the workflow profiles that a person can search (scripts/file-flows-page.ts writes
 * it). It is made of the shipped profiles, and of the table in docs/file-flows.md for what a profile does not say.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replyWorkflowOf, SHIPPED_PROFILES, type WorkflowProfile } from '../../lib/acks/profiles';
import type { ReplyStage } from '../../lib/acks/replies/stages';
import { STYLE } from '../../lib/conformance/evidence-style';
import { Markup, markup } from '../../lib/conformance/html';

const DOCS = join(__dirname, '..', '..', 'docs');
export const FILE_FLOWS_PAGE = join(DOCS, 'file-flows.html');

/** What the table of docs/file-flows.md says of a flow. */
interface Described {
  parties: string;
  format: string;
  certainty: string;
}

/** Returns the rows of the table in docs/file-flows.md by the first workflow id of each. */
export function describedFlows(): Map<string, Described> {
  const text = readFileSync(join(DOCS, 'file-flows.md'), 'utf8');
  const found = new Map<string, Described>();
  for (const line of text.split('\n').filter((each) => each.startsWith('|'))) {
    // A bar within a cell is escaped.
    const [, , workflow = '', parties = '', format = '', , certainty = ''] = line
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|').replaceAll('`', ''));
    const [id = ''] = /^[A-Z\d_]{4,}/.exec(workflow) ?? [];
    if (id !== '') found.set(id, { parties, format, certainty });
  }
  return found;
}

/** Returns the page. */
export function fileFlowsPage(): string {
  const described = describedFlows();
  const rows = SHIPPED_PROFILES.map((profile) => row(profile, described.get(profile.workflowId)));
  return `<!doctype html>\n${page(rows).text}\n`;
}

const page = (rows: readonly Markup[]): Markup => markup`<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Workflow profiles</title>
<style>${STYLE}
body { max-width: 84rem; }
td:first-child { overflow-wrap: anywhere; min-width: 11rem; }
input { font: inherit; width: 24rem; max-width: 100%; padding: .3rem .5rem; }
</style>
</head>
<body>
<header>
<h1>Workflow profiles</h1>
<p>What the pack knows of each workflow: what it is for, what comes back and by when, and how sure that is. Ids,
mailboxes and times change: every profile can be replaced in the mailbox’s dialog or in a profiles file (replies.md).</p>
<p><label>Search: <input id="search" type="search" autocomplete="off" placeholder="opt-out, Notify, 34 columns, …"></label>
<span id="count" role="status"></span></p>
</header>
<main>
<table>
<thead><tr><th>Workflow</th><th>What it is for</th><th>From, to</th><th>Format</th><th>Answers</th><th>How sure</th></tr></thead>
<tbody id="rows">
${rows}
</tbody>
</table>
</main>
<script>${SEARCH}</script>
</body>
</html>`;

const SEARCH = new Markup(`
const rows = [...document.querySelectorAll('#rows tr')];
const field = document.querySelector('#search');
function show() {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  document.querySelector('#count').textContent = rows.filter((row) => !row.hidden).length + ' of ' + rows.length;
}
field.addEventListener('input', show);
show();
`);

function row(profile: WorkflowProfile, described: Described | undefined): Markup {
  const { workflowId, about = '' } = profile;
  const answers = answersOf(profile).map((answer) => markup`<div>${answer}</div>`);
  const certainty = described?.certainty ?? profile.certainty ?? '';
  return markup`<tr><td>${workflowId}</td><td>${about}</td><td>${described?.parties ?? ''}</td><td>${described?.format ?? ''}</td><td>${answers}</td><td>${certainty}</td></tr>`;
}

/** Returns what comes back, one line for each answer. */
function answersOf(profile: WorkflowProfile): string[] {
  const { ackWorkflowId, form, replies = [], infAck, busAck } = profile;
  if (replies.length > 0) return replies.map((stage) => answerOf(profile, stage));
  if (ackWorkflowId === null) return ['nothing is awaited'];
  const levels = [infAck && 'infrastructure', busAck && 'business'].filter((level) => level !== false).join(' and ');
  const kind = form === 'custom' ? 'acknowledgement of its own form' : `${form.toUpperCase()} acknowledgement`;
  return [`${levels === '' ? kind : `${levels}: ${kind}`} on ${ackWorkflowId}`];
}

function answerOf(profile: WorkflowProfile, stage: ReplyStage): string {
  const { name, kind, occurs, dueWithin } = stage;
  const [[unit, amount] = []] = Object.entries(dueWithin ?? {});
  const units = unit === 'workingDays' ? 'working days' : unit;
  const when = unit === undefined ? '' : `, within ${String(amount)} ${units}`;
  const often = occurs === 'expected' ? '' : occurs === 'any' ? ', any number' : ', or none';
  return `${name} (${kind}${often}${when}) on ${replyWorkflowOf(profile, stage)}`;
}
