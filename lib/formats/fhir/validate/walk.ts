/**
 * The walk over a resource. The payload becomes frames by the base definitions, once; each profile then checks the same
 * frames. So what is malformed is said once, and a profile adds only what it demands.
 */
import { brokenNhsNumberRule, NHS_NUMBER_TEXTS } from '../../nhs-number';
import { isObject, compileFhirPath, type Environment, type FhirPath, type Item } from '../fhirpath/evaluate';
import { FhirPathError } from '../fhirpath/parse';
import { type Budget, LimitReached } from './budget';
import { checkBundle, containerOf, isAbsolute, referenceOf, resolveReference } from './bundle';
import { checkBinding, checkCoding, isMember } from './codes';
import { type Frame, isResource, pathOf, type Property, valuesOf, type Walker } from './frame';
import { Issues } from './issues';
import { narrativeFault } from './narrative';
import { primitiveFault } from './primitives';
import { extensionUrl, fitsPattern, sliceTest } from './slices';
import { capitalised, type ElementNode, treeOf } from './tree';
import type { Constraint, Definitions, ElementType, Profile, Severity, ValidationOptions } from './types';

const HL7 = 'http://hl7.org/fhir/StructureDefinition/';
const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';

/** The system of identifiers that are UUIDs, as ITK3 has it. */
const UUIDS = 'https://tools.ietf.org/html/rfc4122';
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Nesting of elements at which a resource is refused; published examples stay below 30. */
const MAX_DEPTH = 100;

/** Issues that one profile may find in one resource. */
const MAX_PROFILE_ISSUES = 1000;

/**
 * References that are followed one from within another to check what they lead to. Published profiles need five; without
 * a limit, a chain of thousands of resources would fill the stack.
 */
const MAX_CHAIN = 30;

/** The environment of a resource; it remembers whether a reference led to nothing. */
interface ResourceEnvironment extends Environment {
  hasUnresolved: boolean;
}

export class Walk implements Walker {
  readonly definitions: Definitions;
  readonly budget: Budget;
  readonly #issues: Issues;
  readonly #framesOf = new Map<object, Frame>();
  /** What each profile found in a resource; undefined while it is being checked. */
  readonly #conformance = new Map<Frame, Map<string, Issues | undefined>>();
  readonly #reported = new Set<Issues>();
  #chain = 0;
  readonly #environments = new Map<Frame, ResourceEnvironment>();
  readonly #expressions: Map<string, FhirPath | undefined>;

  constructor(definitions: Definitions, issues: Issues, budget: Budget) {
    this.definitions = definitions;
    this.budget = budget;
    this.#issues = issues;
    this.#expressions = expressionsOf(definitions);
  }

  /** Validates a whole resource: by its base definition, and by the profiles that it claims or that are demanded. */
  resource(value: Record<string, unknown>, { profiles = [] }: ValidationOptions): void {
    const frame = this.#resourceFrame(value, undefined, value['resourceType'], -1, undefined);
    if (!frame) return;
    this.#checkBase(frame);
    for (const url of profiles) this.#checkProfile(frame, url, true);
  }

  // --- Frames: the payload by the base definitions ---

