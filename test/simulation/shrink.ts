/** Makes the world of a failing seed smaller: as few faults as still break the same thing. */
import { KINDS, NOTHING_LEFT_OUT, type LeftOut } from './faults';
import { simulate, type Outcome } from './world';

/** Runs that shrinking may take. */
const MOST_RUNS = 150;

/** What a violation is about, without the name of its message: it may be another message's in a smaller world. */
const kindOf = (violation = ''): string => violation.replace(/^[^:]*: /, '').replaceAll(/\d+|[0-9a-f-]{36}/g, '*');

/** Returns the smallest world found that breaks what this one broke. */
export async function shrink(
  failed: Outcome,
  begin: LeftOut = NOTHING_LEFT_OUT,
): Promise<{ outcome: Outcome; leftOut: LeftOut }> {
  const wanted = kindOf(failed.violations[0]);
  let smallest = { outcome: failed, leftOut: begin };
  let runs = 0;
  const attempt = async (leftOut: LeftOut): Promise<boolean> => {
    if (runs >= MOST_RUNS) return false;
    runs += 1;
    const outcome = await simulate(failed.seed, leftOut);
    if (kindOf(outcome.violations[0]) !== wanted) return false;
    smallest = { outcome, leftOut };
    return true;
  };
  // Whole kinds first, then single strikes, the last ones first: what came before may have led to them.
  for (const kind of KINDS) {
    if (!smallest.outcome.struck.has(kind)) continue;
    await attempt({ ...smallest.leftOut, kinds: new Set([...smallest.leftOut.kinds, kind]) });
  }
  for (const kind of KINDS) {
    const { strikes } = smallest.outcome;
    for (const name of strikes.filter((each) => each.startsWith(`${kind} `)).toReversed())
      await attempt({ ...smallest.leftOut, strikes: new Set([...smallest.leftOut.strikes, name]) });
  }
  return smallest;
}

/** Returns the lines of the trace that concern the messages of the violations, and everything of the machine. */
export function history({ trace, violations }: Outcome): string[] {
  const names = new Set(violations.flatMap((violation) => violation.split(':')[0] ?? []));
  // A message has a name, an id in the outbox and one at MESH: lines that name two of them connect them.
  const ids = /\b(?:out|in)\d+\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b\d{17,}_\w+\b/g;
  for (let before = 0; before < names.size;) {
    before = names.size;
    for (const line of trace) {
      const here = line.match(ids) ?? [];
      if (here.some((id) => names.has(id))) for (const id of here) names.add(id);
    }
  }
  const concerns = (line: string): boolean => [...names].some((name) => new RegExp(`\\b${name}\\b`).test(line));
  return trace.filter((line) => / (?:Node-RED|fault|person|disk|--)/.test(line) || concerns(line));
}
