/** mesh-mllp-response: answers the sender of an HL7 v2 message that mesh-mllp-in has received. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import { buildAcknowledgement, MllpMessageError } from '../lib/index';
import { messageBytes } from './mllp/payload';
import { pendingRequest, type PendingRequest } from './mllp/requests';
import { onInput } from './shared/on-input';
import { choiceSetting } from './shared/settings';
import { evaluateText } from './shared/typed-input';

interface MeshMllpResponseDef extends NodeDef {
  version?: number;
  answer?: string;
  text?: string;
  textType?: string;
}

export = function (RED: NodeAPI): void {
  function MeshMllpResponse(this: Node, def: MeshMllpResponseDef): void {
    RED.nodes.createNode(this, def);
    let answered = 0;

    /** Harmless, but whoever built the flow should know. */
    const warn = (key: 'late' | 'gone'): void => {
      this.status({ fill: 'yellow', shape: 'dot', text: RED._(`mesh-mllp-response.status.${key}`) });
      this.warn(RED._(`mesh-mllp-response.warning.${key}`));
    };

    onInput(RED, this, async (msg) => {
      const requestId = requestIdOf(RED, msg);
      const answer = await answerFor(RED, this, def, msg, pendingRequest(requestId));
      // Looked up again: while the text was evaluated its time may have run out.
      const request = pendingRequest(requestId);
      if (request === undefined || answer === undefined) {
        warn('late');
        return;
      }
      if (request.answer(answer) !== 'sent') {
        warn('gone');
        return;
      }
      answered += 1;
      this.status({ fill: 'green', shape: 'dot', text: RED._('mesh-mllp-response.status.answered', { answered }) });
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

async function answerFor(
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
  return buildAcknowledgement(request.header, { code, text });
}
