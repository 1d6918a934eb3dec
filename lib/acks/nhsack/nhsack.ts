/**
 * NHSACK, the acknowledgement of an EDIFACT interchange of pathology or screening (message type NHS001; docs/mesh.md,
 * NHSACK; and the pairs in ../shared/reference/samples/edifact-pathology).
 */
import { InvalidMessageError, UnreadableError } from '../../errors';
import { componentAt, readEdifact, writeEdifact, type Interchange } from '../../formats/edifact/interchange';
import { isObject, type SegmentObject } from '../../formats/segments';
import type { AckResult, ReceivedAck } from '../types';
import { isReceipt } from './receipts';

/** Accepted in full; accepted in part; interchange unreadable; messages unreadable; all messages rejected. */
export const NHSACK_STATUSES = ['IAF', 'IAP', 'IRI', 'IRM', 'IRA'] as const;
export type NhsAckStatus = (typeof NHSACK_STATUSES)[number];

/** What each status means for the sent interchange. */
const MEANINGS: Readonly<Record<NhsAckStatus, [AckResult, string]>> = {
  IAF: ['positive', 'Every message of the interchange was accepted'],
  IAP: ['partial', 'Some messages of the interchange were rejected'],
  IRI: ['negative', 'The interchange could not be read'],
  IRM: ['negative', 'The messages of the interchange could not be read'],
  IRA: ['negative', 'Every message of the interchange was rejected'],
};

export interface NhsAckOptions {
  /** Control reference of the acknowledgement: our own number, different for each. */
  controlReference: string;
  /**
   * The rejected messages by their UNH reference, each with a reason (no patient data). The others are accepted. The
   * status follows from them.
   */
  rejected?: Readonly<Record<string, string>>;
  /** Set when the interchange or its messages could not be read. */
  unreadable?: { status: 'IRI' | 'IRM'; reason: string };
  now: Date;
}

/** Whether the interchange requests an acknowledgement: UNB 0031 is 1. */
export const requestsNhsAck = (interchange: Interchange): boolean => componentAt(interchange.UNB?.[0], 9) === '1';

/**
 * Returns what is wrong with an interchange as a whole; undefined if nothing is. UNZ must be there and agree with UNB
 * and the number of messages. UNT's counts are not checked: accepted samples have wrong ones.
 */
export function interchangeFault(interchange: Interchange): string | undefined {
  const [unb, unz] = [interchange.UNB?.[0], interchange.UNZ?.[0]];
  const messages = interchange.messages ?? [];
  const isWhole =
    componentAt(unz, 2) === componentAt(unb, 5) &&
    Number(componentAt(unz, 1)) === messages.length &&
    messages.every((message) => message.UNT !== undefined);
  return isWhole ? undefined : 'Error while parsing interchange';
}

/**
 * Returns the NHSACK of a received interchange as text, without line ends, in characters that ISO 8859-1 has if the
 * interchange and the reasons are.
 * @throws InvalidMessageError when the interchange is itself an NHSACK, or has no sender, recipient or reference
 */
export function buildNhsAck(interchange: Interchange, options: NhsAckOptions): string {
  if (isNhsAck(interchange) || isReceipt(interchange))
    throw new InvalidMessageError('The interchange is itself an acknowledgement: it gets none.');
  const unb = interchange.UNB?.[0];
  const [sender, recipient, reference] = [partyAt(unb, 2), partyAt(unb, 3), componentAt(unb, 5)];
  if (sender === undefined || recipient === undefined || reference === '') {
    throw new InvalidMessageError('The interchange has no sender, recipient or control reference to acknowledge.');
  }
  const clock = britishTime(options.now);
  const { status, segments } = statusAndSegments(interchange, options);
  const control = options.controlReference;
  return writeEdifact({
    una: "UNA:+.? '",
    UNB: [
      {
        e1: { c1: 'UNOC', c2: '3' },
        e2: recipient,
        e3: sender,
        e4: { c1: clock.date.slice(2), c2: clock.time },
        e5: control,
        e7: 'NHSACK',
      },
    ],
    messages: [
      {
        UNH: [{ e1: '1', e2: { c1: 'NHSACK', c2: 'D', c3: '1', c4: 'NH', c5: 'NHS001' } }],
        BGM: [{ at: 1, e1: 'AKR' }],
        DTM: [{ at: 2, e1: { c1: '137', c2: clock.date, c3: '102' } }],
        NIR: [{ at: 3, e1: { c1: 'SIR', c2: reference }, e2: sender, e3: recipient, e4: status }],
        NMR: segments.filter(({ e2 }) => e2 !== undefined),
        FTX: segments.filter(({ e2 }) => e2 === undefined),
      },
    ],
  }) as string;
}

