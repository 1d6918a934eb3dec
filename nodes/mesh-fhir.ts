/** mesh-fhir: converts FHIR XML to JSON, and FHIR JSON (text or an object) to XML. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { fhirJsonToXml, fhirXmlToJson, fhirXmlToObject, type FhirRelease } from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty } from './shared/converter';

interface MeshFhirDef extends NodeDef {
  version?: number;
  property?: string;
  release?: FhirRelease;
  jsonAs?: 'object' | 'text';
}

export = function (RED: NodeAPI): void {
  function MeshFhir(this: Node, config: MeshFhirDef): void {
    const def = createNode(RED, this, config);
    const { release } = def;
    convertProperty(RED, this, def.property, (value) => {
      if (typeof value !== 'string' && !Buffer.isBuffer(value)) return fhirJsonToXml(value, { release });
      if (isJson(value)) return fhirJsonToXml(value, { release });
      return def.jsonAs === 'text' ? fhirXmlToJson(value, { release }) : fhirXmlToObject(value, { release });
    });
  }

  RED.nodes.registerType('mesh-fhir', MeshFhir);
};

/** True for text that starts a JSON object. Anything else is read as XML, which reports what is wrong with it. */
function isJson(text: string | Buffer): boolean {
  return /^\uFEFF?\s*\{/.test(text.slice(0, 1000).toString());
}
