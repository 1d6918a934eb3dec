/** From a flow's message and mesh-send's fields to what is sent. The node's own value wins; msg.meshSend fills blanks. */
import type { NodeAPI } from 'node-red';
import {
  gpProviderAddress,
  InvalidMessageError,
  type OutgoingMessage,
  type PatientTrace,
  type Payload,
} from '../../lib/index';
import { numberSetting } from '../shared/settings';
import { asText } from '../shared/typed-input';
import { sharedText } from '../shared/texts';

/** Fields that mesh-send shows; each may also be on msg.meshSend. */
export const SEND_FIELDS = ['to', 'workflowId', 'localId', 'subject', 'fileName', 'contentType'] as const;

/** Rarely needed: only on msg.meshSend. */
const EXTRA_TEXTS = ['checksum', 'partnerId'] as const;
const EXTRA_MARKS = ['compressed', 'encrypted'] as const;

/** How it goes over the wire: the node's own, or on msg.meshSend. Blank: as the mailbox has it. */
export type OnTheWire = { compression?: unknown; chunks?: unknown; chunkBytes?: unknown };
const WIRE_CHOICES: Record<'compression' | 'chunks', readonly string[]> = {
  compression: ['auto', 'always', 'never'],
  chunks: ['allowed', 'never'],
};
/** MESH's own for one request. */
const MAX_REQUEST_BYTES = 100_000_000;

export type SendFields = Partial<Record<(typeof SEND_FIELDS)[number] | 'checksum', string | undefined>>;

/** @throws InvalidMessageError without the recipient, the workflow id or a payload that can be sent. */
export function outgoingMessage(
  RED: NodeAPI,
  fromNode: SendFields,
  meshSend: unknown,
  payload: Payload,
  onTheWire: OnTheWire,
): OutgoingMessage {
  const fromMessage = settingsObject(RED, meshSend);
  const texts: Partial<Record<string, string>> = {};
  for (const field of [...SEND_FIELDS, ...EXTRA_TEXTS]) {
    const own = field in fromNode ? fromNode[field as keyof SendFields] : '';
    const text = own || asText(RED, fromMessage[field], field);
    if (text !== '') texts[field] = text;
  }
  texts['to'] ??= addressByPatient(RED, fromMessage['patient']);
  for (const field of ['to', 'workflowId']) {
    if (texts[field] === undefined) throw new InvalidMessageError(RED._('mesh-send.error.missing', { field }));
  }
  const marks = Object.fromEntries(
    EXTRA_MARKS.filter((field) => fromMessage[field] === true).map((key) => [key, true]),
  );
  const wire = { ...readOnTheWire(RED, fromMessage), ...readOnTheWire(RED, onTheWire) };
  return { ...texts, ...marks, ...wire, payload } as OutgoingMessage;
}

/** msg.meshSend.patient, where MESH is to find the patient's practice. */
function addressByPatient(RED: NodeAPI, patient: unknown): string | undefined {
  if (patient === undefined || patient === null) return undefined;
  if (typeof patient !== 'object') throw new InvalidMessageError(RED._('mesh-send.error.patient'));
  const part = (field: keyof PatientTrace): string =>
    asText(RED, (patient as Record<string, unknown>)[field], `patient.${field}`);
  return gpProviderAddress({
    nhsNumber: part('nhsNumber'),
    birthDate: part('birthDate'),
    surname: part('surname'),
  });
}

/** `content`: bytes as they are, text as UTF-8, objects as JSON. `file`: a path. Anything else is told, not guessed. */
export function outgoingPayload(RED: NodeAPI, value: unknown, payloadIs: 'content' | 'file'): Payload {
  if (payloadIs === 'file') {
    if (typeof value === 'string' && value.trim() !== '') return { file: value };
    throw new InvalidMessageError(RED._('mesh-send.error.not-path'));
  }
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value !== 'object' || value === null) {
    const key = value === undefined || value === null ? 'no-payload' : 'not-sendable';
    throw new InvalidMessageError(RED._(`mesh-send.error.${key}`, { type: typeof value }));
  }
  // A stream would be cloned by the next wire, and hang (DESIGN.md, rule 7).
  if ('pipe' in value || 'getReader' in value) throw new InvalidMessageError(RED._('mesh-send.error.stream'));
  return { json: value };
}

/** msg.meshSend, checked to be an object; empty where there is none. */
export function settingsObject(RED: NodeAPI, meshSend: unknown): Record<string, unknown> {
  if (meshSend === undefined || meshSend === null) return {};
  if (typeof meshSend === 'object' && !Array.isArray(meshSend)) return meshSend as Record<string, unknown>;
  throw new InvalidMessageError(RED._('mesh-send.error.mesh-send'));
}

/** What is set and not blank, checked. */
function readOnTheWire(RED: NodeAPI, settings: OnTheWire): OnTheWire {
  const found: OnTheWire = {};
  for (const [field, choices] of Object.entries(WIRE_CHOICES)) {
    const value = settings[field as keyof typeof WIRE_CHOICES];
    if (value === undefined || value === null || value === '') continue;
    if (!choices.includes(value as string)) {
      throw new InvalidMessageError(sharedText(RED, 'error.choice', { field, choices: choices.join(', ') }));
    }
    Object.assign(found, { [field]: value });
  }
  const { chunkBytes } = settings;
  if (chunkBytes === undefined || chunkBytes === null || chunkBytes === '') return found;
  const bytes = numberSetting(RED, 'chunkBytes', chunkBytes, {
    fallback: 0,
    least: 1,
    most: MAX_REQUEST_BYTES,
  });
  return { ...found, chunkBytes: bytes };
}
