/**
 * The other EDIFACT acknowledgements: RECEP, the receipt of NHAIS GP Links, and CONTRL, UN/EDIFACT's own (ISO 9735-4).
 * Like an NHSACK they are never acknowledged (docs/mesh.md, NHSACK).
 */
import { UnreadableError } from '../../errors';
import { componentAt, type EdifactMessage, type Interchange } from '../../formats/edifact/interchange';
import type { SegmentObject } from '../../formats/segments';
import type { AckResult, ReceivedAck } from '../types';

/** Codes of RECEP for the interchange. */
const RECEP_CODES: Readonly<Record<string, [AckResult, string]>> = {
  OK: ['positive', 'The interchange was received'],
  NA: ['negative', 'The interchange has no valid data'],
  ER: ['negative', 'The interchange has invalid data'],
};

/** Action codes of CONTRL (UN/EDIFACT data element 0083). */
const CONTRL_CODES: Readonly<Record<string, [AckResult, string]>> = {
  1: ['positive', 'The interchange was acknowledged'],
  4: ['negative', 'The interchange was rejected'],
  7: ['positive', 'The interchange was acknowledged'],
  8: ['positive', 'The interchange was received'],
};

const PART = 'Some messages of the interchange were rejected';

/** The message of a type, if the interchange has one. */
const messageOf = (interchange: Interchange, type: string): EdifactMessage | undefined =>
  interchange.messages?.find(({ UNH }) => componentAt(UNH?.[0], 2) === type);

/**
 * The RECEP of an interchange. Systems in use, the NHS's own adaptor among them, give it the type of the message that it
 * acknowledges (FHSREG): then the interchange says that it is one (UNB 0026), or the message does, by its RFF+RIS.
 */
const recepOf = (interchange: Interchange): EdifactMessage | undefined => {
  const [first] = interchange.messages ?? [];
  const isNamed = componentAt(interchange.UNB?.[0], 7).trim() === 'RECEP';
  return (
    messageOf(interchange, 'RECEP') ??
    interchange.messages?.find((message) => referencesIn(message).some(({ kind }) => kind === 'RIS')) ??
    (isNamed ? first : undefined)
  );
};

/** Whether it is a RECEP or a CONTRL. */
export const isReceipt = (interchange: Interchange): boolean =>
  recepOf(interchange) !== undefined || messageOf(interchange, 'CONTRL') !== undefined;

/** @throws UnreadableError when it is neither, or its code is not known */
export function readReceipt(interchange: Interchange): ReceivedAck {
  const recep = recepOf(interchange);
  const contrl = messageOf(interchange, 'CONTRL');
  const read = recep ? readRecep(recep) : contrl ? readContrl(contrl) : undefined;
  if (!read) throw new UnreadableError('The interchange is no RECEP or CONTRL, or its code is not known.');
  const { reference, code, known, rejected, messages } = read;
  const isPartial = known[0] === 'positive' && rejected > 0;
  const sender = read.sender || componentAt(interchange.UNB?.[0], 3);
  return {
    form: 'nhsack',
    acknowledges: reference === '' ? undefined : reference,
    // The sender of the acknowledged interchange is the recipient of this one.
    ...(sender === '' ? {} : { sender }),
    level: recep ? 'business' : 'infrastructure',
    result: isPartial ? (rejected === messages ? 'negative' : 'partial') : known[0],
    code,
    meaning: isPartial ? PART : known[1],
  };
}

interface Read {
  reference: string;
  /** Of the acknowledged interchange; empty if it is not named. */
  sender: string;
  code: string;
  known: [AckResult, string];
  messages: number;
  rejected: number;
}

interface Reference {
  kind: string;
  reference: string;
  code: string;
}

/** RFF+RIS has the interchange's sequence number and code, RFF+MIS those of each message: `00000007 OK`. */
const referencesIn = (message: EdifactMessage): Reference[] =>
  ((message['RFF'] ?? []) as SegmentObject[]).map((segment) => {
    const [reference = '', code = ''] = componentAt(segment, 1, 2).trim().split(/\s+/);
    return { kind: componentAt(segment, 1), reference, code };
  });

function readRecep(message: EdifactMessage): Read | undefined {
  const references = referencesIn(message);
  const whole = references.find(({ kind }) => kind === 'RIS');
  const parts = references.filter(({ kind }) => kind === 'MIS');
  const known = whole && Object.hasOwn(RECEP_CODES, whole.code) ? RECEP_CODES[whole.code] : undefined;
  if (!whole || !known) return undefined;
  const rejected = parts.filter(({ code }) => code !== 'CP').length;
  return { ...whole, sender: '', known, messages: parts.length, rejected };
}

/**
 * UCI has the interchange's reference, sender, recipient and action; UCM a message's reference, type and action; UCF a
 * group's reference, sender, recipient and action.
 */
function readContrl(message: EdifactMessage): Read | undefined {
  const [uci] = (message['UCI'] ?? []) as SegmentObject[];
  const code = componentAt(uci, 4);
  const known = Object.hasOwn(CONTRL_CODES, code) ? CONTRL_CODES[code] : undefined;
  if (!known) return undefined;
  const rejections = (tag: 'UCM' | 'UCF', action: number): number =>
    ((message[tag] ?? []) as SegmentObject[]).filter((segment) => componentAt(segment, action) === '4').length;
  const rejected = rejections('UCM', 3) + rejections('UCF', 4);
  const [reference, sender] = [componentAt(uci, 1), componentAt(uci, 2)];
  // CONTRL may name the rejected messages only.
  return { reference, sender, code, known, messages: Number.POSITIVE_INFINITY, rejected };
}
