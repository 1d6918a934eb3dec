/**
 * Compares what a MESH Client has sent with what this pack would have sent, message by message: same, different by
 * field, missing, extra. Values are not kept unless they are asked for.
 */
import { hash } from 'node:crypto';
import { MeshError, PayloadError } from '../errors';
import { readFile } from '../files';
import type { ControlFields } from '../folders/control-file';
import { onDisk } from '../folders/files';
import { controlOf, messageOfControl } from '../folders/pair-message';
import { fieldsOf, isNamed, MADE_ANEW, type MessageForm } from '../formats/message-fields';
import { outgoingHeaders } from '../protocol/message-headers';
import type { ClientMessage } from './client-folder';

/** A message that is not the same on both sides. */
interface Different {
  /** The name of the client's files. */
  name: string;
  workflowId: string;
  /** The fields, by name. */
  fields: string[];
  /** Only if values were asked for: of each field, the client's and ours. */
  values?: Array<{ field: string; client: string; ours: string }>;
}

export interface Comparison {
  /** Messages of the client. */
  messages: number;
  same: number;
  different: Different[];
  /** The client has sent them, and nothing here would have: names of its files. */
  missing: string[];
  /** Made here, and the client has sent nothing of the kind: names of our files. */
  extra: string[];
}

export interface CompareOptions {
  /** Rules for fields that may differ, beside the times and ids that are made anew (message-fields.ts). */
  ignore: readonly string[];
  /** Whether values are kept: they are patient data. */
  values: boolean;
}

/** What the control files are compared by, and how a rule for such a field begins. */
const CONTROL_FIELDS = ['To_DTS', 'From_DTS', 'WorkflowId', 'Subject', 'LocalId', 'PartnerId'];
const CONTROL = 'control';

/**
 * Compares the client's messages with the pairs that were made here. The two of a pair have the same local id, if it
 * names one message on each side; else, the same content but for what is ignored.
 * @throws StorageError when a file cannot be read
 */
export async function compareWith(
  client: readonly ClientMessage[],
  ours: readonly ClientMessage[],
  options: CompareOptions,
): Promise<Comparison> {
  const result: Comparison = { messages: client.length, same: 0, different: [], missing: [], extra: [] };
  const left = new Set(ours);
  const byLocalId = unique(ours, localIdOf);
  const clientLocalIds = unique(client, localIdOf);
  const later: ClientMessage[] = [];
  for (const message of client) {
    const localId = localIdOf(message);
    const other = localId !== '' && clientLocalIds.has(localId) ? byLocalId.get(localId) : undefined;
    if (!other) later.push(message);
    else {
      left.delete(other);
      record(result, message, await differences(await whole(message), await whole(other), options), options);
    }
  }
  const byContent = Map.groupBy(
    await Promise.all([...left].map(async (each) => ({ each, digest: digestOf(await whole(each), options) }))),
    ({ digest }) => digest,
  );
  for (const message of later) {
    const found = byContent.get(digestOf(await whole(message), options))?.shift();
    if (!found) {
      result.missing.push(message.name);
      continue;
    }
    left.delete(found.each);
    record(result, message, await differences(await whole(message), await whole(found.each), options), options);
  }
  result.extra.push(...[...left].map(({ name }) => name));
  return result;
}

/**
 * Compares the client's messages with what this pack makes of their own pairs: each is built and checked as if it were
 * sent. One that would be refused is different in `refused`.
 * @throws StorageError when a file cannot be read
 */
export async function compareBuilt(
  client: readonly ClientMessage[],
  mailboxId: string,
  options: CompareOptions,
): Promise<Comparison> {
  const result: Comparison = { messages: client.length, same: 0, different: [], missing: [], extra: [] };
  for (const message of client) {
    const theirs = await whole(message);
    const built = build(theirs, mailboxId);
    const found =
      typeof built === 'string'
        ? [{ field: 'refused', client: '', ours: built }]
        : await differences(theirs, built, options);
    record(result, message, found, options);
  }
  return result;
}

/** What is compared of a message. */
interface Whole {
  control: ControlFields;
  bytes: Buffer;
}

/** Returns the message as it would be sent; a sentence that says why not, if it would be refused. */
function build({ control, bytes }: Whole, mailboxId: string): Whole | string {
  try {
    const message = messageOfControl(control);
    if (bytes.length === 0) throw new PayloadError('The payload is empty.');
    const localId = message.localId ?? 'none';
    outgoingHeaders(mailboxId, { ...message, localId, contentType: 'application/octet-stream' });
    return { control: { ...controlOf(message, mailboxId) }, bytes };
  } catch (error) {
    if (error instanceof MeshError) return error.message;
    throw error;
  }
}

async function whole({ control, dat }: ClientMessage): Promise<Whole> {
  return { control, bytes: dat === undefined ? Buffer.alloc(0) : await onDisk(() => readFile(dat)) };
}

interface Difference {
  field: string;
  client: string;
  ours: string;
}

async function differences(client: Whole, ours: Whole, { ignore }: CompareOptions): Promise<Difference[]> {
  const isIgnored = ignoring(ignore);
  const found: Difference[] = [];
  const look = (field: string, one = '', other = ''): void => {
    if (one !== other) found.push({ field, client: one, ours: other });
  };
  for (const name of CONTROL_FIELDS) {
    const field = `${CONTROL}.${name}`;
    if (!isIgnored('bytes', field)) look(field, client.control[name], ours.control[name]);
  }
  if (client.bytes.equals(ours.bytes)) return found;
  const [theirs, own] = [fieldsOf(client.bytes), fieldsOf(ours.bytes)];
  for (const name of new Set([...theirs.fields.keys(), ...own.fields.keys()])) {
    if (!isIgnored(theirs.form, name)) look(name, theirs.fields.get(name), own.fields.get(name));
  }
  return found;
}

function record(
  result: Comparison,
  { name, control }: ClientMessage,
  found: Difference[],
  { values }: CompareOptions,
): void {
  if (found.length === 0) {
    result.same += 1;
    return;
  }
  const fields = found.map(({ field }) => field);
  result.different.push({ name, workflowId: control['WorkflowId'] ?? '', fields, ...(values && { values: found }) });
}

/** Returns whether a field may differ: by what is made anew each time, and by the rules of the caller. */
function ignoring(own: readonly string[]): (form: MessageForm, name: string) => boolean {
  return (form, name) => [...MADE_ANEW[form], ...own].some((rule) => isNamed(rule, name));
}

/** A digest of what must be the same in two messages without a local id of their own. */
function digestOf({ control, bytes }: Whole, { ignore }: CompareOptions): string {
  const isIgnored = ignoring(ignore);
  const { form, fields } = fieldsOf(bytes);
  const content = [...fields].filter(([name]) => !isIgnored(form, name)).map(([name, value]) => `${name}=${value}`);
  return hash('sha256', [control['To_DTS'], control['WorkflowId'], form, ...content.toSorted()].join('\n'), 'hex');
}

const localIdOf = ({ control }: ClientMessage): string => control['LocalId'] ?? '';

/** Returns the messages by a text that only one of them has. */
function unique(
  messages: readonly ClientMessage[],
  textOf: (message: ClientMessage) => string,
): Map<string, ClientMessage> {
  const found = new Map<string, ClientMessage>();
  for (const [text, same] of Map.groupBy(messages, textOf)) {
    const [only] = same;
    if (only && same.length === 1) found.set(text, only);
  }
  return found;
}
