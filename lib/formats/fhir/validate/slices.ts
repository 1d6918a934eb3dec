/** Which slice a value belongs to: by value, pattern, exists, type and profile (FHIR, Profiling, Discriminator). */
import { isObject, compileFhirPath, type FhirPath, isDeepEqual } from '../fhirpath/evaluate';
import { type Expression, FhirPathError, parseFhirPath } from '../fhirpath/parse';
import { isMember } from './codes';
import { type Frame, type Walker } from './frame';
import { capitalised, type ElementNode, treeOf } from './tree';
import type { Definitions, Discriminator, ProfileElement } from './types';

/** Whether a value fits a slice; undefined when the definition does not say how to tell. */
type SliceTest = (frame: Frame, walk: Walker) => boolean | undefined;

const tests = new WeakMap<ElementNode, SliceTest>();

/** Returns the test of a slice, made at first use. */
export function sliceTest(sliced: ElementNode, slice: ElementNode, definitions: Definitions): SliceTest {
  let test = tests.get(slice);
  if (!test) tests.set(slice, (test = makeTest(sliced, slice, definitions)));
  return test;
}

function makeTest(sliced: ElementNode, slice: ElementNode, definitions: Definitions): SliceTest {
  const discriminators = sliced.element.slicing?.discriminators ?? [];
  if (discriminators.length === 0) {
    // A choice is sliced by type, whether its definition says so or not.
    if (sliced.name.endsWith('[x]')) return isOfTypes(slice.element);
    return () => undefined;
  }
  const parts = discriminators.map((discriminator) => discriminatorTest(discriminator, slice, definitions));
  return (frame, walk) => {
    let result: boolean | undefined = true;
    for (const part of parts) {
      walk.budget.spend(1);
      const fits = part(frame, walk);
      if (fits === false) return false;
      if (fits === undefined) result = undefined;
    }
    return result;
  };
}

const isOfTypes =
  ({ types }: ProfileElement): SliceTest =>
  (frame) =>
    types.some(({ code }) => code === frame.type);

function discriminatorTest({ type, path }: Discriminator, slice: ElementNode, definitions: Definitions): SliceTest {
  if (path === 'url' && ['extension', 'modifierExtension'].includes(slice.name)) {
    const url = extensionUrl(slice, definitions);
    if (url !== undefined) return ({ value }) => isObject(value) && value['url'] === url;
  }
  let compiled: FhirPath;
  let nodes: ElementNode[];
  try {
    compiled = compileFhirPath(path);
    nodes = nodesAt(parseFhirPath(path), slice, definitions);
  } catch (error) {
    if (error instanceof FhirPathError) return () => undefined;
    throw error;
  }
  switch (type) {
    case 'type':
      return (frame, walk) => {
        const values = walk.select(frame, compiled);
        return values.some(({ type: given }) =>
          nodes.some((node) => typesOf(node).some((code) => code === given || code === 'Resource')),
        );
      };
    case 'profile': {
      const profiles = nodes.flatMap(({ element, profile }) => {
        const stated = element.types.flatMap((each) => each.profiles ?? []);
        // The root of a target profile, reached through resolve().
        return stated.length > 0 ? stated : element.path.includes('.') ? [] : [profile.url];
      });
      if (profiles.length === 0) return () => undefined;
      return (frame, walk) => {
        const values = walk.select(frame, compiled);
        return values.some(({ value }) => profiles.some((url) => walk.conformsValue(value, url)));
      };
    }
    case 'exists': {
      const [node] = nodes;
      if (!node) return () => undefined;
      return (frame, walk) => {
        const exists = walk.select(frame, compiled).length > 0;
        return node.element.max === 0 ? !exists : exists;
      };
    }
    case 'value':
    case 'pattern':
      return valueTest(compiled, nodes);
  }
}

/** The types of an element; of the root of a profile, its type. */
const typesOf = ({ element, profile }: ElementNode): readonly string[] =>
  element.path.includes('.') ? element.types.map(({ code }) => code) : [profile.type];

/** By what the slice says of the element: its fixed value, its pattern, or its required binding. */
function valueTest(compiled: FhirPath, nodes: readonly ElementNode[]): SliceTest {
  const criteria = nodes.filter(
    ({ element }) =>
      element.fixed !== undefined ||
      element.pattern !== undefined ||
      (element.binding?.strength === 'required' && element.binding.valueSet !== undefined),
  );
  const exact = criteria.filter(({ element }) => element.fixed !== undefined || element.pattern !== undefined);
  const used = exact.length > 0 ? exact : criteria;
  if (used.length === 0) {
    // Published definitions tell slices apart by an element that they only require, or forbid.
    const decisive = nodes.find(({ element }) => element.min > 0 || element.max === 0);
    if (!decisive) return () => undefined;
    return (frame, walk) => walk.select(frame, compiled).length > 0 === decisive.element.max > 0;
  }
  return (frame, walk) => {
    const values = walk.select(frame, compiled);
    let result: boolean | undefined = false;
    for (const { value } of values) {
      for (const { element } of used) {
        const fits = fitsElement(value, element, walk);
        if (fits === true) return true;
        if (fits === undefined) result = undefined;
      }
    }
    return result;
  };
}

