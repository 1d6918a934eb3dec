/** Changes a valid resource at a random place: some changes keep it valid, most do not. What it is then, HAPI decides. */

/** A random number from 0 to below `limit`. */
export type Random = (limit: number) => number;

/** Returns the same numbers for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

type Json = Record<string, unknown>;

/** A property of an object anywhere in the resource. */
interface Place {
  parent: Json;
  name: string;
  /** As in FHIRPath, for the report. */
  path: string;
}

interface Mutator {
  kind: string;
  /** Most of its results are valid. */
  isHarmless?: true;
  applies: (value: unknown, place: Place) => boolean;
  apply: (place: Place, random: Random) => void;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isFree = (name: string): boolean =>
  /^(family|given|text|line|city|district|title|comment|description)$/.test(name);
const isIn = (path: string, name: string): boolean => path.includes(name);

const set =
  (value: unknown) =>
  (place: Place): void =>
    void (place.parent[place.name] = value);

const MUTATORS: readonly Mutator[] = [
  {
    kind: 'other free text',
    isHarmless: true,
    applies: (value, { name, path }) => isText(value) && isFree(name) && !isIn(path, 'code') && !isIn(path, 'div'),
    apply: set('Changed'),
  },
  {
    kind: 'another given name',
    isHarmless: true,
    applies: (value, { name }) => Array.isArray(value) && name === 'given',
    apply: ({ parent, name }) => void (parent[name] as unknown[]).push('Ann'),
  },
  {
    kind: 'another valid date',
    isHarmless: true,
    applies: (value, { name }) => isText(value) && /^\d{4}-\d\d-\d\d$/.test(value) && name !== 'lastUpdated',
    apply: set('2018-02-28'),
  },
  {
    kind: 'keys in another order',
    isHarmless: true,
    applies: (value) => isObject(value) && Object.keys(value).length > 2 && !('resourceType' in value),
    apply: ({ parent, name }) =>
      void (parent[name] = Object.fromEntries(Object.entries(parent[name] as Json).toReversed())),
  },
  {
    kind: 'an id on an element',
    isHarmless: true,
    applies: (value, { path }) =>
      isObject(value) && !('resourceType' in value) && !isIn(path, 'id') && !('fullUrl' in value),
    apply: ({ parent, name }) => void (parent[name] = { id: 'an-id', ...(parent[name] as Json) }),
  },
  {
    kind: 'another birth date precision',
    isHarmless: true,
    applies: (value, { name }) => isText(value) && name === 'birthDate',
    apply: set('1980'),
  },
  {
    kind: 'a property is missing',
    applies: (_, { name }) => name !== 'resourceType',
    apply: ({ parent, name }) => delete parent[name],
  },
  {
    kind: 'an unknown property',
    applies: isObject,
    apply: ({ parent, name }) => void ((parent[name] as Json)['unheardOf'] = 'x'),
  },
  {
    kind: 'a misspelt property',
    applies: (_, { name }) => /^[a-z]/.test(name) && name !== 'resourceType',
    apply: rename,
  },
  { kind: 'a bad date', applies: (value) => isText(value) && /^\d{4}-\d\d-\d\d/.test(value), apply: set('2020-13-45') },
  {
    kind: 'an instant without a zone',
    applies: (value) => isText(value) && /T\d\d:\d\d.*(?:Z|[+-]\d\d:\d\d)$/.test(value),
    apply: ({ parent, name }) => void (parent[name] = String(parent[name]).replace(/(?:Z|[+-]\d\d:\d\d)$/, '')),
  },
  { kind: 'a text for a boolean', applies: (value) => typeof value === 'boolean', apply: set('yes') },
  { kind: 'a text for a number', applies: (value) => typeof value === 'number', apply: set('many') },
  { kind: 'an empty text', applies: isText, apply: set('') },
  { kind: 'an object for a text', applies: isText, apply: set({ value: 'x' }) },
  { kind: 'a text for an object', applies: (value) => isObject(value) && !('resourceType' in value), apply: set('x') },
  { kind: 'an empty object', applies: (value) => isObject(value) && !('resourceType' in value), apply: set({}) },
  { kind: 'an empty list', applies: Array.isArray, apply: set([]) },
  {
    kind: 'a list for one',
    applies: (value, { name }) => isObject(value) && !('resourceType' in value) && /^[a-z]/.test(name),
    apply: ({ parent, name }) => void (parent[name] = [parent[name]]),
  },
  {
    kind: 'a second one',
    applies: (value) => Array.isArray(value) && value.length > 0,
    apply: ({ parent, name }) => void (parent[name] = [...(parent[name] as unknown[]), (parent[name] as unknown[])[0]]),
  },
  {
    kind: 'an unknown code',
    applies: (value, { name, path }) =>
      isText(value) && /^(code|status|use|gender|type|mode|intent)$/.test(name) && !isIn(path, 'url'),
    apply: set('bogus'),
  },
  {
    kind: 'another system',
    applies: (value, { name }) => isText(value) && name === 'system' && /^https?:/.test(value),
    apply: set('https://example.org/another-system'),
  },
  {
    kind: 'another display',
    applies: (value, { name }) => isText(value) && name === 'display',
    apply: set('Something else'),
  },
  {
    kind: 'a reference to nothing',
    applies: (value, { name }) => isText(value) && name === 'reference',
    apply: set('urn:uuid:00000000-0000-4000-8000-00000000dead'),
  },
  {
    kind: 'a bad UUID',
    applies: (value, { name }) =>
      isText(value) && value.startsWith('urn:uuid:') && /fullUrl|reference|value/.test(name),
    apply: ({ parent, name }) => void (parent[name] = String(parent[name]).slice(0, -3)),
  },
  {
    kind: 'an unknown extension',
    applies: (value, { path }) => isObject(value) && !('resourceType' in value) && !/extension/i.test(path),
    apply: ({ parent, name }) =>
      void ((parent[name] as Json)['extension'] = [
        ...(((parent[name] as Json)['extension'] as unknown[] | undefined) ?? []),
        { url: 'https://example.org/StructureDefinition/unheard-of', valueString: 'x' },
      ]),
  },
  {
    kind: 'another extension url',
    applies: (value, { name, path }) => isText(value) && name === 'url' && isIn(path, 'extension'),
    apply: set('https://example.org/StructureDefinition/another'),
  },
  {
    kind: 'entries in another order',
    applies: (value, { name }) => Array.isArray(value) && name === 'entry' && value.length > 1 && isObject(value[0]),
    apply: ({ parent, name }) => void (parent[name] = (parent[name] as unknown[]).toReversed()),
  },
  {
    kind: 'no base64',
    applies: (value, { name }) => isText(value) && /^(data|content)$/.test(name) && value.length > 50,
    apply: set('%%%'),
  },
];

function rename({ parent, name }: Place): void {
  parent[`${name}s`] = parent[name];
  delete parent[name];
}

/** A changed copy of a resource, and what was changed. */
export interface Mutant {
  kind: string;
  path: string;
  resource: Json;
}

/**
 * Returns a changed copy; undefined where the mutator that was drawn has no place in it.
 * @param harmless draws from the changes that mostly keep a resource valid
 */
export function mutate(resource: Json, random: Random, harmless: boolean): Mutant | undefined {
  const copy = structuredClone(resource);
  const mutators = MUTATORS.filter(({ isHarmless }) => (isHarmless === true) === harmless);
  const mutator = mutators[random(mutators.length)];
  if (!mutator) return undefined;
  const places = placesIn(copy).filter((place) => mutator.applies(place.parent[place.name], place));
  const place = places[random(Math.max(places.length, 1))];
  if (!place) return undefined;
  mutator.apply(place, random);
  return { kind: mutator.kind, path: place.path, resource: copy };
}

/** Returns each property, and each entry of a list, with its path. */
function placesIn(resource: Json): Place[] {
  const places: Place[] = [];
  const walk = (parent: Json, path: string): void => {
    for (const [name, value] of Object.entries(parent)) {
      const at = Array.isArray(parent) ? `${path}[${name}]` : `${path}.${name}`;
      if (!Array.isArray(parent) || isObject(value)) places.push({ parent, name, path: at });
      if (typeof value === 'object' && value !== null) walk(value as Json, at);
    }
  };
  walk(resource, String(resource['resourceType']));
  return places;
}
