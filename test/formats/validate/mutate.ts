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
  /** The resource in which it is. */
  root: Json;
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
  {
    kind: 'a list in another order',
    applies: (value, { name }) =>
      Array.isArray(value) && value.length > 1 && isObject(value[0]) && name !== 'entry' && name !== 'contained',
    apply: ({ parent, name }) => void (parent[name] = (parent[name] as unknown[]).toReversed()),
  },
  {
    kind: 'one more, of no kind',
    applies: (value, { name }) =>
      Array.isArray(value) && isObject(value[0]) && !/^(entry|contained|extension|link)$/.test(name),
    apply: ({ parent, name }, random) => {
      const list = parent[name] as unknown[];
      const more = structuredClone(list[random(list.length)]) as Json;
      for (const key of ['code', 'system', 'use', 'url']) if (isText(more[key])) more[key] = 'https://example.org/none';
      (parent[name] as unknown[]).push(more);
    },
  },
  {
    kind: 'a choice of another type',
    applies: (_, { name }) => CHOICE.test(name),
    apply: ({ parent, name }, random) => {
      const [, stem = ''] = CHOICE.exec(name) ?? [];
      const choices = CHOICES.filter(([type]) => stem + type !== name);
      const [type, value] = choices[random(choices.length)] ?? ['String', 'x'];
      delete parent[name];
      parent[stem + type] = structuredClone(value);
    },
  },
  {
    kind: 'two types of a choice',
    applies: (_, { name }) => CHOICE.test(name),
    apply: ({ parent, name }) => {
      const [, stem = ''] = CHOICE.exec(name) ?? [];
      parent[`${stem}${name.endsWith('String') ? 'Boolean' : 'String'}`] = name.endsWith('String') ? true : 'x';
    },
  },
  {
    kind: 'a reference to another resource',
    applies: (value, { name }) => isText(value) && name === 'reference',
    apply: ({ parent, name, root }, random) => {
      const urls = allOf(root, 'fullUrl').filter((url) => url !== parent[name]);
      parent[name] = urls[random(Math.max(urls.length, 1))] ?? 'Location/1';
    },
  },
  {
    kind: 'a reference in another form',
    applies: (value, { name }) => isText(value) && name === 'reference',
    apply: ({ parent, name }, random) =>
      void (parent[name] =
        ['Patient/1', '#nothing', 'Patient', 'https://example.org/fhir/Medication/1', 'Patient/1/_history/2', 'a b'][
          random(6)
        ] ?? ''),
  },
  {
    kind: 'a contained resource that nothing refers to',
    applies: (value) => isObject(value) && 'resourceType' in value && value['resourceType'] !== 'Bundle',
    apply: ({ parent, name }) =>
      void ((parent[name] as Json)['contained'] = [{ resourceType: 'Basic', id: 'alone', code: { text: 'x' } }]),
  },
  {
    kind: 'contained resources of the same id',
    applies: (value) => isObject(value) && 'resourceType' in value && value['resourceType'] !== 'Bundle',
    apply: ({ parent, name }) => {
      const one = { resourceType: 'Basic', id: 'same', code: { text: 'x' } };
      (parent[name] as Json)['contained'] = [one, structuredClone(one)];
    },
  },
  {
    kind: 'the same fullUrl twice',
    applies: (value, { name }) => isText(value) && name === 'fullUrl',
    apply: ({ parent, name, root }) => void (parent[name] = allOf(root, 'fullUrl')[0] ?? ''),
  },
  {
    kind: 'a known extension elsewhere',
    applies: (value) => isObject(value) && !('resourceType' in value) && !('url' in value),
    apply: ({ parent, name, root }, random) => {
      const known = extensionsOf(root);
      const at = parent[name] as Json;
      const moved: unknown = known[random(Math.max(known.length, 1))] ?? {
        url: 'https://example.org/x',
        valueString: 'x',
      };
      at['extension'] = [...((at['extension'] as unknown[] | undefined) ?? []), structuredClone(moved)];
    },
  },
  {
    kind: 'an extension with neither value nor parts',
    applies: (value, { path }) => isObject(value) && 'url' in value && isIn(path, 'extension'),
    apply: ({ parent, name }) => void (parent[name] = { url: (parent[name] as Json)['url'] }),
  },
  {
    kind: 'an extension of a primitive',
    isHarmless: true,
    applies: (value, { name, parent }) =>
      isText(value) && !Array.isArray(parent) && /^(birthDate|status|title|value)$/.test(name),
    apply: ({ parent, name }) =>
      void (parent[`_${name}`] = {
        extension: [{ url: 'https://example.org/StructureDefinition/x', valueString: 'x' }],
      }),
  },
  {
    kind: 'a primitive with an extension alone',
    applies: (value, { name, parent }) =>
      isText(value) && !Array.isArray(parent) && !/^(resourceType|id|url|div)$/.test(name),
    apply: ({ parent, name }) => {
      parent[`_${name}`] = {
        extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
      };
      delete parent[name];
    },
  },
  {
    kind: 'extensions of a list of another length',
    applies: (value) => Array.isArray(value) && isText(value[0]),
    apply: ({ parent, name }, random) => {
      const extra = { extension: [{ url: 'https://example.org/StructureDefinition/x', valueString: 'x' }] };
      parent[`_${name}`] = [[extra], [null, null, extra], [null], [], 'x', extra][random(6)];
    },
  },
  {
    kind: 'a null',
    applies: (value, { name }) => name !== 'resourceType' && value !== undefined,
    apply: ({ parent, name }, random) => {
      const value = parent[name];
      parent[name] = Array.isArray(value) && random(2) === 0 ? [...(value as unknown[]), null] : null;
    },
  },
  {
    kind: 'a list of lists',
    applies: Array.isArray,
    apply: ({ parent, name }) => void (parent[name] = [parent[name]]),
  },
  {
    kind: 'a number for a text',
    applies: (value, { name }) => isText(value) && name !== 'resourceType',
    apply: set(7),
  },
  {
    kind: 'a number of another form',
    applies: (value) => typeof value === 'number',
    apply: ({ parent, name }, random) => void (parent[name] = [-1, 0, 1.5, 1e30, 1e-9, 3_000_000_000][random(6)]),
  },
  {
    kind: 'a time of another form',
    applies: (value) => isText(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value),
    apply: ({ parent, name }, random) =>
      void (parent[name] = [
        '2018-07-10',
        '2018-07',
        '2018-07-10T10:00Z',
        '2018-07-10T10:00:00.000+00:00',
        '2018-02-29T10:00:00Z',
        '2018-07-10T24:00:00Z',
        '2018-07-10T10:00:60Z',
        '2018-07-10T10:00:00+15:00',
        '0000-07-10T10:00:00Z',
        '2018-07-10t10:00:00z',
        ' 2018-07-10T10:00:00Z',
        '1018-07-10T10:00:00Z',
      ][random(12)]),
  },
  {
    kind: 'a date of another form',
    applies: (value) => isText(value) && /^\d{4}-\d\d-\d\d$/.test(value),
    apply: ({ parent, name }, random) =>
      void (parent[name] = [
        '2018-07-10T10:00:00Z',
        '2018-7-1',
        '2018-02-29',
        '2018-00-10',
        '18-07-10',
        '2018-07-10 ',
        '9999-12-31',
      ][random(7)]),
  },
  {
    kind: 'an id of another form',
    applies: (value, { name }) => isText(value) && name === 'id',
    apply: ({ parent, name }, random) =>
      void (parent[name] = ['a_b', 'a b', 'x'.repeat(65), 'ä', '#x', 'A.b-1'][random(6)]),
  },
  {
    kind: 'white space around a text',
    applies: (value, { name }) => isText(value) && !/^(div|resourceType|data|content)$/.test(name),
    apply: ({ parent, name }, random) =>
      void (parent[name] = [` ${String(parent[name])}`, `${String(parent[name])} `, ' ', '\t'][random(4)]),
  },
  {
    kind: 'an address of another form',
    applies: (value, { name }) => isText(value) && /^(system|url|fullUrl)$/.test(name),
    apply: ({ parent, name }, random) =>
      void (parent[name] = [
        'not absolute',
        'relative',
        'urn:oid:1.02',
        'urn:oid:2.16.840',
        'urn:uuid:1',
        'HTTP://snomed.info/sct',
        'http://snomed.info/sct ',
      ][random(7)]),
  },
  {
    kind: 'another profile',
    applies: (value, { name }) => Array.isArray(value) && name === 'profile',
    apply: ({ parent, name, root }, random) => {
      const all = allOf(root, 'profile').concat(
        'http://hl7.org/fhir/StructureDefinition/Patient',
        'https://example.org/none',
      );
      parent[name] = [all[random(all.length)]];
    },
  },
  {
    kind: 'another narrative',
    applies: (value, { name }) => isText(value) && name === 'div',
    apply: ({ parent, name }, random) => void (parent[name] = NARRATIVES[random(NARRATIVES.length)]),
  },
  {
    kind: 'base64 of another form',
    applies: (value, { name }) => isText(value) && /^(data|content)$/.test(name) && value.length > 50,
    apply: ({ parent, name }, random) =>
      void (parent[name] = ['AAA', 'AAAA=', 'AA==AAAA', 'AAAA\nAAAA', 'AAAA AAAA', '=', 'A-_A', 'AB=='][random(8)]),
  },
  {
    kind: 'another type of bundle',
    applies: (value, { name, parent }) => isText(value) && name === 'type' && parent['resourceType'] === 'Bundle',
    apply: ({ parent, name }, random) =>
      void (parent[name] = ['document', 'message', 'transaction', 'batch', 'history', 'searchset', 'collection'][
        random(7)
      ]),
  },
  {
    kind: 'an entry with what its bundle does not have',
    applies: (value) => isObject(value) && 'fullUrl' in value,
    apply: ({ parent, name }, random) => {
      const more = [
        { request: { method: 'POST', url: 'Patient' } },
        { response: { status: '200' } },
        { search: { mode: 'match' } },
        { link: [{ relation: 'self', url: 'https://example.org/x' }] },
      ];
      Object.assign(parent[name] as Json, more[random(more.length)]);
    },
  },
  {
    kind: 'another resource type',
    applies: (value) => isObject(value) && 'resourceType' in value,
    apply: ({ parent, name }, random) =>
      void ((parent[name] as Json)['resourceType'] = ['Basic', 'Patient', 'Observation', 'Resource', 'patient', 'X'][
        random(6)
      ]),
  },
  {
    kind: 'a resource twice',
    applies: (value, { name }) => Array.isArray(value) && name === 'entry' && value.length > 1,
    apply: ({ parent, name }, random) => {
      const list = parent[name] as unknown[];
      list.push(structuredClone(list[random(list.length)]));
    },
  },
  {
    kind: 'an entry is missing',
    applies: (value, { name }) => Array.isArray(value) && name === 'entry' && value.length > 1,
    apply: ({ parent, name }, random) => {
      const list = parent[name] as unknown[];
      list.splice(random(list.length), 1);
    },
  },
];