function fitsElement(value: unknown, { fixed, pattern, binding }: ProfileElement, walk: Walker): boolean | undefined {
  const spend = (steps: number): void => walk.budget.spend(steps);
  if (fixed !== undefined) return isDeepEqual(value, fixed, spend);
  if (pattern !== undefined) return fitsPattern(value, pattern, spend);
  return isMember(value, binding?.valueSet ?? '', walk.definitions);
}

/** Whether a value has all that a pattern has: lists in any order, objects in part (FHIR, ElementDefinition.pattern). */
export function fitsPattern(value: unknown, pattern: unknown, spend: (steps: number) => void): boolean {
  spend(1);
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((wanted) => value.some((item) => fitsPattern(item, wanted, spend)));
  }
  if (isObject(pattern)) {
    return (
      isObject(value) &&
      Object.keys(pattern).every((key) => Object.hasOwn(value, key) && fitsPattern(value[key], pattern[key], spend))
    );
  }
  return value === pattern;
}

/** The URL of the extension that a slice is for: as fixed in the slice, or in the profile of its type. */
export function extensionUrl(slice: ElementNode, definitions: Definitions): string | undefined {
  const fixed = slice.children.get('url')?.element.fixed;
  if (typeof fixed === 'string') return fixed;
  const profile = slice.element.types[0]?.profiles?.[0]?.split('|')[0];
  if (profile === undefined) return undefined;
  const known = definitions.profile(profile);
  const stated = known && treeOf(known, definitions)?.root.children.get('url')?.element.fixed;
  return typeof stated === 'string' ? stated : profile;
}

/** Follows a discriminator's path through the definition of a slice, and on through those of its types. */
function nodesAt(path: Expression, slice: ElementNode, definitions: Definitions): ElementNode[] {
  switch (path.kind) {
    case 'variable':
      if (path.name === '$this') return [slice];
      break;
    case 'member':
      return childrenNamed(path.of ? nodesAt(path.of, slice, definitions) : [slice], path.name, definitions);
    case 'call': {
      const of = path.of ? nodesAt(path.of, slice, definitions) : [slice];
      if (path.name === 'resolve') return of.flatMap((node) => targetsOf(node, definitions));
      if (path.name === 'ofType' || path.name === 'as') return of;
      const [argument] = path.args;
      if (path.name === 'extension' && argument?.kind === 'literal') {
        return childrenNamed(of, 'extension', definitions).filter(
          (node) => extensionUrl(node, definitions) === argument.value,
        );
      }
      break;
    }
    case 'binary':
    case 'empty':
    case 'index':
    case 'literal':
    case 'negate':
    case 'type':
  }
  throw new FhirPathError('It is no path of a discriminator.');
}

function childrenNamed(nodes: readonly ElementNode[], name: string, definitions: Definitions): ElementNode[] {
  return nodes.flatMap((node) => {
    const child = childNamed(node, name);
    if (child) return [child, ...child.slices];
    const inherited = rootsOf(node, definitions).flatMap((root) => childNamed(root, name) ?? []);
    return inherited.concat(inherited.flatMap(({ slices }) => slices));
  });
}

/** A child by its name; a choice also by the name with its type. */
function childNamed({ children, choices }: ElementNode, name: string): ElementNode | undefined {
  const exact = children.get(name) ?? children.get(`${name}[x]`);
  if (exact) return exact;
  return choices.find((choice) => {
    const stem = choice.name.slice(0, -3);
    return choice.element.types.some(({ code }) => name === stem + capitalised(code));
  });
}

/** The definitions of an element's types: its profiles, or else the base types. */
function rootsOf({ element }: ElementNode, definitions: Definitions): ElementNode[] {
  return element.types.flatMap(({ code, profiles = [] }) => {
    const found = profiles.flatMap((url) => definitions.profile(url) ?? []);
    const known = found.length > 0 ? found : [definitions.type(code)].filter((type) => type !== undefined);
    return known.flatMap((profile) => treeOf(profile, definitions)?.root ?? []);
  });
}

function targetsOf({ element }: ElementNode, definitions: Definitions): ElementNode[] {
  return element.types.flatMap(({ targetProfiles = [] }) =>
    targetProfiles.flatMap((url) => {
      const profile = definitions.profile(url);
      return profile ? (treeOf(profile, definitions)?.root ?? []) : [];
    }),
  );
}
