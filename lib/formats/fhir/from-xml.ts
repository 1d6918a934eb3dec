/** Converts FHIR XML to JSON without loss: order, ids and extensions of primitives, narrative, digits of decimals. */
import { UnreadableError } from '../../errors';
import { ToleratedList, type Tolerated } from '../tolerated';
import { isDeclaredWrongly, WRONG_DECLARATION, parseXml, type XmlElement, XHTML } from '../xml';
import { definitionsOf, type Definitions, type ElementDefinition, type FhirRelease } from './definitions';

export interface FhirOptions {
  /** Default `STU3`, which ITK3 uses. */
  release?: FhirRelease | undefined;
  /** Called for each kind of thing that the reader tolerated. */
  onTolerated?: ((found: readonly Tolerated[]) => void) | undefined;
}

export const FHIR_NAMESPACE = 'http://hl7.org/fhir';

/** A number's digits as the XML has them. */
interface Digits {
  digits: string;
}

/**
 * Returns the JSON text of a FHIR XML document. Decimals keep their digits (`1.50`), which a JavaScript number cannot.
 * @throws UnreadableError when it is not FHIR XML of the release
 */
export function fhirXmlToJson(xml: string | Buffer, options: FhirOptions = {}): string {
  // In V8 since 11.4; TypeScript's library does not have it yet.
  const { rawJSON } = JSON as unknown as { rawJSON(this: void, text: string): unknown };
  return JSON.stringify(new Reader(options, ({ digits }) => rawJSON(digits)).document(xml));
}

/**
 * Returns a FHIR XML document as an object. Decimals are JavaScript numbers: `1.50` becomes 1.5.
 * @throws UnreadableError when it is not FHIR XML of the release
 */
export function fhirXmlToObject(xml: string | Buffer, options: FhirOptions = {}): Record<string, unknown> {
  return new Reader(options, ({ digits }) => Number(digits)).document(xml);
}

/** JSON's numbers: others could not be written as JSON. FHIR's own patterns are narrower still. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const NUMERIC = new Set(['decimal', 'integer', 'unsignedInt', 'positiveInt']);

/** Whether a text can be the value of a primitive type in JSON: booleans and numbers have forms, others have none. */
export const isPrimitiveText = (text: string, type: string): boolean =>
  type === 'boolean' ? text === 'true' || text === 'false' : !NUMERIC.has(type) || NUMBER.test(text);

class Reader {
  readonly #release: FhirRelease;
  readonly #definitions: Definitions;
  readonly #number: (digits: Digits) => unknown;
  readonly #tolerated = new ToleratedList();
  readonly #onTolerated: FhirOptions['onTolerated'];

  constructor({ release = 'STU3', onTolerated }: FhirOptions, number: (digits: Digits) => unknown) {
    this.#release = release;
    this.#definitions = definitionsOf(release);
    this.#number = number;
    this.#onTolerated = onTolerated;
  }

