/**
 * Definitions in one form for STU3 and R4, without what only people read. Published files and the base definitions that
 * ship with the package (scripts/fhir-base-definitions.ts) are brought into it.
 */
import type {
  Binding,
  Constraint,
  Discriminator,
  ElementType,
  ExtensionContext,
  ProfileElement,
  Slicing,
} from '../validate/types';

/** An element of a snapshot or a differential: in a differential, what is not said is undefined. */
export type NormalElement = Pick<ProfileElement, 'id' | 'path'> & Partial<Omit<ProfileElement, 'id' | 'path'>>;

/** A StructureDefinition. */
export interface Structure {
  url: string;
  version?: string;
  type: string;
  kind: 'resource' | 'complex-type' | 'primitive-type' | 'logical';
  derivation: 'specialization' | 'constraint';
  abstract: boolean;
  base?: string;
  contexts: ExtensionContext[];
  elements: NormalElement[];
  /** The elements are a differential, which has to be expanded. */
  isDifferential?: true;
}

/** What a value set includes or excludes. */
export interface CodeRule {
  system?: string;
  /** The codes by name; undefined for all codes of the system, or those that the filters choose. */
  codes?: string[];
  filters?: Array<{ property: string; op: string; value: string }>;
  /** Of these value sets: what all of them have. */
  valueSets?: string[];
}

export interface ValueSet {
  url: string;
  version?: string;
  include: CodeRule[];
  exclude: CodeRule[];
}

/** A code with its displays, and the codes below it. */
export interface Concept {
  code: string;
  displays: string[];
  /** Codes above it, where the definition names them beside the nesting. */
  parents?: string[];
  concepts?: Concept[];
}

export interface CodeSystemDefinition {
  url: string;
  version?: string;
  /** Every code is listed. */
  complete: boolean;
  caseSensitive: boolean;
  /** Canonical URL of the value set of all its codes. */
  valueSet?: string;
  concepts: Concept[];
}

export type Json = Record<string, unknown>;

/** Returns a list as a list of objects, whatever it is: a definition can be anything that parses. */
const objects = (value: unknown): Json[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).filter(
    (entry): entry is Json => typeof entry === 'object' && entry !== null && !Array.isArray(entry),
  );
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const texts = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((entry): entry is string => typeof entry === 'string');
const object = (value: unknown): Json => objects(value)[0] ?? {};

/**
 * Values that most elements have alike, such as `string` for a type and the invariant ele-1: held once, they are a third
 * of the memory of all elements.
 */
const shared = new Map<string, unknown>();
const MAX_SHARED = 20_000;

/** Returns the value that was given first of all that are equal. */
function sharedValue<T>(value: T): T {
  const key = JSON.stringify(value);
  const known = shared.get(key) as T | undefined;
  if (known !== undefined) return known;
  if (shared.size >= MAX_SHARED) shared.clear();
  shared.set(key, value);
  return value;
}