/**
 * The status, and the segments after NIR: an NMR for each message (MA accepted, MR rejected), an FTX for each reason.
 */
function statusAndSegments(interchange: Interchange, { rejected = {}, unreadable }: NhsAckOptions) {
  const reason = (at: number, text: string): SegmentObject => ({ at, e1: 'ERD', e4: text.slice(0, 70) });
  if (unreadable) return { status: unreadable.status, segments: [reason(4, unreadable.reason)] };
  const references = (interchange.messages ?? []).map((message) => componentAt(message.UNH?.[0], 1));
  const segments: SegmentObject[] = [];
  let rejections = 0;
  references.forEach((reference, index) => {
    const why = Object.hasOwn(rejected, reference) ? rejected[reference] : undefined;
    const at = 4 + index * 2;
    segments.push({ at, e1: { c1: 'AGO', c2: reference }, e2: why === undefined ? 'MA' : 'MR' });
    if (why === undefined) return;
    rejections += 1;
    segments.push(reason(at + 1, why));
  });
  const status: NhsAckStatus = rejections === 0 ? 'IAF' : rejections === references.length ? 'IRA' : 'IAP';
  return { status, segments };
}

/** Whether it is an NHSACK, by its message type. */
export function isNhsAck(interchange: Interchange): boolean {
  return (interchange.messages ?? []).some((message) => componentAt(message.UNH?.[0], 2) === 'NHSACK');
}

/** @throws UnreadableError when the interchange is not an NHSACK, or its status is not known */
export const readNhsAck = (payload: string | Buffer): ReceivedAck => readNhsAckIn(readEdifact(payload));

/** Reads the first NHSACK of an interchange; see {@link readNhsAck}. */
export function readNhsAckIn(interchange: Interchange): ReceivedAck {
  const message = interchange.messages?.find((candidate) => componentAt(candidate.UNH?.[0], 2) === 'NHSACK');
  const [nir] = (message?.['NIR'] ?? []) as SegmentObject[];
  const status = NHSACK_STATUSES.find((known) => known === componentAt(nir, 4));
  if (!status) throw new UnreadableError('The interchange is not an NHSACK, or its status is not known.');
  const [result, meaning] = MEANINGS[status];
  const reference = componentAt(nir, 1, 2);
  // The sender of the acknowledged interchange; if NIR leaves it out, the recipient of this one.
  const sender = componentAt(nir, 2) || componentAt(interchange.UNB?.[0], 3);
  return {
    form: 'nhsack',
    acknowledges: reference === '' ? undefined : reference,
    ...(sender === '' ? {} : { sender }),
    level: 'business',
    result,
    code: status,
    meaning,
  };
}

function partyAt(unb: SegmentObject | undefined, element: number): Record<string, unknown> | undefined {
  const value = unb?.[`e${element}`];
  return isObject(value) && componentAt(unb, element) !== '' ? value : undefined;
}

/** EDIFACT's dates have no time zone: the NHS writes British time. */
function britishTime(now: Date): { date: string; time: string } {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'Europe/London',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(now);
  const part = (type: string): string => parts.find((found) => found.type === type)?.value ?? '';
  return { date: part('year') + part('month') + part('day'), time: part('hour') + part('minute') };
}
