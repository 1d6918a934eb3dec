/** mesh-edifact: converts an EDIFACT interchange to an object and back. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { readEdifact, splitEdifact, writeEdifact } from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty, Several } from './shared/converter';

interface MeshEdifactDef extends NodeDef {
  version?: number;
  property?: string;
}

export = function (RED: NodeAPI): void {
  function MeshEdifact(this: Node, config: MeshEdifactDef): void {
    const def = createNode(RED, this, config);
    convertProperty(RED, this, def.property, (value, _msg, tolerate) => {
      if (typeof value !== 'string' && !Buffer.isBuffer(value)) return writeEdifact(value);
      const interchanges = splitEdifact<string | Buffer>(value).map((each) => readEdifact(each));
      for (const { tolerated } of interchanges) tolerate(tolerated ?? []);
      return interchanges.length === 1 ? interchanges[0] : new Several(interchanges);
    });
  }

  RED.nodes.registerType('mesh-edifact', MeshEdifact);
};
