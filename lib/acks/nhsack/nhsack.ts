/**
 * NHSACK, the answer to an EDIFACT interchange of pathology or screening (message type NHS001; docs/mesh.md, NHSACK,
 * and the
 * pairs in ../shared/reference/samples/edifact-pathology).
 */
import { InvalidMessageError, UnreadableError } from '../../errors';
import { componentAt, readEdifact, writeEdifact, type Interchange } from '../../formats/edifact/interchange';
import { isObject, type SegmentObject } from '../../formats/segments';
import type { AckResult, ReceivedAck } from '../types';

/** Accepted in full; in part; the interchange, its messages' structure, or all its messages rejected. */
export const NHSACK_STATUSES = ['IAF', 'IAP', 'IRI', 'IRM', 'IRA'] as const;
export type NhsAckStatus = (typeof NHSACK_STATUSES)[number];

/** Status of the interchange: what it means for what was sent. */
const MEANINGS: Readonly<Record<NhsAckStatus, [AckResult, string]>> = {
  IAF: ['positive', 'Every message of the interchange was accepted'],
  IAP: ['partial', 'Some messages of the interchange were rejected'],
  IRI: ['negative', 'The interchange could not be read'],
  IRM: ['negative', 'The messages of the interchange could not be read'],
  IRA: ['negative', 'Every message of the interchange was rejected'],
};

export interface NhsAckOptions {
  /** Control reference of the answer: a number of ours, different for each answer. */
  controlReference: string;
  /**
   * Messages that were rejected, by their UNH reference, each with a reason (no patient data). The others are accepted; the
   * status follows.
   */
  rejected?: Readonly<Record<string, string>>;
  /** Set where the interchange or its messages' structure could not be read. */
  unreadable?: { status: 'IRI' | 'IRM'; reason: string };
  now: Date;
}

/** Whether the interchange asks for an acknowledgement: UNB 0031 is 1. */
export const asksForNhsAck = (interchange: Interchange): boolean => componentAt(interchange.UNB?.[0], 9) === '1';

/**
 * What is wrong with an interchange as a whole; undefined where nothing is. Its trailer must be there and agree with UNB and
 * the number of messages. UNT's counts are not looked at: accepted samples have wrong ones.
 */
export function interchangeFault(interchange: Interchange): string | undefined {
  const [head, end] = [interchange.UNB?.[0], interchange.UNZ?.[0]];
  const messages = interchange.messages ?? [];
  const whole =
    componentAt(end, 2) === componentAt(head, 5) &&
    Number(componentAt(end, 1)) === messages.length &&
    messages.every((message) => message.UNT !== undefined);
  return whole ? undefined : 'Error while parsing interchange';
}

/**
 * The NHSACK for a received interchange, without line ends, in ISO 8859-1's reach.
 * @throws InvalidMessageError where the interchange is itself an NHSACK, or has no sender, recipient or reference
 */
export function buildNhsAck(interchange: Interchange, options: NhsAckOptions): string {
  if (isNhsAck(interchange))
    throw new InvalidMessageError('The interchange is itself an NHSACK: it is never answered.');
  const head = interchange.UNB?.[0];
  const [sender, recipient, reference] = [party(head, 2), party(head, 3), componentAt(head, 5)];
  if (sender === undefined || recipient === undefined || reference === '') {
    throw new InvalidMessageError('The interchange has no sender, recipient or control reference to answer to.');
  }
  const clock = britishTime(options.now);
  const body = verdict(interchange, options);
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
        NIR: [{ at: 3, e1: { c1: 'SIR', c2: reference }, e2: sender, e3: recipient, e4: body.status }],
        NMR: body.segments.filter(({ e2 }) => e2 !== undefined),
        FTX: body.segments.filter(({ e2 }) => e2 === undefined),
      },
    ],
  }) as string;
}

/** Status, and after NIR a NMR for each message (MA accepted, MR rejected), with an FTX for each reason. */
function verdict(interchange: Interchange, { rejected = {}, unreadable }: NhsAckOptions) {
  const reason = (at: number, text: string): SegmentObject => ({ at, e1: 'ERD', e4: text.slice(0, 70) });
  if (unreadable) return { status: unreadable.status, segments: [reason(4, unreadable.reason)] };
  const references = (interchange.messages ?? []).map((message) => componentAt(message.UNH?.[0], 1));
  const segments: SegmentObject[] = [];
  let count = 0;
  references.forEach((reference, index) => {
    const why = Object.hasOwn(rejected, reference) ? rejected[reference] : undefined;
    const at = 4 + index * 2;
    segments.push({ at, e1: { c1: 'AGO', c2: reference }, e2: why === undefined ? 'MA' : 'MR' });
    if (why === undefined) return;
    count += 1;
    segments.push(reason(at + 1, why));
  });
  const status: NhsAckStatus = count === 0 ? 'IAF' : count === references.length ? 'IRA' : 'IAP';
  return { status, segments };
}

/** Whether it is an NHSACK: by its message type, not by its workflow. */
export function isNhsAck(interchange: Interchange): boolean {
  return (interchange.messages ?? []).some((message) => componentAt(message.UNH?.[0], 2) === 'NHSACK');
}

/** @throws UnreadableError where it is no NHSACK, or its status is none that there is. */
export function readNhsAck(payload: string | Buffer): ReceivedAck {
  const interchange = readEdifact(payload);
  const message = interchange.messages?.find((candidate) => componentAt(candidate.UNH?.[0], 2) === 'NHSACK');
  const [answer] = (message?.['NIR'] ?? []) as SegmentObject[];
  const status = NHSACK_STATUSES.find((known) => known === componentAt(answer, 4));
  if (!status) throw new UnreadableError('The interchange is not an NHSACK, or has no status that is known.');
  const [result, meaning] = MEANINGS[status];
  const answers = componentAt(answer, 1, 2);
  // The sender of what is answered; the one that the answer goes to where NIR leaves it out.
  const sender = componentAt(answer, 2) || componentAt(interchange.UNB?.[0], 3);
  return {
    form: 'nhsack',
    answers: answers === '' ? undefined : answers,
    ...(sender === '' ? {} : { sender }),
    level: 'business',
    result,
    code: status,
    meaning,
  };
}

function party(head: SegmentObject | undefined, element: number): Record<string, unknown> | undefined {
  const value = head?.[`e${element}`];
  return isObject(value) && componentAt(head, element) !== '' ? value : undefined;
}

/** EDIFACT's dates have no zone: the NHS writes British time. */
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
