/** Turns an alarm of the outbox into the error that Catch nodes get, in the user's language. */
import type { NodeAPI, NodeMessage } from 'node-red';
import type { OutboxEvent } from '../../lib/index';
import { AttentionError, SendingPausedError } from '../shared/errors';
import { sharedText } from '../shared/texts';
import { meshSentWithState } from './mesh-sent';
import type { Alarm } from './send-alarms';

/** Returns the error and the message that Catch gets with it: no message is in the flow. */
export function alarmError(RED: NodeAPI, alarm: Alarm): { error: Error; msg: NodeMessage } {
  if (alarm.kind === 'paused') {
    const { code, message, ...details } = alarm.error;
    const text = sharedText(RED, 'error.sending-paused', { reason: message, waiting: alarm.waiting });
    return { error: new SendingPausedError(code, text, details), msg: {} };
  }
  const { message } = alarm;
  const msg = { topic: message.workflowId, meshSent: meshSentWithState(message) };
  return { error: attentionError(RED, alarm), msg };
}

function attentionError(
  RED: NodeAPI,
  { event, message, overdue = 'collection', acknowledgement, reply }: OutboxEvent,
): AttentionError {
  const ids = { id: message.id, workflowId: message.workflowId };
  const messageId = message.messageId === undefined ? {} : { messageId: message.messageId };
  if (event === 'overdue') {
    const values = { ...ids, stage: reply?.stage ?? '' };
    return new AttentionError('MESH_OVERDUE', sharedText(RED, `error.overdue-${overdue}`, values), {
      ...messageId,
      advice: sharedText(RED, `advice.overdue-${overdue}`),
    });
  }
  if (event === 'duplicate') {
    return new AttentionError('MESH_DUPLICATE', sharedText(RED, 'error.duplicate', ids), {
      ...messageId,
      advice: sharedText(RED, 'advice.duplicate'),
    });
  }
  if (reply) {
    const key = event.endsWith('partial') ? 'partial-reply' : 'negative-reply';
    const values = { ...ids, stage: reply.stage, code: reply.code ?? event.replace('reply ', '') };
    return new AttentionError('MESH_NEGATIVE_ANSWER', sharedText(RED, `error.${key}`, values), {
      ...messageId,
      advice: sharedText(RED, `advice.${key}`),
    });
  }
  if (acknowledgement) {
    const [level = ''] = event.split(' ');
    const key = event.endsWith('partial') ? 'partial-acknowledgement' : 'negative-acknowledgement';
    const text = sharedText(RED, `error.${key}`, { ...ids, ...acknowledgement, level });
    return new AttentionError('MESH_NEGATIVE_ANSWER', text, {
      ...messageId,
      advice: sharedText(RED, `advice.${key}`),
    });
  }
  const { code = 'MESH_NOT_SENT', message: reason = '', ...details } = message.error ?? {};
  const key = event === 'undelivered' ? 'error.not-arrived' : 'error.not-sent';
  return new AttentionError(code, sharedText(RED, key, { ...ids, reason }).trim(), { ...details, ...messageId });
}
