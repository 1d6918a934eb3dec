/**
 * mesh-ack: marks a received message as done, so that it is not delivered again, and sends a business acknowledgement
 * to its sender if the node asks for one.
 */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { InvalidMessageError, type SentAcknowledgement } from '../lib/index';
import { AckMailboxes, type ReceivedIds } from './receive/ack-mailboxes';
import { acknowledgementRequest } from './receive/acknowledgement-request';
import { meshAnswered } from './receive/mesh-answered';
import { forgetParts, isLastPart } from './receive/parts';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { OutputGuard } from './mailbox/output-guard';
import { withCause } from './shared/status';

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
  function MeshAck(this: Node, config: MeshAckDef): void {
    const def = createNode(RED, this, config);
    const mailboxes = new AckMailboxes(RED, this, def.mailbox);
    const guard = new OutputGuard(RED, this, { mailbox: def.mailbox, label: () => RED._('mesh-ack.output') });
    let done = 0;

    onInput(RED, this, async (msg, send) => {
      // Before the message is done: a flow that goes on behind this node would lose it.
      await guard.checkIfWired(0, msg);
      const received = receivedIds(RED, msg['mesh']);
      const mailbox = await mailboxes.of(received);
      let isWaiting = false;
      const sent = await mailbox.run(async (opened): Promise<SentAcknowledgement | undefined> => {
        const messageId = ownMessage(RED, received, opened.mailbox.mailboxId);
        isWaiting = def.finish !== false && !isLastPart(opened.poller, messageId, msg['parts']);
        if (isWaiting) return undefined;
        const request = await acknowledgementRequest(RED, this, def, msg);
        mailbox.show({ fill: 'blue', shape: 'dot', key: 'mesh-ack.status.acknowledging' });
        // In this order: after a kill in between the message is delivered again, and acknowledged once.
        const acknowledgement = request && (await opened.mailbox.sendAcknowledgement(messageId, request));
        if (def.finish === false) return acknowledgement;
        await opened.poller.acknowledge(messageId);
        forgetParts(opened.poller, messageId);
        return acknowledgement;
      });
      if (isWaiting) {
        mailbox.show({ fill: 'blue', shape: 'ring', key: 'mesh-ack.status.parts' });
        send(msg);
        return;
      }
      done += 1;
      if (sent) msg['meshAnswered'] = meshAnswered(sent);
      const word = sent === undefined ? 'acknowledged' : sent.sent ? 'answered' : 'not-answered';
      mailbox.show({ fill: 'green', shape: 'dot', key: `mesh-ack.status.${word}`, values: { done } });
      send(msg);
    });
  }

  RED.nodes.registerType('mesh-ack', MeshAck);
};

/**
 * Returns the ids of the received message.
 * @throws InvalidMessageError when there is none
 */
function receivedIds(RED: NodeAPI, mesh: unknown): ReceivedIds {
  const received = typeof mesh === 'object' && mesh !== null ? (mesh as Record<string, unknown>) : {};
  const { messageId, mailboxId } = received as { messageId?: unknown; mailboxId?: string };
  if (typeof messageId !== 'string' || messageId === '') {
    const advice = RED._('mesh-ack.advice.no-mesh');
    throw withCause(new InvalidMessageError(RED._('mesh-ack.error.no-mesh'), { advice }), 'no-mesh');
  }
  return { messageId, ...(mailboxId !== undefined && { mailboxId }) };
}

/**
 * Returns the message's id.
 * @throws InvalidMessageError when another mailbox received the message: MESH would refuse to acknowledge it
 */
function ownMessage(RED: NodeAPI, { messageId, mailboxId: receiver }: ReceivedIds, mailboxId: string): string {
  if (receiver === undefined || receiver === mailboxId) return messageId;
  throw new InvalidMessageError(RED._('mesh-ack.error.other-mailbox'), {
    messageId,
    advice: RED._('mesh-ack.advice.other-mailbox'),
  });
}