/** Leaves out what is undefined. */
function defined<T extends object>(value: { [key in keyof T]: T[key] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}

/**
 * Returns a StructureDefinition in the normal form: its snapshot, or its differential if it has none.
 * @throws Error that says what is missing
 */
export function normalStructure(resource: Json): Structure {
  const url = text(resource['url']);
  const type = text(resource['type']) ?? text(resource['constrainedType']);
  const snapshot = objects(object(resource['snapshot'])['element']);
  const differential = objects(object(resource['differential'])['element']);
  if (url === undefined || type === undefined) throw new Error('It has no url or no type.');
  if (snapshot.length + differential.length === 0) throw new Error('It has neither a snapshot nor a differential.');
  const isDifferential = snapshot.length === 0;
  const elements = (isDifferential ? differential : snapshot).map(normalElement);
  return defined<Structure>({
    url,
    version: text(resource['version']),
    type,
    kind: (text(resource['kind']) ?? 'resource') as Structure['kind'],
    derivation: resource['derivation'] === 'constraint' ? 'constraint' : 'specialization',
    abstract: resource['abstract'] === true,
    base: text(resource['baseDefinition']),
    contexts: contexts(resource),
    elements: withIds(elements),
    isDifferential: isDifferential || undefined,
  });
}

/** STU3 has one kind for all contexts; R4 a list of pairs. */
function contexts(resource: Json): ExtensionContext[] {
  const kind = resource['contextType'] === 'extension' ? 'extension' : 'element';
  return (Array.isArray(resource['context']) ? resource['context'] : []).flatMap((context: unknown) => {
    if (typeof context === 'string') return [{ type: kind, expression: context }];
    const { type, expression } = object(context);
    return typeof expression === 'string' ? [{ type: (text(type) ?? 'element') as 'element', expression }] : [];
  });
}

function normalElement(element: Json): NormalElement {
  const path = text(element['path']) ?? '';
  const max = maximum(element['max']);
  const baseMax = maximum(object(element['base'])['max']);
  const types = objects(element['type']);
  const constraints = sharedValue(objects(element['constraint']).map((each) => sharedValue(normalConstraint(each))));
  const reference = text(element['contentReference']);
  return defined<NormalElement>({
    id: text(element['id']) ?? '',
    path,
    sliceName: text(element['sliceName']),
    min: typeof element['min'] === 'number' ? element['min'] : undefined,
    max,
    repeats: baseMax === undefined ? undefined : baseMax > 1,
    types: types.length > 0 ? sharedValue(normalTypes(types)) : undefined,
    fixed: choice(element, 'fixed'),
    pattern: choice(element, 'pattern'),
    slicing: element['slicing'] === undefined ? undefined : normalSlicing(object(element['slicing'])),
    contentReference: reference?.replace(/^.*#/, ''),
    binding: element['binding'] === undefined ? undefined : normalBinding(object(element['binding'])),
    maxLength: typeof element['maxLength'] === 'number' ? element['maxLength'] : undefined,
    minValue: choice(element, 'minValue'),
    maxValue: choice(element, 'maxValue'),
    constraints: constraints.length > 0 ? constraints : undefined,
  });
}

const maximum = (max: unknown): number | undefined =>
  max === '*' ? Infinity : typeof max === 'string' && /^\d+$/.test(max) ? Number(max) : undefined;

/** Returns the value of an element with a choice of types. */
function choice(element: Json, name: string): unknown {
  const key = Object.keys(element).find((each) => each.startsWith(name) && /^[A-Z]/.test(each.slice(name.length)));
  return key === undefined ? undefined : element[key];
}

/** STU3 repeats a type for each of its profiles; here it is one with all of them. */
function normalTypes(types: Json[]): ElementType[] {
  const byCode = new Map<string, { [list in 'profiles' | 'targetProfiles' | 'aggregation']: Set<string> }>();
  for (const type of types) {
    const code = typeCode(type);
    const known = byCode.get(code) ?? { profiles: new Set(), targetProfiles: new Set(), aggregation: new Set() };
    byCode.set(code, known);
    for (const profile of texts(type['profile'])) known.profiles.add(profile);
    for (const profile of texts(type['targetProfile'])) known.targetProfiles.add(profile);
    for (const kind of texts(type['aggregation'])) known.aggregation.add(kind);
  }
  const list = (set: Set<string>): string[] | undefined => (set.size > 0 ? [...set] : undefined);
  return [...byCode].map(([code, { profiles, targetProfiles, aggregation }]) =>
    defined<ElementType>({
      code,
      profiles: list(profiles),
      targetProfiles: list(targetProfiles),
      aggregation: list(aggregation),
    }),
  );
}

/** Values of primitives, ids and URLs have FHIRPath's types in R4, and in STU3 none but an extension. */
function typeCode(type: Json): string {
  const code = text(type['code']);
  if (code !== undefined && !code.startsWith('http://hl7.org/fhirpath/')) return code;
  const stated = objects(type['extension']).find(({ url }) => String(url).endsWith('structuredefinition-fhir-type'));
  return text(stated?.['valueUrl']) ?? text(stated?.['valueUri']) ?? 'string';
}

function normalSlicing(slicing: Json): Slicing {
  return {
    discriminators: objects(slicing['discriminator']).map(({ type, path }) => ({
      type: (text(type) ?? 'value') as Discriminator['type'],
      path: text(path) ?? '$this',
    })),
    rules: (text(slicing['rules']) ?? 'open') as Slicing['rules'],
    ordered: slicing['ordered'] === true,
  };
}

function normalBinding(binding: Json): Binding {
  const reference = object(binding['valueSetReference'])['reference'];
  return defined<Binding>({
    strength: (text(binding['strength']) ?? 'example') as Binding['strength'],
    valueSet: text(binding['valueSet']) ?? text(reference) ?? text(binding['valueSetUri']),
  });
}

function normalConstraint(constraint: Json): Constraint {
  const expression = text(constraint['expression']);
  return defined<Constraint>({
    key: text(constraint['key']) ?? '',
    severity: constraint['severity'] === 'warning' ? 'warning' : 'error',
    expression,
    human: text(constraint['human']) ?? '',
    xpath: expression === undefined ? text(constraint['xpath']) : undefined,
    source: text(constraint['source']),
  });
}

/** Ids are optional in a differential: without one, an element belongs to the slice that came last on its path. */
function withIds(elements: NormalElement[]): NormalElement[] {
  const current = new Map<string, string>();
  for (const element of elements) {
    const { path, sliceName } = element;
    const at = path.lastIndexOf('.');
    const parent = path.slice(0, Math.max(at, 0));
    const name = path.slice(at + 1);
    if (element.id === '') {
      const prefix = at < 0 ? '' : `${current.get(parent) ?? parent}.`;
      element.id = prefix + name + (sliceName === undefined || at < 0 ? '' : `:${sliceName}`);
    }
    for (const known of current.keys()) if (known.startsWith(`${path}.`)) current.delete(known);
    current.set(path, element.id);
  }
  return elements;
}

/** @throws Error when it has no url */
export function normalValueSet(resource: Json): ValueSet {
  const url = text(resource['url']);
  if (url === undefined) throw new Error('It has no url.');
  const compose = object(resource['compose']);
  const expansion = object(resource['expansion']);
  const include =
    resource['compose'] === undefined && resource['expansion'] !== undefined
      ? expanded(objects(expansion['contains']))
      : objects(compose['include']).map(codeRule);
  return defined<ValueSet>({
    url,
    version: text(resource['version']),
    // DSTU2's imports are in some files of the NHS.
    include: [...include, ...texts(compose['import']).map((valueSet) => ({ valueSets: [valueSet] }))],
    exclude: objects(compose['exclude']).map(codeRule),
  });
}

function codeRule(include: Json): CodeRule {
  const codes = objects(include['concept']).flatMap(({ code }) => texts(code));
  const valueSets = texts(include['valueSet']);
  const filters = objects(include['filter']).map(({ property, op, value }) => ({
    property: text(property) ?? '',
    op: text(op) ?? '',
    value: text(value) ?? '',
  }));
  return defined<CodeRule>({
    system: text(include['system']),
    codes: codes.length > 0 ? codes : undefined,
    filters: filters.length > 0 ? filters : undefined,
    valueSets: valueSets.length > 0 ? valueSets : undefined,
  });
}

/** Returns the codes of an expansion by their system. */
function expanded(contains: Json[]): CodeRule[] {
  const bySystem = new Map<string, string[]>();
  const add = (entries: Json[]): void => {
    for (const entry of entries) {
      const system = text(entry['system']) ?? '';
      const codes = bySystem.get(system) ?? [];
      bySystem.set(system, codes);
      if (entry['abstract'] !== true) codes.push(...texts(entry['code']));
      add(objects(entry['contains']));
    }
  };
  add(contains);
  return [...bySystem].map(([system, codes]) => (system === '' ? { codes } : { system, codes }));
}

/** @throws Error when it has no url */
export function normalCodeSystem(resource: Json): CodeSystemDefinition {
  const url = text(resource['url']);
  if (url === undefined) throw new Error('It has no url.');
  return defined<CodeSystemDefinition>({
    url,
    version: text(resource['version']),
    complete: (text(resource['content']) ?? 'complete') === 'complete',
    caseSensitive: resource['caseSensitive'] !== false,
    valueSet: text(resource['valueSet']),
    concepts: objects(resource['concept']).map(normalConcept),
  });
}

function normalConcept(concept: Json): Concept {
  const designations = objects(concept['designation']).flatMap(({ value }) => texts(value));
  const parents = objects(concept['property'])
    .filter(({ code }) => code === 'subsumedBy' || code === 'parent')
    .flatMap(({ valueCode }) => texts(valueCode));
  const concepts = objects(concept['concept']).map(normalConcept);
  return defined<Concept>({
    code: text(concept['code']) ?? '',
    displays: [...texts(concept['display']), ...designations],
    parents: parents.length > 0 ? parents : undefined,
    concepts: concepts.length > 0 ? concepts : undefined,
  });
}
