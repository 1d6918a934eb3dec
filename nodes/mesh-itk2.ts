/** mesh-itk2: unwraps an ITK2 distribution envelope into its payloads, e.g. an HL7 CDA discharge letter. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { InvalidMessageError, unwrapItk2 } from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty, Several } from './shared/converter';

interface MeshItk2Def extends NodeDef {
  version?: number;
  property?: string;
}

export = function (RED: NodeAPI): void {
  function MeshItk2(this: Node, config: MeshItk2Def): void {
    const def = createNode(RED, this, config);
    convertProperty(RED, this, def.property, (value, msg, tolerate) => {
      if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
        throw new InvalidMessageError(RED._('mesh-itk2.error.object'));
      }
      const { envelope, payloads, tolerated } = unwrapItk2(value);
      tolerate(tolerated);
      // Each part says which of the items it is.
      const parts = payloads.map(({ content }, index) => ({
        content,
        itk2: { ...envelope, item: envelope.items[index] },
      }));
      const [only, ...others] = parts;
      if (only === undefined || others.length > 0)
        return new Several(
          parts.map(({ content }) => content),
          (index) => ({ itk2: parts[index]?.itk2 }),
        );
      Object.assign(msg, { itk2: only.itk2 });
      return only.content;
    });
  }

  RED.nodes.registerType('mesh-itk2', MeshItk2);
};
