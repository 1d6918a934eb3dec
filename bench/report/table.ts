/** The figures as Markdown tables, for the terminal and docs/performance.md. */
import type { Comparison, ContestantFigures } from '../harness/compare';
import { INPUTS } from '../formats/inputs';
import { JOBS } from '../formats/jobs';
import type { MllpFlow } from '../parts/mllp-flow';
import type { FormatStanding } from '../parts/formats';
import type { StoreFigures } from '../parts/store';
import type { Results } from '../parts';
import { markdownTable } from '../../test/harness/docs-part';
import { COMPARISONS } from './json';

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));
const figuresText = ({ perSecond, cpuMs }: ContestantFigures, { unit }: Comparison): string =>
  `${number(perSecond)}/s, ${unit === 'MiB' ? `${number(cpuMs)} ms` : `${number(cpuMs * 1000)} µs`}`;

/** Returns the table of the library, the limit and the peers, with client CPU per MiB or message. */
export function comparisonTable(results: Results): string {
  const lines = COMPARISONS.flatMap((name) => {
    const row = results[name];
    if (!row) return [];
    const by = (...roles: Array<ContestantFigures['role']>): string =>
      row.standings
        .filter((each) => roles.includes(each.role))
        .map((each) => `${each.role === 'ours' ? '' : `${each.name}: `}${figuresText(each, row)}`)
        .join('; ') || '-';
    const extra = 'ratio' in row ? ` (level ${row.level}, ${(row.ratio * 100).toFixed(1)} %)` : '';
    return [
      [
        name + extra,
        row.unit,
        by('ours'),
        by('limit'),
        row.toLimit === null ? '-' : number(row.toLimit),
        row.spread === null ? '-' : row.spread.map(number).join(' to '),
        by('peer', 'variant'),
        row.toPeer === null ? '-' : number(row.toPeer),
        `${(row.serverShare * 100).toFixed(0)} %${row.serverLimited ? ' (limited)' : ''}`,
      ],
    ];
  });
  if (lines.length === 0) return '';
  const head = [
    'figure',
    'unit',
    'library',
    'limit',
    'to limit',
    'spread',
    'NHS clients',
    'to the fastest',
    'server busy',
  ];
  return markdownTable([head, ...lines]);
}

