/**
 * Reads a received letter: an ITK3 message with a document in it, or the document alone (Send Document, Transfer of
 * Care, Update Record), or NHS Notify's DocumentReference. It reads liberally: what is there counts, whatever profile
 * the sender claims; what cannot be read as text of the letter is counted, so that nobody takes the rest for all.
 */
import { UnreadableError } from '../errors';
import { narrativeText } from './narrative-text';
import { resourceText } from './resource-text';

/** What a received letter says; plain JSON. What it does not say is left out. */
export interface ReceivedLetter {
  /** MessageHeader.event, e.g. `ITK007C` and its display. */
  event?: { code?: string; display?: string };
  title?: string;
  type?: { code?: string; display?: string };
  /** Composition.date, as written. */
  written?: string;
  /** Composition.identifier: the document's id at its sender. */
  documentNumber?: string;
  /** The id of the document that it replaces. */
  replaces?: string;
  patient: {
    nhsNumber?: string;
    numberStatus?: string;
    family?: string;
    given?: string[];
    prefix?: string;
    birthDate?: string;
    gender?: string;
    address?: { lines?: string[]; city?: string; postalCode?: string };
  };
  author: { family?: string; given?: string[]; prefix?: string; phone?: string };
  sender: { odsCode?: string; name?: string; phone?: string };
  /** Text; where a section has none, what it refers to, element by element. */
  sections: Array<{ title?: string; code?: string; text: string }>;
  /** base64, as received: decoded, it is what the sender sent, byte for byte. */
  documents: Array<{ contentType: string; content: string; title?: string }>;
  /** Resources that are in none of the other fields, by type: how many of each. */
  otherResources: Record<string, number>;
}

type Json = Record<string, unknown>;

const MAX_ENTRIES = 10_000;
const MAX_SECTIONS = 1000;
const MAX_DEPTH = 20;
/** Resources whose content is in a field of the letter, or is only the envelope. */
const READ = new Set([
  'Bundle',
  'MessageHeader',
  'Composition',
  'Patient',
  'Binary',
  'Organization',
  'Practitioner',
  'PractitionerRole',
]);

const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.slice(0, MAX_ENTRIES).map(object) : []);
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const texts = (value: unknown): string[] | undefined => {
  const found = Array.isArray(value) ? value.flatMap((each) => text(each) ?? []) : [];
  return found.length === 0 ? undefined : found;
};
const coding = (concept: unknown): Json => list(object(concept)['coding'])[0] ?? {};

/**
 * Reads a letter from the object that mesh-fhir makes of it.
 * @throws UnreadableError when there is no letter in it
 */
export function readLetter(resource: unknown): ReceivedLetter {
  const outer = object(resource);
  if (outer['resourceType'] === 'DocumentReference') return readDocumentReference(outer);
  const resources = resourcesOf(outer);
  const composition = resources.find(({ resource: each }) => each['resourceType'] === 'Composition')?.resource;
  if (!composition) throw new UnreadableError('There is no letter in the message: it has no Composition.');
  const byReference = indexOf(resources);
  const find = (reference: unknown, type: string): Json => {
    const found = byReference(reference);
    return found?.['resourceType'] === type ? found : {};
  };
  const ofType = (type: string): Json[] =>
    resources.flatMap(({ resource: each }) => (each['resourceType'] === type ? [each] : []));
  const event = object(ofType('MessageHeader')[0]?.['event']);
  const replaced = list(composition['relatesTo']).find(({ code }) => code === 'replaces');
  const patient = [find(composition['subject'], 'Patient'), ...ofType('Patient')].find((each) => each['resourceType']);
  const sender = [find(composition['custodian'], 'Organization'), ...ofType('Organization')].find(
    (each) => each['resourceType'],
  );
  const author = find(list(composition['author'])[0], 'Practitioner');
  const written = new Set<Json>();
  const contentOf = (section: Json): string => entriesText(section, byReference, written);
  const type = coding(composition['type']);
  return defined({
    event: defined({ code: text(event['code']), display: text(event['display']) }),
    title: text(composition['title']),
    type: defined({
      code: text(type['code']),
      display: text(type['display']) ?? text(object(composition['type'])['text']),
    }),
    written: text(composition['date']),
    documentNumber: text(object(composition['identifier'])['value']),
    replaces: text(object(replaced?.['targetIdentifier'])['value']),
    patient: patientOf(patient ?? {}),
    author: defined({ ...nameOf(author), phone: phoneOf(author) }),
    sender: senderOf(sender ?? {}),
    sections: sectionsOf(composition['section'], contentOf, 0),
    documents: ofType('Binary').flatMap((binary) => {
      const content = text(binary['content']) ?? text(binary['data']);
      const contentType = text(binary['contentType']) ?? 'application/octet-stream';
      return content === undefined ? [] : [{ contentType, content: content.replaceAll(/\s/g, '') }];
    }),
    otherResources: countOthers(resources.map(({ resource: each }) => each).filter((each) => !written.has(each))),
  }) as unknown as ReceivedLetter;
}

