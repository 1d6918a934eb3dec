/** Bundles: what a reference leads to, and the rules of documents and messages (FHIR, Bundle, Documents, Messaging). */
import { isObject } from '../fhirpath/evaluate';
import { type Frame, isResource, valuesOf, type Walker } from './frame';
import type { Issues } from './issues';

/** An entry of a bundle. */
interface Entry {
  frame: Frame;
  fullUrl: string | undefined;
  resource: Frame | undefined;
}

/** The entries of one bundle, in order and by fullUrl. */
interface BundleIndex {
  type: string;
  entries: readonly Entry[];
  byUrl: ReadonlyMap<string, Entry>;
  /** The fullUrls of more than one entry. */
  repeatedUrls: ReadonlySet<string>;
  byResource: ReadonlyMap<Frame, Entry>;
}

const indexes = new WeakMap<Frame, BundleIndex>();

/** Returns the index of a bundle, made at first use. */
function bundleIndex(walk: Walker, bundle: Frame): BundleIndex {
  let index = indexes.get(bundle);
  if (!index) indexes.set(bundle, (index = indexBundle(walk, bundle)));
  return index;
}

function indexBundle(walk: Walker, bundle: Frame): BundleIndex {
  const properties = walk.propertiesOf(bundle);
  const entries = valuesOf(properties, 'entry').map((frame): Entry => {
    const of = walk.propertiesOf(frame);
    const fullUrl = valuesOf(of, 'fullUrl')[0]?.value;
    const [resource] = valuesOf(of, 'resource');
    return {
      frame,
      fullUrl: typeof fullUrl === 'string' ? fullUrl : undefined,
      resource: resource && isResource(resource) ? resource : undefined,
    };
  });
  const byUrl = new Map<string, Entry>();
  const repeatedUrls = new Set<string>();
  const byResource = new Map<Frame, Entry>();
  for (const entry of entries) {
    if (entry.fullUrl !== undefined && byUrl.has(entry.fullUrl)) repeatedUrls.add(entry.fullUrl);
    else if (entry.fullUrl !== undefined) byUrl.set(entry.fullUrl, entry);
    if (entry.resource) byResource.set(entry.resource, entry);
  }
  return { type: textOf(valuesOf(properties, 'type')[0]), entries, byUrl, repeatedUrls, byResource };
}

const textOf = (frame: Frame | undefined): string => (typeof frame?.value === 'string' ? frame.value : '');

/** The resource that contains a contained one; any other is its own. */
export function containerOf(resource: Frame): Frame {
  let at = resource;
  while (at.key === 'contained' && at.parent) at = at.parent.resource;
  return at;
}

/** A relative reference that names a type and an id; or a version of it. */
const RELATIVE = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

/** Schemes are written in lower case: two addresses that differ in it are two systems to whoever compares texts. */
export const isAbsolute = (url: string): boolean => /^[a-z][a-z0-9+.-]*:./.test(url);

/** What a reference leads to. */
type Resolved =
  | { kind: 'found'; frame: Frame; isAmbiguous?: boolean }
  /** It is in no bundle here; of a contained resource: it must be there, and is not. */
  | { kind: 'missing' | 'elsewhere' }
  /** It is no address. */
  | { kind: 'malformed' };

/**
 * Resolves a reference from a resource: among its contained resources, then in the bundles around it, innermost first
 * (FHIR, Bundle, Resolving references in Bundles).
 */
export function resolveReference(walk: Walker, reference: string, from: Frame): Resolved {
  const container = containerOf(from);
  if (reference.startsWith('#')) {
    if (reference === '#') return { kind: 'found', frame: container };
    const id = reference.slice(1);
    const found = valuesOf(walk.propertiesOf(container), 'contained').find(
      ({ value }) => isObject(value) && value['id'] === id,
    );
    return found && isResource(found) ? { kind: 'found', frame: found } : { kind: 'missing' };
  }
  const relative = RELATIVE.exec(reference);
  if (!relative && !isAbsolute(reference)) return { kind: 'malformed' };
  for (let at: Frame | undefined = container; at; at = at.parent?.resource) {
    const bundle = at.parent?.resource;
    if (bundle?.type !== 'Bundle') continue;
    const index = bundleIndex(walk, bundle);
    const url = targetUrl(reference, relative, index.byResource.get(at)?.fullUrl);
    const entry = index.byUrl.get(url);
    if (entry?.resource) return { kind: 'found', frame: entry.resource, isAmbiguous: index.repeatedUrls.has(url) };
  }
  return { kind: 'elsewhere' };
}

