/** mesh-mllp-response: responds to the sender of an HL7 v2 message that mesh-mllp-in received. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import { buildHl7Ack, MllpMessageError } from '../lib/index';
import { messageBytes } from './mllp/payload';
import { pendingRequest, type PendingRequest } from './mllp/requests';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { choiceSetting } from './shared/settings';
import { setStatus } from './shared/status';
import { evaluateText } from './shared/typed-input';

interface MeshMllpResponseDef extends NodeDef {
  version?: number;
  answer?: string;
  text?: string;
  textType?: string;
}

export = function (RED: NodeAPI): void {
  function MeshMllpResponse(this: Node, config: MeshMllpResponseDef): void {
    const def = createNode(RED, this, config);
    let answered = 0;

    /** Harmless, but a sign of a fault in the flow. */
    const warn = (key: 'late' | 'gone'): void => {
      setStatus(this, { fill: 'yellow', shape: 'dot', key: `mesh-mllp-response.status.${key}` });
      this.warn(RED._(`mesh-mllp-response.warning.${key}`));
    };

    onInput(RED, this, async (msg) => {
      const requestId = requestIdOf(RED, msg);
      const response = await responseFor(RED, this, def, msg, pendingRequest(requestId));
      // The request may have timed out while the text was evaluated.
      const request = pendingRequest(requestId);
      if (request === undefined || response === undefined) {
        warn('late');
        return;
      }
      if (request.respond(response) !== 'sent') {
        warn('gone');
        return;
      }
      answered += 1;
      setStatus(this, { fill: 'green', shape: 'dot', key: 'mesh-mllp-response.status.answered', values: { answered } });
    });
  }

  RED.nodes.registerType('mesh-mllp-response', MeshMllpResponse);
};

function requestIdOf(RED: NodeAPI, msg: NodeMessageInFlow): string {
  const { mllp } = msg as { mllp?: { requestId?: unknown } | null };
  if (typeof mllp?.requestId === 'string') return mllp.requestId;
  throw new MllpMessageError(RED._('mesh-mllp-response.error.no-mllp'), {
    advice: RED._('mesh-mllp-response.advice.no-mllp'),
  });
}

async function responseFor(
  RED: NodeAPI,
  node: Node,
  def: MeshMllpResponseDef,
  msg: NodeMessageInFlow,
  request: PendingRequest | undefined,
): Promise<Buffer | undefined> {
  if (request === undefined) return undefined;
  const code = choiceSetting(RED, 'answer', def.answer, ['AA', 'AE', 'AR', 'payload']);
  if (code === 'payload') return messageBytes(RED, msg.payload, request.charset);
  const text = await evaluateText(RED, node, msg, { field: 'text', value: def.text, type: def.textType });
  return buildHl7Ack(request.header, { code, text });
}