/** Returns the tables of memory, event loop, flow, growth, store, PostgreSQL, histories, MLLP, formats, delimited files and plot. */
export function otherFigures(results: Results): string {
  const parts: string[] = [];
  const memories = [...(results.rss ?? []), ...(results.rss20G ?? [])];
  if (memories.length > 0) {
    const lines = memories.map((each) => [
      each.what,
      number(each.idleMiB),
      number(each.aboveIdleMiB),
      number(each.perSecond),
    ]);
    parts.push(markdownTable([['memory', 'idle MiB', 'peak above idle MiB', 'MiB/s'], ...lines]));
  }
  const transfers = [...(results.eventLoop ?? []), ...(results.eventLoop20G ?? [])];
  if (transfers.length > 0) {
    const lines = transfers.map((each) => [
      each.what,
      number(each.p99Ms),
      number(each.maxMs),
      number(each.idleMiB),
      number(each.aboveIdleMiB),
    ]);
    const head = ['in Node-RED', 'event loop p99 ms', 'largest ms', 'idle MiB', 'peak above idle MiB'];
    parts.push(markdownTable([head, ...lines]));
  }
  if (results.receiveSizes) {
    const text = (ratio: number | null): string => (ratio === null ? '-' : number(ratio));
    const lines = results.receiveSizes.map(({ mib, toPlain, toEqual, cpuToPlain, cpuToEqual, comparison }) => [
      String(mib),
      comparison.standings.map((each) => `${each.name}: ${figuresText(each, comparison)}`).join('; '),
      ...[toPlain, toEqual, cpuToPlain, cpuToEqual].map(text),
    ]);
    const head = ['receive, MiB', 'rate and CPU for each MiB', 'to Python as it comes', 'to Python at equal work'];
    const cpu = ['CPU to Python as it comes', 'CPU to Python at equal work'];
    parts.push(markdownTable([[...head, ...cpu], ...lines]));
  }
  if (results.flow) {
    const { messages, toLimit, toCoreNodes, statusesPerMessage, cpuMicros, p99Ms, comparison } = results.flow;
    const { phases, profiled } = results.flow;
    const rates = comparison.standings.map(({ name, perSecond, cpuMs }) => [
      name,
      number(perSecond),
      number(cpuMs * 1000),
    ]);
    const row = (figures: object): string[][] => [
      Object.keys(figures),
      (Object.values(figures) as number[]).map((each) => each.toFixed(0)),
    ];
    parts.push(
      `Flow of ${messages} messages, out and in at the same time: ${number(toLimit)} of the limit and ` +
        `${number(toCoreNodes)} of core's nodes; ${number(cpuMicros)} µs of CPU and ${statusesPerMessage.toFixed(3)} ` +
        `statuses for each message; event loop p99 ${number(p99Ms)} ms.`,
      markdownTable([['flow', 'messages a second', 'CPU for each, µs'], ...rates]),
      `Phases of the flow with mesh nodes, messages a second while each lasted:\n\n${markdownTable(row(phases))}`,
      `CPU for each message in Node-RED, µs, under the profiler:\n\n${markdownTable(row(profiled))}`,
    );
  }
  if (results.mllpFlow) {
    const { inOnOneConnection, out, ...several } = results.mllpFlow;
    const line = (name: string, { perSecond, toLimit, cpuMicros, comparison }: MllpFlow): string[] => [
      name,
      number(perSecond),
      number(comparison.standings.find(({ role }) => role === 'limit')?.perSecond ?? Number.NaN),
      number(toLimit),
      comparison.spread?.map(number).join(' to ') ?? '-',
      number(cpuMicros),
    ];
    const head = ['MLLP flow', 'messages a second', 'limit', 'to limit', 'spread', 'CPU for each, µs'];
    const lines = [
      line('in, 20 connections', several),
      line('in, one connection', inOnOneConnection),
      line('out', out),
    ];
    parts.push(markdownTable([head, ...lines]));
  }
  if (results.growth) {
    const lines = Object.entries(results.growth).map(([name, { few, many, ratio }]) => [
      name,
      `${few.of}: ${number(few.cpuMicroseconds)} µs`,
      `${many.of}: ${number(many.cpuMicroseconds)} µs`,
      number(ratio),
    ]);
    parts.push(markdownTable([['growth, CPU for each message', 'few', 'many', 'ratio'], ...lines]));
  }
  if (results.store) {
    const { store } = results;
    const title = ({ backEnd, instances }: StoreFigures): string =>
      backEnd === 'sqlite' ? 'SQLite' : `PostgreSQL, ${instances === 1 ? 'one' : instances}`;
    const lines = (store[0]?.empty ?? []).map(({ operation }, i) =>
      [operation].concat(
        store.flatMap(({ empty, full }) => [empty[i], full[i]].map((each) => number(each?.perSecond ?? Number.NaN))),
      ),
    );
    const head = ['store, operations a second', ...store.flatMap((each) => [title(each), `${each.ledgerRows} lines`])];
    const sizes = store.map((each) => `${title(each)}: ${each.megabytes} MB`).join('; ');
    parts.push(`${markdownTable([head, ...lines])}\n\nAt the end the database has, ${sizes}.`);
  }
  if (results.postgres) {
    const { together, oneByOne, instances } = results.postgres;
    const spread = ([from, to]: [number, number]): string => `${number(from)} to ${number(to)}`;
    const head = ['PostgreSQL, enqueue 1 KiB', 'a second', 'beside', 'ratio', 'spread'];
    parts.push(
      markdownTable([
        head,
        [
          '64 at a time',
          number(together.perSecond),
          `bare INSERT of 64 rows: ${number(together.bare)}`,
          number(together.toBare),
          spread(together.spread),
        ],
        [
          `one by one, ${oneByOne.messages} messages`,
          number(oneByOne.full),
          `nothing stored: ${number(oneByOne.empty)}`,
          number(oneByOne.toEmpty),
          spread(oneByOne.spread),
        ],
        [
          'three instances, three mailboxes',
          number(instances.three),
          `one: ${number(instances.one)}`,
          number(instances.three / instances.one),
          '-',
        ],
      ]),
    );
  }
  if (results.history) {
    const [first, second] = results.history;
    const lines = (first?.operations ?? []).map(({ operation }, i) =>
      [operation].concat(
        [first?.operations[i], second?.operations[i]].flatMap((each) => [
          number(each?.smallMs ?? Number.NaN),
          number(each?.largeMs ?? Number.NaN),
          number((each?.largeMs ?? Number.NaN) / (each?.smallMs ?? Number.NaN)),
        ]),
      ),
    );
    const name = { sqlite: 'SQLite', postgres: 'PostgreSQL' };
    const head = results.history.flatMap(({ backEnd, small, large }) => [
      `${name[backEnd]}, ${small.messages} messages, ms`,
      `${large.messages} messages, ${large.messages * large.lines} lines, ms`,
      'ratio',
    ]);
    parts.push(markdownTable([['store with a history', ...head], ...lines]));
  }
  if (results.mllp) {
    const lines = results.mllp.map((each) => [
      each.what,
      String(each.connections),
      number(each.perSecond),
      number(each.ofBare),
    ]);
    parts.push(markdownTable([['MLLP, messages a second', 'connections', 'a second', 'of the bare loop'], ...lines]));
  }
  if (results.formats) {
    const { rates, memory } = results.formats;
    const text = ({ perSecond, cpuMicroseconds }: FormatStanding): string =>
      `${number(perSecond)}/s, ${number(cpuMicroseconds)} µs`;
    const lines = rates.map(({ input, job, standings: [ours, ...peers], toFastest, spread }) => [
      INPUTS[input].title,
      JOBS[job],
      ours ? text(ours) : '-',
      peers.map((peer) => `${peer.name}: ${text(peer)}`).join('; ') || '-',
      toFastest === null ? '-' : number(toFastest),
      spread === null ? '-' : spread.map(number).join(' to '),
    ]);
    const head = ['formats', 'job', 'library', 'packages from npm', 'to the fastest', 'spread'];
    parts.push(markdownTable([head, ...lines]));
    const large = memory.map(({ what, megabytes, peakMiB }) => [what, number(megabytes), number(peakMiB)]);
    parts.push(markdownTable([['memory of a large payload', 'MB', 'peak above idle MiB'], ...large]));
  }
  if (results.csv) {
    const { megabytes, rows, jobs, toParse, spread } = results.csv;
    const lines = jobs.map(({ job, megabytesPerSecond, rowsPerSecond, peakMiB, longestMs }) => [
      job,
      number(megabytesPerSecond),
      number(rowsPerSecond),
      number(peakMiB),
      number(longestMs),
      job === 'check and split' ? `${number(toParse)} (${spread.map(number).join(' to ')})` : '-',
    ]);
    const what = `delimited file, ${number(megabytes)} MB, ${rows} rows`;
    const head = [what, 'MB/s', 'rows/s', 'peak above idle MiB', 'event loop held, ms', 'to csv-parse alone'];
    parts.push(markdownTable([head, ...lines]));
  }
  if (results.validation) {
    const lines = results.validation.map(({ definitions, load, letterMs, dense, loop }) => [
      definitions,
      ...[load.ms, load.heldMiB, load.peakMiB, letterMs, dense.object, dense.xml, loop.p99Ms, loop.longestMs].map(
        number,
      ),
    ]);
    const head = [
      'FHIR validation by',
      'loading ms',
      'held MiB',
      'peak MiB',
      'letter of 5 MB ms',
      'dense bundle MB/s',
      'dense XML MB/s',
      'event loop p99 ms',
      'largest ms',
    ];
    parts.push(markdownTable([head, ...lines]));
  }
  if (results.codes) {
    const { rows, readMs, tableMiB, lookNs, mapNs, toMap, spread } = results.codes;
    const head = [`code table, ${rows} rows`, 'look-up, ns', 'bare Map, ns', 'to the Map', 'read, ms', 'table, MiB'];
    const ratio = `${number(toMap)} (${spread.map(number).join(' to ')})`;
    parts.push(
      markdownTable([head, ['from CSV', number(lookNs), number(mapNs), ratio, number(readMs), number(tableMiB)]]),
    );
  }
  if (results.plot) {
    const lines = results.plot.send.map((sent, i) => {
      const got = results.plot?.receive[i];
      return [sent.bytes, sent.perSecond, sent.aboveIdleMiB, got?.perSecond ?? 0, got?.aboveIdleMiB ?? 0].map(number);
    });
    const head = ['bytes', 'send MiB/s', 'send MiB above idle', 'receive MiB/s', 'receive MiB above idle'];
    parts.push(markdownTable([head, ...lines]));
  }
  return parts.join('\n\n');
}
