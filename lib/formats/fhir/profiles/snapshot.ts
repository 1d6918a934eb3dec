/**
 * Expands differentials: the elements of the base profile, with what the differential says of them, and the elements
 * of types and slices that it walks into.
 */
import type { ElementType } from '../validate/types';
import type { NormalElement, Structure } from './normal';

/** Elements of the definitions that an expansion needs. */
export interface Snapshots {
  /** By canonical URL; undefined when it is not loaded. */
  ofProfile(url: string): readonly NormalElement[] | undefined;
  ofType(name: string): readonly NormalElement[] | undefined;
}

/** Real profiles have at most some thousands of elements; a hostile one could unfold itself without end. */
const MAX_ELEMENTS = 20_000;

/**
 * Returns the snapshot of a profile.
 * @throws Error that says which element has no place in the base
 */
export function expandDifferential(
  structure: Structure,
  base: readonly NormalElement[],
  snapshots: Snapshots,
): NormalElement[] {
  const expansion = new Expansion(base, snapshots);
  for (const element of structure.elements) expansion.apply(element);
  return expansion.elements;
}

class Expansion {
  readonly elements: NormalElement[];
  readonly #snapshots: Snapshots;
  /** `Observation.valueQuantity` of a differential is `Observation.value[x]:valueQuantity`. */
  readonly #renamed = new Map<string, string>();

  constructor(base: readonly NormalElement[], snapshots: Snapshots) {
    this.elements = base.map((element) => ({ ...element }));
    this.#snapshots = snapshots;
  }

  apply(element: NormalElement): void {
    const isRoot = !element.path.includes('.');
    const at = isRoot ? 0 : this.#ensure(element.id);
    const known = this.elements[at];
    if (known) this.elements[at] = merged(known, element);
  }

