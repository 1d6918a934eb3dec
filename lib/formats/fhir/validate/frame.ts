/** A value of the payload with its place: what it is by the base definitions, and where it stands. */
import type { FhirPath, Item } from '../fhirpath/evaluate';
import type { Budget } from './budget';
import type { ElementNode } from './tree';
import type { Definitions } from './types';

export interface Frame {
  parent: Frame | undefined;
  /** Property name without the type of a choice: `value` for `valueQuantity`. */
  key: string;
  /** Place in a list; -1 for a single value. */
  index: number;
  isChoice: boolean;
  /** `Patient`, `Quantity`, `string`, `BackboneElement`. */
  type: string;
  isPrimitive: boolean;
  /** The nearest resource; the frame itself for a resource. */
  resource: Frame;
  depth: number;
  value: unknown;
  /** Of a primitive: its id and extensions (`_birthDate`). */
  beside: unknown;
  /** The element in the base definitions: `Patient.name`; undefined for the resource that is validated. */
  element: ElementNode | undefined;
  /** What defines its properties: the element itself, or the root of its type. */
  definition: ElementNode;
  /** Set when they were read: see Walk.propertiesOf. */
  properties?: Property[];
  /** Results of invariants, by their expression. */
  invariants?: Map<string, boolean>;
}

/** A property of a frame: its values. */
export interface Property {
  /** Its definition in the base type. */
  element: ElementNode;
  frames: Frame[];
}

/** What the checks of bundles, slices and codes ask of the walk. */
export interface Walker {
  readonly definitions: Definitions;
  readonly budget: Budget;
  propertiesOf(frame: Frame): readonly Property[];
  /** All references in a resource and in what it contains. */
  referencesIn(frame: Frame): readonly string[];
  /** The values at a path from a frame. */
  select(frame: Frame, path: FhirPath): readonly Item[];
  /** Whether a value conforms to a profile, without reporting what it lacks. */
  conformsValue(value: unknown, profile: string): boolean;
}

/** FHIRPath of a frame: `Bundle.entry[2].resource.name[0].family`. */
export function pathOf({ parent, key, index, isChoice, type }: Frame): string {
  if (!parent) return key;
  return `${pathOf(parent)}.${key}${index < 0 ? '' : `[${index}]`}${isChoice ? `.ofType(${type})` : ''}`;
}

/** Whether it is a resource: the one that is validated, of an entry, contained, or a parameter. */
export const isResource = (frame: Frame): boolean => frame.resource === frame;

/** The values of a property by its name; none when it is not there. */
export const valuesOf = (properties: readonly Property[], name: string): readonly Frame[] =>
  properties.find(({ element }) => element.name === name)?.frames ?? [];
