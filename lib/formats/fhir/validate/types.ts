/**
 * What the validator reads (definitions, in a compact form that STU3 and R4 share) and what it reports.
 *
 * A profile is the element list of its snapshot, in the snapshot's order; the loader of definitions makes it, and hides
 * what differs between the releases (one type entry for each profile in STU3, lists in R4; contexts of extensions).
 */
import type { FhirRelease } from '../definitions';

/** `ElementDefinition.type`: entries of the same code are one, with all their profiles. */
export interface ElementType {
  /** `CodeableConcept`, `string`, `Reference`, `Resource`, `xhtml`. R4's `System.String` of ids and URLs is `string`. */
  code: string;
  /** The value must conform to one of them. */
  profiles?: readonly string[];
  /** What is referenced must conform to one of them: base types and profiles, by canonical URL. */
  targetProfiles?: readonly string[];
  /** `contained`, `referenced`, `bundled`. */
  aggregation?: readonly string[];
}

export interface Discriminator {
  type: 'value' | 'pattern' | 'exists' | 'type' | 'profile';
  /** FHIRPath of the small kind: `$this`, `url`, `code.coding.code`, `resolve()`, `value.ofType(Coding)`, `extension('url')`. */
  path: string;
}

/** @public */
export interface Slicing {
  /** None: the slices are told apart by all that they say, or the definition is for people only. */
  discriminators: readonly Discriminator[];
  rules: 'open' | 'closed' | 'openAtEnd';
  ordered: boolean;
}

/** @public */
export type BindingStrength = 'required' | 'extensible' | 'preferred' | 'example';

export interface Binding {
  strength: BindingStrength;
  /** Canonical URL, with `|version` as published; undefined when the definition only describes it. */
  valueSet?: string;
}

/** An invariant. */
export interface Constraint {
  key: string;
  severity: 'error' | 'warning';
  /** Undefined when the definition has XPath only: it is not evaluated. */
  expression?: string;
  human: string;
  xpath?: string;
  /** Canonical URL of the definition that states it, where the snapshot says so (R4). */
  source?: string;
}

/** One element of a snapshot. */
export interface ProfileElement {
  /** With slice names: `Patient.identifier:nhsNumber.value`. Unlike for any two elements of a profile. */
  id: string;
  /** Without slice names: `Patient.identifier.value`. A choice keeps its `[x]`. */
  path: string;
  /** A reslice is `parent/child`. */
  sliceName?: string;
  min: number;
  /** `Infinity` for `*`. */
  max: number;
  /** `base.max` is not 0 or 1: the value is a list in JSON, whatever the profile's own maximum is. */
  repeats: boolean;
  /** Empty for the root of a type, and beside `contentReference`. */
  types: readonly ElementType[];
  /** `fixed[x]` as FHIR JSON. */
  fixed?: unknown;
  /** `pattern[x]` as FHIR JSON. */
  pattern?: unknown;
  slicing?: Slicing;
  /** Id of the element whose definition this one has, without `#`: `Bundle.link`. */
  contentReference?: string;
  binding?: Binding;
  /** Characters. */
  maxLength?: number;
  /** `minValue[x]` and `maxValue[x]` as FHIR JSON. */
  minValue?: unknown;
  maxValue?: unknown;
  constraints: readonly Constraint[];
}

/** Where an extension may be used. @public */
export interface ExtensionContext {
  /** `element`: a type or path (`Patient`, `Patient.identifier`, `Element`); `extension`: an extension's URL. */
  type: 'element' | 'extension' | 'fhirpath';
  expression: string;
}

/** A StructureDefinition with its snapshot: a base type, a profile on one, or an extension. */
export interface Profile {
  /** Canonical URL without version. */
  url: string;
  version?: string;
  /** `Patient`, `Extension`, `HumanName`, `string`. */
  type: string;
  kind: 'resource' | 'complex-type' | 'primitive-type' | 'logical';
  /** `specialization` for base types, `constraint` for profiles. */
  derivation: 'specialization' | 'constraint';
  abstract: boolean;
  /** `baseDefinition`. */
  base?: string;
  /** Of extensions only; empty: anywhere. */
  contexts: readonly ExtensionContext[];
  /** The snapshot, in its order; the first is the root. */
  elements: readonly ProfileElement[];
}

/** The codes of a value set or code system, as far as they are known. @public */
export interface Codes {
  /**
   * Whether the code is one of them. Undefined when that cannot be decided without a terminology that is not loaded
   * (SNOMED CT, dm+d), for example for a filter.
   * @param system undefined for a `code`, which has none
   */
  has(code: string, system: string | undefined): boolean | undefined;
  /** Whether codes of the system can be in it; undefined when that cannot be decided. */
  hasSystem(system: string): boolean | undefined;
}

/** @public */
export interface CodeSystem {
  /** Canonical URL. */
  url: string;
  /** The definition lists every code (`content` is `complete`). */
  complete: boolean;
  caseSensitive: boolean;
  /** The displays of a code (its own and its designations'); undefined for an unknown code. */
  displaysOf(code: string): readonly string[] | undefined;
}

/** All that the validator asks about FHIR. One object for each release and set of packages; made once, never changed. */
export interface Definitions {
  release: FhirRelease;
  /** By canonical URL, with or without `|version`; undefined when it is not loaded. Base types are among them. */
  profile(url: string): Profile | undefined;
  /** The base definition of a type by its name: `Patient`, `HumanName`, `string`, `BackboneElement`. */
  type(name: string): Profile | undefined;
  /** The type that a type specialises: `DomainResource` of `Patient`, `Quantity` of `Age`; undefined for the first. */
  baseOf(type: string): string | undefined;
  /** By canonical URL, with or without `|version`; undefined when it is not loaded. */
  valueSet(url: string): Codes | undefined;
  codeSystem(url: string): CodeSystem | undefined;
}

export type Severity = 'error' | 'warning' | 'information';

/** One thing that is wrong. Its texts name elements, codes and URLs of definitions, never a value of the payload. */
export interface ValidationIssue {
  severity: Severity;
  /** FHIRPath from the resource that was validated: `Bundle.entry[2].resource.ofType(Patient).name[0].family`. */
  path: string;
  /** Id of the element in its definition: `Patient.name.family`. Empty when there is none. */
  element: string;
  /** What was broken: the key of an invariant (`bdl-9`) or a word of this validator (`cardinality`, `binding`). */
  rule: string;
  /** Canonical URL of the profile or base type that states it. Empty when FHIR itself does. */
  profile: string;
  text: string;
  /** What to do. */
  advice: string;
}

export interface ValidationOptions {
  /** Canonical URLs of profiles that the resource must conform to, beside those that it claims. */
  profiles?: readonly string[];
  /** Issues after which validation stops; a last one says so. Default 1,000. */
  maxIssues?: number;
}

export interface ValidationResult {
  /** No error. */
  valid: boolean;
  issues: ValidationIssue[];
}
