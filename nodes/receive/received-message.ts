/** Turns a delivery of the poller into what leaves mesh-poll: a message, or one for each part. */
import type { NodeAPI, NodeMessage } from 'node-red';
import { nextStep, type Delivery, type MessageHeaders } from '../../lib/index';
import { DecodingError } from '../shared/errors';
import { markedParts } from '../shared/converter';

/** The form of payloads of data and business acknowledgements. */
export type PayloadForm = 'buffer' | 'text' | 'json' | 'file';

/** `msg.mesh`: plain JSON, so that it survives cloning, storing and a restart. No other node overwrites it. */
export type MeshProperty = MessageHeaders & { deliveryCount: number; bytes: number; sha256: string; file?: string };

/**
 * Returns the message, or one for each part of a payload that was unwrapped.
 * @throws DecodingError when a payload does not have the form; its text never quotes the payload
 */
export function receivedMessages(
  RED: NodeAPI,
  { received, kind, deliveryCount, acknowledgement, reply }: Delivery,
  form: PayloadForm,
  charset: string,
): NodeMessage[] {
  const { message, bytes, sha256, file, payload, parts } = received;
  const withPayload = (own: { file?: string; payload?: Buffer }): NodeMessage => {
    const mesh: MeshProperty = {
      ...message,
      deliveryCount,
      bytes,
      sha256,
      ...(own.file !== undefined && { file: own.file }),
    };
    const msg = {
      topic: message.workflowId,
      mesh,
      ...(acknowledgement && { meshAnswer: acknowledgement }),
      ...(reply && { meshReply: reply }),
    };
    if (kind === 'report') return { ...msg, payload: reportPayload(message) };
    if (own.file !== undefined) return { ...msg, payload: own.file, filename: own.file };
    return { ...msg, payload: inForm(RED, own.payload ?? Buffer.alloc(0), { form, charset, message }) };
  };
  if (parts === undefined) {
    return [withPayload({ ...(file !== undefined && { file }), ...(payload !== undefined && { payload }) })];
  }
  const id = RED.util.generateId();
  return parts.map(({ payload: own, file: saved, ...part }, index) =>
    Object.assign(
      withPayload({ ...(saved !== undefined && { file: saved }), ...(own !== undefined && { payload: own }) }),
      {
        part,
        parts: { id, type: 'array', count: parts.length, len: 1, index, ...markedParts(message) },
      },
    ),
  );
}

function inForm(
  RED: NodeAPI,
  payload: Buffer,
  { form, charset, message }: { form: PayloadForm; charset: string; message: MessageHeaders },
): unknown {
  if (form === 'buffer' || form === 'file') return payload;
  const text = decode(RED, payload, form === 'json' ? 'utf-8' : charset, message);
  return form === 'json' ? parse(RED, text, message) : text;
}

/** Returns the facts about a message that failed, as payload, so that nobody needs to read headers. */
function reportPayload(message: MessageHeaders): Record<string, unknown> {
  const { linkedMessageId, statusCode, statusEvent, statusDescription, advice } = message;
  const next = statusCode === undefined ? undefined : nextStep(statusCode);
  return {
    linkedMessageId,
    code: statusCode,
    event: statusEvent,
    description: statusDescription,
    ...(advice !== undefined && { advice }),
    ...(next !== undefined && { nextStep: next.step }),
  };
}

/** TextDecoder decodes iso-8859-1 as windows-1252; pathology's UNOC is the true one, in which every byte is valid. */
function decode(RED: NodeAPI, payload: Buffer, charset: string, message: MessageHeaders): string {
  if (charset === 'iso-8859-1') return payload.toString('latin1');
  try {
    return new TextDecoder(charset, { fatal: true }).decode(payload);
  } catch {
    throw decodingError(RED, 'not-text', message, { charset });
  }
}

function parse(RED: NodeAPI, text: string, message: MessageHeaders): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw decodingError(RED, 'not-json', message);
  }
}

function decodingError(
  RED: NodeAPI,
  key: string,
  { messageId, mailboxId }: MessageHeaders,
  values: Record<string, string> = {},
): DecodingError {
  return new DecodingError(RED._(`mesh-poll.error.${key}`, values), {
    messageId,
    mailboxId,
    advice: RED._(`mesh-poll.advice.${key}`),
  });
}
