/** An alarm of the outbox as the error that Catch nodes get, in the user's language. */
import type { NodeAPI, NodeMessage } from 'node-red';
import type { OutboxEvent } from '../../lib/index';
import { AttentionError, SendingPausedError } from '../shared/errors';
import { sentStatus } from '../send/mesh-sent';
import type { Alarm } from './send-alarms';
import { sharedText } from '../shared/texts';

/** The error, and the message that goes to Catch with it: there is none in the flow. */
export function alarmError(RED: NodeAPI, alarm: Alarm): { error: Error; msg: NodeMessage } {
  if (alarm.kind === 'paused') {
    const { code, message, ...details } = alarm.error;
    const text = sharedText(RED, 'error.sending-paused', { reason: message, waiting: alarm.waiting });
    return { error: new SendingPausedError(code, text, details), msg: {} };
  }
  const { message } = alarm;
  const msg = { topic: message.workflowId, meshSent: sentStatus(message) };
  return { error: attentionError(RED, alarm), msg };
}

function attentionError(RED: NodeAPI, happening: OutboxEvent): AttentionError {
  const { event, message, overdue = 'collection', answer } = happening;
  const ids = { id: message.id, workflowId: message.workflowId };
  const where = message.messageId === undefined ? {} : { messageId: message.messageId };
  if (event === 'overdue') {
    return new AttentionError('MESH_OVERDUE', sharedText(RED, `error.overdue-${overdue}`, ids), {
      ...where,
      advice: sharedText(RED, `advice.overdue-${overdue}`),
    });
  }
  if (event === 'duplicate') {
    return new AttentionError('MESH_DUPLICATE', sharedText(RED, 'error.duplicate', ids), {
      ...where,
      advice: sharedText(RED, 'advice.duplicate'),
    });
  }
  if (answer) {
    const [level = ''] = event.split(' ');
    const key = event.endsWith('partial') ? 'partial-answer' : 'negative-answer';
    return new AttentionError('MESH_NEGATIVE_ANSWER', sharedText(RED, `error.${key}`, { ...ids, ...answer, level }), {
      ...where,
      advice: sharedText(RED, `advice.${key}`),
    });
  }
  const { code = 'MESH_NOT_SENT', message: reason = '', ...details } = message.error ?? {};
  const key = event === 'undelivered' ? 'error.not-arrived' : 'error.not-sent';
  return new AttentionError(code, sharedText(RED, key, { ...ids, reason }).trim(), { ...details, ...where });
}
