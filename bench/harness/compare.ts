/** Compares contestants, each in its own process, in turn: limit, ours, peers, limit, ours, peers … */
import { median } from '../../test/harness/median';
import type { Child } from './child';
import type { Work } from './serve';

/** A program that does the work that is compared. */
export interface Contestant {
  /** Our own is called `library`. */
  name: string;
  /** A `variant` is a peer with settings other than its defaults: it is shown, but no figure is derived from it. */
  role: 'limit' | 'ours' | 'peer' | 'variant';
  child: Child;
  /**
   * Does one round.
   *
   * @throws Error when the result is wrong.
   */
  round: (round: number) => Promise<Work>;
}

/** How many messages have passed a place, and when: in milliseconds since 1970, comparable across processes. */
export interface Mark {
  count: number;
  first: number;
  last: number;
}

/** What the server counted since the last reset. */
export interface ServerFigures {
  cpuSeconds: number;
  requests: number;
  messages: number;
  bytes: number;
  sha256: string[];
  inbox: number;
  times: Record<'send' | 'download', Mark>;
}

/** The unit that a row counts. */
export type Unit = 'MiB' | 'message';

/** The medians of one contestant. */
export interface ContestantFigures {
  name: string;
  role: Contestant['role'];
  /** MiB or messages per second. */
  perSecond: number;
  /** Client CPU milliseconds per MiB or message. */
  cpuMs: number;
}

/** A row of the table. */
export interface Comparison {
  unit: Unit;
  /** Our rate relative to the limit: the median of the rounds' ratios. Null without a limit. */
  toLimit: number | null;
  /** Our rate relative to the fastest peer. Null if none is installed. */
  toPeer: number | null;
  /** The smallest and the largest ratio of a round to the limit, or to the peer without a limit. */
  spread: [number, number] | null;
  standings: ContestantFigures[];
  /** The fraction of our time in which the server was busy. */
  serverShare: number;
  /** True if the server could not sustain three times our rate: the figure then partly measures the server. */
  serverLimited: boolean;
  rounds: number;
}

const amount = (unit: Unit, work: Work): number => (unit === 'MiB' ? work.bytes / 2 ** 20 : work.messages);

/** Runs the rounds. After each of our rounds, `server` reports how busy it was. */
export async function compare(
  unit: Unit,
  contestants: ReadonlyArray<Omit<Contestant, 'child'>>,
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
  const standings = contestants.map(({ name, role }, i): ContestantFigures => {
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
  const ratiosTo = (theirs: readonly Work[]): number[] =>
    ours.flatMap((work, i) => (theirs[i] ? [rate(work) / rate(theirs[i])] : []));
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
