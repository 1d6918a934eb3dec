/** mesh-ack's fields and msg.meshAck about the answer to the sender. The node's own value wins; msg.meshAck fills blanks. */
import type { Node, NodeAPI, NodeMessageInFlow } from 'node-red';
import { InvalidMessageError, type AcknowledgementRequest } from '../../lib/index';
import { choiceSetting, textSetting } from '../shared/settings';
import { asText, evaluate } from '../shared/typed-input';

/** As stored in the flow file. */
export interface AnswerFields {
  answer?: string;
  level?: string;
  outcome?: string;
  code?: string;
  text?: string;
  custom?: string;
  customType?: string;
}

const FORMS = ['none', 'profile', 'itk3', 'nhsack', 'hl7v2', 'custom'] as const;

/** undefined where the sender is not to be answered. */
export async function answerWish(
  RED: NodeAPI,
  node: Node,
  def: AnswerFields,
  msg: NodeMessageInFlow,
): Promise<AcknowledgementRequest | undefined> {
  const form = choiceSetting(RED, 'answer', def.answer, FORMS);
  if (form === 'none') return undefined;
  const given = meshAck(RED, msg['meshAck']);
  const own = (field: 'level' | 'outcome' | 'code' | 'text'): string =>
    textSetting(RED, def[field]) || asText(RED, given[field], field);
  const [code, text] = [own('code'), own('text')];
  const rejected = rejectedMessages(RED, given['rejected']);
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

/** NHSACK: reasons by UNH reference. */
function rejectedMessages(RED: NodeAPI, value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (!entries?.every(([, reason]) => typeof reason === 'string')) {
    throw new InvalidMessageError(RED._('mesh-ack.error.rejected'));
  }
  return Object.fromEntries(entries as Array<[string, string]>);
}

/** Also where the profile may turn out to be of the form "custom". */
async function customPayload(
  RED: NodeAPI,
  node: Node,
  def: AnswerFields,
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
