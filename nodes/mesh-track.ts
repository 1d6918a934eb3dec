/** mesh-track: asks MESH what became of a message that was sent. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow, NodeStatusFill } from 'node-red';
import { InvalidMessageError, type Tracking } from '../lib/index';
import { useMailbox } from './shared/mailbox-user';
import { onInput } from './shared/on-input';
import { setProperty } from './shared/set-property';
import { evaluateText } from './shared/typed-input';

interface MeshTrackDef extends NodeDef {
  version?: number;
  mailbox?: string;
  by?: 'messageId' | 'localId';
  reference?: string;
  referenceType?: string;
  property?: string;
}

/** The rest is neither good nor bad news yet. */
const FILLS: Record<string, NodeStatusFill> = { acknowledged: 'green', error: 'red', undeliverable: 'red' };

export = function (RED: NodeAPI): void {
  function MeshTrack(this: Node, def: MeshTrackDef): void {
    RED.nodes.createNode(this, def);
    const mailbox = useMailbox(RED, this, def.mailbox);
    const byLocalId = def.by === 'localId';

    onInput(RED, this, async (msg, send) => {
      const tracking = await mailbox.run(async (opened, signal): Promise<Tracking> => {
        const reference = await readReference(RED, this, def, msg);
        mailbox.show({ fill: 'blue', shape: 'dot', text: RED._('mesh-track.status.asking') });
        if (byLocalId) return opened.mailbox.trackByLocalId(reference, { signal });
        return opened.mailbox.track(reference, { signal });
      });
      setProperty(RED, msg, def.property, tracking);
      const text = /^[a-z _-]{1,19}$/.test(tracking.status) ? tracking.status : RED._('mesh-track.status.tracked');
      mailbox.show({ fill: FILLS[tracking.status] ?? 'blue', shape: 'dot', text });
      send(msg);
    });
  }

  RED.nodes.registerType('mesh-track', MeshTrack);
};

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
