/**
 * Reads FHIR XML for the validator: whatever can be said in the form of FHIR JSON is kept as it is, for the validator to
 * judge (an unknown element, a second one, `maybe` for a boolean), where the converter (../from-xml.ts) refuses it. What
 * JSON cannot say, such as the order of elements, is an issue here.
 */
import { UnreadableError } from '../../../errors';
import { parseXml, type XmlElement } from '../../xml';
import { definitionsOf, type Definitions, type ElementDefinition, type FhirRelease } from '../definitions';
import { FHIR_NAMESPACE, isPrimitiveText, safe } from '../from-xml';
import type { ValidationIssue } from '../validate/types';

export interface ReadXml {
  resource: Record<string, unknown>;
  issues: ValidationIssue[];
}

/** Issues after which no more are noted: the rest would say the same. */
const MAX_ISSUES = 1000;

/**
 * Returns a FHIR XML document as an object, and what is wrong with its XML.
 * @throws UnreadableError when it is not well-formed, not FHIR, or no resource of the release
 */
export function readXml(xml: string | Buffer, release: FhirRelease): ReadXml {
  const root = parseXml(xml);
  if (root.namespace !== FHIR_NAMESPACE) throw new UnreadableError('The XML is not FHIR: it has another namespace.');
  const definitions = definitionsOf(release);
  if (!definitions.isResource(root.name)) {
    throw new UnreadableError(`FHIR ${release} has no resource ${safe(root.name)}.`);
  }
  const reader = new Reader(definitions);
  return { resource: reader.resource(root, root.name), issues: reader.issues };
}

type Json = Record<string, unknown>;

class Reader {
  readonly issues: ValidationIssue[] = [];
  readonly #definitions: Definitions;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  resource(element: XmlElement, path: string): Json {
    return { resourceType: element.name, ...this.#complex(element, element.name, path) };
  }

  #complex(element: XmlElement, type: string, path: string): Json {
    const definitions = this.#definitions.elementsOf(type) ?? new Map<string, ElementDefinition>();
    const order = [...definitions.keys()];
    const out: Json = {};
    for (const [name, value] of Object.entries(element.attributes)) {
      const definition = definitions.get(name);
      if (!definition || definition.attribute) out[name] = value;
      else
        this.#note('attribute', path, `${name} is an element of ${type}, not an attribute.`, 'Write it as an element.');
    }
    if (element.hasText)
      this.#note('text', path, `${type} has text beside its elements.`, 'Put the text into an element.');
    const counts = new Map<string, number>();
    let last = 0;
    for (const child of element.children) {
      const definition = definitions.get(child.name);
      const count = counts.get(child.name) ?? 0;
      counts.set(child.name, count + 1);
      const at = `${path}.${safe(child.name)}${definition?.repeats === false ? '' : `[${count}]`}`;
      if (!definition || definition.attribute) {
        add(out, child.name, unknown(child), true);
        continue;
      }
      if (definition.type !== 'xhtml') this.#checkNamespace(child, at);
      const place = order.indexOf(child.name);
      if (place < last) {
        this.#note(
          'order',
          at,
          `${child.name} stands behind ${order[last] ?? ''}, but comes before it in ${type}.`,
          'Put the elements into the order of the FHIR definition.',
        );
      }
      last = Math.max(last, place);
      if (this.#definitions.isPrimitive(definition.type)) this.#addPrimitive(out, child, definition, at);
      else add(out, child.name, this.#value(child, definition.type, at), definition.repeats);
    }
    return out;
  }

  #value(child: XmlElement, type: string, path: string): unknown {
    if (type === 'xhtml') return child.xhtml ?? '';
    if (type !== 'ResourceContainer') return this.#complex(child, type, path);
    const [resource, more] = child.children;
    if (!resource) return {};
    if (more)
      this.#note(
        'cardinality',
        path,
        'There is more than one resource in it.',
        'Give each resource an element of its own.',
      );
    this.#checkNamespace(resource, path);
    return this.resource(resource, path);
  }

  #checkNamespace({ namespace, name }: XmlElement, path: string): void {
    if (namespace === FHIR_NAMESPACE) return;
    this.#note('namespace', path, `${safe(name)} is not in FHIR’s namespace.`, `Declare it in ${FHIR_NAMESPACE}.`);
  }

  /** A primitive is two things in JSON: its value under its name, its id and extensions under `_name`. */
  #addPrimitive(out: Json, child: XmlElement, { name, type, repeats }: ElementDefinition, path: string): void {
    const { value, ...attributes } = child.attributes;
    const extra = this.#complex({ ...child, attributes }, 'Element', path);
    const hasExtra = Object.keys(extra).length > 0;
    const one = value === undefined ? null : primitive(value, type);
    const isSecond = name in out || `_${name}` in out;
    if (!repeats && !isSecond) {
      // An empty element is a primitive without a value, which the validator finds.
      if (one !== null || !hasExtra) out[name] = one ?? '';
      if (hasExtra) out[`_${name}`] = extra;
      return;
    }
    const values = asList(out[name]);
    const extras = asList(out[`_${name}`]);
    const length = Math.max(values.length, extras.length);
    out[name] = [...padded(values, length), one ?? (hasExtra ? null : '')];
    if (hasExtra || extras.length > 0) out[`_${name}`] = [...padded(extras, length), hasExtra ? extra : null];
  }

  #note(rule: string, path: string, text: string, advice: string): void {
    if (this.issues.length >= MAX_ISSUES) return;
    const element = path.replaceAll(/\[\d+\]/g, '');
    this.issues.push({ severity: 'error', path, element, rule, profile: '', text, advice });
  }
}

/** A value that is not of its type stays the text that it is: the validator says so. */
function primitive(text: string, type: string): unknown {
  if (!isPrimitiveText(text, type)) return text;
  if (type === 'boolean') return text === 'true';
  return ['decimal', 'integer', 'unsignedInt', 'positiveInt'].includes(type) ? Number(text) : text;
}

/** An element that FHIR does not have: the validator needs its name only, not what is in it. */
const unknown = ({ attributes }: XmlElement): unknown => attributes['value'] ?? {};

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

const padded = (list: unknown[], length: number): unknown[] => [
  ...list,
  ...Array.from({ length: length - list.length }, () => null),
];

/** Adds a value; a second one of an element that does not repeat makes a list, which the validator finds. */
function add(out: Json, name: string, value: unknown, repeats: boolean): void {
  if (repeats || name in out) out[name] = [...asList(out[name]), value];
  else out[name] = value;
}
