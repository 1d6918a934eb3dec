/** mesh-fhir-profiles: the user's FHIR packages and folders of definitions, named once for all nodes that validate. */
import type { NodeAPI, NodeDef } from 'node-red';
import { createNode } from './shared/create-node';
import { listSetting, type FhirProfilesNode } from './shared/settings';

interface MeshFhirProfilesDef extends NodeDef {
  version?: number;
  /** Paths, one on each line. */
  sources?: string;
}

export = function (RED: NodeAPI): void {
  function MeshFhirProfiles(this: FhirProfilesNode, config: MeshFhirProfilesDef): void {
    const def = createNode(RED, this, config);
    this.sources = () => listSetting(RED, def.sources);
    this.generation = RED.util.generateId();
  }

  RED.nodes.registerType('mesh-fhir-profiles', MeshFhirProfiles);
};