/** A property of a choice, with the stem of its name. */
const CHOICE =
  /^(value|onset|effective|deceased|occurrence|performed|medication|author|item|multipleBirth)(?:String|Boolean|Coding|CodeableConcept|Quantity|DateTime|Reference|Period|Code|Date|Integer|Identifier|Uri)$/;
const CHOICES: ReadonlyArray<[type: string, value: unknown]> = [
  ['String', 'x'],
  ['Boolean', true],
  ['Integer', 1],
  ['DateTime', '2018-07-10'],
  ['Coding', { system: 'https://example.org/codes', code: 'x' }],
  ['CodeableConcept', { text: 'x' }],
  ['Quantity', { value: 1 }],
  ['Period', { start: '2018-07-10' }],
  ['Reference', { display: 'x' }],
  ['Money', { value: 1 }],
];

const XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">';
const NARRATIVES = [
  `${XHTML}<p>Text</p></div>`,
  `${XHTML}<script>x</script></div>`,
  `${XHTML}<p onclick="x">Text</p></div>`,
  `${XHTML}<blink>Text</blink></div>`,
  `${XHTML}<p> </p></div>`,
  `${XHTML}</div>`,
  `${XHTML}<p>Text</div>`,
  `${XHTML}<img src="x.png" alt="x"/></div>`,
  `${XHTML}<a href="javascript:x">Text</a></div>`,
  `${XHTML}<iframe src="x"/>Text</div>`,
  `${XHTML}<form><input/></form>Text</div>`,
  `${XHTML}a &amp; b &nbsp; c</div>`,
  `${XHTML}a &bogus; b</div>`,
  '<div>Text</div>',
  '<p xmlns="http://www.w3.org/1999/xhtml">Text</p>',
  'Text',
  '<!DOCTYPE x><div xmlns="http://www.w3.org/1999/xhtml">Text</div>',
  `${XHTML}<!-- a comment -->Text</div>`,
  `${XHTML}<table><tr><td rowspan="2">Text</td></tr></table></div>`,
];

/** Calls `found` for each property in a resource, at any depth. */
function eachProperty(value: unknown, found: (name: string, value: unknown) => void): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, each] of Object.entries(value)) {
    found(name, each);
    eachProperty(each, found);
  }
}

/** Every text of a property, anywhere in a resource. */
function allOf(resource: Json, name: string): string[] {
  const texts: unknown[] = [];
  eachProperty(resource, (key, value) => {
    if (key === name) texts.push(value);
  });
  return texts.flat().filter(isText);
}

/** Every extension in a resource. */
function extensionsOf(resource: Json): unknown[] {
  const extensions: unknown[] = [];
  eachProperty(resource, (key, value) => {
    if (key === 'extension' && Array.isArray(value)) extensions.push(...(value as unknown[]));
  });
  return extensions;
}

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
      if (!Array.isArray(parent) || isObject(value)) places.push({ parent, name, path: at, root: resource });
      if (typeof value === 'object' && value !== null) walk(value as Json, at);
    }
  };
  walk(resource, String(resource['resourceType']));
  return places;
}
