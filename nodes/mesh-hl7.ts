/** mesh-hl7: converts HL7 v2 text or bytes to an object and back, or builds the acknowledgement of a message. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { acknowledgeHl7, readHl7, writeHl7, type AckCode, type Charset, type Hl7Message } from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty } from './shared/converter';
import { evaluateText } from './shared/typed-input';

interface MeshHl7Def extends NodeDef {
  version?: number;
  property?: string;
  action?: 'convert' | AckCode;
  ackText?: string;
  ackTextType?: string;
  charset?: Charset;
}

export = function (RED: NodeAPI): void {
  function MeshHl7(this: Node, config: MeshHl7Def): void {
    const def = createNode(RED, this, config);
    const { action = 'convert', charset } = def;

    convertProperty(RED, this, def.property, async (value, msg, tolerate) => {
      const isText = typeof value === 'string' || Buffer.isBuffer(value);
      const received = isText ? readHl7(value, { charset }) : (value as Hl7Message);
      if (isText) tolerate(received.tolerated ?? []);
      if (action === 'convert') return isText ? received : writeHl7(received, { charset });
      const text = await evaluateText(RED, this, msg, { field: 'ackText', value: def.ackText, type: def.ackTextType });
      return writeHl7(acknowledgeHl7(received, { code: action, text, now: new Date() }));
    });
  }

  RED.nodes.registerType('mesh-hl7', MeshHl7);
};