  #indexOf(id: string): number {
    return this.elements.findIndex((element) => element.id === id);
  }

  /** Returns the index of an element, which is made by unfolding its parent or by slicing if it is not there. */
  #ensure(id: string): number {
    const known = this.#indexOf(this.#renamed.get(id) ?? id);
    if (known >= 0) return known;
    const dot = id.lastIndexOf('.');
    if (dot < 0) throw new Error(`The base has no element ${id}.`);
    const parentAt = this.#ensure(id.slice(0, dot));
    const parent = this.elements[parentAt]?.id ?? '';
    const name = id.slice(dot + 1);
    const colon = name.indexOf(':');
    const plain = `${parent}.${colon < 0 ? name : name.slice(0, colon)}`;
    if (this.#indexOf(plain) < 0 && this.#choiceOf(plain) < 0) this.#unfold(parentAt);
    const full = `${parent}.${name}`;
    const found = this.#indexOf(full);
    if (found >= 0) return found;
    if (colon < 0) return this.#sliceByType(id, full);
    // A slice of a slice stands behind the slice.
    const slash = name.lastIndexOf('/');
    return this.#slice(slash < 0 ? this.#plainOrChoice(plain) : `${parent}.${name.slice(0, slash)}`, full);
  }

  /** Returns the index of the choice (`value[x]`) of which an element (`valueQuantity`) is one. */
  #choiceOf(id: string): number {
    return this.elements.findIndex(
      (element) => element.id.endsWith('[x]') && isChoiceOf(element.id, id, element.types ?? []),
    );
  }

  #plainOrChoice(id: string): string {
    return this.#indexOf(id) >= 0 ? id : (this.elements[this.#choiceOf(id)]?.id ?? id);
  }

  #sliceByType(asked: string, id: string): number {
    const choice = this.elements[this.#choiceOf(id)];
    if (!choice) throw new Error(`The base has no element ${asked}.`);
    const name = id.slice(id.lastIndexOf('.') + 1);
    const slice = `${choice.id}:${name}`;
    this.#renamed.set(asked, slice);
    const at = this.#ensure(slice);
    const element = this.elements[at];
    if (element) {
      const code = name.slice(choice.id.length - choice.id.lastIndexOf('.') - 1 - '[x]'.length);
      element.types = (element.types ?? []).filter((type) => type.code.toLowerCase() === code.toLowerCase());
    }
    return at;
  }

  /** Adds a slice behind the other slices of its element; what its element has, it has, too. */
  #slice(of: string, id: string): number {
    const at = this.#indexOf(of);
    const sliced = this.elements[at];
    if (!sliced) throw new Error(`The base has no element ${of}.`);
    sliced.slicing ??= defaultSlicing(sliced);
    const below = this.elements.filter((element) => element.id.startsWith(`${of}.`));
    const { slicing: _, ...plain } = sliced;
    const sliceName = id.slice(id.lastIndexOf('.') + 1).replace(/^[^:]*:/, '');
    const copies = [
      // A slice is mandatory only if it says so itself.
      { ...plain, id, sliceName, min: 0 },
      ...below.map((element) => renamed(element, id + element.id.slice(of.length))),
    ];
    const isPart = (element: NormalElement): boolean =>
      element.id === of || ['.', ':', '/'].some((mark) => element.id.startsWith(of + mark));
    const last = this.elements.findLastIndex(isPart);
    this.#insert(last + 1, copies);
    return last + 1;
  }

  /** Adds the elements of an element's type below it. */
  #unfold(at: number): void {
    const element = this.elements[at];
    if (!element) return;
    const children = this.#childrenOf(element);
    const root = children[0]?.id.length ?? 0;
    const rootPath = children[0]?.path.length ?? 0;
    this.#insert(
      at + 1,
      children
        .slice(1)
        .map((child) => renamed(child, element.id + child.id.slice(root), element.path + child.path.slice(rootPath))),
    );
  }

  #childrenOf({ types = [], contentReference }: NormalElement): readonly NormalElement[] {
    if (contentReference !== undefined) {
      return this.elements.filter(({ id }) => id === contentReference || id.startsWith(`${contentReference}.`));
    }
    const [type] = types;
    if (!type || types.length > 1) return this.#snapshots.ofType('Element') ?? [];
    const [profile] = type.profiles ?? [];
    const ofProfile =
      profile === undefined || type.profiles?.length !== 1 ? undefined : this.#snapshots.ofProfile(profile);
    return ofProfile ?? this.#snapshots.ofType(type.code) ?? [];
  }

  #insert(at: number, elements: NormalElement[]): void {
    if (this.elements.length + elements.length > MAX_ELEMENTS) {
      throw new Error(`Its snapshot would have more than ${MAX_ELEMENTS} elements.`);
    }
    this.elements.splice(at, 0, ...elements);
  }
}

const renamed = (element: NormalElement, id: string, path = element.path): NormalElement => ({ ...element, id, path });

/** Whether `Observation.valueQuantity` is one of `Observation.value[x]`, which has these types. */
function isChoiceOf(choice: string, id: string, types: readonly ElementType[]): boolean {
  const stem = choice.slice(0, -'[x]'.length);
  return types.some(({ code }) => id === stem + code.charAt(0).toUpperCase() + code.slice(1));
}

function defaultSlicing({ id }: NormalElement): NonNullable<NormalElement['slicing']> {
  const discriminators = id.endsWith('[x]')
    ? [{ type: 'type' as const, path: '$this' }]
    : /\.(extension|modifierExtension)$/.test(id)
      ? [{ type: 'value' as const, path: 'url' }]
      : [];
  return { discriminators, rules: 'open', ordered: false };
}

/** What the differential says replaces what was said; invariants are added. */
function merged(known: NormalElement, element: NormalElement): NormalElement {
  const { id: _, path: __, constraints = [], ...said } = element;
  const keys = new Set(constraints.map(({ key }) => key));
  const kept = (known.constraints ?? []).filter(({ key }) => !keys.has(key));
  return {
    ...known,
    ...said,
    // Whether it is a list in JSON is the base type's matter.
    ...(known.repeats === undefined ? {} : { repeats: known.repeats }),
    ...(known.sliceName === undefined ? {} : { sliceName: known.sliceName }),
    constraints: [...kept, ...constraints],
  };
}
