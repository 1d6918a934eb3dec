/**
 * Reads a FHIR payload, XML or JSON, without knowing its release or whether it is valid: an invalid payload must be
 * acknowledged too.
 */
import { UnreadableError } from '../../errors';
import { fhirJson } from '../../formats/fhir/to-xml';
import { isObject } from '../../formats/segments';
import { parseXml, type XmlElement } from '../../formats/xml';

/** One element, or resource. */
export interface LooseElement {
  /** The type of a resource, or the element's name. */
  name: string;
  /** Its value, if it is a primitive. */
  value: string | undefined;
  /** Its elements of this name. */
  all(name: string): LooseElement[];
  /** The first element at a path of names. */
  first(...path: string[]): LooseElement | undefined;
}

/** @throws UnreadableError when it is neither XML nor JSON */
function looseFhir(payload: string | Buffer): LooseElement {
  const beginning = payload
    .slice(0, 200)
    .toString()
    .replace(/^\uFEFF/, '')
    .trimStart();
  return beginning.startsWith('{') ? fromJson('', fhirJson(payload, true)) : fromXml(parseXml(payload));
}

function withFirst(element: Omit<LooseElement, 'first'>): LooseElement {
  return {
    ...element,
    first: (name, ...rest) => {
      const [found] = name === undefined ? [] : element.all(name);
      return rest.length === 0 ? found : found?.first(...rest);
    },
  };
}

function fromXml(element: XmlElement): LooseElement {
  const inner = element.name === 'resource' ? element.children[0] : undefined;
  if (inner) return fromXml(inner);
  return withFirst({
    name: element.name,
    value: element.attributes['value'],
    all: (name) =>
      element.attributes[name] !== undefined && name !== 'value'
        ? [withFirst({ name, value: element.attributes[name], all: () => [] })]
        : element.children.filter((child) => child.name === name).map(fromXml),
  });
}

function fromJson(name: string, value: unknown): LooseElement {
  const object = isObject(value) ? value : {};
  const type = object['resourceType'];
  const primitive = typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number';
  return withFirst({
    name: typeof type === 'string' ? type : name,
    value: primitive ? String(value) : undefined,
    all: (key) => {
      const entry: unknown = Object.hasOwn(object, key) ? object[key] : undefined;
      const list: unknown[] = entry === undefined || entry === null ? [] : Array.isArray(entry) ? entry : [entry];
      return list.map((item) => fromJson(key, item));
    },
  });
}

/**
 * Returns a message bundle, its resources and its MessageHeader.
 * @throws UnreadableError when there is none
 */
export function messageBundle(payload: string | Buffer): Record<'bundle' | 'header', LooseElement> & {
  resources: LooseElement[];
} {
  const bundle = looseFhir(payload);
  const resources = bundle.all('entry').flatMap((entry) => entry.all('resource'));
  const header = resources.find(({ name }) => name === 'MessageHeader');
  if (bundle.name !== 'Bundle' || !header) {
    throw new UnreadableError('The payload is not a FHIR message: it is not a Bundle with a MessageHeader.');
  }
  return { bundle, header, resources };
}
