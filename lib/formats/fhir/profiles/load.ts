/** Loads all that the validator asks about FHIR: the base definitions of a release, and the user's packages over them. */
import { corrected } from './corrections';
import type { FhirRelease } from '../definitions';
import type { Codes, Definitions, Profile, ProfileElement } from '../validate/types';
import { baseDefinitions } from './base-definitions';
import { codesOf, knownCodeSystem, type KnownCodeSystem } from './codes';
import {
  normalCodeSystem,
  normalStructure,
  normalValueSet,
  type CodeSystemDefinition,
  type NormalElement,
  type Structure,
  type ValueSet,
} from './normal';
import { findDefinitions, type DefinitionKind, type DefinitionProblem } from './read-definitions';
import { expandDifferential } from './snapshot';

export interface LoadedDefinitions extends Definitions {
  /** Files that are not used, and why. Grows while definitions are used: each is parsed when it is needed first. */
  problems: readonly DefinitionProblem[];
  /** How many definitions of the user's there are. */
  count: number;
}

interface Entry {
  kind: DefinitionKind;
  url: string;
  version: string | undefined;
  file: string | undefined;
  read(): Structure | ValueSet | CodeSystemDefinition;
}

/** What a definition of each kind is in the normal form. */
interface ByKind {
  StructureDefinition: Structure;
  ValueSet: ValueSet;
  CodeSystem: CodeSystemDefinition;
}

/** A profile on a profile on a profile …: real ones have five. */
const MAX_BASES = 50;
const HL7 = 'http://hl7.org/fhir/StructureDefinition/';

/**
 * Loads the definitions of a release. Of two with the same canonical URL and version, the one that comes later counts;
 * of two versions, the later one unless a canonical names its version.
 * @param sources packages, folders and files with the user's definitions
 * @throws Error that names the source and the cause, when one cannot be read or has nothing
 */
export async function loadDefinitions(
  release: FhirRelease,
  sources: readonly string[] = [],
): Promise<LoadedDefinitions> {
  const problems: DefinitionProblem[] = [];
  const index = new DefinitionIndex(problems);
  for (const definition of baseDefinitions(release)) index.add({ ...definition, file: undefined });
  let count = 0;
  for (const source of sources) {
    const { found, problems: unread } = await findDefinitions(source, release);
    problems.push(...unread);
    count += found.length;
    for (const definition of found) {
      index.add({ ...definition, read: () => normalised(definition.kind, definition.read()) });
    }
  }
  const loader = new Loader(index, problems);
  return {
    release,
    problems,
    count,
    profile: (url) => loader.profile(url),
    type: (name) => loader.type(name),
    baseOf: (name) => loader.baseOf(name),
    valueSet: (url) => loader.valueSet(url),
    codeSystem: (url) => loader.codeSystem(url),
  };
}

function normalised(
  kind: DefinitionKind,
  resource: Record<string, unknown>,
): Structure | ValueSet | CodeSystemDefinition {
  if (kind === 'ValueSet') return normalValueSet(resource);
  return kind === 'CodeSystem' ? normalCodeSystem(resource) : corrected(normalStructure(resource));
}

/** Definitions by canonical URL, each parsed once. */
class DefinitionIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #parsed = new Map<Entry, Structure | ValueSet | CodeSystemDefinition | undefined>();
  readonly #problems: DefinitionProblem[];

  constructor(problems: DefinitionProblem[]) {
    this.#problems = problems;
  }

  add(entry: Entry): void {
    const key = `${entry.kind} ${entry.url}`;
    const known = this.#entries.get(key);
    if (entry.version !== undefined) this.#entries.set(`${key}|${entry.version}`, entry);
    if (!known || known.file === undefined || !isLater(known.version, entry.version)) this.#entries.set(key, entry);
  }

  /** Returns a definition by its canonical URL. One whose version is not there is another version of it. */
  get<Kind extends DefinitionKind>(kind: Kind, canonical: string): ByKind[Kind] | undefined {
    const key = `${kind} ${canonical}`;
    const entry = this.#entries.get(key) ?? this.#entries.get(key.replace(/\|[^|]*$/, ''));
    if (!entry) return undefined;
    if (!this.#parsed.has(entry)) this.#parsed.set(entry, this.#read(entry));
    return this.#parsed.get(entry) as ByKind[Kind] | undefined;
  }

  #read(entry: Entry): Structure | ValueSet | CodeSystemDefinition | undefined {
    try {
      return entry.read();
    } catch (error) {
      this.#problems.push({
        file: entry.file ?? entry.url,
        text: error instanceof Error ? error.message : String(error),
      });
      return undefined;
    }
  }
}

