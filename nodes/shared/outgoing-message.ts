/** From a flow's message and mesh-send's fields to what is sent. The node's own value wins; msg.meshSend fills blanks. */
import type { NodeAPI } from 'node-red';
import { InvalidMessageError, type Compression, type OutgoingMessage, type Payload } from '../../lib/index';
import { asText } from './typed-input';
import { sharedText } from './texts';

/** Fields that mesh-send shows; each may also be on msg.meshSend. */
export const SEND_FIELDS = ['to', 'workflowId', 'localId', 'subject', 'fileName', 'contentType'] as const;

/** Rarely needed: only on msg.meshSend. */
const EXTRA_TEXTS = ['checksum', 'partnerId'] as const;
const EXTRA_MARKS = ['compressed', 'encrypted'] as const;

export type SendFields = Partial<Record<(typeof SEND_FIELDS)[number], string>>;

/** @throws InvalidMessageError without the recipient, the workflow id or a payload that can be sent. */
export function outgoingMessage(
  RED: NodeAPI,
  fromNode: SendFields,
  meshSend: unknown,
  payload: Payload,
  compression: Compression | undefined,
): OutgoingMessage {
  const fromMessage = settingsObject(RED, meshSend);
  const texts: Partial<Record<string, string>> = {};
  for (const field of [...SEND_FIELDS, ...EXTRA_TEXTS]) {
    const own = field in fromNode ? fromNode[field as keyof SendFields] : '';
    const text = own || asText(RED, fromMessage[field], field);
    if (text !== '') texts[field] = text;
  }
  for (const field of ['to', 'workflowId']) {
    if (texts[field] === undefined) throw new InvalidMessageError(RED._('mesh-send.error.missing', { field }));
  }
  const marks = Object.fromEntries(
    EXTRA_MARKS.filter((field) => fromMessage[field] === true).map((key) => [key, true]),
  );
  const chosen = compression ?? compressionOf(RED, fromMessage['compression']);
  return { ...texts, ...marks, ...(chosen && { compression: chosen }), payload } as OutgoingMessage;
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

function compressionOf(RED: NodeAPI, value: unknown): Compression | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (value === 'gzip' || value === 'never') return value;
  throw new InvalidMessageError(sharedText(RED, 'error.choice', { field: 'compression', choices: 'gzip, never' }));
}
