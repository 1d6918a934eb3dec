/** mesh-fhir: converts FHIR XML to JSON, and FHIR JSON (text or an object) to XML. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  convertByRelease,
  fhirJsonToXml,
  fhirXmlToJson,
  fhirXmlToObject,
  statedRelease,
  type FhirRelease,
  type Tolerated,
} from '../lib/index';
import { createNode } from './shared/create-node';
import { convertProperty, type Convertible } from './shared/converter';

interface MeshFhirDef extends NodeDef {
  version?: number;
  property?: string;
  release?: FhirRelease | 'auto';
  jsonAs?: 'object' | 'text';
}

export = function (RED: NodeAPI): void {
  function MeshFhir(this: Node, config: MeshFhirDef): void {
    const def = createNode(RED, this, config);
    const chosen = def.release ?? 'auto';
    convertProperty(RED, this, def.property, (value, msg, tolerate, show) => {
      const tolerated = new Map<FhirRelease, readonly Tolerated[]>();
      const convert = (release: FhirRelease): unknown => {
        const options = { release, onTolerated: (found: readonly Tolerated[]) => void tolerated.set(release, found) };
        if (typeof value !== 'string' && !Buffer.isBuffer(value)) return fhirJsonToXml(value, options);
        if (isJson(value)) return fhirJsonToXml(value, options);
        return def.jsonAs === 'text' ? fhirXmlToJson(value, options) : fhirXmlToObject(value, options);
      };
      const { result, release, isDoubtful } =
        chosen === 'auto'
          ? convertByRelease(value, convert)
          : { result: convert(chosen), release: chosen, isDoubtful: isOfAnother(value, chosen) };
      tolerate(tolerated.get(release) ?? []);
      if (isDoubtful) tolerate([doubtful(release)]);
      Object.assign(msg, { fhirRelease: release });
      show(release);
      return result;
    });
  }

  RED.nodes.registerType('mesh-fhir', MeshFhir);
};

/** Whether a payload says that it has another release than the chosen one. */
function isOfAnother(value: Convertible, chosen: FhirRelease): boolean {
  const text =
    typeof value === 'string' ? value : Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value);
  const stated = statedRelease(text);
  return stated !== undefined && stated !== chosen;
}

const doubtful = (release: FhirRelease): Tolerated => ({
  code: 'fhir-release',
  message: `The resource may have another FHIR release. It was converted as ${release}.`,
  count: 1,
});

/** True for text that starts a JSON object. Anything else is read as XML, which reports what is wrong with it. */
function isJson(text: string | Buffer): boolean {
  return /^\uFEFF?\s*\{/.test(text.slice(0, 1000).toString());
}
