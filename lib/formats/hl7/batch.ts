/**
 * Splits a file of several HL7 v2 messages (HL7 v2, 2.10.3 "Batch protocol": FHS and BHS, or one MSH after the other)
 * into its messages. Each may have its own character set and terminator, so bytes stay bytes.
 */
import { ValueBudget } from '../limits';
import { ToleratedList, type Tolerated } from '../tolerated';
import { AROUND, NOT_AROUND } from './separators';
import { splitSegments } from './terminator';

/** A file's messages, in its order, and what encloses them. */
export interface Hl7Batch<Payload extends string | Buffer> {
  messages: Payload[];
  /** FHS, BHS, BTS and FTS with their terminators, joined; empty if there are none. */
  envelope: Payload;
  /**
   * `hl7-batch-count`: the batch has more or fewer messages than it says. `hl7-batch-header`: it has only an end (BTS,
   * FTS), which cannot be read, since no header gives its separators. `hl7-batch-outside`: segments that are no part of a
   * message stand between the messages, or after the end.
   */
  tolerated: Tolerated[];
}

/**
 * Whether a payload may have several messages. The name is looked for before the white space that stands before it:
 * from each character of that, 200,000 blank lines took minutes.
 */
const SEVERAL = new RegExp(
  String.raw`(?:^|[${AROUND}])(?:FHS|BHS)\W|(?:MSH|BTS|FTS)(?<=[\r\n\x1c][${AROUND}]*(?:MSH|BTS|FTS))\W`,
);

const HEADLESS = 'hl7-batch-header';

/** Returns what encloses a file's messages, if there is any and it can be read. */
export const readableEnvelope = <Payload extends string | Buffer>({
  envelope,
  tolerated,
}: Hl7Batch<Payload>): Payload | undefined =>
  envelope.length === 0 || tolerated.some(({ code }) => code === HEADLESS) ? undefined : envelope;

const ENVELOPE: ReadonlySet<string> = new Set(['FHS', 'BHS', 'BTS', 'FTS']);

/**
 * Splits a payload. One that is no batch has itself as its one message, and no envelope.
 * @throws UnreadableError when it has too many segments
 */
export function splitHl7<Payload extends string | Buffer>(payload: Payload): Hl7Batch<Payload> {
  const whole = { messages: [payload], envelope: payload.slice(0, 0) as Payload, tolerated: [] };
  // One byte is one character, so that places in the text are places in the bytes.
  const text = (typeof payload === 'string' ? payload : payload.toString('latin1')).replaceAll(
    /\xEF\xBB\xBF(?=(?:MSH|FHS|BHS)\W)/g,
    '   ',
  );
  if (!SEVERAL.test(text)) return whole;
  const messages: Payload[] = [];
  const envelope: Payload[] = [];
  const counts: number[] = [];
  let isHeadless = false;
  let inBatch = 0;
  let outside = 0;
  let start: number | undefined;
  let at = 0;
  const end = (place: number): void => {
    if (start !== undefined) messages.push(withoutBlock(payload.slice(start, place) as Payload));
    start = undefined;
  };
  for (const segment of splitSegments(text, new ValueBudget(), new ToleratedList())) {
    const name = segment.slice(Math.max(segment.search(NOT_AROUND), 0)).slice(0, 3);
    if (name === 'MSH' || ENVELOPE.has(name)) end(at);
    if (name === 'MSH') {
      start = at;
      inBatch += 1;
    } else if (start === undefined) {
      if (envelope.length === 0) isHeadless = name === 'BTS' || name === 'FTS';
      envelope.push(payload.slice(at, at + segment.length) as Payload);
      if (!ENVELOPE.has(name)) outside += 1;
    }
    if (name === 'BHS') inBatch = 0;
    const count = name === 'BTS' ? /^\s*BTS\W(\d{1,9})(?!\d)/.exec(segment)?.[1] : undefined;
    if (count !== undefined) counts.push(Number(count) - inBatch);
    at += segment.length;
  }
  end(at);
  if (messages.length === 0 || (messages.length === 1 && envelope.length === 0)) return whole;
  const tolerated = new ToleratedList();
  for (const difference of counts.filter((each) => each !== 0)) {
    tolerated.add(
      'hl7-batch-count',
      `A batch has ${Math.abs(difference)} messages ${difference > 0 ? 'fewer' : 'more'} than its BTS says.`,
    );
  }
  if (outside > 0) {
    tolerated.add(
      'hl7-batch-outside',
      `Segments of the batch (${outside}) stand outside its messages. They are with its header and its end.`,
    );
  }
  if (isHeadless)
    tolerated.add(HEADLESS, 'A batch ends (BTS, FTS) that no BHS or FHS has begun. Its end was left out.');
  return { messages, envelope: joined(envelope, payload), tolerated: tolerated.all ?? [] };
}

/** Joins payloads of the kind of `like`. */
const joined = <Payload extends string | Buffer>(parts: readonly Payload[], like: Payload): Payload =>
  (typeof like === 'string' ? parts.join('') : Buffer.concat(parts as readonly Buffer[])) as Payload;

/** Removes the MLLP block (VT, FS CR) that was stored with a message. */
function withoutBlock<Payload extends string | Buffer>(message: Payload): Payload {
  let [start, end] = [0, message.length];
  const codeAt = (index: number): number =>
    typeof message === 'string' ? message.charCodeAt(index) : (message[index] ?? 0);
  while (start < end && codeAt(start) === 0x0b) start += 1;
  let last = end;
  while (last > start && codeAt(last - 1) <= 0x20) last -= 1;
  for (let index = last; index < end; index += 1) if (codeAt(index) === 0x1c || codeAt(index) === 0x0b) end = index;
  return message.slice(start, end) as Payload;
}