  document(xml: string | Buffer): Record<string, unknown> {
    const root = parseXml(xml);
    if (isDeclaredWrongly(xml)) this.#tolerated.add(...WRONG_DECLARATION);
    if (root.namespace !== FHIR_NAMESPACE) throw new UnreadableError('The XML is not FHIR: it has another namespace.');
    const resource = this.#resource(root);
    if (this.#tolerated.all) this.#onTolerated?.(this.#tolerated.all);
    return resource;
  }

  #resource(element: XmlElement): Record<string, unknown> {
    if (!this.#definitions.isResource(element.name)) {
      throw new UnreadableError(`FHIR ${this.#release} has no resource ${safe(element.name)}.`);
    }
    return { resourceType: element.name, ...this.#complex(element, element.name) };
  }

  #complex(element: XmlElement, type: string): Record<string, unknown> {
    const definitions = this.#definitions.elementsOf(type) ?? new Map<string, ElementDefinition>();
    if (element.hasText)
      throw new UnreadableError(`The FHIR element ${safe(element.name)} contains text beside elements.`);
    const out: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(element.attributes)) {
      if (definitions.get(name)?.attribute !== true) throw this.#unknown(type, name);
      out[name] = value;
    }
    for (const child of element.children) {
      const definition = definitions.get(child.name);
      const foreign = child.namespace !== FHIR_NAMESPACE && definition?.type !== 'xhtml';
      if (!definition || definition.attribute || foreign) throw this.#unknown(type, child.name);
      this.#add(out, child, definition, type);
    }
    return out;
  }

  #add(out: Record<string, unknown>, child: XmlElement, definition: ElementDefinition, type: string): void {
    const { name, repeats } = definition;
    if (this.#definitions.isPrimitive(definition.type)) {
      this.#addPrimitive(out, child, definition, type);
      return;
    }
    const value = this.#value(child, definition.type);
    if (isEmpty(value)) {
      this.#tolerated.add(...EMPTY);
      return;
    }
    const list = out[name];
    if (!repeats && list !== undefined) throw this.#twice(type, name);
    if (!repeats) out[name] = value;
    else if (Array.isArray(list)) list.push(value);
    else out[name] = [value];
  }

  #value(child: XmlElement, type: string): unknown {
    if (type === 'xhtml') return narrative(child);
    if (type !== 'ResourceContainer') return this.#complex(child, type);
    const [resource, more] = child.children;
    if (!resource || more || resource.namespace !== FHIR_NAMESPACE) {
      throw new UnreadableError(`The FHIR element ${safe(child.name)} must contain one resource.`);
    }
    return this.#resource(resource);
  }

  /** A primitive is two things in JSON: its value under its name, its id and extensions under `_name`. */
  #addPrimitive(
    out: Record<string, unknown>,
    child: XmlElement,
    { name, type, repeats }: ElementDefinition,
    of: string,
  ): void {
    const { value: text, ...attributes } = child.attributes;
    const idAndExtensions = this.#complex({ ...child, attributes }, 'Element');
    const value = text === undefined ? null : this.#primitive(text, type, name);
    const extra = Object.keys(idAndExtensions).length > 0 ? idAndExtensions : null;
    if (value === null && extra === null) {
      this.#tolerated.add(...EMPTY);
      return;
    }
    if (!repeats) {
      if (name in out || `_${name}` in out) throw this.#twice(of, name);
      if (value !== null) out[name] = value;
      if (extra !== null) out[`_${name}`] = extra;
      return;
    }
    const values = (out[name] ?? []) as unknown[];
    const extras = (out[`_${name}`] ?? []) as unknown[];
    const index = Math.max(values.length, extras.length);
    if (value !== null || values.length > 0) out[name] = pad(values, index, value);
    if (extra !== null || extras.length > 0) out[`_${name}`] = pad(extras, index, extra);
  }

  #primitive(text: string, type: string, name: string): unknown {
    if (!isPrimitiveText(text, type)) {
      const kind = type === 'boolean' ? 'boolean' : 'number';
      throw new UnreadableError(`The FHIR element ${safe(name)} is not a ${kind}.`);
    }
    if (type === 'boolean') return text === 'true';
    if (!NUMERIC.has(type)) return text;
    return String(Number(text)) === text ? Number(text) : this.#number({ digits: text });
  }

  #unknown(type: string, name: string): UnreadableError {
    return new UnreadableError(`FHIR ${this.#release} has no ${safe(name)} in ${type}.`, {
      advice: 'Check the release (STU3 or R4) of the sender, or have it detected.',
    });
  }

  #twice(type: string, name: string): UnreadableError {
    return new UnreadableError(`${safe(name)} appears more than once in a FHIR ${type}.`);
  }
}

/** FHIR has no empty elements: one without a value, an id, extensions and children says nothing, and is left out. */
export const EMPTY = ['fhir-empty', 'An element is empty, which FHIR does not allow. It was left out.'] as const;

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

function pad(list: unknown[], length: number, value: unknown): unknown[] {
  while (list.length < length) list.push(null);
  list.push(value);
  return list;
}

/** Returns a name from the payload for an error: only if it looks like a name, or it could be data. */
export function safe(name: string): string {
  return /^_?[A-Za-z][A-Za-z0-9_]{0,60}$/.test(name) ? name : 'element';
}

/** Returns a narrative as text. One in another namespace is not XHTML, and its text would be lost. */
function narrative({ xhtml }: XmlElement): string {
  if (xhtml !== undefined) return xhtml;
  throw new UnreadableError('The narrative (text.div) is not in the XHTML namespace.', {
    advice: `Ask the sender for <div xmlns="${XHTML}">.`,
  });
}
