/** Makes the message to send from a flow's message and mesh-send's fields. msg.meshSend fills the fields left blank. */
import type { NodeAPI } from 'node-red';
import { InvalidMessageError, type DraftMessage, type PatientTrace, type Payload } from '../../lib/index';
import { numberSetting } from '../shared/settings';
import { withCause } from '../shared/status';
import { sharedText } from '../shared/texts';
import { asText } from '../shared/typed-input';

/** Fields of mesh-send's dialog; each may also be on msg.meshSend. */
export const SEND_FIELDS = ['to', 'workflowId', 'localId', 'subject', 'fileName', 'contentType'] as const;

/** Rarely needed fields, only on msg.meshSend. */
const EXTRA_TEXTS = ['checksum', 'partnerId'] as const;
const EXTRA_FLAGS = ['compressed', 'encrypted'] as const;

/** Settings for the transfer, of the node or on msg.meshSend. The mailbox's setting holds for a blank one. */
export type TransferSettings = { compression?: unknown; chunks?: unknown; chunkBytes?: unknown };
const TRANSFER_CHOICES: Record<'compression' | 'chunks', readonly string[]> = {
  compression: ['auto', 'always', 'never'],
  chunks: ['allowed', 'never'],
};
/** MESH's maximum for one request. */
const MAX_REQUEST_BYTES = 100_000_000;

export type SendFields = Partial<Record<(typeof SEND_FIELDS)[number] | 'checksum', string | undefined>>;

/**
 * Returns the message to send.
 * @throws InvalidMessageError when the recipient or the workflow id is missing, or a setting is wrong
 */
export function outgoingMessage(
  RED: NodeAPI,
  fromNode: SendFields,
  meshSend: unknown,
  payload: Payload,
  transfer: TransferSettings,
): DraftMessage {
  const fromMessage = settingsObject(RED, meshSend);
  const texts: Partial<Record<string, string>> = {};
  for (const field of [...SEND_FIELDS, ...EXTRA_TEXTS]) {
    const own = field in fromNode ? fromNode[field as keyof SendFields] : '';
    const text = own || asText(RED, fromMessage[field], field);
    if (text !== '') texts[field] = text;
  }
  const patient = texts['to'] === undefined ? readPatient(RED, fromMessage['patient']) : undefined;
  for (const field of ['to', 'workflowId']) {
    if (texts[field] !== undefined || (field === 'to' && patient !== undefined)) continue;
    throw withCause(new InvalidMessageError(RED._(`mesh-send.error.no-${field}`)), `no-${field}`);
  }
  const flags = Object.fromEntries(
    EXTRA_FLAGS.filter((field) => fromMessage[field] === true).map((key) => [key, true]),
  );
  const settings = { ...readTransfer(RED, fromMessage), ...readTransfer(RED, transfer) };
  return { ...texts, ...flags, ...settings, ...(patient && { patient }), payload } as DraftMessage;
}

/** Returns msg.meshSend.patient, whose practice MESH is to find; undefined without one. */
function readPatient(RED: NodeAPI, patient: unknown): PatientTrace | undefined {
  if (patient === undefined || patient === null) return undefined;
  if (typeof patient !== 'object') throw new InvalidMessageError(RED._('mesh-send.error.patient'));
  const part = (field: keyof PatientTrace): string =>
    asText(RED, (patient as Record<string, unknown>)[field], `patient.${field}`);
  return { nhsNumber: part('nhsNumber'), birthDate: part('birthDate'), surname: part('surname') };
}

/**
 * Returns the payload. `content`: bytes unchanged, text as UTF-8, objects as JSON. `file`: the file at a path.
 * @throws InvalidMessageError for any other value
 */
export function outgoingPayload(RED: NodeAPI, value: unknown, payloadIs: 'content' | 'file'): Payload {
  if (payloadIs === 'file') {
    if (typeof value === 'string' && value.trim() !== '') return { file: value };
    throw new InvalidMessageError(RED._('mesh-send.error.not-path'));
  }
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value !== 'object' || value === null) {
    if (value === undefined || value === null) {
      throw withCause(new InvalidMessageError(RED._('mesh-send.error.no-payload')), 'no-payload');
    }
    throw new InvalidMessageError(RED._('mesh-send.error.not-sendable', { type: typeof value }));
  }
  // The next wire would clone a stream, which then hangs (docs/design.md, rule 10).
  if ('pipe' in value || 'getReader' in value) throw new InvalidMessageError(RED._('mesh-send.error.stream'));
  return { json: value };
}

/**
 * Returns msg.meshSend; an empty object when it is not set.
 * @throws InvalidMessageError when it is not an object
 */
export function settingsObject(RED: NodeAPI, meshSend: unknown): Record<string, unknown> {
  if (meshSend === undefined || meshSend === null) return {};
  if (typeof meshSend === 'object' && !Array.isArray(meshSend)) return meshSend as Record<string, unknown>;
  throw new InvalidMessageError(RED._('mesh-send.error.mesh-send'));
}

/** Returns the settings that are not blank, checked. */
function readTransfer(RED: NodeAPI, settings: TransferSettings): TransferSettings {
  const found: TransferSettings = {};
  for (const [field, choices] of Object.entries(TRANSFER_CHOICES)) {
    const value = settings[field as keyof typeof TRANSFER_CHOICES];
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
    min: 1,
    max: MAX_REQUEST_BYTES,
  });
  return { ...found, chunkBytes: bytes };
}
