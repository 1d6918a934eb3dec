/**
 * mesh-letter: builds a letter for a GP practice or for NHS Notify from an HL7 v2 message and msg.letter, or turns a
 * received letter into an HL7 v2 MDM.
 */
import { randomUUID } from 'node:crypto';
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  buildLetter,
  ConfigurationError,
  fileTypeOf,
  InvalidMessageError,
  LETTER_KINDS,
  letterFromHl7,
  letterToMdm,
  mergeLetters,
  payloadSource,
  readLetter,
  readLetterFields,
  systemClock,
  type BuiltLetter,
  type Hl7Message,
  type Letter,
  type LetterCodes,
  type LetterKind,
} from '../lib/index';
import { findConfig } from './mailbox/mailbox-user';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { numberSetting, textSetting } from './shared/settings';
import { setStatus, withCause } from './shared/status';
import { sharedText } from './shared/texts';

interface MeshLetterDef extends NodeDef {
  version?: number;
  action?: LetterKind | 'receive';
  mailbox?: string;
  title?: string;
  typeCode?: string;
  typeName?: string;
  careCode?: string;
  careName?: string;
  senderName?: string;
  senderPhone?: string;
  numberStatus?: string;
  codes?: string;
  maxMb?: number | string;
  application?: string;
  facility?: string;
}

const MB = 1_000_000;
/** ITK3's advice for the whole message. */
const ADVISED_MB = 5;

export = function (RED: NodeAPI): void {
  function MeshLetter(this: Node, config: MeshLetterDef): void {
    const def = createNode(RED, this, config);
    onInput(RED, this, async (msg, send) => {
      if (def.action === 'receive') receive(RED, def, msg);
      else {
        const kind = LETTER_KINDS.find((each) => each === (def.action ?? 'send-document'));
        if (kind === undefined) throw new ConfigurationError(RED._('mesh-letter.error.action'));
        applyLetter(msg, await build(RED, def, kind, msg));
      }
      setStatus(this, {});
      send(msg);
      return undefined;
    });
  }

  RED.nodes.registerType('mesh-letter', MeshLetter);
};

/** Builds the letter of an HL7 v2 message, a file, or msg.letter alone. */
async function build(RED: NodeAPI, def: MeshLetterDef, kind: LetterKind, msg: NodeMessageInFlow): Promise<BuiltLetter> {
  const config = findConfig(RED, def.mailbox);
  if (config === undefined) {
    throw withCause(new ConfigurationError(sharedText(RED, 'error.no-mailbox')), 'no-mailbox');
  }
  const { mailboxId, odsCode } = config.identity();
  const maxMb = numberSetting(RED, 'maxMb', def.maxMb, { fallback: ADVISED_MB, min: 0.001, max: 1000 });
  const fromFlow = readLetterFields(await withContents(RED, msg['letter'], maxMb));
  const fromNode = readLetterFields(nodeFields(RED, def));
  const fromPayload = readPayload(RED, def, msg.payload, kind);
  return buildLetter(kind, mergeLetters(mergeLetters(fromNode, fromPayload), fromFlow), {
    mailboxId,
    odsCode,
    maxBytes: maxMb * MB,
    now: systemClock.now(),
  });
}

/** Sets what mesh-fhir and mesh-send need. What the flow has set itself stays. */
function applyLetter(msg: NodeMessageInFlow, letter: BuiltLetter): void {
  const { message, itk3Id, workflowId, patient, gpConnect, localId } = letter;
  const settings = msg['meshSend'];
  const own = typeof settings === 'object' && settings !== null ? settings : {};
  msg.payload = message;
  msg['meshSend'] = { workflowId, ...(localId !== undefined && { localId }), patient, ...own };
  if (itk3Id !== undefined) msg['itk3Id'] = itk3Id;
  if (gpConnect !== undefined) msg['gpConnect'] = gpConnect;
}

