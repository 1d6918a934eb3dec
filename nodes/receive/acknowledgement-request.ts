/**
 * Reads what mesh-ack's fields and msg.meshAck ask for as business acknowledgement. msg.meshAck fills the fields left
 * blank.
 */
import type { Node, NodeAPI, NodeMessageInFlow } from 'node-red';
import { InvalidMessageError, type AcknowledgementRequest } from '../../lib/index';
import { choiceSetting, textSetting } from '../shared/settings';
import { asText, evaluate } from '../shared/typed-input';

/** The fields as the flow file has them. */
export interface AcknowledgementFields {
  answer?: string;
  level?: string;
  outcome?: string;
  code?: string;
  text?: string;
  custom?: string;
  customType?: string;
}

const FORMS = ['none', 'profile', 'itk3', 'nhsack', 'hl7v2', 'custom'] as const;

/**
 * Returns the acknowledgement to send; undefined when none is asked for.
 * @throws InvalidMessageError when msg.meshAck or the custom payload is not valid
 */
export async function acknowledgementRequest(
  RED: NodeAPI,
  node: Node,
  def: AcknowledgementFields,
  msg: NodeMessageInFlow,
): Promise<AcknowledgementRequest | undefined> {
  const form = choiceSetting(RED, 'answer', def.answer, FORMS);
  if (form === 'none') return undefined;
  const fromMessage = meshAck(RED, msg['meshAck']);
  const own = (field: 'level' | 'outcome' | 'code' | 'text'): string =>
    textSetting(RED, def[field]) || asText(RED, fromMessage[field], field);
  const [code, text] = [own('code'), own('text')];
  const rejected = rejectedMessages(RED, fromMessage['rejected']);
  const custom = await customPayload(RED, node, def, msg, form);
  return {
    form,
    level: choiceSetting(RED, 'level', own('level'), ['business', 'infrastructure']),
    outcome: choiceSetting(RED, 'outcome', own('outcome'), ['accepted', 'rejected', 'partial']),
    ...(code !== '' && { code }),
    ...(text !== '' && { text }),
    ...(rejected && { rejected }),
    ...(custom !== undefined && { custom }),
  };
}

function meshAck(RED: NodeAPI, value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidMessageError(RED._('mesh-ack.error.mesh-ack'));
}

/** Returns the reasons for rejection by UNH reference, for NHSACK. */
function rejectedMessages(RED: NodeAPI, value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (!entries?.every(([, reason]) => typeof reason === 'string')) {
    throw new InvalidMessageError(RED._('mesh-ack.error.rejected'));
  }
  return Object.fromEntries(entries as Array<[string, string]>);
}

/** Evaluates the custom payload, also for a profile, whose form may be "custom". */
async function customPayload(
  RED: NodeAPI,
  node: Node,
  def: AcknowledgementFields,
  msg: NodeMessageInFlow,
  form: (typeof FORMS)[number],
): Promise<AcknowledgementRequest['custom']> {
  if (form !== 'custom' && form !== 'profile') return undefined;
  const input = { field: 'custom', value: def.custom, type: def.customType ?? 'msg' };
  const value = await evaluate(RED, node, msg, input);
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value === 'object' && value !== null) return { json: value };
  if (form === 'profile') return undefined;
  throw new InvalidMessageError(RED._('mesh-ack.error.no-custom'));
}