/** The fullUrl that a reference means: an absolute one is it; a relative one has the base of its own entry. */
function targetUrl(reference: string, relative: RegExpExecArray | null, fullUrl: string | undefined): string {
  if (!relative) return reference.replace(/\/_history\/.*$/, '');
  const [, type = '', id = ''] = relative;
  if (fullUrl === undefined) return '';
  if (fullUrl.startsWith('urn:')) return `${fullUrl.slice(0, fullUrl.lastIndexOf(':') + 1)}${id}`;
  return `${fullUrl.split('/').slice(0, -2).join('/')}/${type}/${id}`;
}

/** Checks the rules of a bundle that its profile cannot state. */
export function checkBundle(walk: Walker, bundle: Frame, issues: Issues): void {
  const index = bundleIndex(walk, bundle);
  checkEntries(walk, index, issues);
  if (index.type !== 'document' && index.type !== 'message') return;
  const [first] = index.entries;
  const wanted = index.type === 'document' ? 'Composition' : 'MessageHeader';
  if (!first) {
    issues.add(bundle, {
      rule: 'bundle',
      text: `A ${index.type} Bundle must have entries, the first with a ${wanted}.`,
      advice: `Add the ${wanted} and what it refers to.`,
    });
    return;
  }
  if (first.resource?.type !== wanted) {
    issues.add(first.resource ?? first.frame, {
      rule: 'bundle',
      text: `The first entry of a ${index.type} Bundle must be a ${wanted}.`,
      advice: `Move the ${wanted} to the front.`,
    });
  } else if (wanted === 'Composition') checkComposition(walk, first.resource, issues);
  else checkMessageHeader(walk, first.resource, issues);
  if (index.type === 'document') checkDocumentDate(walk, bundle, issues);
  checkLinked(walk, index, issues);
}

/** In STU3 the date of a document is its `meta.lastUpdated`; in R4 an invariant asks for `timestamp`. */
function checkDocumentDate(walk: Walker, bundle: Frame, issues: Issues): void {
  if (walk.definitions.release !== 'STU3') return;
  const [meta] = valuesOf(walk.propertiesOf(bundle), 'meta');
  if (meta && valuesOf(walk.propertiesOf(meta), 'lastUpdated').length > 0) return;
  issues.add(bundle, {
    rule: 'document-date',
    element: 'Bundle.meta.lastUpdated',
    text: 'A document Bundle must have a date, which is meta.lastUpdated in STU3.',
    advice: 'Set meta.lastUpdated to the time at which the document was assembled.',
  });
}

const WITHOUT_FULL_URL = new Set(['batch', 'transaction', 'batch-response', 'transaction-response']);

function checkEntries(walk: Walker, { type, entries }: BundleIndex, issues: Issues): void {
  for (const { frame, fullUrl, resource } of entries) {
    if (fullUrl === undefined) {
      if (resource && !WITHOUT_FULL_URL.has(type)) {
        issues.add(frame, {
          rule: 'full-url',
          element: 'Bundle.entry.fullUrl',
          text: 'The entry must have a fullUrl.',
          advice: 'Set it to urn:uuid: and the id of the resource, or to the address of the resource.',
        });
      }
      continue;
    }
    if (!isAbsolute(fullUrl)) {
      issues.add(frame, {
        rule: 'full-url',
        element: 'Bundle.entry.fullUrl',
        text: 'The fullUrl must be an absolute address.',
        advice: 'Set it to urn:uuid: and a UUID, or to the whole address of the resource.',
      });
    } else if (resource) checkId(walk, frame, fullUrl, resource, issues);
  }
}