/** Whether the first version is later: `1.10.0` than `1.9.0`. */
function isLater(one: string | undefined, other: string | undefined): boolean {
  return (one ?? '').localeCompare(other ?? '', 'en', { numeric: true }) > 0;
}

class Loader {
  readonly #index: DefinitionIndex;
  readonly #problems: DefinitionProblem[];
  readonly #profiles = new Map<Structure, Profile | undefined>();
  readonly #snapshots = new Map<Structure, readonly NormalElement[]>();
  /** Profiles whose differential is being expanded: one that needs itself is not. */
  readonly #expanding = new Set<Structure>();
  readonly #valueSets = new Map<ValueSet, Codes>();
  readonly #codeSystems = new Map<CodeSystemDefinition, KnownCodeSystem>();

  constructor(index: DefinitionIndex, problems: DefinitionProblem[]) {
    this.#index = index;
    this.#problems = problems;
  }

  profile(url: string): Profile | undefined {
    const structure = this.#index.get('StructureDefinition', url);
    if (!structure) return undefined;
    if (!this.#profiles.has(structure)) this.#profiles.set(structure, this.#compile(structure));
    return this.#profiles.get(structure);
  }

  type(name: string): Profile | undefined {
    return /^\w+$/.test(name) ? this.profile(HL7 + name) : undefined;
  }

  baseOf(name: string): string | undefined {
    const base = this.type(name)?.base;
    return base?.startsWith(HL7) === true ? base.slice(HL7.length) : undefined;
  }

  valueSet(url: string): Codes | undefined {
    const definition = this.#index.get('ValueSet', url);
    if (!definition) return undefined;
    const known = this.#valueSets.get(definition) ?? codesOf(definition, this);
    this.#valueSets.set(definition, known);
    return known;
  }

  codeSystem(url: string): KnownCodeSystem | undefined {
    const definition = this.#index.get('CodeSystem', url);
    if (!definition) return undefined;
    const known = this.#codeSystems.get(definition) ?? knownCodeSystem(definition);
    this.#codeSystems.set(definition, known);
    return known;
  }

  #compile(structure: Structure): Profile | undefined {
    const { elements: _, isDifferential: __, ...head } = structure;
    try {
      return { ...head, elements: this.#snapshotOf(structure, 0).map(compiled) };
    } catch (error) {
      this.#problems.push({ file: structure.url, text: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  #snapshotOf(structure: Structure, depth: number): readonly NormalElement[] {
    const known = this.#snapshots.get(structure);
    if (known) return known;
    const elements = structure.isDifferential ? this.#expand(structure, depth) : structure.elements;
    this.#snapshots.set(structure, elements);
    return elements;
  }

  #expand(structure: Structure, depth: number): readonly NormalElement[] {
    if (depth > MAX_BASES || this.#expanding.has(structure))
      throw new Error('Its base or a type in it is based on itself.');
    const base = structure.base === undefined ? undefined : this.#index.get('StructureDefinition', structure.base);
    if (!base) throw new Error(`Its base ${structure.base ?? '(none)'} is not loaded.`);
    const ofProfile = (url: string): readonly NormalElement[] | undefined => {
      const profile = this.#index.get('StructureDefinition', url);
      return profile && !this.#expanding.has(profile) ? this.#snapshotOf(profile, depth + 1) : undefined;
    };
    this.#expanding.add(structure);
    try {
      return expandDifferential(structure, this.#snapshotOf(base, depth + 1), {
        ofProfile,
        ofType: (name) => ofProfile(HL7 + name),
      });
    } finally {
      this.#expanding.delete(structure);
    }
  }
}

function compiled(element: NormalElement): ProfileElement {
  return {
    ...element,
    min: element.min ?? 0,
    max: element.max ?? Infinity,
    repeats: element.repeats ?? (element.max ?? Infinity) > 1,
    types: element.types ?? [],
    constraints: element.constraints ?? [],
  };
}
