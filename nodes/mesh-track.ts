/** mesh-track: the outcome of sent messages, by asking MESH, by querying the outbox, or by following every change. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow, NodeStatusFill } from 'node-red';
import { InvalidMessageError, nextStep, type NextStepName, type OutboxEvent } from '../lib/index';
import { useMailbox, type MailboxUser } from './mailbox/mailbox-user';
import { needsAttention } from './mailbox/send-alarms';
import { queryOutbox } from './send/outbox-queries';
import { trackedMessage } from './send/tracked-message';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { OutputGuard } from './mailbox/output-guard';
import { setProperty } from './shared/set-property';
import { errorStatus, shortCount, type Status } from './shared/status';
import { evaluateText } from './shared/typed-input';

interface MeshTrackDef extends NodeDef {
  version?: number;
  mailbox?: string;
  by?: 'messageId' | 'localId';
  reference?: string;
  referenceType?: string;
  property?: string;
  follow?: boolean;
}

/** Colours by MESH's status. Any other status is not final yet, and blue. */
const FILLS: Record<string, NodeStatusFill> = { acknowledged: 'green', error: 'red', undeliverable: 'red' };
/** The positions of outputs never change: flows are wired to them. The first one has results and changes. */
const ATTENTION_OUTPUT = 1;

export = function (RED: NodeAPI): void {
  function MeshTrack(this: Node, config: MeshTrackDef): void {
    const def = createNode(RED, this, config);
    const mailbox = useMailbox(RED, this, def.mailbox);
    if (def.follow === true) follow(RED, this, def, mailbox);

    onInput(RED, this, async (msg, send) => {
      const { result, status } = await mailbox.run(async (opened, signal) => {
        const listed = await queryOutbox(RED, opened.mailbox.outbox, msg['meshTrack']);
        if (listed) {
          const values = { found: shortCount(listed.length) };
          return { result: listed, status: trackStatus('green', { key: 'mesh-track.status.found', values }) };
        }
        const reference = await readReference(RED, this, def, msg);
        mailbox.show({ fill: 'blue', shape: 'dot', key: 'mesh-track.status.asking' });
        const tracking =
          def.by === 'localId'
            ? await opened.mailbox.trackByLocalId(reference, { signal })
            : await opened.mailbox.track(reference, { signal });
        const isWord = /^[a-z _-]{1,19}$/.test(tracking.status);
        const text = isWord ? { plain: tracking.status } : { key: 'mesh-track.status.tracked' };
        return { result: tracking, status: trackStatus(FILLS[tracking.status] ?? 'blue', text) };
      });
      setProperty(RED, msg, def.property, result);
      mailbox.show(status);
      send([msg, null]);
    });
  }

  RED.nodes.registerType('mesh-track', MeshTrack);
};

function trackStatus(fill: NodeStatusFill, text: Pick<Status, 'key' | 'values' | 'plain'>): Status {
  return { fill, shape: 'dot', ...text };
}

/** Returns `{nextStep}` by the code of an acknowledgement, or of MESH's report; empty if nothing is known of it. */
function nextStepAfter({ acknowledgement, message }: OutboxEvent): { nextStep?: NextStepName } {
  const code = acknowledgement?.code ?? message.error?.meshCode;
  const next = code === undefined ? undefined : nextStep(code);
  return next === undefined ? {} : { nextStep: next.step };
}

/**
 * Reports every change of the outbox. Alarms that the second output cannot hand to a node go to Catch nodes; if it was
 * wired once, they are also kept until it is again.
 */
function follow(RED: NodeAPI, node: Node, def: MeshTrackDef, mailbox: MailboxUser): void {
  const guard = new OutputGuard(RED, node, {
    mailbox: def.mailbox,
    label: (output) => RED._(`mesh-track.output.${output === ATTENTION_OUTPUT ? 'attention' : 'changes'}`),
    onBlocked: (error) => mailbox.show(errorStatus(error)),
    onKept: (_msg, about) => mailbox.raise({ kind: 'attention', ...(about as OutboxEvent) }),
  });
  const stops: Array<() => void> = [mailbox.follow(() => guard.isUsed(ATTENTION_OUTPUT))];
  let alarms = 0;

  const report = (outboxEvent: OutboxEvent): void => {
    const { event, message, overdue, acknowledgement, reply } = outboxEvent;
    const payload = {
      event,
      ...(overdue && { overdue }),
      ...(acknowledgement && { answer: acknowledgement }),
      ...(reply && { reply }),
      ...nextStepAfter(outboxEvent),
      ...trackedMessage(message),
    };
    // Each output gets an object of its own, since a flow may change it.
    const msg = () => ({ topic: message.workflowId, payload: { ...payload } });
    const isAlarm = needsAttention(outboxEvent);
    node.send([msg(), null]);
    if (!isAlarm) return;
    alarms += 1;
    const values = { alarms: shortCount(alarms) };
    mailbox.show({ fill: 'red', shape: 'dot', key: 'mesh-track.status.attention', values });
    guard.sendOrKeep(ATTENTION_OUTPUT, msg(), outboxEvent);
  };
  mailbox
    .onceOpen(async (opened) => {
      const stop = opened.mailbox.outbox.onEvent(report);
      if (mailbox.isClosed) stop();
      else stops.push(stop);
    })
    // A mailbox that cannot be used has reported that itself.
    .catch(() => undefined);
  node.on('close', () => stops.forEach((stop) => stop()));
}

/**
 * Returns the field's value; if empty, the id of the message sent in this flow, then (by message id) of the received
 * one.
 */
async function readReference(RED: NodeAPI, node: Node, def: MeshTrackDef, msg: NodeMessageInFlow): Promise<string> {
  const field = def.by === 'localId' ? 'localId' : 'messageId';
  const candidates =
    field === 'localId'
      ? [[def.reference, def.referenceType] as const, ['meshSent.localId', 'msg'] as const]
      : [
          [def.reference, def.referenceType] as const,
          ['meshSent.messageId', 'msg'] as const,
          ['mesh.messageId', 'msg'] as const,
        ];
  for (const [value, type] of candidates) {
    const reference = await evaluateText(RED, node, msg, { field, value, type });
    if (reference !== '') return reference;
  }
  throw new InvalidMessageError(RED._(`mesh-track.error.no-${field}`));
}
