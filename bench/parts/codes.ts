/** Look-ups in a table of codes, beside a bare Map with the same codes: each has a process of its own, and they take turns. */
import { median } from '../../test/harness/median';
import { Child } from '../harness/child';
import type { Work } from '../harness/serve';
import type { Settings } from '../settings';

export interface CodesFigures {
  rows: number;
  /** How long reading the CSV takes, and how much memory the table has. */
  readMs: number;
  tableMiB: number;
  /** Nanoseconds for one look-up: the median over the rounds. */
  lookNs: number;
  mapNs: number;
  /** The time of a look-up relative to that of the bare Map: the median of the rounds' ratios. */
  toMap: number;
  spread: [number, number];
}

export async function codes({ codeRows: rows, rounds, say }: Settings): Promise<CodesFigures> {
  const ours = Child.script('contestants/codes.ts');
  const bare = Child.script('contestants/codes.ts');
  const { readMs, tableMiB } = await ours.ask<{ readMs: number; tableMiB: number }>('table', { rows });
  await bare.ask('map', { rows });
  const found: Array<{ look: number; map: number }> = [];
  for (const child of [ours, bare]) await child.ask('codes', { rows });
  const nanoseconds = async (child: Child): Promise<number> => {
    const { seconds, messages } = await child.ask<Work>('looks');
    return (seconds * 1e9) / messages;
  };
  // The first round is slower: the code is not optimised yet.
  for (let round = 0; round <= rounds; round += 1) {
    const pair = { look: await nanoseconds(ours), map: await nanoseconds(bare) };
    if (round === 0) continue;
    found.push(pair);
    say(`codes, round ${round}: ${pair.look.toFixed(0)} ns, a bare Map ${pair.map.toFixed(0)} ns`);
  }
  const ratios = found.map(({ look, map }) => look / map);
  return {
    rows,
    readMs,
    tableMiB,
    lookNs: median(found.map(({ look }) => look)),
    mapNs: median(found.map(({ map }) => map)),
    toMap: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
