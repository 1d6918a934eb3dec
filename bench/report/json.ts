/** The object that `--json` prints on the last line. */
import type { Comparison } from '../harness/compare';
import type { Results } from '../parts';
import type { Memory } from '../parts/rss';

export const COMPARISONS = [
  'sendRandom',
  'sendCsv',
  'sendCsvFastest',
  'receiveCsv',
  'receiveRandom',
  'smallSend',
  'smallDurableSend',
  'smallReceive',
] as const;

const round = (value: number): number => Number(value.toPrecision(4));

function comparison(row: Comparison): object {
  const { toLimit, toPeer, spread, standings, ...rest } = row;
  return {
    toLimit: toLimit === null ? null : round(toLimit),
    toPeer: toPeer === null ? null : round(toPeer),
    spread: spread === null ? null : spread.map(round),
    ...rest,
    standings: standings.map(({ name, role, perSecond, cpuMs }) => ({
      name,
      role,
      perSecond: round(perSecond),
      cpuMs: round(cpuMs),
    })),
  };
}

/** Returns the worst figure for each size and direction; null if none was measured. */
function sizes(memories: ReadonlyArray<Pick<Memory, 'what' | 'aboveIdleMiB'>>): Record<string, number | null> {
  const worst = (name: string): number | null => {
    const values = memories.filter(({ what }) => what.startsWith(name)).map(({ aboveIdleMiB }) => aboveIdleMiB);
    return values.length === 0 ? null : round(Math.max(...values));
  };
  return Object.fromEntries(['send1G', 'receive1G', 'send20G', 'receive20G'].map((name) => [name, worst(name)]));
}

/** Returns the parts that were run; null marks a figure that could not be measured. */
export function toJson(results: Results): object {
  const json: Record<string, unknown> = {};
  for (const name of COMPARISONS) {
    const row = results[name];
    if (row) json[name] = comparison(row);
  }
  if (results.rss || results.rss20G) {
    const memories = [...(results.rss ?? []), ...(results.rss20G ?? [])];
    json['rssMiB'] = sizes(memories);
    json['rssDetails'] = memories;
  }
  if (results.eventLoop || results.eventLoop20G) {
    const transfers = [...(results.eventLoop ?? []), ...(results.eventLoop20G ?? [])];
    const delays = (way: string): number | null => {
      const values = transfers.filter(({ what }) => what.startsWith(way)).map(({ p99Ms }) => p99Ms);
      return values.length === 0 ? null : round(Math.max(...values));
    };
    json['eventLoopP99Ms'] = { send: delays('send'), receive: delays('receive') };
    json['rssMiBInNodeRed'] = sizes(transfers);
    json['eventLoopDetails'] = transfers;
  }
  if (results.growth) {
    const { inbox, ledger } = results.growth;
    json['growth'] = { inbox: round(inbox.ratio), ledger: round(ledger.ratio) };
    json['growthDetails'] = results.growth;
  }
  for (const name of [
    'receiveSizes',
    'flow',
    'mllpFlow',
    'store',
    'postgres',
    'mllp',
    'formats',
    'csv',
    'validation',
    'codes',
    'plot',
    'history',
  ] as const) {
    if (results[name]) json[name] = results[name];
  }
  return json;
}

/**
 * Checks that every figure is a number (JSON would print NaN as null).
 *
 * @throws Error when a figure is missing; names the first.
 */
export function requireFigures(value: unknown, name: string): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${name} is ${value}`);
  if (typeof value !== 'object' || value === null) return;
  const fields = Object.entries(value);
  if (fields.length === 0) throw new Error(`${name} is empty`);
  for (const [field, each] of fields) requireFigures(each, `${name}.${field}`);
}
