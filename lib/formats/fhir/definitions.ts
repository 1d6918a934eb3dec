/** What a converter needs to know about FHIR: each type's elements in order, which repeat, and which are primitive. */
import { R4_PRIMITIVES, R4_TYPES } from './definitions-r4';
import { STU3_PRIMITIVES, STU3_TYPES } from './definitions-stu3';

/** ITK3 is STU3; newer national specifications are R4. */
export const FHIR_RELEASES = ['STU3', 'R4'] as const;
export type FhirRelease = (typeof FHIR_RELEASES)[number];

/** One element of a type. */
export interface ElementDefinition {
  name: string;
  type: string;
  repeats: boolean;
  /** An attribute in XML: `id` of an element, `url` of an extension. */
  attribute: boolean;
}

export interface Definitions {
  /** Elements by name, in XML's order; undefined for an unknown type. */
  elementsOf(type: string): ReadonlyMap<string, ElementDefinition> | undefined;
  isPrimitive(type: string): boolean;
  /** Whether it is a type of resource: in a Bundle, in `contained`, or as the whole document. */
  isResource(type: string): boolean;
}

const loaded = new Map<FhirRelease, Definitions>();

/** Returns the definitions of a release, parsed at first use: most flows need one release, or none. */
export function definitionsOf(release: FhirRelease): Definitions {
  let definitions = loaded.get(release);
  if (!definitions) {
    definitions = release === 'R4' ? parse(R4_TYPES, R4_PRIMITIVES) : parse(STU3_TYPES, STU3_PRIMITIVES);
    loaded.set(release, definitions);
  }
  return definitions;
}

function parse(lines: readonly string[], primitiveNames: string): Definitions {
  const primitives = new Set(primitiveNames.split(' '));
  const own = new Map<string, { base: string | undefined; elements: string }>();
  for (const text of lines.flatMap((line) => line.split(';'))) {
    const [head = '', elements = ''] = text.split('|');
    const [name = '', base] = head.split('<');
    own.set(name, { base, elements });
  }
  const complete = new Map<string, ReadonlyMap<string, ElementDefinition>>();

  const elementsOf = (type: string): ReadonlyMap<string, ElementDefinition> | undefined => {
    const known = complete.get(type);
    const definition = own.get(type);
    if (known || !definition) return known;
    const elements = new Map(definition.base === undefined ? [] : elementsOf(definition.base));
    for (const [, name = '', mark, attribute, kind = ''] of definition.elements.matchAll(/(\w+)([:*])(!?)(\S+)/g)) {
      elements.set(name, { name, type: kind, repeats: mark === '*', attribute: attribute === '!' });
    }
    complete.set(type, elements);
    return elements;
  };
  const isResource = (type: string): boolean => {
    if (type === 'DomainResource') return false;
    for (let at = own.get(type); at; at = at.base === undefined ? undefined : own.get(at.base)) {
      if (at.base === 'Resource') return true;
    }
    return false;
  };
  return { elementsOf, isPrimitive: (type) => primitives.has(type), isResource };
}
