/** Reads ITK3 messages: what a request asks for, and what a response says (docs/mesh.md, ITK3 acknowledgements). */
import { InvalidMessageError, UnreadableError } from '../../errors';
import type { ReceivedAck } from '../types';
import { findItk3Code, levelOf } from './codes';
import { messageBundle, type Loose } from './loose';

/** A request, as far as answering it needs it. */
export interface Itk3Request {
  /** MessageHeader.id; undefined where there is none. */
  messageId: string | undefined;
  senderReference: string | undefined;
  /** undefined where the flag cannot be read: then it is answered. */
  infrastructureAsked: boolean | undefined;
  businessAsked: boolean | undefined;
  /** MessageHeader.source.endpoint: the sender's mailbox, as the sender has it. */
  from: string | undefined;
  /** Whether it is itself a response. Those are never answered, whatever their flags say: published ones set them. */
  isResponse: boolean;
}

const HANDLING = /\/Extension-ITK-MessageHandling-\d+$/;
const PLACEHOLDERS = new Set(['UNREADABLE-IN-ORIGINAL-MESSAGE', '']);

/** What a responder writes where it could not read the request's id. */
export const UNREADABLE_ID = 'UNREADABLE-IN-ORIGINAL-MESSAGE';

/** @throws UnreadableError where it is no ITK3 message. */
export function readItk3Request(payload: string | Buffer): Itk3Request {
  const { header } = messageBundle(payload);
  const handling = header.all('extension').find((extension) => HANDLING.test(extension.first('url')?.value ?? ''));
  const part = (name: string): Loose | undefined =>
    handling?.all('extension').find((extension) => extension.first('url')?.value === name);
  const flag = (name: string): boolean | undefined => {
    const value = part(name)?.first('valueBoolean')?.value;
    return value === 'true' ? true : value === 'false' ? false : undefined;
  };
  return {
    messageId: header.first('id')?.value,
    senderReference: part('SenderReference')?.first('valueString')?.value,
    infrastructureAsked: flag('InfAckRequested'),
    businessAsked: flag('BusAckRequested'),
    from: header.first('source', 'endpoint')?.value,
    isResponse: header.first('response') !== undefined,
  };
}

/** What is to be answered. Nothing to a response; where a flag cannot be read, it counts as set. */
export function answersWanted(request: Itk3Request): { infrastructure: boolean; business: boolean } {
  if (request.isResponse) return { infrastructure: false, business: false };
  return { infrastructure: request.infrastructureAsked ?? true, business: request.businessAsked ?? true };
}

/**
 * Whether one more response may follow those that were sent: at most two, one of each level, infrastructure first, and none
 * after a negative one.
 * @throws InvalidMessageError where it may not
 */
export function checkMayFollow(sent: readonly string[], code: string): void {
  if (sent.length === 0) return;
  const ended = sent.some((earlier) => findItk3Code(earlier)?.result === 'negative');
  if (ended) throw new InvalidMessageError('The request was answered negatively: that ended the exchange.');
  const more = sent.length === 1 && sent.every((earlier) => levelOf(earlier) === 'infrastructure');
  if (!more || levelOf(code) !== 'business') {
    throw new InvalidMessageError(
      'The request was answered already: each level is answered once, infrastructure first.',
    );
  }
}

/**
 * Reads a response. Liberal, as real ones differ: event ITK002M, CodeSystem ITK-Acknowledgement-1, no details reference.
 * @throws UnreadableError where it is none, or has no code that is known
 */
export function readItk3Response(payload: string | Buffer): ReceivedAck {
  const { header, resources } = messageBundle(payload);
  const response = header.first('response');
  if (!response) throw new UnreadableError('The ITK3 message is not a response: its MessageHeader has none.');
  const outcomes = resources.filter(({ name }) => name === 'OperationOutcome');
  const reference = response.first('details', 'reference')?.value?.replace(/^.*[:/]/, '');
  const outcome = outcomes.find((candidate) => candidate.first('id')?.value === reference) ?? outcomes[0];
  const codings = (outcome?.all('issue') ?? []).flatMap((issue) => issue.first('details')?.all('coding') ?? []);
  const codes = codings.map((coding) => findItk3Code(coding.first('code')?.value ?? ''));
  const known = codes.find((code) => code !== undefined);
  if (!known) throw new UnreadableError('The ITK3 response has no response code that is known.');
  // A sender that says fatal-error with a positive code contradicts itself; the worse is believed.
  const failed = known.result === 'negative' || response.first('code')?.value === 'fatal-error';
  const answers = response.first('identifier')?.value ?? '';
  return {
    form: 'itk3',
    answers: PLACEHOLDERS.has(answers) ? undefined : answers,
    level: levelOf(known.code),
    result: failed ? 'negative' : 'positive',
    code: known.code,
    meaning: known.name,
  };
}
