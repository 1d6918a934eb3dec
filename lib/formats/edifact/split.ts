/** Splits a payload of several UN/EDIFACT interchanges into them: each has its own UNA, syntax and character set. */
import { ValueBudget } from '../limits';
import { DEFAULT_SYNTAX, LEAD, syntaxOf } from './syntax';

/** A service segment's tag and the separator after it. */
const TAG = /^UN[AB](?=[^\sA-Za-z0-9])/;

/**
 * Returns the interchanges of a payload, each with the white space after it. One interchange, or what is none, is
 * returned as it is.
 * @throws UnreadableError when it has too many segments, or a UNA that is not usable
 */
export function splitEdifact<Payload extends string | Buffer>(payload: Payload): Payload[] {
  // One byte is one character: UNA and the tags are ASCII in every character set that is read here.
  const text = typeof payload === 'string' ? payload : payload.toString('latin1');
  if (!text.includes('UNB', text.indexOf('UNB') + 3)) return [payload];
  const starts: number[] = [];
  const budget = new ValueBudget();
  let syntax = DEFAULT_SYNTAX;
  let hasUna = false;
  for (let at = 0; at < text.length;) {
    const begin = at + (LEAD.exec(text.slice(at, at + 200))?.[0].length ?? 0);
    const tag = TAG.exec(text.slice(begin, begin + 4))?.[0];
    if (tag === 'UNA') {
      starts.push(at);
      syntax = syntaxOf(text.slice(begin + 3, begin + 9));
      hasUna = true;
      at = begin + 9;
      continue;
    }
    if (tag === 'UNB') {
      if (!hasUna) {
        starts.push(at);
        syntax = DEFAULT_SYNTAX;
      }
      hasUna = false;
    }
    budget.spend(1, 'EDIFACT');
    at = endOfSegment(text, begin, syntax);
  }
  return starts.length < 2 ? [payload] : starts.map((start, index) => pieceAt(payload, starts, index, start));
}

/** The first interchange takes what stands before it, so that the joined pieces are the payload. */
const pieceAt = <Payload extends string | Buffer>(
  payload: Payload,
  starts: readonly number[],
  index: number,
  start: number,
): Payload => payload.slice(index === 0 ? 0 : start, starts[index + 1]) as Payload;

/** Returns the place after the terminator of the segment that begins at `at`. */
function endOfSegment(text: string, at: number, { terminator, release }: typeof DEFAULT_SYNTAX): number {
  for (let index = at; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === release && release !== ' ') index += 1;
    else if (char === terminator) return index + 1;
  }
  return text.length;
}
