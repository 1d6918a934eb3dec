/**
 * mesh-ack: the flow is done with a received message, and MESH removes it from the inbox; and, where wanted, the business
 * acknowledgement to its sender.
 */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { InvalidMessageError, type SentAcknowledgement } from '../lib/index';
import { answerWish } from './receive/acknowledgement-request';
import { useMailbox } from './mailbox/mailbox-user';
import { onInput } from './shared/on-input';

interface MeshAckDef extends NodeDef {
  version?: number;
  mailbox?: string;
  answer?: string;
  level?: string;
  outcome?: string;
  code?: string;
  text?: string;
  custom?: string;
  customType?: string;
  finish?: boolean;
}

export = function (RED: NodeAPI): void {
  function MeshAck(this: Node, def: MeshAckDef): void {
    RED.nodes.createNode(this, def);
    const mailbox = useMailbox(RED, this, def.mailbox);
    let done = 0;

    onInput(RED, this, async (msg, send) => {
      const answered = await mailbox.run(async (opened): Promise<SentAcknowledgement | undefined> => {
        const messageId = receivedId(RED, msg['mesh'], opened.mailbox.mailboxId);
        const wish = await answerWish(RED, this, def, msg);
        mailbox.show({ fill: 'blue', shape: 'dot', text: RED._('mesh-ack.status.acknowledging') });
        // In this order: a kill in between has the message delivered again, and its answer is given once.
        const given = wish && (await opened.mailbox.answer(messageId, wish));
        if (def.finish !== false) await opened.poller.acknowledge(messageId);
        return given;
      });
      done += 1;
      if (answered) msg['meshAnswered'] = answered;
      const word = answered === undefined ? 'acknowledged' : answered.answered ? 'answered' : 'not-answered';
      mailbox.show({ fill: 'green', shape: 'dot', text: RED._(`mesh-ack.status.${word}`, { done }) });
      send(msg);
    });
  }

  RED.nodes.registerType('mesh-ack', MeshAck);
};

/** An acknowledgement at the wrong mailbox would be refused by MESH at best; at worst it hides the mistake. */
function receivedId(RED: NodeAPI, mesh: unknown, mailboxId: string): string {
  const received = typeof mesh === 'object' && mesh !== null ? (mesh as Record<string, unknown>) : {};
  const messageId = received['messageId'];
  if (typeof messageId !== 'string' || messageId === '') {
    throw new InvalidMessageError(RED._('mesh-ack.error.no-mesh'), { advice: RED._('mesh-ack.advice.no-mesh') });
  }
  if (received['mailboxId'] !== undefined && received['mailboxId'] !== mailboxId) {
    throw new InvalidMessageError(RED._('mesh-ack.error.other-mailbox'), {
      messageId,
      advice: RED._('mesh-ack.advice.other-mailbox'),
    });
  }
  return messageId;
}
