/** mesh-send: sends the message's payload to another mailbox. One at a time for each mailbox, in order. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import { UnknownOutcomeError, type OutgoingMessage, type Progress, type SentMessage } from '../lib/index';
import { MailboxUser } from './shared/mailbox-user';
import { onInput } from './shared/on-input';
import { outgoingMessage, outgoingPayload, SEND_FIELDS, type SendFields } from './shared/outgoing-message';
import { cleanError } from './shared/report-error';
import { SerialQueue } from './shared/serial-queue';
import { evaluate, evaluateText } from './shared/typed-input';

interface MeshSendDef extends NodeDef {
  version?: number;
  mailbox?: string;
  to?: string;
  toType?: string;
  workflowId?: string;
  workflowIdType?: string;
  localId?: string;
  localIdType?: string;
  subject?: string;
  subjectType?: string;
  fileName?: string;
  fileNameType?: string;
  contentType?: string;
  contentTypeType?: string;
  payload?: string;
  payloadType?: string;
  payloadIs?: 'content' | 'file';
  compression?: '' | 'gzip' | 'never';
}

export = function (RED: NodeAPI): void {
  function MeshSend(this: Node, def: MeshSendDef): void {
    RED.nodes.createNode(this, def);
    const mailbox = new MailboxUser(RED, this, def.mailbox);
    // Fields may take their time to evaluate (an expression, a context store): nobody overtakes meanwhile.
    const arrivals = new SerialQueue();
    const never = new AbortController().signal;
    let sent = 0;
    let waiting = 0;

    const showSending = (text = RED._('mesh-send.status.sending')): void => {
      const backlog = mailbox.waitingToSend > 0 ? ` (+${mailbox.waitingToSend})` : '';
      mailbox.show({ fill: 'blue', shape: 'dot', text: text + backlog });
    };

    const sendInTurn = async (message: OutgoingMessage): Promise<SentMessage> => {
      let begun = false;
      waiting += 1;
      const begin = (): void => {
        begun = true;
        waiting -= 1;
        showSending();
      };
      const progress = ({ chunk, totalChunks }: Progress): void => {
        if (totalChunks > 1) showSending(RED._('mesh-send.status.chunk', { chunk, total: totalChunks }));
      };
      try {
        return await mailbox.send(message, { begin, progress });
      } catch (error) {
        if (!begun) waiting -= 1;
        // Catch nodes are closed too: the log is all that is left to tell it.
        else if (mailbox.isClosed) this.warn(cleanError(RED, error).message);
        throw error;
      }
    };

    onInput(RED, this, async (msg, send) => {
      const { message, sending } = await arrivals.add(async () => {
        const next = await fromFlow(RED, this, def, msg);
        return { message: next, sending: sendInTurn(next) };
      }, never);
      const result = await sending.catch((error: unknown) => {
        if (error instanceof UnknownOutcomeError) msg['meshSent'] = unknownOutcome(message);
        throw error;
      });
      if (mailbox.isClosed) this.warn(RED._('mesh-send.log.sent-while-closing', { messageId: result.messageId }));
      msg['meshSent'] = result;
      sent += 1;
      mailbox.show({ fill: 'green', shape: 'dot', text: RED._('mesh-send.status.sent', { sent }) });
      send(msg);
    });

    this.on('close', (_removed: boolean, done: () => void) => {
      if (waiting > 0) this.warn(RED._('mesh-send.log.dropped', { number: waiting }));
      mailbox.close(done);
    });
  }

  RED.nodes.registerType('mesh-send', MeshSend);
};

/** What a flow behind Catch needs, to ask MESH later with mesh-track by local id. */
function unknownOutcome({ localId, to, workflowId }: OutgoingMessage): object {
  return { localId, to, workflowId, status: 'unknown' };
}

async function fromFlow(RED: NodeAPI, node: Node, def: MeshSendDef, msg: NodeMessageInFlow): Promise<OutgoingMessage> {
  const fields: SendFields = {};
  for (const field of SEND_FIELDS) {
    fields[field] = await evaluateText(RED, node, msg, { field, value: def[field], type: def[`${field}Type`] });
  }
  const value = await evaluate(RED, node, msg, {
    field: 'payload',
    value: def.payload ?? 'payload',
    type: def.payloadType ?? 'msg',
  });
  const payload = outgoingPayload(RED, value, def.payloadIs === 'file' ? 'file' : 'content');
  const compression = def.compression === 'gzip' || def.compression === 'never' ? def.compression : undefined;
  return outgoingMessage(RED, fields, msg['meshSend'], payload, compression);
}
