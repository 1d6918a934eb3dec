/**
 * The log of a MESH Client (`mesh.log`), for messages of which it keeps no files (`SaveSent` N). Its form is not
 * published and has changed between versions, so a line is read by what must be in it: a time, an id of MESH's form, and
 * a word that says that the message was sent. Anything else in the log is passed over.
 */
import { createInterface } from 'node:readline';
import { createReadStream } from 'node:fs';
import { ConfigurationError } from '../errors';

/** A message that the log says was sent. */
export interface LoggedMessage {
  messageId: string;
  /** Milliseconds since 1970; the log's time is taken to be UTC unless it says otherwise. */
  sentAt: number;
  to?: string;
  workflowId?: string;
  localId?: string;
}

/** `20200529155357895317_3573F8`, and the longer form with a service code before it. */
const MESSAGE_ID = /\b(\d{17,20}_[0-9A-Za-z]{4,32})\b/;
const TIME = /^\D{0,3}(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,]\d+)?(Z|[+-]\d{2}:?\d{2})?/;
const SENT = /\b(?:sent|send|sending|upload(?:ed)?)\b/i;
const NOT_SENT =
  /\b(?:fail\w*|error|refused|reject\w*|received?|receiving|download\w*|collect\w*|acknowledge\w*|report)\b/i;

/**
 * Returns the messages that the log says were sent, each once, in the order of the log.
 * @throws ConfigurationError when the file cannot be read
 */
export async function readClientLog(path: string): Promise<LoggedMessage[]> {
  const found = new Map<string, LoggedMessage>();
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      const message = sentIn(line);
      if (message && !found.has(message.messageId)) found.set(message.messageId, message);
    }
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`The log cannot be read: ${path} (${code}).`);
  }
  return [...found.values()];
}

/** Returns the message that a line says was sent; undefined if it says nothing of the kind. */
function sentIn(line: string): LoggedMessage | undefined {
  const messageId = MESSAGE_ID.exec(line)?.[1];
  const sentAt = timeOf(line);
  if (messageId === undefined || sentAt === undefined || !SENT.test(line) || NOT_SENT.test(line)) return undefined;
  const to = valueIn(line, 'to(?:_dts)?|recipient');
  const workflowId = valueIn(line, 'workflow(?:_?id)?');
  const localId = valueIn(line, 'local_?id');
  return { messageId, sentAt, ...(to && { to }), ...(workflowId && { workflowId }), ...(localId && { localId }) };
}

function timeOf(line: string): number | undefined {
  const [, year, month, day, hour, minute, second, zone = 'Z'] = TIME.exec(line) ?? [];
  if (year === undefined) return undefined;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  return Number.isNaN(time) ? undefined : time;
}

/** Returns the value behind a name, as in `To: X26ABC2` or `workflowId=TEST`. */
function valueIn(line: string, name: string): string | undefined {
  return new RegExp(String.raw`\b(?:${name})\s*[:=]\s*"?([\w.@-]+)`, 'i').exec(line)?.[1];
}
