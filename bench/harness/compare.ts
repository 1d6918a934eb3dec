/** Contestants side by side: limit, ours, peers, limit, ours, peers …, each in its own process, and what that comes to. */
import { median } from '../../test/harness/median';
import type { Child } from './child';
import type { Work } from './serve';

/** One of those who do the same work. */
export interface Contestant {
  /** Ours is called `library`. */
  name: string;
  /** A `variant` is a peer with other settings than its own: shown, and no figure is made of it. */
  role: 'limit' | 'ours' | 'peer' | 'variant';
  child: Child;
  /** Does one round. Throws if what came out is wrong. */
  round: (round: number) => Promise<Work>;
}

/** What the server says about itself. */
export interface ServerFigures {
  cpuSeconds: number;
  requests: number;
  messages: number;
  bytes: number;
  sha256: string[];
  inbox: number;
}

/** What a row is counted in. */
export type Unit = 'MiB' | 'message';

/** One contestant's median. */
export interface Standing {
  name: string;
  role: Contestant['role'];
  /** MiB or messages a second. */
  perSecond: number;
  /** Client CPU milliseconds for each MiB or message. */
  cpuMs: number;
}

/** A row of the table. */
export interface Comparison {
  unit: Unit;
  /** Ours to the limit: the median of the rounds' ratios. Null without a limit. */
  toLimit: number | null;
  /** Ours to the fastest peer. Null where none is installed. */
  toPeer: number | null;
  /** The smallest and the largest ratio to the limit (to the peer, without a limit) of a round. */
  spread: [number, number] | null;
  standings: Standing[];
  /** The part of our time in which the server was busy. */
  serverShare: number;
  /** True where the server could not sustain three times our rate: what was measured is partly the server. */
  serverLimited: boolean;
  rounds: number;
}

const amount = (unit: Unit, work: Work): number => (unit === 'MiB' ? work.bytes / 2 ** 20 : work.messages);

/** Runs the rounds. `server` is asked after each of them how busy it was. */
export async function compare(
  unit: Unit,
  contestants: readonly Contestant[],
  rounds: number,
  server: { reset: () => Promise<unknown>; figures: () => Promise<ServerFigures> },
): Promise<Comparison> {
  const works: Work[][] = contestants.map(() => []);
  const shares: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const [i, contestant] of contestants.entries()) {
      await server.reset();
      const work = await contestant.round(round);
      works[i]?.push(work);
      if (contestant.role === 'ours') shares.push((await server.figures()).cpuSeconds / work.seconds);
    }
  }
  const rate = (work: Work): number => amount(unit, work) / work.seconds;
  const standings = contestants.map(({ name, role }, i): Standing => {
    const done = works[i] ?? [];
    return {
      name,
      role,
      perSecond: median(done.map(rate)),
      cpuMs: median(done.map((work) => (1000 * work.cpuSeconds) / amount(unit, work))),
    };
  });
  const fastest = (role: Contestant['role']): Work[] => {
    const best = standings.filter((each) => each.role === role).sort((one, two) => two.perSecond - one.perSecond)[0];
    return (best && works[standings.indexOf(best)]) ?? [];
  };
  const ours = fastest('ours');
  const ratiosTo = (others: readonly Work[]): number[] =>
    ours.flatMap((work, i) => (others[i] ? [rate(work) / rate(others[i])] : []));
  const [toLimit, toPeer] = [ratiosTo(fastest('limit')), ratiosTo(fastest('peer'))];
  const spreadOf = toLimit.length > 0 ? toLimit : toPeer;
  const serverShare = median(shares);
  return {
    unit,
    toLimit: toLimit.length > 0 ? median(toLimit) : null,
    toPeer: toPeer.length > 0 ? median(toPeer) : null,
    spread: spreadOf.length > 0 ? [Math.min(...spreadOf), Math.max(...spreadOf)] : null,
    standings,
    serverShare,
    serverLimited: serverShare > 1 / 3,
    rounds,
  };
}
