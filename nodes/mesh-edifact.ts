/** mesh-edifact: converts an EDIFACT interchange to an object and back. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { readEdifact, writeEdifact } from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty } from './shared/converter';

interface MeshEdifactDef extends NodeDef {
  version?: number;
  property?: string;
}

export = function (RED: NodeAPI): void {
  function MeshEdifact(this: Node, config: MeshEdifactDef): void {
    const def = createNode(RED, this, config);
    convertProperty(RED, this, def.property, (value) =>
      typeof value === 'string' || Buffer.isBuffer(value) ? readEdifact(value) : writeEdifact(value),
    );
  }

  RED.nodes.registerType('mesh-edifact', MeshEdifact);
};
