/**
 * A FHIR payload, XML or JSON, to be looked into without knowing its release or whether it is valid: an acknowledgement
 * must be possible where the payload is wrong.
 */
import { UnreadableError } from '../../errors';
import { fhirJson } from '../../formats/fhir/to-xml';
import { isObject } from '../../formats/segments';
import { parseXml, type XmlElement } from '../../formats/xml';

/** One element. */
export interface Loose {
  /** The type of a resource, or the element's name. */
  name: string;
  /** Its value, where it is a primitive. */
  value: string | undefined;
  all(name: string): Loose[];
  first(...path: string[]): Loose | undefined;
}

/** @throws UnreadableError where it is neither XML nor JSON. */
export function looseFhir(payload: string | Buffer): Loose {
  const beginning = payload
    .slice(0, 200)
    .toString()
    .replace(/^\uFEFF/, '')
    .trimStart();
  return beginning.startsWith('{') ? fromJson('', fhirJson(payload)) : fromXml(parseXml(payload));
}

function withFirst(loose: Omit<Loose, 'first'>): Loose {
  return {
    ...loose,
    first: (name, ...rest) => {
      const [found] = name === undefined ? [] : loose.all(name);
      return rest.length === 0 ? found : found?.first(...rest);
    },
  };
}

function fromXml(element: XmlElement): Loose {
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

function fromJson(name: string, value: unknown): Loose {
  const object = isObject(value) ? value : {};
  const type = object['resourceType'];
  const primitive = typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number';
  return withFirst({
    name: typeof type === 'string' ? type : name,
    value: primitive ? String(value) : undefined,
    all: (key) => {
      const held: unknown = Object.hasOwn(object, key) ? object[key] : undefined;
      const list: unknown[] = held === undefined || held === null ? [] : Array.isArray(held) ? held : [held];
      return list.map((item) => fromJson(key, item));
    },
  });
}

/** The resources of a message bundle, and its MessageHeader. @throws UnreadableError where there is none. */
export function messageBundle(payload: string | Buffer): { header: Loose; resources: Loose[] } {
  const bundle = looseFhir(payload);
  const resources = bundle.all('entry').flatMap((entry) => entry.all('resource'));
  const header = resources.find(({ name }) => name === 'MessageHeader');
  if (bundle.name !== 'Bundle' || !header) {
    throw new UnreadableError('The payload is not an ITK3 message: it is no Bundle with a MessageHeader.');
  }
  return { header, resources };
}
