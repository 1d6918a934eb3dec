/** Reads ITK3 requests and responses (docs/mesh.md, ITK3 acknowledgements). */
import { InvalidMessageError, UnreadableError } from '../../errors';
import type { ReceivedAck } from '../types';
import { findItk3Code, levelOf } from './codes';
import { messageBundle, type LooseElement } from './loose';

/** What acknowledging a request needs. */
export interface Itk3Request {
  /** MessageHeader.id. */
  messageId: string | undefined;
  senderReference: string | undefined;
  /** InfAckRequested; undefined when the flag cannot be read: then it counts as set. */
  infrastructureRequested: boolean | undefined;
  /** BusAckRequested, likewise. */
  businessRequested: boolean | undefined;
  /** MessageHeader.source.endpoint: the mailbox that the sender says it has. */
  from: string | undefined;
  /** Whether it is itself a response: that gets none, whatever its flags say. Published responses set them. */
  isResponse: boolean;
}

const HANDLING = /\/Extension-ITK-MessageHandling-\d+\s*$/;
const PROFILE = /\/ITK-(?:Message-Bundle|MessageHeader)-\d+\s*$/;
/** What a responder writes when it could not read the request's id. */
export const UNREADABLE_ID = 'UNREADABLE-IN-ORIGINAL-MESSAGE';
const PLACEHOLDERS = new Set([UNREADABLE_ID, '']);

/** @throws UnreadableError when the payload is not a FHIR message */
export const readItk3Request = (payload: string | Buffer): Itk3Request => readFhirMessage(payload).request;

/**
 * Reads a FHIR message as an ITK3 request, and whether it says that it is one: by the extension for message handling,
 * or by the profile of its bundle or header. Another (of R4, of NEMS) is answered in its own way, or not at all.
 * @throws UnreadableError when the payload is not a FHIR message
 */
export function readFhirMessage(payload: string | Buffer): { request: Itk3Request; isItk3: boolean } {
  const { bundle, header } = messageBundle(payload);
  const handling = header.all('extension').find((extension) => HANDLING.test(extension.first('url')?.value ?? ''));
  const part = (name: string): LooseElement | undefined =>
    handling?.all('extension').find((extension) => extension.first('url')?.value === name);
  const profiles = [bundle, header].flatMap((each) => each.first('meta')?.all('profile') ?? []);
  const flag = (name: string): boolean | undefined => {
    const value = part(name)?.first('valueBoolean')?.value;
    return value === 'true' ? true : value === 'false' ? false : undefined;
  };
  const request = {
    messageId: header.first('id')?.value,
    senderReference: part('SenderReference')?.first('valueString')?.value,
    infrastructureRequested: flag('InfAckRequested'),
    businessRequested: flag('BusAckRequested'),
    from: header.first('source', 'endpoint')?.value,
    isResponse: header.first('response') !== undefined,
  };
  const isItk3 = handling !== undefined || profiles.some(({ value = '' }) => PROFILE.test(value));
  return { request, isItk3 };
}

/**
 * Checks that one more response may follow those that were sent: at most two, one of each level, infrastructure first,
 * and none after a negative one.
 * @throws InvalidMessageError when it may not
 */
export function checkMayFollow(sent: readonly string[], code: string): void {
  if (sent.length === 0) return;
  const hasEnded = sent.some((earlier) => findItk3Code(earlier)?.result === 'negative');
  if (hasEnded) {
    throw new InvalidMessageError('The request was acknowledged negatively: that ended the exchange.');
  }
  const isFirstOnly = sent.length === 1 && sent.every((earlier) => levelOf(earlier) === 'infrastructure');
  if (!isFirstOnly || levelOf(code) !== 'business') {
    throw new InvalidMessageError(
      'The request was acknowledged already: each level is acknowledged once, infrastructure first.',
    );
  }
}

/**
 * Reads a response, tolerantly, as real ones differ: event ITK002M, CodeSystem ITK-Acknowledgement-1, no details
 * reference.
 * @throws UnreadableError when the message is not a response, or its code is not known
 */
export function readItk3Response(payload: string | Buffer): ReceivedAck {
  const { header, resources } = messageBundle(payload);
  const response = header.first('response');
  if (!response) throw new UnreadableError('The ITK3 message is not a response: its MessageHeader has none.');
  const outcomes = resources.filter(({ name }) => name === 'OperationOutcome');
  const outcomeId = response.first('details', 'reference')?.value?.replace(/^.*[:/]/, '');
  const outcome = outcomes.find((candidate) => candidate.first('id')?.value === outcomeId) ?? outcomes[0];
  const codings = (outcome?.all('issue') ?? []).flatMap((issue) => issue.first('details')?.all('coding') ?? []);
  const codes = codings.flatMap((coding) => findItk3Code(coding.first('code')?.value?.trim() ?? '') ?? []);
  // Of several codes the worst counts.
  const known = codes.find(({ result }) => result === 'negative') ?? codes[0];
  if (!known) throw new UnreadableError('The ITK3 response has no known response code.');
  // A sender that says fatal-error with a positive code contradicts itself: the worse counts.
  const isNegative = known.result === 'negative' || response.first('code')?.value === 'fatal-error';
  const reference = response.first('identifier')?.value ?? '';
  return {
    form: 'itk3',
    acknowledges: PLACEHOLDERS.has(reference) ? undefined : reference,
    level: levelOf(known.code),
    result: isNegative ? 'negative' : 'positive',
    code: known.code,
    meaning: known.name,
  };
}