/** A resource has the id that its fullUrl says (FHIR, Bundle.entry.fullUrl). */
function checkId(walk: Walker, entry: Frame, fullUrl: string, resource: Frame, issues: Issues): void {
  const id = isObject(resource.value) ? resource.value['id'] : undefined;
  if (typeof id !== 'string') return;
  const address = /^https?:\/\/.*\/([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/.exec(fullUrl);
  if (address && walk.definitions.type(address[1] ?? '')?.kind === 'resource') {
    if (address[1] === resource.type && address[2] === id) return;
  } else {
    const uuid = /^urn:uuid:(.+)$/.exec(fullUrl);
    if (!uuid || uuid[1] === id.toLowerCase()) return;
  }
  issues.add(entry, {
    severity: 'warning',
    rule: 'id-unlike-full-url',
    element: 'Bundle.entry.fullUrl',
    text: 'The id of the resource is unlike that in its fullUrl.',
    advice: 'Give both the same id: receivers may look for either.',
  });
}

/** What a Composition refers to must be in the document. */
function checkComposition(walk: Walker, composition: Frame, issues: Issues): void {
  const properties = walk.propertiesOf(composition);
  const bundle = composition.parent?.resource;
  if (!bundle) return;
  const check = (reference: Frame): void => checkInBundle(walk, reference, composition, bundle, 'document', issues);
  for (const name of ['subject', 'author', 'encounter', 'custodian']) valuesOf(properties, name).forEach(check);
  const parts: ReadonlyArray<[string, string]> = [
    ['attester', 'party'],
    ['event', 'detail'],
  ];
  for (const [name, part] of parts) {
    for (const frame of valuesOf(properties, name)) valuesOf(walk.propertiesOf(frame), part).forEach(check);
  }
  const sections = [...valuesOf(properties, 'section')];
  for (let section = sections.pop(); section; section = sections.pop()) {
    const of = walk.propertiesOf(section);
    valuesOf(of, 'entry').forEach(check);
    sections.push(...valuesOf(of, 'section'));
  }
}

function checkMessageHeader(walk: Walker, header: Frame, issues: Issues): void {
  const bundle = header.parent?.resource;
  if (!bundle) return;
  for (const focus of valuesOf(walk.propertiesOf(header), 'focus')) {
    checkInBundle(walk, focus, header, bundle, 'message', issues);
  }
}

function checkInBundle(walk: Walker, frame: Frame, from: Frame, bundle: Frame, kind: string, issues: Issues): void {
  const reference = referenceOf(frame);
  if (reference === undefined || reference.startsWith('#')) return;
  const resolved = resolveReference(walk, reference, from);
  if (resolved.kind === 'found' && resolved.frame.parent?.resource === bundle) return;
  issues.add(frame, {
    rule: 'not-in-bundle',
    element: frame.element?.element.id ?? '',
    text: `What it refers to must be in the ${kind}, and is not.`,
    advice: 'Add the resource as an entry whose fullUrl is the reference.',
  });
}

export const referenceOf = ({ value }: Frame): string | undefined => {
  const reference = isObject(value) ? value['reference'] : undefined;
  return typeof reference === 'string' && reference !== '' ? reference : undefined;
};

/** Every entry is reached from the first one, or leads to one that is (FHIR, Documents; as HAPI reads it). */
function checkLinked(walk: Walker, { type, entries, byResource }: BundleIndex, issues: Issues): void {
  const withResource = entries.filter(({ resource }) => resource !== undefined);
  const targets = new Map<Entry, Set<Entry>>();
  for (const entry of withResource) {
    const found = new Set<Entry>();
    if (entry.resource) {
      for (const reference of walk.referencesIn(entry.resource)) {
        const resolved = resolveReference(walk, reference, entry.resource);
        const target = resolved.kind === 'found' ? byResource.get(resolved.frame) : undefined;
        if (target && target !== entry) found.add(target);
      }
    }
    targets.set(entry, found);
  }
  const visited = new Set<Entry>();
  const visit = (start: Entry): void => {
    const open = [start];
    for (let entry = open.pop(); entry; entry = open.pop()) {
      if (visited.has(entry)) continue;
      visited.add(entry);
      for (const target of targets.get(entry) ?? []) open.push(target);
    }
  };
  const [first] = withResource;
  if (first) visit(first);
  for (let more = true; more;) {
    more = false;
    for (const entry of withResource) {
      walk.budget.spend(1);
      if (visited.has(entry) || ![...(targets.get(entry) ?? [])].some((target) => visited.has(target))) continue;
      more = true;
      visit(entry);
      if (type === 'document' && entry.resource?.type !== 'Provenance') {
        issues.add(entry.frame, {
          severity: 'warning',
          rule: 'linked-backwards',
          text: 'The entry refers to the document, but nothing in the document refers to it.',
          advice: 'Refer to it from the Composition, or leave it out.',
        });
      }
    }
  }
  for (const entry of withResource) {
    if (visited.has(entry)) continue;
    issues.add(entry.frame, {
      severity: type === 'document' ? 'error' : 'warning',
      rule: 'not-linked',
      text: `Nothing leads to the entry from the ${type === 'document' ? 'Composition' : 'MessageHeader'}.`,
      advice: 'Refer to it, or leave it out.',
    });
  }
}
