/** mesh-poll: delivers received messages to the flow. Outputs: data, reports, business acknowledgements, parked. */
import type { Node, NodeAPI } from 'node-red';
import { emitParked, inboxConsumer, outputLabel, requireParkedOutput } from './receive/inbox-consumer';
import { ParkedCount } from './receive/parked-count';
import { readPollCommand } from './receive/poll-command';
import { readPollSettings, type MeshPollDef } from './receive/poll-settings';
import { PollingUser, PollStatus } from './receive/poll-status';
import { outputsWithoutAck } from './receive/reaches-ack';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { OutputGuard } from './mailbox/output-guard';
import { FlowChanges } from './mailbox/reachable-outputs';
import { cleanError } from './shared/report-error';
import { shortCount, withPlace } from './shared/status';

export = function (RED: NodeAPI): void {
  function MeshPoll(this: Node, config: MeshPollDef): void {
    const def = createNode(RED, this, config);
    const mailbox = new PollingUser(RED, this, def.mailbox);
    const status = new PollStatus(mailbox);
    /** Removes this node's consumer from the poller; does nothing before it was added. */
    let leave = (): void => undefined;
    /** Takes up what was refused while nobody was behind an output; does nothing before the consumer was added. */
    let retryRefused = (): void => undefined;
    const guard = new OutputGuard(RED, this, {
      mailbox: def.mailbox,
      label: (output) => outputLabel(RED, output),
      onBlocked: (error) => status.problem(error, 'deploy'),
      onUnblocked: () => status.solved(),
      onStarted: () => {
        warnWithoutAck();
        retryRefused();
      },
    });
    const changes = FlowChanges.whileStarting(RED);
    let closed = false;
    const parkedCount = new ParkedCount(mailbox, (count) => status.parked(count));
    let isRedeliveryReported = false;
    let isFaulty = false;

    /** Warns at a deploy, not only when messages have been delivered again for hours and are parked. */
    const warnWithoutAck = (): void => {
      const outputs = def.acknowledge === 'after-delivery' ? [] : outputsWithoutAck(RED, this);
      // A node that receives nothing at all shows why.
      if (mailbox.isUsable && !isFaulty) status.reachesAck(outputs.length === 0);
      if (outputs.length === 0) return;
      const names = outputs.map((output) => outputLabel(RED, output)).join(', ');
      this.warn(withPlace(this, RED._('mesh-poll.warning.no-ack', { outputs: names })));
    };
    const onRedelivered = (deliveryCount: number): void => {
      status.redelivered();
      if (isRedeliveryReported) return;
      isRedeliveryReported = true;
      this.warn(withPlace(this, RED._('mesh-poll.warning.redelivered', { times: deliveryCount })));
    };

    const reportFailure = (error: unknown): void => {
      if (!closed) this.error(cleanError(RED, error, this), {});
    };
    const join = async (): Promise<void> => {
      const consumer = inboxConsumer(RED, this, {
        settings: readPollSettings(RED, def),
        status,
        guard,
        parkedCount,
        onRedelivered,
      });
      // Of two nodes that want the same messages the first one gets them: nothing is delivered before it is there.
      await changes.settled();
      if (closed) return;
      await mailbox.onceOpen(async ({ poller }) => {
        if (closed) return;
        poller.add(consumer);
        leave = () => poller.remove(consumer);
        retryRefused = () => poller.retryRefused(consumer);
      }, reportFailure);
    };
    // A failure is reported now, not only at the next input: without a consumer the node receives nothing.
    const joined = join();
    joined.catch((error: unknown) => {
      if (closed) return;
      isFaulty = true;
      if (mailbox.isUsable) mailbox.fault(error);
      reportFailure(error);
    });

    onInput(RED, this, async (msg) => {
      // Not while the storage is not there yet: this input fails, and the node joins later.
      await mailbox.run(async () => undefined);
      await joined;
      const command = readPollCommand(RED, msg['meshPoll']);
      await mailbox.run(async ({ poller }) => {
        if (command.kind === 'redeliver') {
          await poller.redeliver(command.messageId);
          return;
        }
        if (command.kind === 'list-parked') {
          await requireParkedOutput(guard);
          let parked = 0;
          for await (const message of poller.parked()) {
            emitParked(RED, this, message);
            parked += 1;
          }
          const values = { parked: shortCount(parked) };
          mailbox.show({
            fill: parked > 0 ? 'yellow' : 'green',
            shape: 'dot',
            key: 'mesh-poll.status.parked',
            values,
          });
          return;
        }
        const poll = poller.poll();
        if (!poll.started) status.postponed(poll.nextPoll);
      });
    });

    this.on('close', (_removed: boolean, done: () => void) => {
      closed = true;
      parkedCount.close();
      leave();
      mailbox.close(done);
    });
  }

  RED.nodes.registerType('mesh-poll', MeshPoll);
};