/** Returns the resources of a Bundle and of the Bundles in it, in their order. */
function resourcesOf(bundle: Json, depth = 0): Array<{ fullUrl?: string; resource: Json }> {
  if (depth > MAX_DEPTH) throw new UnreadableError('The letter’s bundles are nested too deep.');
  const found = list(bundle['entry']).flatMap((each) => {
    const resource = object(each['resource']);
    const fullUrl = text(each['fullUrl']);
    const own: { fullUrl?: string; resource: Json } = { resource, ...(fullUrl !== undefined && { fullUrl }) };
    return resource['resourceType'] === 'Bundle' ? [own].concat(resourcesOf(resource, depth + 1)) : [own];
  });
  if (found.length > MAX_ENTRIES) throw new UnreadableError('The letter has too many resources.');
  return found;
}

/** Returns what finds a resource by a reference: by its fullUrl, or by its id. */
function indexOf(
  resources: ReadonlyArray<{ fullUrl?: string; resource: Json }>,
): (reference: unknown) => Json | undefined {
  const known = new Map<string, Json>();
  const add = (key: string | undefined, resource: Json): void => {
    if (key !== undefined && !known.has(key)) known.set(key, resource);
  };
  for (const { fullUrl, resource } of resources) add(fullUrl, resource);
  for (const { resource } of resources) add(text(resource['id']), resource);
  return (reference) => {
    const wanted = text(object(reference)['reference']);
    return wanted === undefined
      ? undefined
      : (known.get(wanted) ?? known.get(wanted.slice(wanted.lastIndexOf('/') + 1)));
  };
}

/** Returns what a section without text refers to, as text; `written` gets those resources. */
function entriesText(section: Json, byReference: (reference: unknown) => Json | undefined, written: Set<Json>): string {
  const found = list(section['entry']).flatMap((entry) => {
    const resource = byReference(entry);
    if (!resource || READ.has(String(resource['resourceType'])) || written.has(resource)) return [];
    written.add(resource);
    return [resourceText(resource)];
  });
  return found.join('\n');
}

function countOthers(resources: readonly Json[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { resourceType } of resources) {
    const type = text(resourceType);
    if (type !== undefined && /^[A-Z]\w{1,60}$/.test(type) && !READ.has(type)) counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}

function nameOf(person: Json): Json {
  const names = list(person['name']);
  const name = names.find(({ use }) => use === 'official') ?? names[0] ?? {};
  return { family: text(name['family']), given: texts(name['given']), prefix: texts(name['prefix'])?.join(' ') };
}

const phoneOf = (who: Json): string | undefined =>
  text(list(who['telecom']).find(({ system }) => system === 'phone')?.['value']);

function patientOf(patient: Json): Json {
  const number = list(patient['identifier']).find(({ system }) => text(system)?.endsWith('/nhs-number'));
  const status = list(number?.['extension']).find(({ url }) => text(url)?.includes('NHSNumberVerificationStatus'));
  const address = list(patient['address'])[0];
  return defined({
    ...nameOf(patient),
    nhsNumber: text(number?.['value'])?.replaceAll(/\s/g, ''),
    numberStatus: text(coding(status?.['valueCodeableConcept'])['code']),
    birthDate: text(patient['birthDate']),
    gender: text(patient['gender']),
    address:
      address &&
      defined({ lines: texts(address['line']), city: text(address['city']), postalCode: text(address['postalCode']) }),
  });
}

function senderOf(organisation: Json): Json {
  const ods = list(organisation['identifier']).find(({ system }) => text(system)?.includes('/ods-'));
  return defined({ odsCode: text(ods?.['value']), name: text(organisation['name']), phone: phoneOf(organisation) });
}

function sectionsOf(
  sections: unknown,
  contentOf: (section: Json) => string,
  depth: number,
): ReceivedLetter['sections'] {
  if (depth > MAX_DEPTH) throw new UnreadableError('The letter’s sections are nested too deep.');
  return list(sections)
    .slice(0, MAX_SECTIONS)
    .flatMap((section) => {
      const found: ReceivedLetter['sections'][number] = {
        ...defined({ title: text(section['title']), code: text(coding(section['code'])['code']) }),
        text: narrativeText(text(object(section['text'])['div'])) || contentOf(section),
      };
      const nested = sectionsOf(section['section'], contentOf, depth + 1);
      return found.text === '' && nested.length > 0 ? nested : [found].concat(nested);
    });
}

function readDocumentReference(resource: Json): ReceivedLetter {
  const type = coding(resource['type']);
  const identifierOf = (who: unknown): string | undefined => text(object(object(who)['identifier'])['value']);
  return defined({
    type: defined({ code: text(type['code']), display: text(type['display']) }),
    written: text(resource['date']),
    documentNumber: text(resource['id']),
    patient: defined({ nhsNumber: identifierOf(resource['subject']) }),
    author: {},
    sender: defined({ odsCode: identifierOf(resource['custodian']) }),
    sections: [],
    documents: list(resource['content']).flatMap(({ attachment }) => {
      const { contentType, data, title } = object(attachment);
      const content = text(data);
      const found = {
        contentType: text(contentType) ?? 'application/octet-stream',
        ...defined({ title: text(title) }),
      };
      return content === undefined ? [] : [{ ...found, content: content.replaceAll(/\s/g, '') }];
    }),
    otherResources: {},
  }) as unknown as ReceivedLetter;
}

/** Returns the object without undefined properties. */
function defined(value: Json): Json {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined));
}
