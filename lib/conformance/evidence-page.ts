/** The evidence pack as one printable page that loads nothing and runs no script. */
import { markup, type Markup } from './html';
import { STYLE } from './evidence-style';
import type { Check, Exchange, Findings, ItemResult, Verdict } from './types';

const VERDICTS: readonly Verdict[] = ['passed', 'failed', 'not possible here', 'needs a person'];
const SYMBOLS: Record<Verdict, string> = { passed: '✓', failed: '✗', 'not possible here': '–', 'needs a person': '…' };

/** Returns the whole page, from the findings alone. */
export function evidencePage(findings: Findings): string {
  return `<!doctype html>\n${page(findings).text}\n`;
}

function page(findings: Findings): Markup {
  const { environment, product, startedAt, version } = findings;
  const day = startedAt.slice(0, 10);
  return markup`<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MESH conformance evidence, ${day}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>MESH conformance evidence</h1>
<p>${product}, version ${version}, run on ${day} against ${environment}.</p>
</header>
<main>
${about(findings)}
${summary(findings)}
${findings.items.map(section)}
</main>
<footer>
<p>All messages are synthetic. Tokens are redacted; this file has no password, key or payload. Times are UTC.</p>
</footer>
</body>
</html>`;
}

function about(findings: Findings): Markup {
  const { pending } = findings;
  const rows: Array<[string, string]> = [
    ['Environment', `${findings.environment}, ${findings.url}`],
    ['Mailboxes', findings.mailboxIds.join(', ')],
    ['Workflow', findings.workflowId],
    ['Started and finished', `${findings.startedAt} to ${findings.finishedAt}`],
    ['Node.js', findings.node],
    ['Operating system', findings.system],
  ];
  if (pending) rows.push(['Message left to expire', `${pending.messageId}, accepted ${pending.acceptedAt}`]);
  return markup`<table class="about"><caption>The run</caption><tbody>
${rows.map(([name, value]) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}
</tbody></table>`;
}

function summary({ items }: Findings): Markup {
  const counts = VERDICTS.map((verdict) => `${items.filter((item) => item.verdict === verdict).length} ${verdict}`);
  return markup`<h2>Result</h2>
<p>${counts.join(', ')}.</p>
<table>
<thead><tr><th scope="col">Item</th><th scope="col">Requirement</th><th scope="col">Result</th></tr></thead>
<tbody>
${items.map(
  (item) =>
    markup`<tr>
<td><a href="#item-${item.id}">${item.id}</a></td><td>${item.title}</td><td>${verdictMark(item)}</td>
</tr>`,
)}
</tbody></table>`;
}

function verdictMark({ verdict }: ItemResult): Markup {
  return markup`<span class="verdict ${verdict.replaceAll(' ', '-')}">${SYMBOLS[verdict]} ${verdict}</span>`;
}

function section(item: ItemResult): Markup {
  const { id, title, reason, startedAt, finishedAt, messageIds } = item;
  const ids = messageIds.length > 0 ? ` Message ids: ${messageIds.join(', ')}.` : '';
  return markup`<section id="item-${id}">
<h2>${id} ${title}</h2>
<p>${verdictMark(item)}${reason === undefined ? '' : `. ${reason}`}</p>
<p class="when">${startedAt} to ${finishedAt}.${ids}</p>
${item.checks.length > 0 ? checks(item.checks) : undefined}
${exchanges(item)}
</section>`;
}

function checks(all: readonly Check[]): Markup {
  return markup`<table>
<thead><tr><th scope="col">Check</th><th scope="col">Met</th><th scope="col">Observed</th></tr></thead>
<tbody>
${all.map(
  ({ what, ok, seen }) => markup`<tr><td>${what}</td><td>${ok ? 'yes' : 'NO'}</td><td class="seen">${seen}</td></tr>`,
)}
</tbody></table>`;
}

function exchanges({ exchanges: shown, exchangeCount }: ItemResult): Markup {
  if (shown.length === 0) return markup`<p>This item made no request.</p>`;
  const left = exchangeCount - shown.length;
  const omission = left > 0 ? ` The first and the last ${shown.length / 2} are shown.` : '';
  return markup`<h3>Requests and responses</h3>
<p>${exchangeCount} in total.${omission}</p>
${shown.map(exchange)}`;
}

function exchange(each: Exchange): Markup {
  const { number, at, milliseconds, method, path, status, tls } = each;
  const facts = [at, milliseconds === undefined ? undefined : `${milliseconds} ms`, tls].filter(Boolean).join(', ');
  const lines = (headers: Exchange['requestHeaders'], bytes: number): string =>
    [...headers.map(([name, value]) => `${name}: ${value}`), `(${bytes} bytes)`].join('\n');
  return markup`<article><h4>${number}. ${method} ${path}</h4>
<p class="when">${facts}</p>
<pre>${lines(each.requestHeaders, each.requestBytes)}</pre>
<p><strong>${status === 0 ? 'No response' : status}</strong></p>
<pre>${lines(each.responseHeaders, each.responseBytes)}</pre></article>`;
}
