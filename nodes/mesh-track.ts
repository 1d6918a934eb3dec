/** mesh-track: what became of what was sent: MESH asked, the outbox asked, or each change told by itself. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow, NodeStatusFill } from 'node-red';
import { InvalidMessageError, type OutboxEvent } from '../lib/index';
import { useMailbox, type MailboxUser } from './mailbox/mailbox-user';
import { onInput } from './shared/on-input';
import { askOutbox } from './send/outbox-questions';
import { needsAttention } from './mailbox/send-alarms';
import { setProperty } from './shared/set-property';
import { shortCount } from './shared/status';
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

/** The rest is neither good nor bad news yet. */
const FILLS: Record<string, NodeStatusFill> = { acknowledged: 'green', error: 'red', undeliverable: 'red' };
/** Fixed for ever: flows are wired to the positions. The first is for answers and changes. */
const ATTENTION_OUTPUT = 1;

export = function (RED: NodeAPI): void {
  function MeshTrack(this: Node, def: MeshTrackDef): void {
    RED.nodes.createNode(this, def);
    const mailbox = useMailbox(RED, this, def.mailbox);
    if (def.follow === true) follow(RED, this, mailbox);

    onInput(RED, this, async (msg, send) => {
      const { result, fill, text } = await mailbox.run(async (opened, signal) => {
        const listed = await askOutbox(RED, opened.mailbox.outbox, msg['meshTrack']);
        if (listed) {
          const found = RED._('mesh-track.status.found', { found: shortCount(listed.length) });
          return { result: listed, fill: 'green' as const, text: found };
        }
        const reference = await readReference(RED, this, def, msg);
        mailbox.show({ fill: 'blue', shape: 'dot', text: RED._('mesh-track.status.asking') });
        const tracking =
          def.by === 'localId'
            ? await opened.mailbox.trackByLocalId(reference, { signal })
            : await opened.mailbox.track(reference, { signal });
        const word = /^[a-z _-]{1,19}$/.test(tracking.status) ? tracking.status : RED._('mesh-track.status.tracked');
        return { result: tracking, fill: FILLS[tracking.status] ?? ('blue' as const), text: word };
      });
      setProperty(RED, msg, def.property, result);
      mailbox.show({ fill, shape: 'dot', text });
      send([msg, null]);
    });
  }

  RED.nodes.registerType('mesh-track', MeshTrack);
};

/** Tells each change of the outbox. Where nothing is wired to what needs attention, that stays an alarm at Catch. */
function follow(RED: NodeAPI, node: Node, mailbox: MailboxUser): void {
  const { wires = [] } = node as Node & { wires?: unknown[][] };
  const isWired = (wires[ATTENTION_OUTPUT]?.length ?? 0) > 0;
  const stops: Array<() => void> = isWired ? [mailbox.follow()] : [];
  let alarms = 0;

  const tell = (happening: OutboxEvent): void => {
    const { event, message, overdue, answer } = happening;
    const payload = { event, ...(overdue && { overdue }), ...(answer && { answer }), ...message };
    // A flow may change what it gets: each output has its own.
    const told = () => ({ topic: message.workflowId, payload: { ...payload } });
    const isAlarm = needsAttention(happening);
    node.send([told(), isAlarm ? told() : null]);
    if (!isAlarm) return;
    alarms += 1;
    const text = RED._('mesh-track.status.attention', { alarms: shortCount(alarms) });
    mailbox.show({ fill: 'red', shape: 'dot', text });
  };
  mailbox
    .run(async (opened) => {
      const stop = opened.mailbox.outbox.onEvent(tell);
      if (mailbox.isClosed) stop();
      else stops.push(stop);
    })
    // A mailbox that cannot be used has told so itself.
    .catch(() => undefined);
  node.on('close', () => stops.forEach((stop) => stop()));
}

/** The field; where that is empty, what was sent in this flow, then (by message id) what was received. */
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
