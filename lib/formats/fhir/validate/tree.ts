/** The element list of a snapshot as a tree: children by name, slices below the element that they slice. */
import type { Definitions, Profile, ProfileElement } from './types';

/** An element of a profile, with its place in the tree. */
export interface ElementNode {
  profile: Profile;
  element: ProfileElement;
  /** Property name; a choice as in the base type: `value[x]`, also where the snapshot says `valueQuantity`. */
  name: string;
  /** In the snapshot's order. Empty where the definition of the type says it all. */
  children: Map<string, ElementNode>;
  /** Those that are named `…[x]`. */
  choices: ElementNode[];
  /** Children that must occur, or a slice of which must. */
  required: ElementNode[];
  /** Slices of this element; of a slice, its reslices. */
  slices: ElementNode[];
}

export interface ProfileTree {
  profile: Profile;
  root: ElementNode;
  byId: Map<string, ElementNode>;
}

const trees = new WeakMap<Definitions, WeakMap<Profile, ProfileTree | undefined>>();

/** Returns the tree of a profile, built at first use; undefined when it has no elements. */
export function treeOf(profile: Profile, definitions: Definitions): ProfileTree | undefined {
  let known = trees.get(definitions);
  if (!known) trees.set(definitions, (known = new WeakMap()));
  if (known.has(profile)) return known.get(profile);
  const tree = build(profile, definitions);
  known.set(profile, tree);
  return tree;
}

function build(profile: Profile, definitions: Definitions): ProfileTree | undefined {
  const byId = new Map<string, ElementNode>();
  /** The latest element at each depth: those that follow are its children, by their paths. */
  const open: ElementNode[] = [];
  for (const element of profile.elements) {
    const names = element.path.split('.');
    const depth = names.length - 1;
    const parent = open[depth - 1];
    const name = names[depth] ?? '';
    if (depth > 0 && !parent) continue;
    const node: ElementNode = {
      profile,
      element,
      name: parent ? choiceName(name, element, parent, definitions) : name,
      children: new Map(),
      choices: [],
      required: [],
      slices: [],
    };
    if (parent) attach(parent, node);
    open.length = depth;
    open.push(node);
    byId.set(element.id, node);
  }
  for (const node of byId.values()) {
    node.required = [...node.children.values()].filter(
      ({ element, slices }) => element.min > 0 || slices.some((slice) => slice.element.min > 0),
    );
  }
  const [root] = open;
  return root && { profile, root, byId };
}

function attach(parent: ElementNode, node: ElementNode): void {
  const { element, name } = node;
  const sliced = parent.children.get(name);
  if (sliced) {
    ownerOf(sliced, element.sliceName ?? '').slices.push(node);
    return;
  }
  parent.children.set(name, node);
  if (name.endsWith('[x]')) parent.choices.push(node);
}

/** A reslice (`parent/child`) belongs to the slice that it slices. */
function ownerOf(sliced: ElementNode, sliceName: string): ElementNode {
  const end = sliceName.lastIndexOf('/');
  if (end < 0) return sliced;
  const outer = sliceName.slice(0, end);
  const find = (node: ElementNode): ElementNode | undefined =>
    node.element.sliceName === outer ? node : node.slices.map(find).find((found) => found !== undefined);
  return find(sliced) ?? sliced;
}

/** Returns `value[x]` for `valueQuantity`, if the base type has that choice. */
function choiceName(name: string, { types }: ProfileElement, parent: ElementNode, definitions: Definitions): string {
  const [only, ...more] = types;
  if (!only || more.length > 0 || name.endsWith('[x]')) return name;
  const suffix = capitalised(only.code);
  if (!name.endsWith(suffix) || name === suffix) return name;
  const choice = `${name.slice(0, -suffix.length)}[x]`;
  if (parent.children.has(choice)) return choice;
  const owners = parent.element.types.length > 0 ? parent.element.types.map(({ code }) => code) : [parent.profile.type];
  return owners.some((code) => hasElement(code, parent, choice, definitions)) ? choice : name;
}

function hasElement(type: string, parent: ElementNode, name: string, definitions: Definitions): boolean {
  // Parts of a resource are defined with it, by their path; those of data types with the type.
  const inline = type === 'BackboneElement' || type === 'Element';
  const base = definitions.type(inline ? parent.profile.type : type);
  const path = inline ? parent.element.path : type;
  return base?.elements.some((element) => element.path === `${path}.${name}`) ?? false;
}

export const capitalised = (type: string): string => type.charAt(0).toUpperCase() + type.slice(1);
