/** mesh-hl7: converts HL7 v2 text or bytes to an object and back, or builds the acknowledgement of a message. */
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import {
  acknowledgeHl7,
  readableEnvelope,
  readHl7,
  splitHl7,
  writeHl7,
  type AckCode,
  type Charset,
  type CharsetRule,
  type Hl7Message,
} from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty, Several } from './shared/converter';
import { evaluateText } from './shared/typed-input';

interface MeshHl7Def extends NodeDef {
  version?: number;
  property?: string;
  action?: 'convert' | AckCode;
  ackText?: string;
  ackTextType?: string;
  charset?: Charset;
  charsetRule?: CharsetRule;
  /** What becomes of a file of several messages: default `split`. */
  batch?: 'split' | 'whole';
}

export = function (RED: NodeAPI): void {
  function MeshHl7(this: Node, config: MeshHl7Def): void {
    const def = createNode(RED, this, config);
    const { action = 'convert', charset, charsetRule } = def;

    convertProperty(RED, this, def.property, async (value, msg, tolerate) => {
      const isText = typeof value === 'string' || Buffer.isBuffer(value);
      const read = (payload: string | Buffer): Hl7Message => {
        const message = readHl7(payload, { charset, charsetRule });
        tolerate(message.tolerated ?? []);
        return message;
      };
      const text = await ackTextOf(RED, this, def, msg);
      const result = (message: Hl7Message): unknown =>
        action === 'convert' ? message : writeHl7(acknowledgeHl7(message, { code: action, text, now: new Date() }));
      if (!isText) return action === 'convert' ? writeHl7(value, { charset, charsetRule }) : result(value);
      const split = splitHl7<string | Buffer>(value);
      const { messages, tolerated } = split;
      if (def.batch === 'whole') return result(read(value));
      tolerate(tolerated);
      const [only, ...others] = messages;
      if (only !== undefined && others.length === 0 && split.envelope.length === 0) return result(read(only));
      const envelope = readableEnvelope(split);
      const batch = envelope === undefined ? {} : { batch: read(envelope) };
      return new Several(
        messages.map((message) => result(read(message))),
        () => batch,
      );
    });
  }

  RED.nodes.registerType('mesh-hl7', MeshHl7);
};

const ackTextOf = (RED: NodeAPI, node: Node, def: MeshHl7Def, msg: NodeMessage): Promise<string> | string =>
  def.action === undefined || def.action === 'convert'
    ? ''
    : evaluateText(RED, node, msg, { field: 'ackText', value: def.ackText, type: def.ackTextType });