/** Turns a received letter, as mesh-fhir has read it, into `msg.letter` and an HL7 v2 message for mesh-hl7. */
function receive(RED: NodeAPI, def: MeshLetterDef, msg: NodeMessageInFlow): void {
  const letter = readLetter(msg.payload);
  const messageId = (msg['mesh'] as { messageId?: unknown } | undefined)?.messageId;
  msg['letter'] = letter;
  msg.payload = letterToMdm(letter, {
    // The same message of MESH has the same control id, so that an EPR knows a repeat.
    controlId: (typeof messageId === 'string' ? messageId : randomUUID()).replaceAll(/[^\w]/g, '').slice(-20),
    from: { application: 'MESH', facility: letter.sender.odsCode ?? '' },
    to: { application: textSetting(RED, def.application), facility: textSetting(RED, def.facility) },
    now: systemClock.now(),
  });
}

/** Returns the letter's fields that the node's dialog sets. */
function nodeFields(RED: NodeAPI, def: MeshLetterDef): Letter {
  const text = (value: unknown): string | undefined => textSetting(RED, value) || undefined;
  const concept = (code: unknown, display: unknown): object | undefined =>
    text(code) === undefined ? undefined : { code: text(code), display: text(display) };
  const sender = { name: text(def.senderName), phone: text(def.senderPhone) };
  return {
    title: text(def.title),
    type: concept(def.typeCode, def.typeName),
    careSetting: concept(def.careCode, def.careName),
    sender,
    patient: { numberStatus: text(def.numberStatus) },
  } as Letter;
}

/** Returns what the payload says: an HL7 v2 message, a PDF, or nothing. */
function readPayload(RED: NodeAPI, def: MeshLetterDef, payload: unknown, kind: LetterKind): Letter {
  if (Buffer.isBuffer(payload)) {
    return { documents: [{ contentType: 'application/pdf', content: payload.toString('base64') }] };
  }
  if (typeof payload === 'object' && payload !== null && 'MSH' in payload) {
    const structured = kind !== 'send-document' && kind !== 'notify';
    return letterFromHl7(payload as Hl7Message, { codes: readCodes(RED, def), structured });
  }
  if (typeof payload === 'string' && payload.trim() !== '') {
    throw new InvalidMessageError(RED._('mesh-letter.error.text'));
  }
  return {};
}

/** @throws ConfigurationError when the table of codes is no JSON object */
function readCodes(RED: NodeAPI, def: MeshLetterDef): LetterCodes {
  const text = textSetting(RED, def.codes);
  if (text === '') return {};
  try {
    return JSON.parse(text) as LetterCodes;
  } catch {
    throw new ConfigurationError(RED._('mesh-letter.error.codes'));
  }
}

/**
 * Returns msg.letter with the content of its documents as base64: of a Buffer, or of the file at the path `file`.
 * @throws PayloadError when a file cannot be read; InvalidMessageError when it is larger than a letter may be
 */
async function withContents(RED: NodeAPI, letter: unknown, maxMb: number): Promise<unknown> {
  const { documents } = (letter ?? {}) as { documents?: unknown };
  if (!Array.isArray(documents)) return letter;
  const contents: unknown[] = [];
  for (const document of documents as unknown[]) {
    const { file, content, ...others } = (document ?? {}) as { file?: unknown; content?: unknown };
    if (typeof file === 'string' && content === undefined) {
      const source = await payloadSource({ file });
      if (source.size > maxMb * MB) throw new InvalidMessageError(RED._('mesh-letter.error.large-file', { mb: maxMb }));
      const pieces: Buffer[] = [];
      for await (const piece of source.open(0, source.size)) pieces.push(piece);
      contents.push({ contentType: fileTypeOf(file), ...others, content: Buffer.concat(pieces).toString('base64') });
    } else if (Buffer.isBuffer(content)) contents.push({ ...others, content: content.toString('base64') });
    else contents.push(document);
  }
  return { ...(letter as object), documents: contents };
}