  /** The properties of a frame; read at first use, when what they are not is reported. */
  propertiesOf(frame: Frame): readonly Property[] {
    if (frame.properties) return frame.properties;
    const properties: Property[] = [];
    frame.properties = properties;
    const object = frame.isPrimitive ? frame.beside : frame.value;
    if (!isObject(object)) return properties;
    if (frame.depth >= MAX_DEPTH) {
      this.#issues.add(frame, {
        rule: 'depth',
        text: `It is nested deeper than ${MAX_DEPTH} elements; what is below was not checked.`,
        advice: 'Ask the sender for a resource without such nesting.',
      });
      return properties;
    }
    const keys = Object.keys(object);
    this.budget.spend(1 + keys.length);
    for (const key of keys) {
      if (key === 'resourceType' && isResource(frame)) continue;
      const name = key.startsWith('_') ? key.slice(1) : key;
      if (name !== key && Object.hasOwn(object, name)) continue;
      const found = childOf(frame.definition, name);
      if (!found) {
        this.#issues.add(frame, {
          rule: 'unknown-element',
          element: frame.definition.element.id,
          profile: frame.definition.profile.url,
          text: `${shownType(frame)} has no element ${shownName(name)} in FHIR ${this.definitions.release}.`,
          advice: 'Check its spelling and the FHIR release; leave out what FHIR does not define, or use an extension.',
        });
        continue;
      }
      let property = properties.find(({ element }) => element === found.element);
      if (!property) properties.push((property = { element: found.element, frames: [] }));
      this.#addValues(frame, property, found.type, object[name], object[`_${name}`]);
    }
    return properties;
  }

  #addValues(frame: Frame, property: Property, type: string, value: unknown, beside: unknown): void {
    const { repeats } = property.element.element;
    if (!Array.isArray(value) && !Array.isArray(beside)) {
      if (repeats) this.#wrongForm(frame, property, 'must be a list in JSON, also where it has one value');
      this.#addValue(frame, property, type, -1, value, beside);
      return;
    }
    const values: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
    const besides: readonly unknown[] = Array.isArray(beside) ? beside : beside === undefined ? [] : [beside];
    if (Array.isArray(value) && beside !== undefined && !Array.isArray(beside)) {
      this.#wrongForm(frame, property, 'must have its ids and extensions in a list, as its values');
    }
    const length = Math.max(values.length, besides.length);
    if (length === 0) this.#wrongForm(frame, property, 'must not be an empty list');
    if (!repeats && length === 1) this.#wrongForm(frame, property, 'must be one value, not a list');
    for (let index = 0; index < length; index += 1) {
      this.budget.spend(1);
      this.#addValue(frame, property, type, index, values[index], besides[index]);
    }
  }

  #wrongForm(frame: Frame, { element }: Property, text: string): void {
    this.#issues.add(frame, {
      rule: 'form',
      element: element.element.id,
      text: `The element ${element.name} ${text}.`,
      advice: 'Write it as FHIR JSON asks for.',
    });
  }

  #addValue(parent: Frame, property: Property, type: string, index: number, value: unknown, beside: unknown): void {
    const { element } = property;
    if (beside !== undefined && beside !== null && !isObject(beside)) {
      this.#wrongForm(parent, property, `must have an object for its id and extensions (_${element.name})`);
    }
    if (value === undefined && !isObject(beside)) value = null;
    if ((value === null && !isObject(beside)) || Array.isArray(value)) {
      this.#wrongForm(parent, property, value === null ? 'has no value' : 'must not be a list of lists');
      return;
    }
    if (type === 'Resource') {
      if (!isObject(value)) {
        this.#wrongForm(parent, property, 'must be a resource');
        return;
      }
      const resource = this.#resourceFrame(value, parent, value['resourceType'], index, element);
      if (resource) property.frames.push(resource);
      return;
    }
    const definition = this.#definitionOf(element, type);
    if (!definition) return;
    const isPrimitive = definition.profile.kind === 'primitive-type' || type === 'xhtml';
    const frame: Frame = {
      parent,
      key: element.name.replace('[x]', ''),
      index,
      isChoice: element.name.endsWith('[x]'),
      type,
      isPrimitive,
      resource: parent.resource,
      depth: parent.depth + 1,
      value: value ?? undefined,
      beside,
      element,
      definition,
    };
    if (!isPrimitive && !isObject(value)) {
      this.#issues.add(frame, {
        rule: 'type',
        element: element.element.id,
        text: `It must be of the type ${type}, and is a single value.`,
        advice: `Give it the elements of ${type}.`,
      });
      return;
    }
    if (isObject(value)) this.#framesOf.set(value, frame);
    property.frames.push(frame);
  }

  /** What defines the properties of an element: itself, what it refers to, or its type. */
  #definitionOf(node: ElementNode, type: string): ElementNode | undefined {
    const { contentReference } = node.element;
    if (contentReference !== undefined) {
      return treeOf(node.profile, this.definitions)?.byId.get(contentReference);
    }
    if (node.children.size > 0) return node;
    const profile = this.definitions.type(type);
    return profile && treeOf(profile, this.definitions)?.root;
  }

  #resourceFrame(
    value: Record<string, unknown>,
    parent: Frame | undefined,
    type: unknown,
    index: number,
    element: ElementNode | undefined,
  ): Frame | undefined {
    const profile = typeof type === 'string' ? this.definitions.type(type) : undefined;
    const tree = profile?.kind === 'resource' && !profile.abstract ? treeOf(profile, this.definitions) : undefined;
    const key = element?.name ?? '';
    if (!profile || !tree) {
      this.#issues.add(parent ? `${pathOf(parent)}.${key}${index < 0 ? '' : `[${index}]`}` : '', {
        rule: 'unknown-resource',
        element: element?.element.id ?? '',
        text: `It is no resource of FHIR ${this.definitions.release}: resourceType is missing or unknown.`,
        advice: 'Check resourceType and the FHIR release.',
      });
      return undefined;
    }
    const frame: Omit<Frame, 'resource'> & { resource?: Frame } = {
      parent,
      key: parent ? key : profile.type,
      index,
      isChoice: false,
      type: profile.type,
      isPrimitive: false,
      depth: (parent?.depth ?? 0) + 1,
      value,
      beside: undefined,
      element,
      definition: tree.root,
    };
    const resource = Object.assign(frame, { resource: frame as Frame });
    this.#framesOf.set(value, resource);
    return resource;
  }

  // --- The base definitions ---

  #checkBase(frame: Frame): void {
    this.budget.spend(1);
    const { element, definition } = frame;
    const properties = this.propertiesOf(frame);
    if (frame.isPrimitive) this.#checkPrimitive(frame);
    else if (properties.length === 0 && isObject(frame.value)) this.#checkNotEmpty(frame);
    this.#checkCounts(frame, definition, properties, this.#issues);
    if (element) {
      this.#checkConstraints(frame, element, this.#issues);
      const { binding } = element.element;
      if (binding) {
        const of = { element: element.element.id, profile: element.profile.url };
        checkBinding(frame, binding, of, this.definitions, this.#issues);
      }
    }
    if (definition !== element) this.#checkConstraints(frame, definition, this.#issues);
    this.#checkType(frame);
    for (const property of properties) {
      for (const child of property.frames) this.#checkBase(child);
    }
    if (frame.type === 'Bundle' && isResource(frame)) checkBundle(this, frame, this.#issues);
    if (isResource(frame)) this.#checkClaims(frame);
  }

  #checkNotEmpty(frame: Frame): void {
    if (Object.keys(frame.value as object).some((key) => key !== 'resourceType')) return;
    if (isResource(frame)) return;
    this.#issues.add(frame, {
      rule: 'ele-1',
      element: frame.element?.element.id ?? '',
      text: 'It is empty: an element must have a value or elements of its own.',
      advice: 'Leave it out, or fill it in.',
    });
  }

  #checkPrimitive(frame: Frame): void {
    const { value, type, element } = frame;
    const of = { element: element?.element.id ?? '' };
    if (value === undefined) return;
    const isId = type !== 'id' && frame.key === 'id' && frame.parent !== undefined && isResource(frame.parent);
    const fault = primitiveFault(value, isId ? 'id' : type);
    if (fault !== undefined) {
      this.#issues.add(frame, { ...of, rule: 'value', text: `The value ${fault}.`, advice: 'Correct the value.' });
      return;
    }
    if (type === 'xhtml' && typeof value === 'string') this.#checkNarrative(frame, value);
    const { maxLength } = element?.element ?? {};
    if (maxLength !== undefined && typeof value === 'string' && value.length > maxLength)
      this.#tooLong(frame, maxLength, of);
    if (typeof value === 'string' && type === 'string' && value !== value.trim()) {
      this.#issues.add(frame, {
        ...of,
        severity: 'warning',
        rule: 'white-space',
        text: 'The text begins or ends with white space.',
        advice: 'Trim it.',
      });
    }
  }

  #tooLong(frame: Frame, maximum: number, of: { element: string; profile?: string }): void {
    this.#issues.add(frame, {
      ...of,
      rule: 'length',
      text: `The text is longer than ${maximum} characters.`,
      advice: 'Shorten it.',
    });
  }

  #checkNarrative(frame: Frame, div: string): void {
    this.budget.spend(1 + div.length / 100);
    const fault = narrativeFault(div);
    if (!fault) return;
    this.#issues.add(frame, {
      rule: fault.rule,
      element: 'Narrative.div',
      profile: 'http://hl7.org/fhir/StructureDefinition/Narrative',
      text: `The narrative ${fault.text}.`,
      advice: 'Keep to the XHTML that FHIR allows: formatted text, tables, links and images.',
    });
  }

  /** Rules of single data types. */
  #checkType(frame: Frame): void {
    switch (frame.type) {
      case 'Reference':
        this.#checkReference(frame);
        break;
      case 'Extension':
        this.#checkExtension(frame);
        break;
      case 'Coding':
      case 'Quantity':
        checkCoding(frame, this.definitions, this.#issues);
        break;
      case 'Identifier':
        this.#checkIdentifier(frame);
        break;
      default:
    }
  }

  #checkIdentifier(frame: Frame): void {
    if (!isObject(frame.value)) return;
    const { system, value } = frame.value;
    if (typeof system === 'string' && system !== '' && !isAbsolute(system)) {
      this.#issues.add(frame, {
        rule: 'system',
        element: 'Identifier.system',
        text: 'The system of an identifier must be an absolute address.',
        advice: `Use the address that its owner gives it, as ${NHS_NUMBER}.`,
      });
    }
    if (typeof value !== 'string') return;
    if ((system === 'urn:ietf:rfc:3986' && !isAbsolute(value)) || (system === UUIDS && !UUID.test(value))) {
      this.#issues.add(frame, {
        rule: 'identifier-value',
        element: 'Identifier.value',
        text: `The value is not of the form that ${system} stands for.`,
        advice: system === UUIDS ? 'Use a UUID, or another system.' : 'Use an absolute address, such as urn:uuid:….',
      });
    }
    if (system !== NHS_NUMBER) return;
    const broken = brokenNhsNumberRule(value);
    if (broken === undefined) return;
    // FHIR itself allows any text, and test messages have invented numbers: so it is no error.
    this.#issues.add(frame, {
      severity: 'warning',
      rule: 'nhs-number',
      element: 'Identifier.value',
      text: NHS_NUMBER_TEXTS[broken],
      advice: 'Check the number with PDS before the message is sent.',
    });
  }

  // --- Counts ---

  /** How often each child of a definition occurs. */
  #checkCounts(frame: Frame, definition: ElementNode, properties: readonly Property[], issues: Issues): void {
    for (const { element, frames } of properties) this.#checkCount(frame, element, frames.length, issues);
    for (const child of definition.required) {
      // The value of a primitive type is the frame's own; it may have extensions instead.
      if (frame.isPrimitive || has(properties, child)) continue;
      this.#checkCount(frame, child, 0, issues);
    }
  }

  #checkCount(frame: Frame, child: ElementNode, count: number, issues: Issues): void {
    const { min, max, id } = child.element;
    const of = { rule: 'cardinality', element: id, profile: child.profile.url };
    if (count < min) {
      issues.add(frame, {
        ...of,
        text: `${id} must occur ${min === 1 ? 'once' : `${min} times`}${max > min ? ' or more' : ''}, and occurs ${times(count)}.`,
        advice: `Add ${id}.`,
      });
    }
    if (count > max) {
      issues.add(frame, {
        ...of,
        text:
          max === 0 ? `${id} must not occur.` : `${id} may occur ${times(max)} at most, and occurs ${times(count)}.`,
        advice: `Leave out ${max === 0 ? id : 'the others'}.`,
      });
    }
  }

  // --- Invariants ---

  #checkConstraints(frame: Frame, node: ElementNode, issues: Issues): void {
    for (const constraint of node.element.constraints) {
      if (this.#holds(frame, constraint)) continue;
      issues.add(frame, {
        severity: BEST_PRACTICES.has(constraint.key) ? 'information' : constraint.severity,
        rule: constraint.key,
        element: node.element.id,
        profile: constraint.source ?? node.profile.url,
        text: `It breaks the rule ${constraint.key}: ${constraint.human.slice(0, 500)}`,
        advice: 'Change the element so that the rule holds.',
      });
    }
  }

  #holds(frame: Frame, { expression, key }: Constraint): boolean {
    if (expression === undefined) return true;
    // Every element has these two; said of structure, they need no expression.
    if (key === 'ele-1') return frame.isPrimitive || hasContent(frame);
    if (key === 'ext-1') return isExtensionOrValue(frame, this.budget);
    // Published with %resource, which means different things; the reference is looked up as all are.
    if (key === 'ref-1') return !isMissing(this, frame);
    // Published as a search through the whole resource for each contained one.
    if (key === 'dom-3') return this.#areContainedUsed(frame);
    // The narrative's own check says which of these is broken, and by what.
    if (key === 'txt-1' || key === 'txt-2') return true;
    const results = (frame.invariants ??= new Map<string, boolean>());
    let holds = results.get(expression);
    if (holds === undefined) results.set(expression, (holds = this.#evaluate(frame, expression)));
    return holds;
  }

  /** dom-3: each contained resource is referred to; from R4 on, or refers to its container. */
  #areContainedUsed(frame: Frame): boolean {
    const contained = valuesOf(this.propertiesOf(frame), 'contained');
    if (contained.length === 0) return true;
    const used = new Set(this.#localReferences(frame));
    return contained.every(({ value }, index) => {
      const id = isObject(value) ? value['id'] : undefined;
      const resource = contained[index];
      if (typeof id !== 'string' || !resource || used.has(`#${id}`)) return true;
      return this.definitions.release !== 'STU3' && this.#localReferences(resource).includes('#');
    });
  }

  /** What is written as `#id` in a resource: references, and addresses of definitions. */
  #localReferences(frame: Frame): string[] {
    const found: string[] = [];
    const visit = (at: Frame): void => {
      this.budget.spend(1);
      if (at.isPrimitive && typeof at.value === 'string' && at.value.startsWith('#')) found.push(at.value);
      for (const { frames } of this.propertiesOf(at)) frames.forEach(visit);
    };
    visit(frame);
    return found;
  }

  #evaluate(frame: Frame, expression: string): boolean {
    if (!this.#expressions.has(expression)) this.#expressions.set(expression, compiled(corrected(expression)));
    const fhirPath = this.#expressions.get(expression);
    if (!fhirPath) return true;
    try {
      const environment = this.#environment(frame);
      environment.hasUnresolved = false;
      // What an invariant says of a resource that is not at hand cannot be decided.
      return fhirPath.isTrue(itemOf(frame), environment) || environment.hasUnresolved;
    } catch (error) {
      // An expression that cannot be evaluated here is the definition's fault, not the message's.
      if (error instanceof FhirPathError) return true;
      throw error;
    }
  }

  /** What expressions are evaluated in, for all that stands in one resource. */
  #environment({ resource }: Frame): ResourceEnvironment {
    const known = this.#environments.get(resource);
    if (known) return known;
    const root = containerOf(resource);
    const environment: ResourceEnvironment = {
      // In STU3, %resource is the resource that contains a contained one (ref-1 and dom-3 rely on it).
      resource: this.definitions.release === 'STU3' ? root.value : resource.value,
      rootResource: root.value,
      hasUnresolved: false,
      resolve: (reference) => {
        const resolved = resolveReference(this, reference, resource);
        if (resolved.kind === 'found') return resolved.frame.value;
        environment.hasUnresolved = true;
        return undefined;
      },
      baseOf: (type) => this.definitions.baseOf(type),
      isNarrativeAllowed: (div) => narrativeFault(div) === undefined,
      isMember: (value, valueSet) => isMember(value, valueSet, this.definitions),
      conforms: (value, profile) => this.conformsValue(value, profile),
      spend: (steps) => this.budget.spend(steps),
    };
    this.#environments.set(resource, environment);
    return environment;
  }

  /** The values at a path from a frame. */
  select(frame: Frame, path: FhirPath): readonly Item[] {
    try {
      return path.evaluate(itemOf(frame), this.#environment(frame));
    } catch (error) {
      if (error instanceof FhirPathError) return [];
      throw error;
    }
  }

  // --- Bundles and references ---

  /** All references in a resource and in what it contains. */
  referencesIn(frame: Frame): string[] {
    const found: string[] = [];
    const visit = (at: Frame): void => {
      this.budget.spend(1);
      const reference = at.type === 'Reference' ? referenceOf(at) : undefined;
      if (reference !== undefined) found.push(reference);
      for (const { frames } of this.propertiesOf(at)) {
        for (const child of frames) if (!child.isPrimitive) visit(child);
      }
    };
    visit(frame);
    return found;
  }

  #checkReference(frame: Frame): void {
    const reference = referenceOf(frame);
    if (reference === undefined) return;
    const resolved = resolveReference(this, reference, frame.resource);
    const of = { element: frame.element?.element.id ?? '' };
    if (resolved.kind === 'malformed') {
      this.#issues.add(frame, {
        ...of,
        // Alone, a resource may stand in a context of its own; in a Bundle, its entries are that.
        severity: isInBundle(frame) ? 'error' : 'warning',
        rule: 'reference',
        text: 'A relative reference must have the form Type/id.',
        advice: 'Use urn:uuid: and the UUID of the entry, Type/id, or # and the id of a contained resource.',
      });
    } else if (resolved.kind === 'elsewhere' && reference.startsWith('urn:') && isInBundle(frame)) {
      this.#issues.add(frame, {
        ...of,
        severity: 'warning',
        rule: 'reference',
        text: 'The Bundle has no entry with this fullUrl.',
        advice: 'Add the resource as an entry, or correct the reference.',
      });
    }
    if (resolved.kind === 'found' && resolved.isAmbiguous === true) {
      this.#issues.add(frame, {
        ...of,
        rule: 'ambiguous-reference',
        text: 'The Bundle has more than one entry with this fullUrl.',
        advice: 'Give each entry a fullUrl of its own.',
      });
    }
    const types = targetTypes(frame.element?.element.types ?? []);
    this.#checkTarget(frame, reference, types, of, this.#issues);
  }

  /** Checks the type of what a reference leads to; by its address, if it is not at hand. */
  #checkTarget(
    frame: Frame,
    reference: string,
    targets: readonly string[],
    of: { element: string; profile?: string },
    issues: Issues,
  ): void {
    if (targets.length === 0) return;
    const resolved = resolveReference(this, reference, frame.resource);
    const type = resolved.kind === 'found' ? resolved.frame.type : typeInAddress(reference);
    if (type === undefined || this.definitions.type(type)?.kind !== 'resource') return;
    const allowed = new Set<string>();
    for (const url of targets) {
      const profile = this.definitions.profile(url);
      // What a profile that is not loaded allows cannot be said.
      if (!profile) return;
      allowed.add(profile.type);
    }
    if (this.#isOneOf(type, allowed)) return;
    issues.add(frame, {
      ...of,
      rule: 'reference-type',
      text: `It refers to a ${type}; allowed: ${[...allowed].join(', ')}.`,
      advice: 'Refer to a resource of an allowed type.',
    });
  }

  #isOneOf(type: string, allowed: ReadonlySet<string>): boolean {
    for (let at: string | undefined = type, steps = 0; at !== undefined && steps < 10; steps += 1) {
      if (allowed.has(at)) return true;
      at = this.definitions.baseOf(at);
    }
    return false;
  }

  // --- Extensions ---

  #checkExtension(frame: Frame): void {
    const url = isObject(frame.value) ? frame.value['url'] : undefined;
    if (typeof url !== 'string' || url === '') return;
    const owner = frame.parent;
    if (!owner) return;
    if (!isAbsolute(url)) {
      this.#checkPart(frame, owner, url);
      return;
    }
    const profile = this.definitions.profile(url);
    if (profile?.type !== 'Extension') {
      const isModifier = frame.key === 'modifierExtension';
      this.#issues.add(frame, {
        severity: 'warning',
        rule: isModifier ? 'unknown-modifier' : 'unknown-extension',
        element: frame.element?.element.id ?? '',
        text: `The ${isModifier ? 'modifier extension' : 'extension'} ${shownUrl(url)} is not among the loaded definitions.`,
        advice: isModifier
          ? 'Do not process the resource without knowing what it means; add the package that defines it.'
          : 'Add the package that defines it, if it matters.',
      });
      return;
    }
    if (!isInContext(owner, profile, this.definitions)) {
      this.#issues.add(owner, {
        rule: 'extension-context',
        element: owner.element?.element.id ?? owner.type,
        profile: profile.url,
        text: `The extension ${profile.url} is used where its definition does not allow it; allowed: ${profile.contexts
          .map(({ expression }) => expression)
          .join(', ')}.`,
        advice: 'Move it to an element where it is allowed.',
      });
    }
    const tree = treeOf(profile, this.definitions);
    if (tree) this.#conform(frame, tree.root, this.#issues);
  }

  /** A part of a complex extension has a name, which the extension's definition knows. */
  #checkPart(frame: Frame, owner: Frame, url: string): void {
    const of = isObject(owner.value) ? owner.value['url'] : undefined;
    const profile = owner.type === 'Extension' && typeof of === 'string' ? this.definitions.profile(of) : undefined;
    if (owner.type !== 'Extension') {
      this.#issues.add(frame, {
        rule: 'extension-url',
        element: 'Extension.url',
        text: 'The url of an extension must be absolute.',
        advice: 'Use the whole address of the definition.',
      });
      return;
    }
    if (!profile) return;
    const parts = treeOf(profile, this.definitions)?.root.children.get('extension')?.slices ?? [];
    if (parts.length === 0 || parts.some((slice) => extensionUrl(slice, this.definitions) === url)) return;
    this.#issues.add(frame, {
      rule: 'extension-part',
      element: 'Extension.extension',
      profile: profile.url,
      text: `The extension ${profile.url} has no part of this name; it has: ${parts
        .map((slice) => extensionUrl(slice, this.definitions) ?? '')
        .join(', ')}.`,
      advice: 'Leave it out, or correct its url.',
    });
  }

  // --- Profiles ---

  #checkClaims(frame: Frame): void {
    const [meta] = valuesOf(this.propertiesOf(frame), 'meta');
    if (!meta) return;
    for (const claim of valuesOf(this.propertiesOf(meta), 'profile')) {
      if (typeof claim.value === 'string' && claim.value !== '') this.#checkProfile(frame, claim.value, false, claim);
    }
  }

  #checkProfile(frame: Frame, url: string, isDemanded: boolean, claim: Frame = frame): void {
    const profile = this.definitions.profile(url);
    if (!profile) {
      this.#issues.add(claim, {
        severity: isDemanded ? 'error' : 'warning',
        rule: 'unknown-profile',
        profile: shownUrl(url),
        text: `The ${isDemanded ? 'demanded' : 'claimed'} profile is not among the loaded definitions.`,
        advice: 'Check its address, or add the package that defines it.',
      });
      return;
    }
    if (!this.#isOneOf(frame.type, new Set([profile.type]))) {
      this.#issues.add(claim, {
        rule: 'profile-type',
        profile: profile.url,
        text: `The profile is for ${profile.type}, and the resource is a ${frame.type}.`,
        advice: 'Claim a profile of its own type.',
      });
    }
    if (profile.derivation === 'specialization') return;
    // Checked once, however many references lead to it, and reported once, however often it is claimed.
    const found = this.#found(frame, profile);
    if (!found || this.#reported.has(found)) return;
    this.#reported.add(found);
    for (const issue of found.list) this.#issues.add(issue.path, issue);
  }

  /** Checks a frame by an element of a profile, and what is below it. */
  #conform(frame: Frame, node: ElementNode, issues: Issues): void {
    this.budget.spend(1);
    this.#conformValue(frame, node, issues);
    const tree = treeOf(node.profile, this.definitions);
    const { contentReference } = node.element;
    const shape = node.children.size === 0 && contentReference !== undefined ? tree?.byId.get(contentReference) : node;
    if (!shape || shape.children.size === 0) return;
    const properties = this.propertiesOf(frame);
    for (const property of properties) {
      const child = shape.children.get(property.element.name);
      if (!child) {
        this.#checkListed(frame, property, node, issues);
        continue;
      }
      this.#conformProperty(frame, property, child, issues);
      // A choice that a profile restricts to a type is counted by that: another type is as good as none.
      const counted = property.frames.filter((value) => !value.isChoice || isOfType(value, child)).length;
      this.#checkCount(frame, child, counted, issues);
    }
    for (const child of shape.required) {
      if (frame.isPrimitive || has(properties, child)) continue;
      this.#checkCount(frame, child, 0, issues);
      this.#checkSlices(frame, child, new Map(), issues);
    }
  }

  /** A profile that lists children lists all; except of a resource of any type, and of what every element may have. */
  #checkListed(frame: Frame, { element }: Property, node: ElementNode, issues: Issues): void {
    const isAnyResource = isResource(frame) && node.element.path.includes('.');
    if (isAnyResource || element.name === 'id' || element.name === 'extension') return;
    issues.add(frame, {
      rule: 'not-allowed',
      element: `${node.element.id}.${element.name}`,
      profile: node.profile.url,
      text: `The element ${element.name} is not allowed here by the profile.`,
      advice: 'Leave it out.',
    });
  }

  #conformProperty(frame: Frame, { frames }: Property, child: ElementNode, issues: Issues): void {
    if (child.slices.length === 0 && (child.element.sliceName === undefined || !child.name.endsWith('[x]'))) {
      for (const value of frames) this.#conform(value, child, issues);
      return;
    }
    const counts = new Map<ElementNode, number>();
    this.#slice(frames, child, counts, issues);
    this.#checkSlices(frame, child, counts, issues);
  }

  /** Assigns each value to its slice, and checks it by that; a slice says all that the sliced element says. */
  #slice(frames: readonly Frame[], sliced: ElementNode, counts: Map<ElementNode, number>, issues: Issues): void {
    const { slicing } = sliced.element;
    let last = -1;
    let isAtEnd = false;
    for (const frame of frames) {
      const slice = this.#sliceOf(frame, sliced);
      if (!slice) {
        isAtEnd = slicing?.rules === 'openAtEnd';
        if (slicing?.rules === 'closed') this.#noSlice(frame, sliced, issues);
        this.#conform(frame, sliced, issues);
        continue;
      }
      const place = sliced.slices.indexOf(slice);
      if (slicing?.ordered === true && place < last) this.#outOfOrder(frame, slice, 'error', issues);
      // HAPI takes others before the slices; the specification wants them at the end.
      if (isAtEnd) this.#outOfOrder(frame, slice, 'warning', issues);
      last = Math.max(last, place);
      counts.set(slice, (counts.get(slice) ?? 0) + 1);
      if (slice.slices.length > 0) this.#slice([frame], slice, counts, issues);
      else this.#conform(frame, slice, issues);
    }
  }

  /** The slice of a value: the first that it fits. */
  #sliceOf(frame: Frame, sliced: ElementNode): ElementNode | undefined {
    return sliced.slices.find((slice) => {
      this.budget.spend(1);
      return sliceTest(sliced, slice, this.definitions)(frame, this) === true;
    });
  }

  #noSlice(frame: Frame, sliced: ElementNode, issues: Issues): void {
    const names = sliced.slices.map(({ element }) => element.sliceName ?? '').join(', ');
    issues.add(frame, {
      rule: 'slice',
      element: sliced.element.id,
      profile: sliced.profile.url,
      text: `It is none of the kinds that the profile allows here: ${names.slice(0, 600)}.`,
      advice: 'Use the code or identifier of one of them exactly, or leave it out.',
    });
  }

  #outOfOrder(frame: Frame, slice: ElementNode, severity: Severity, issues: Issues): void {
    issues.add(frame, {
      severity,
      rule: 'slice-order',
      element: slice.element.id,
      profile: slice.profile.url,
      text: `${slice.element.sliceName ?? ''} stands after what it must come before.`,
      advice: 'Put them into the order of the profile.',
    });
  }

  /** Whether each slice occurs as often as it must and may. */
  #checkSlices(frame: Frame, sliced: ElementNode, counts: ReadonlyMap<ElementNode, number>, issues: Issues): void {
    for (const slice of sliced.slices) {
      this.budget.spend(1);
      if (hasDiscriminators(sliced)) this.#checkCount(frame, slice, counts.get(slice) ?? 0, issues);
      if (slice.slices.length > 0 && (counts.get(slice) ?? 0) > 0) this.#checkSlices(frame, slice, counts, issues);
    }
  }

  /** What a profile says of the value itself. */
  #conformValue(frame: Frame, node: ElementNode, issues: Issues): void {
    const { element, profile } = node;
    const of = { element: element.id, profile: profile.url };
    const spend = (steps: number): void => this.budget.spend(steps);
    if (element.types.length > 0 && frame.element && !this.#isTypeAllowed(frame, element.types)) {
      issues.add(frame, {
        ...of,
        rule: 'type',
        text: `It is a ${frame.type}; the profile allows ${element.types.map(({ code }) => code).join(', ')}.`,
        advice: 'Use an allowed type.',
      });
      return;
    }
    if (element.fixed !== undefined && !fitsFixed(frame, element.fixed, spend)) {
      issues.add(frame, {
        ...of,
        rule: 'fixed',
        text: `The value must be exactly ${shownValue(element.fixed)}.`,
        advice: 'Use the value that the profile fixes, in the same letters.',
      });
    }
    if (element.pattern !== undefined && !fitsPattern(frame.value, element.pattern, spend)) {
      issues.add(frame, {
        ...of,
        rule: 'pattern',
        text: `The value must have ${shownValue(element.pattern)}.`,
        advice: 'Add what the profile prescribes.',
      });
    }
    if (element.binding) checkBinding(frame, element.binding, of, this.definitions, issues);
    if (element.maxLength !== undefined && typeof frame.value === 'string' && frame.value.length > element.maxLength) {
      issues.add(frame, {
        ...of,
        rule: 'length',
        text: `The text is longer than ${element.maxLength} characters.`,
        advice: 'Shorten it.',
      });
    }
    this.#checkConstraints(frame, node, issues);
    if (frame.type === 'Reference') this.#conformReference(frame, element.types, of, issues);
    else this.#conformTypes(frame, element.types, of, issues);
  }

  #isTypeAllowed(frame: Frame, types: readonly ElementType[]): boolean {
    return types.some(
      ({ code }) =>
        code === frame.type || this.#isOneOf(frame.type, new Set([code])) || frame.type === 'BackboneElement',
    );
  }

  /** The profiles of an element's type: the value conforms to one of them. An extension is checked by its own. */
  #conformTypes(
    frame: Frame,
    types: readonly ElementType[],
    of: { element: string; profile: string },
    issues: Issues,
  ): void {
    if (frame.type === 'Extension') return;
    const profiles = types.find(({ code }) => code === frame.type || isResource(frame))?.profiles ?? [];
    const known = profiles.filter((url) => this.definitions.profile(url)?.derivation === 'constraint');
    if (known.length === 0 || known.length < profiles.length) return;
    const [only, ...more] = known;
    const profile = only !== undefined && more.length === 0 ? this.definitions.profile(only) : undefined;
    if (profile) {
      for (const issue of this.#found(frame, profile)?.list ?? []) issues.add(issue.path, issue);
      return;
    }
    if (known.some((url) => this.#conforms(frame, url))) return;
    issues.add(frame, {
      ...of,
      rule: 'type-profile',
      text: `It conforms to none of the profiles allowed here: ${known.join(', ')}.`,
      advice: 'Validate it by one of them to see what it lacks.',
    });
  }

  #conformReference(
    frame: Frame,
    types: readonly ElementType[],
    of: { element: string; profile: string },
    issues: Issues,
  ): void {
    const reference = referenceOf(frame);
    const targets = targetTypes(types);
    if (reference === undefined || targets.length === 0) return;
    const resolved = resolveReference(this, reference, frame.resource);
    if (resolved.kind !== 'found') {
      this.#checkTarget(frame, reference, targets, of, issues);
      return;
    }
    const { frame: target } = resolved;
    const fitting: string[] = [];
    for (const url of targets) {
      const profile = this.definitions.profile(url);
      if (!profile) return;
      if (!this.#isOneOf(target.type, new Set([profile.type]))) continue;
      if (profile.derivation === 'specialization' || this.#conforms(target, profile.url)) return;
      fitting.push(profile.url);
    }
    if (fitting.length === 0) {
      this.#checkTarget(frame, reference, targets, of, issues);
      return;
    }
    const first = this.#conformance
      .get(target)
      ?.get(fitting[0] ?? '')
      ?.list.find(({ severity }) => severity === 'error');
    issues.add(frame, {
      ...of,
      rule: 'reference-profile',
      text: `The ${target.type} that it refers to does not conform to ${fitting.join(' or ')}${
        first ? `; first at ${first.path}: ${first.text.slice(0, 300)}` : '.'
      }`,
      advice: 'Correct the resource that it refers to.',
    });
  }

  /** Whether a frame conforms to a profile, without reporting what it lacks. */
  #conforms(frame: Frame, url: string): boolean {
    const profile = this.definitions.profile(url);
    // What is being checked counts as conforming: resources refer to each other in circles.
    return !profile || this.#found(frame, profile)?.hasError !== true;
  }

  /** What a profile finds in a frame, looked for once; undefined while that is under way, or too far away. */
  #found(frame: Frame, profile: Profile): Issues | undefined {
    let known = this.#conformance.get(frame);
    if (!known) this.#conformance.set(frame, (known = new Map<string, Issues | undefined>()));
    if (known.has(profile.url)) return known.get(profile.url);
    // It is checked again from its own place: each resource is one of those that the walk comes to.
    if (this.#chain >= MAX_CHAIN) return undefined;
    known.set(profile.url, undefined);
    const found = new Issues(MAX_PROFILE_ISSUES);
    const tree = treeOf(profile, this.definitions);
    this.#chain += 1;
    try {
      if (tree) this.#conform(frame, tree.root, found);
    } catch (error) {
      if (!(error instanceof LimitReached) || found.list.length < MAX_PROFILE_ISSUES) throw error;
    }
    this.#chain -= 1;
    known.set(profile.url, found);
    return found;
  }

  conformsValue(value: unknown, profile: string): boolean {
    const frame = isObject(value) ? this.#framesOf.get(value) : undefined;
    return !frame || this.#conforms(frame, profile);
  }
}

/** Expressions are compiled once for each set of definitions. */
const expressionCaches = new WeakMap<Definitions, Map<string, FhirPath | undefined>>();

function expressionsOf(definitions: Definitions): Map<string, FhirPath | undefined> {
  let known = expressionCaches.get(definitions);
  if (!known) expressionCaches.set(definitions, (known = new Map<string, FhirPath | undefined>()));
  return known;
}

/** Rules that say what is good to have, not what is wrong (R4's dom-6: a narrative). */
const BEST_PRACTICES: ReadonlySet<string> = new Set(['dom-6']);

/** Expressions that were published with a fault, and what they mean by their text. */
const CORRECTED: ReadonlyMap<string, string> = new Map([
  // An Observation without components has nothing to compare with, which is no fault (obs-7).
  ['value.empty() or code!=component.code', 'value.empty() or (code in component.code).not()'],
  // An entry without fullUrl has none that could be wrong (bdl-8).
  ["fullUrl.contains('/_history/').not()", "fullUrl.empty() or fullUrl.contains('/_history/').not()"],
  // A probability in words is no decimal to compare (ras-2).
  [
    'probability is decimal implies (probability as decimal) <= 100',
    'probability.empty() or ((probability is decimal) implies ((probability as decimal) <= 100))',
  ],
]);

const corrected = (expression: string): string => CORRECTED.get(expression) ?? expression;

function compiled(expression: string): FhirPath | undefined {
  try {
    return compileFhirPath(expression);
  } catch (error) {
    if (error instanceof FhirPathError) return undefined;
    throw error;
  }
}

const itemOf = ({ value, beside, type }: Frame): Item => ({ value, beside, type });

/** The child of a definition that a property name means, and the type of its value. */
function childOf(definition: ElementNode, name: string): { element: ElementNode; type: string } | undefined {
  const exact = definition.children.get(name);
  if (exact && !exact.name.endsWith('[x]')) {
    return { element: exact, type: exact.element.types[0]?.code ?? 'BackboneElement' };
  }
  for (const element of definition.choices) {
    const stem = element.name.slice(0, -3);
    if (!name.startsWith(stem)) continue;
    const type = element.element.types.find(({ code }) => name === stem + capitalised(code));
    if (type) return { element, type: type.code };
  }
  return undefined;
}

const times = (count: number): string => (count === 0 ? 'not at all' : count === 1 ? 'once' : `${count} times`);

/** ele-1: an object has more than an id. */
const hasContent = ({ value }: Frame): boolean =>
  isObject(value) && Object.keys(value).some((key) => key !== 'id' && key !== 'resourceType');

/** ext-1: an extension has extensions or a value, and not both. */
function isExtensionOrValue({ value }: Frame, budget: Budget): boolean {
  if (!isObject(value)) return true;
  const hasValue = Object.keys(value).some((key) => /^_?value/.test(key) && hasAnything(value[key], 0, budget));
  return hasValue !== Array.isArray(value['extension']);
}

/** Whether there is a value in a value at any depth: an empty object or text says nothing. */
function hasAnything(value: unknown, depth: number, budget: Budget): boolean {
  budget.spend(1);
  if (typeof value !== 'object' || depth > MAX_DEPTH) return value !== undefined && value !== '';
  if (value === null) return false;
  return Object.values(value).some((each) => hasAnything(each, depth + 1, budget));
}

/** ref-1: a reference to a contained resource that is not there. */
function isMissing(walk: Walk, frame: Frame): boolean {
  const reference = referenceOf(frame);
  return reference !== undefined && resolveReference(walk, reference, frame.resource).kind === 'missing';
}

const targetTypes = (types: readonly ElementType[]): string[] =>
  types.flatMap(({ code, targetProfiles = [] }) => (code === 'Reference' ? targetProfiles : []));

/** The type in an address: `https://…/Patient/1`, `Patient/1`. */
const typeInAddress = (reference: string): string | undefined =>
  /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/.*)?$/.exec(reference)?.[1];

function isInBundle({ resource }: Frame): boolean {
  for (let at: Frame | undefined = resource; at; at = at.parent?.resource) {
    if (at.parent?.resource.type === 'Bundle') return true;
  }
  return false;
}

const has = (properties: readonly Property[], { name }: ElementNode): boolean =>
  properties.some(({ element }) => element.name === name);

const isOfType = ({ type }: Frame, { element }: ElementNode): boolean =>
  element.types.length === 0 || element.types.some(({ code }) => code === type);

/** Whether values can be assigned to slices at all: some definitions only describe theirs. */
const hasDiscriminators = ({ name, element }: ElementNode): boolean =>
  name.endsWith('[x]') || (element.slicing?.discriminators.length ?? 0) > 0;

function fitsFixed({ value }: Frame, fixed: unknown, spend: (steps: number) => void): boolean {
  return fitsPattern(value, fixed, spend) && fitsPattern(fixed, value, spend);
}

/** Whether an extension stands where its definition allows it. */
function isInContext(owner: Frame, { url, contexts }: Profile, definitions: Definitions): boolean {
  // HL7's own extensions of definitions are used by HL7 itself where they do not say so.
  if (contexts.length === 0 || url.startsWith(`${HL7}structuredefinition-`)) return true;
  return contexts.some(({ type, expression }) => {
    if (type === 'fhirpath') return true;
    if (type === 'extension') {
      return owner.type === 'Extension' && isObject(owner.value) && owner.value['url'] === expression;
    }
    return isAt(owner, expression, definitions);
  });
}

/** Whether a frame is an element of a type or path: `Patient`, `Element`, `Encounter.hospitalization`. */
function isAt(frame: Frame, expression: string, definitions: Definitions): boolean {
  if (['Element', '*', 'Any'].includes(expression)) return true;
  if (!expression.includes('.')) {
    for (let at: string | undefined = frame.type, steps = 0; at !== undefined && steps < 10; steps += 1) {
      if (at === expression) return true;
      at = definitions.baseOf(at);
    }
    return false;
  }
  const wanted = expression.replaceAll('[x]', '');
  let path = '';
  for (let at = frame; at.parent && !isResource(at); at = at.parent) {
    path = path === '' ? at.key : `${at.key}.${path}`;
    // By its definition: an item of an item is a Questionnaire.item too.
    if (`${at.parent.definition.element.path}.${path}` === wanted) return true;
  }
  return frame.definition.element.path === wanted;
}

/** A name from the payload, if it looks like one: it could be data. */
const shownName = (name: string): string => (/^[A-Za-z][A-Za-z0-9_]{0,60}$/.test(name) ? name : 'of this name');

const shownUrl = (url: string): string => (/^(?:https?:\/\/|urn:)[\w.~:/?#@!$&'*+,;=%-]{1,300}$/.test(url) ? url : '');

const shownType = ({ definition }: Frame): string => definition.element.path;

/** A value of a definition, for a text. */
const shownValue = (value: unknown): string =>
  (typeof value === 'string' ? `'${value}'` : JSON.stringify(value)).slice(0, 300);
