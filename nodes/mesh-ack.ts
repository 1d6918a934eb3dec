/** mesh-ack: the flow is done with a received message. MESH removes it from the inbox. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { InvalidMessageError } from '../lib/index';
import { useMailbox } from './shared/mailbox-user';
import { onInput } from './shared/on-input';

interface MeshAckDef extends NodeDef {
  version?: number;
  mailbox?: string;
}

export = function (RED: NodeAPI): void {
  function MeshAck(this: Node, def: MeshAckDef): void {
    RED.nodes.createNode(this, def);
    const mailbox = useMailbox(RED, this, def.mailbox);
    let done = 0;

    onInput(RED, this, async (msg, send) => {
      await mailbox.run(async (opened) => {
        const messageId = receivedId(RED, msg['mesh'], opened.mailbox.mailboxId);
        mailbox.show({ fill: 'blue', shape: 'dot', text: RED._('mesh-ack.status.acknowledging') });
        await opened.poller.acknowledge(messageId);
      });
      done += 1;
      mailbox.show({ fill: 'green', shape: 'dot', text: RED._('mesh-ack.status.acknowledged', { done }) });
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
