/** mesh-poll: hands what arrives in the mailbox to the flow. Outputs: data, reports, business acknowledgements, parked. */
import type { Node, NodeAPI } from 'node-red';
import { inboxConsumer, tellParked } from './receive/inbox-consumer';
import { MailboxUser } from './mailbox/mailbox-user';
import { onInput } from './shared/on-input';
import { readPollOrder } from './receive/poll-orders';
import { PollStatus } from './receive/poll-status';
import { readPollSettings, type MeshPollDef } from './receive/poll-settings';
import { cleanError } from './shared/report-error';
import { shortCount } from './shared/status';

export = function (RED: NodeAPI): void {
  function MeshPoll(this: Node, def: MeshPollDef): void {
    RED.nodes.createNode(this, def);
    const mailbox = new MailboxUser(RED, this, def.mailbox);
    const status = new PollStatus(RED, mailbox);
    /** Takes this node's part of the inbox; replaced by what gives it back. */
    let leave = (): void => undefined;
    let closed = false;

    const join = async (): Promise<void> => {
      const consumer = inboxConsumer(RED, this, readPollSettings(RED, def), status);
      await mailbox.run(async ({ poller }) => {
        if (closed) return;
        poller.add(consumer);
        leave = () => poller.remove(consumer);
      });
    };
    // Told now, and to each input again: nobody may have to press a button to hear that nothing is received.
    const joined = join();
    joined.catch((error: unknown) => {
      if (closed) return;
      if (mailbox.isUsable) mailbox.fault(error);
      this.error(cleanError(RED, error), {});
    });

    onInput(RED, this, async (msg) => {
      await joined;
      const order = readPollOrder(RED, msg['meshPoll']);
      await mailbox.run(async ({ poller }) => {
        if (order.kind === 'redeliver') {
          await poller.redeliver(order.messageId);
          return;
        }
        if (order.kind === 'list-parked') {
          let parked = 0;
          for await (const message of poller.parked()) {
            tellParked(RED, this, message);
            parked += 1;
          }
          const text = RED._('mesh-poll.status.parked', { parked: shortCount(parked) });
          mailbox.show({ fill: parked > 0 ? 'yellow' : 'green', shape: 'dot', text });
          return;
        }
        const answer = poller.poll();
        if (!answer.started) status.postponed(answer.nextPoll);
      });
    });

    this.on('close', (_removed: boolean, done: () => void) => {
      closed = true;
      leave();
      mailbox.close(done);
    });
  }

  RED.nodes.registerType('mesh-poll', MeshPoll);
};
