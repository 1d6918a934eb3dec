/**
 * Evaluates FHIRPath over FHIR as parsed JSON: what invariants, slices and value sets of the published definitions use.
 * An expression is compiled once into functions; each evaluation spends a budget, so that none runs without limit.
 */
import { type Expression, FhirPathError, parseFhirPath } from './parse';

/** A value on the way: an object, or a primitive with what stands beside it (`_birthDate`: its id and extensions). */
export interface Item {
  /** Undefined for a primitive that has extensions only. */
  value: unknown;
  beside?: unknown;
  /** The type, where the name or `resourceType` says it: `Quantity` for `valueQuantity`. */
  type?: string | undefined;
}

/** What an expression is evaluated in. */
export interface Environment {
  /** The resource that contains the context; a contained one for what stands in it. */
  resource: unknown;
  /** The resource that contains it, or the resource itself. */
  rootResource: unknown;
  /** The resource that a reference leads to; undefined when it is not at hand. */
  resolve(reference: string, from: unknown): unknown;
  /** The type that a type specialises. */
  baseOf(type: string): string | undefined;
  /** Whether a narrative's XHTML is allowed. */
  isNarrativeAllowed(div: string): boolean;
  /** Whether a code is in a value set; undefined when that is not known. */
  isMember(item: unknown, valueSet: string): boolean | undefined;
  /** Whether a resource or element conforms to a profile. */
  conforms(item: unknown, profile: string): boolean;
  /** Counts the steps of the evaluation. @throws when there were too many */
  spend(steps: number): void;
}

interface Context {
  environment: Environment;
  /** `%context`: what the expression is evaluated on. */
  start: Item;
  /** `$this` and `$index` within the criteria of a function. */
  self: readonly Item[];
  index: number;
}

type Evaluator = (context: Context, input: readonly Item[]) => readonly Item[];

/** A compiled expression. */
export interface FhirPath {
  evaluate(item: Item, environment: Environment): readonly Item[];
  /** Whether it is true; an empty result is not. */
  isTrue(item: Item, environment: Environment): boolean;
}

/**
 * Compiles an expression.
 * @throws FhirPathError when it is not FHIRPath, or uses what is not supported
 */
export function compileFhirPath(text: string): FhirPath {
  const evaluator = compile(parseFhirPath(text));
  const evaluate = (item: Item, environment: Environment): readonly Item[] =>
    evaluator({ environment, start: item, self: [item], index: 0 }, [item]);
  return { evaluate, isTrue: (item, environment) => truth(evaluate(item, environment)) === true };
}

/** Nesting that is looked through: what the validator takes is less deep. */
const MAX_GENERATIONS = 200;

const NONE: readonly Item[] = [];
const TRUE: readonly Item[] = [{ value: true, type: 'boolean' }];
const FALSE: readonly Item[] = [{ value: false, type: 'boolean' }];
const bool = (value: boolean | undefined): readonly Item[] => (value === undefined ? NONE : value ? TRUE : FALSE);
const one = (value: unknown): readonly Item[] => (value === undefined ? NONE : [{ value }]);

/** A collection as a condition: one value that is no boolean counts as true (FHIRPath, Singleton Evaluation). */
function truth(items: readonly Item[]): boolean | undefined {
  if (items.length === 0) return undefined;
  if (items.length > 1) throw new FhirPathError('It has several values where a condition needs one.');
  return typeof items[0]?.value === 'boolean' ? items[0].value : true;
}

function single(items: readonly Item[]): Item | undefined {
  if (items.length > 1) throw new FhirPathError('It has several values where one is needed.');
  return items[0];
}

/** A Buffer is none: it has a key for each byte. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

/** Types that end the name of a choice: `valueQuantity`. */
const CHOICE_TYPES = new Set(
  (
    'Base64Binary Boolean Canonical Code Date DateTime Decimal Id Instant Integer Markdown Oid PositiveInt String Time ' +
    'UnsignedInt Uri Url Uuid Address Age Annotation Attachment CodeableConcept Coding ContactPoint Count Distance ' +
    'Duration HumanName Identifier Money Period Quantity Range Ratio Reference SampledData Signature Timing Meta ' +
    'ContactDetail Contributor DataRequirement Expression ParameterDefinition RelatedArtifact TriggerDefinition ' +
    'UsageContext Dosage SimpleQuantity'
  ).split(' '),
);
const PRIMITIVES = new Set(
  'Base64Binary Boolean Canonical Code Date DateTime Decimal Id Instant Integer Markdown Oid PositiveInt String Time UnsignedInt Uri Url Uuid'.split(
    ' ',
  ),
);

/** Returns the type that the name of a choice ends with: `Quantity`, `dateTime`. */
function choiceType(key: string, name: string): string | undefined {
  const suffix = key.slice(name.length);
  if (!CHOICE_TYPES.has(suffix)) return undefined;
  return PRIMITIVES.has(suffix) ? suffix.charAt(0).toLowerCase() + suffix.slice(1) : suffix;
}

/** Adds the values of a property, each with what stands beside it. */
function addProperty(out: Item[], value: unknown, beside: unknown, type: string | undefined): void {
  if (Array.isArray(value) || Array.isArray(beside)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [];
    const besides: readonly unknown[] = Array.isArray(beside) ? beside : [];
    for (let index = 0; index < Math.max(values.length, besides.length); index += 1) {
      addProperty(out, Array.isArray(values[index]) ? undefined : values[index], besides[index], type);
    }
    return;
  }
  const present = value ?? undefined;
  if (present === undefined && !isObject(beside)) return;
  const stated = isObject(present) && typeof present['resourceType'] === 'string' ? present['resourceType'] : type;
  out.push({ value: present, beside, type: stated });
}

function member(item: Item, name: string, out: Item[]): void {
  if (!isObject(item.value)) {
    if (isObject(item.beside)) member({ value: item.beside }, name, out);
    return;
  }
  const object = item.value;
  if (Object.hasOwn(object, name) || Object.hasOwn(object, `_${name}`)) {
    if (name === 'resourceType') return;
    addProperty(out, object[name], object[`_${name}`], undefined);
    return;
  }
  for (const key of Object.keys(object)) {
    const bare = key.startsWith('_') ? key.slice(1) : key;
    if (!bare.startsWith(name) || (bare !== key && Object.hasOwn(object, bare))) continue;
    const type = choiceType(bare, name);
    if (type !== undefined) addProperty(out, object[bare], object[`_${bare}`], type);
  }
}

function children(item: Item, out: Item[]): void {
  const object = isObject(item.value) ? item.value : isObject(item.beside) ? item.beside : undefined;
  if (!object) return;
  for (const key of Object.keys(object)) {
    if (key === 'resourceType') continue;
    const bare = key.startsWith('_') ? key.slice(1) : key;
    if (bare !== key && Object.hasOwn(object, bare)) continue;
    addProperty(out, object[bare], object[`_${bare}`], undefined);
  }
}

const SYSTEM_TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  boolean: (value) => typeof value === 'boolean',
  integer: (value) => Number.isInteger(value),
  decimal: (value) => typeof value === 'number',
  ...Object.fromEntries(
    'string uri url canonical code id markdown oid uuid date dateTime instant time base64Binary'
      .split(' ')
      .map((type) => [type, (value: unknown) => typeof value === 'string']),
  ),
};

function isOfType(item: Item, type: string, environment: Environment): boolean {
  const wanted = type.replace(/^(?:FHIR|System)\./, '');
  if (item.type === undefined) {
    const check = SYSTEM_TYPES[wanted] ?? SYSTEM_TYPES[wanted.toLowerCase()];
    return check ? check(item.value) : isObject(item.value);
  }
  for (let at: string | undefined = item.type, steps = 0; at !== undefined && steps < 10; steps += 1) {
    if (at === wanted) return true;
    at = environment.baseOf(at);
  }
  return item.type.toLowerCase() === wanted.toLowerCase() && SYSTEM_TYPES[wanted.toLowerCase()] !== undefined;
}

function compile(node: Expression): Evaluator {
  switch (node.kind) {
    case 'literal': {
      const result = [{ value: node.value }];
      return () => result;
    }
    case 'empty':
      return () => NONE;
    case 'variable':
      return variable(node.name);
    case 'member':
      return memberOf(node.of && compile(node.of), node.name);
    case 'call':
      return call(node);
    case 'index': {
      const [of, index] = [compile(node.of), compile(node.index)];
      return (context, input) => {
        const at = single(index(context, input))?.value;
        const item = typeof at === 'number' ? of(context, input)[at] : undefined;
        return item ? [item] : NONE;
      };
    }
    case 'negate': {
      const of = compile(node.of);
      return (context, input) => {
        const value = single(of(context, input))?.value;
        return typeof value === 'number' ? one(-value) : NONE;
      };
    }
    case 'type': {
      const of = compile(node.of);
      return typeOperator(of, node.operator, node.type);
    }
    case 'binary':
      return binary(node.operator, compile(node.left), compile(node.right));
  }
}

function typeOperator(of: Evaluator, operator: 'is' | 'as', type: string): Evaluator {
  if (operator === 'as') {
    return (context, input) => of(context, input).filter((item) => isOfType(item, type, context.environment));
  }
  return (context, input) => {
    const item = single(of(context, input));
    return item ? bool(isOfType(item, type, context.environment)) : NONE;
  };
}

function variable(name: string): Evaluator {
  switch (name) {
    case '$this':
      return (context) => context.self;
    case '$index':
      return (context) => one(context.index);
    case 'context':
      return (context) => [context.start];
    case 'resource':
      return ({ environment }) => [asResource(environment.resource)];
    case 'rootResource':
      return ({ environment }) => [asResource(environment.rootResource)];
    case 'ucum':
      return () => one('http://unitsofmeasure.org');
    case 'sct':
      return () => one('http://snomed.info/sct');
    case 'loinc':
      return () => one('http://loinc.org');
    default:
      if (name.startsWith('vs-')) return () => one(`http://hl7.org/fhir/ValueSet/${name.slice(3)}`);
      if (name.startsWith('ext-')) return () => one(`http://hl7.org/fhir/StructureDefinition/${name.slice(4)}`);
      throw new FhirPathError(`It uses the variable %${name}, which is not known.`);
  }
}

const asResource = (value: unknown): Item => ({
  value,
  type: isObject(value) && typeof value['resourceType'] === 'string' ? value['resourceType'] : undefined,
});

function memberOf(of: Evaluator | undefined, name: string): Evaluator {
  if (of === undefined && /^[A-Z]/.test(name)) {
    // A path may begin with the type of its context: `Patient.name`.
    return (context, input) => {
      const [item] = input;
      if (item?.type === name || (isObject(item?.value) && item.value['resourceType'] === name)) return input;
      return children1(context, input, name);
    };
  }
  return (context, input) => children1(context, of ? of(context, input) : input, name);
}

function children1({ environment }: Context, items: readonly Item[], name: string): readonly Item[] {
  environment.spend(1 + items.length / 10);
  const out: Item[] = [];
  for (const item of items) member(item, name, out);
  return out;
}

function binary(operator: string, left: Evaluator, right: Evaluator): Evaluator {
  switch (operator) {
    case 'and':
      return (context, input) => {
        const first = truth(left(context, input));
        if (first === false) return FALSE;
        const second = truth(right(context, input));
        return second === false ? FALSE : bool(first === undefined || second === undefined ? undefined : true);
      };
    case 'or':
      return (context, input) => {
        const first = truth(left(context, input));
        if (first === true) return TRUE;
        const second = truth(right(context, input));
        return second === true ? TRUE : bool(first === undefined || second === undefined ? undefined : false);
      };
    case 'xor':
      return (context, input) => {
        const [first, second] = [truth(left(context, input)), truth(right(context, input))];
        return bool(first === undefined || second === undefined ? undefined : first !== second);
      };
    case 'implies':
      return (context, input) => {
        const first = truth(left(context, input));
        if (first === false) return TRUE;
        const second = truth(right(context, input));
        if (second === true) return TRUE;
        return first === undefined || second === undefined ? NONE : FALSE;
      };
    case '|':
      return (context, input) => union(context, [...left(context, input), ...right(context, input)]);
    case '=':
      return (context, input) => bool(equal(context, left(context, input), right(context, input)));
    case '!=':
      return (context, input) => bool(not(equal(context, left(context, input), right(context, input))));
    case '~':
      return (context, input) => bool(equivalent(context, left(context, input), right(context, input)));
    case '!~':
      return (context, input) => bool(!equivalent(context, left(context, input), right(context, input)));
    case 'in':
      return (context, input) => contains(context, right(context, input), left(context, input));
    case 'contains':
      return (context, input) => contains(context, left(context, input), right(context, input));
    case '<':
      return compareBy(left, right, (order) => order < 0);
    case '>':
      return compareBy(left, right, (order) => order > 0);
    case '<=':
      return compareBy(left, right, (order) => order <= 0);
    case '>=':
      return compareBy(left, right, (order) => order >= 0);
    case '&':
      return (context, input) => {
        const [first, second] = [single(left(context, input)), single(right(context, input))];
        return one(text(first?.value) + text(second?.value));
      };
    default:
      return arithmetic(operator, left, right);
  }
}

const not = (value: boolean | undefined): boolean | undefined => (value === undefined ? undefined : !value);

const text = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';

function contains(context: Context, list: readonly Item[], wanted: readonly Item[]): readonly Item[] {
  const item = single(wanted);
  if (!item) return NONE;
  return bool(list.some((each) => equalItems(context, each, item) === true));
}

function compareBy(left: Evaluator, right: Evaluator, fits: (order: number) => boolean): Evaluator {
  return (context, input) => {
    const [first, second] = [single(left(context, input)), single(right(context, input))];
    if (!first || !second) return NONE;
    const order = compareValues(first.value, second.value);
    return order === undefined ? NONE : bool(fits(order));
  };
}

/** Returns the order of two values; undefined when it cannot be said, as of dates of unlike precision. */
function compareValues(left: unknown, right: unknown): number | undefined {
  if (isObject(left) && isObject(right)) {
    // Quantities of the same unit.
    if (left['unit'] !== right['unit'] && left['code'] !== right['code']) return undefined;
    return compareValues(left['value'], right['value']);
  }
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  const [first, second] = [asText(left), asText(right)];
  if (first === undefined || second === undefined) return undefined;
  const dates = compareDates(first, second);
  if (dates !== 'none') return dates;
  return first < second ? -1 : first > second ? 1 : 0;
}

const asText = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** Compares dates field by field; `none` when they are not dates. */
function compareDates(left: string, right: string): number | undefined | 'none' {
  const [first, second] = [DATE.exec(left), DATE.exec(right)];
  if (!first || !second || (left.length === 4 && right.length === 4)) return 'none';
  if (first[8] !== undefined && second[8] !== undefined) {
    const order = instantOf(left) - instantOf(right);
    return Number.isNaN(order) ? undefined : order;
  }
  for (let field = 1; field <= 6; field += 1) {
    const [a, b] = [first[field], second[field]];
    if (a === undefined && b === undefined) return 0;
    if (a === undefined || b === undefined) return undefined;
    if (a !== b) return Number(a) - Number(b);
  }
  return Number(`0.${first[7] ?? 0}`) - Number(`0.${second[7] ?? 0}`);
}

/** Milliseconds since 1970; a leap second (`:60`) is the one after `:59`. */
const instantOf = (text: string): number =>
  /:60(?=[.Z+-])/.test(text) ? Date.parse(text.replace(/:60(?=[.Z+-])/, ':59')) + 1000 : Date.parse(text);

function equal(context: Context, left: readonly Item[], right: readonly Item[]): boolean | undefined {
  if (left.length === 0 || right.length === 0) return undefined;
  if (left.length !== right.length) return false;
  let result: boolean | undefined = true;
  for (const [index, item] of left.entries()) {
    const other = right[index];
    const same = other ? equalItems(context, item, other) : false;
    if (same === false) return false;
    if (same === undefined) result = undefined;
  }
  return result;
}

function equalItems(context: Context, left: Item, right: Item): boolean | undefined {
  if (typeof left.value === 'string' && typeof right.value === 'string' && left.value !== right.value) {
    const dates = compareDates(left.value, right.value);
    return dates === 'none' ? false : dates === undefined ? undefined : dates === 0;
  }
  return isDeepEqual(left.value, right.value, (steps) => context.environment.spend(steps));
}

/** Whether two values of FHIR JSON are the same; the order of properties does not count. */
export function isDeepEqual(left: unknown, right: unknown, spend: (steps: number) => void, depth = 0): boolean {
  if (left === right) return true;
  spend(1);
  if (depth > MAX_GENERATIONS) return false;
  if (Array.isArray(left) && Array.isArray(right)) {
    return (
      left.length === right.length && left.every((item, index) => isDeepEqual(item, right[index], spend, depth + 1))
    );
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isDeepEqual(left[key], right[key], spend, depth + 1))
  );
}

function equivalent(context: Context, left: readonly Item[], right: readonly Item[]): boolean {
  if (left.length !== right.length) return false;
  const folded = ({ value }: Item): unknown =>
    typeof value === 'string' ? value.toLowerCase().replaceAll(/\s+/g, ' ').trim() : value;
  return left.every((item) =>
    right.some((other) => isDeepEqual(folded(item), folded(other), (steps) => context.environment.spend(steps))),
  );
}

function union(context: Context, items: readonly Item[]): readonly Item[] {
  const seen = new Set<unknown>();
  const out: Item[] = [];
  for (const item of items) {
    if (isObject(item.value)) {
      context.environment.spend(out.length);
      if (out.some((other) => isObject(other.value) && equalItems(context, other, item) === true)) continue;
    } else {
      const key = item.value === undefined ? item.beside : item.value;
      if (seen.has(key)) continue;
      seen.add(key);
    }
    out.push(item);
  }
  return out;
}

function arithmetic(operator: string, left: Evaluator, right: Evaluator): Evaluator {
  return (context, input) => {
    const [first, second] = [single(left(context, input))?.value, single(right(context, input))?.value];
    if (first === undefined || second === undefined) return NONE;
    if (operator === '+' && typeof first === 'string' && typeof second === 'string') return one(first + second);
    if (typeof first !== 'number' || typeof second !== 'number') {
      throw new FhirPathError('It calculates with what is no number.');
    }
    switch (operator) {
      case '+':
        return one(first + second);
      case '-':
        return one(first - second);
      case '*':
        return one(first * second);
      case '/':
        return second === 0 ? NONE : one(first / second);
      case 'div':
        return second === 0 ? NONE : one(Math.trunc(first / second));
      case 'mod':
        return second === 0 ? NONE : one(first % second);
      default:
        throw new FhirPathError(`The operator ${operator} is not supported.`);
    }
  };
}

/** A function: its evaluated input, and its arguments as evaluators, which it applies to what it likes. */
type Function = (context: Context, input: readonly Item[], args: readonly Evaluator[]) => readonly Item[];

/** Evaluates an argument as criterion of an item: `$this` is the item. */
const on = (context: Context, item: Item, index: number, argument: Evaluator): readonly Item[] => {
  context.environment.spend(1);
  return argument({ ...context, self: [item], index }, [item]);
};

const filterBy = (context: Context, input: readonly Item[], criterion: Evaluator): Item[] =>
  input.filter((item, index) => truth(on(context, item, index, criterion)) === true);

/** Evaluates an argument that is a value, not a criterion: relative to `$this`. */
const value = (context: Context, argument: Evaluator | undefined): unknown =>
  argument ? single(argument(context, context.self))?.value : undefined;

/** A function of one text; nothing for what is no text. */
const ofText =
  (apply: (text: string, first: unknown, second: unknown) => unknown): Function =>
  (context, input, [first, second]) => {
    const item = single(input);
    if (!item) return NONE;
    const given = typeof item.value === 'string' ? item.value : text(item.value);
    context.environment.spend(1 + given.length / 100);
    return one(apply(given, value(context, first), value(context, second)));
  };

/** Patterns of definitions, which a user trusts; compiled once. */
const patterns = new Map<string, RegExp>();

function patternOf(pattern: string): RegExp {
  let compiled = patterns.get(pattern);
  if (!compiled) {
    try {
      compiled = new RegExp(pattern, 'gs');
    } catch {
      throw new FhirPathError('It has a regular expression that cannot be read.');
    }
    patterns.set(pattern, compiled);
  }
  return compiled;
}

const matches = (subject: string, pattern: string): boolean => subject.search(patternOf(pattern)) >= 0;

function repeat(context: Context, input: readonly Item[], next: (items: readonly Item[]) => readonly Item[]): Item[] {
  const out: Item[] = [];
  let generation = next(input);
  for (let depth = 0; generation.length > 0 && depth < MAX_GENERATIONS; depth += 1) {
    context.environment.spend(generation.length / 10);
    for (const item of generation) out.push(item);
    generation = next(generation);
  }
  return out;
}

const allChildren = (items: readonly Item[]): readonly Item[] => {
  const out: Item[] = [];
  for (const item of items) children(item, out);
  return out;
};

const typeArgument = (argument: Expression | undefined): string => {
  if (argument?.kind === 'member') return argument.name;
  if (argument?.kind === 'literal') return String(argument.value);
  throw new FhirPathError('A type is missing in it.');
};

const FUNCTIONS: Readonly<Record<string, Function>> = {
  empty: (_, input) => bool(input.length === 0),
  exists: (context, input, [criterion]) => bool((criterion ? filterBy(context, input, criterion) : input).length > 0),
  not: (_, input) => bool(not(truth(input))),
  all: (context, input, [criterion]) =>
    bool(!criterion || input.every((item, index) => truth(on(context, item, index, criterion)) === true)),
  allTrue: (_, input) => bool(input.every((item) => item.value === true)),
  anyTrue: (_, input) => bool(input.some((item) => item.value === true)),
  allFalse: (_, input) => bool(input.every((item) => item.value === false)),
  anyFalse: (_, input) => bool(input.some((item) => item.value === false)),
  count: (_, input) => one(input.length),
  distinct: union,
  isDistinct: (context, input) => bool(union(context, input).length === input.length),
  where: (context, input, [criterion]) => (criterion ? filterBy(context, input, criterion) : input),
  select: (context, input, [projection]) =>
    projection ? input.flatMap((item, index) => on(context, item, index, projection)) : input,
  repeat: (context, input, [projection]) =>
    projection
      ? union(
          context,
          repeat(context, input, (items) => items.flatMap((item, index) => on(context, item, index, projection))),
        )
      : NONE,
  first: (_, input) => input.slice(0, 1),
  last: (_, input) => input.slice(-1),
  tail: (_, input) => input.slice(1),
  single: (_, input) => {
    const item = single(input);
    return item ? [item] : NONE;
  },
  skip: (context, input, [count]) => input.slice(Number(value(context, count) ?? 0)),
  take: (context, input, [count]) => input.slice(0, Math.max(0, Number(value(context, count) ?? 0))),
  children: (_, input) => allChildren(input),
  descendants: (context, input) => repeat(context, input, allChildren),
  union: (context, input, [other]) => union(context, [...input, ...(other?.(context, context.self) ?? [])]),
  combine: (context, input, [other]) => [...input, ...(other?.(context, context.self) ?? [])],
  intersect: (context, input, [other]) => {
    const wanted = other?.(context, context.self) ?? [];
    return union(
      context,
      input.filter((item) => wanted.some((each) => equalItems(context, item, each) === true)),
    );
  },
  exclude: (context, input, [other]) => {
    const wanted = other?.(context, context.self) ?? [];
    return input.filter((item) => !wanted.some((each) => equalItems(context, item, each) === true));
  },
  subsetOf: (context, input, [other]) => {
    const wanted = other?.(context, context.self) ?? [];
    return bool(input.every((item) => wanted.some((each) => equalItems(context, item, each) === true)));
  },
  supersetOf: (context, input, [other]) => {
    const wanted = other?.(context, context.self) ?? [];
    return bool(wanted.every((item) => input.some((each) => equalItems(context, item, each) === true)));
  },
  iif: (context, input, [condition, yes, no]) => {
    const holds = condition ? truth(condition(context, input)) === true : false;
    return (holds ? yes : no)?.(context, input) ?? NONE;
  },
  trace: (_, input) => input,
  hasValue: (_, input) => bool(input.length === 1 && input[0]?.value !== undefined && !isObject(input[0].value)),
  getValue: (_, input) => (input.length === 1 && !isObject(input[0]?.value) ? one(input[0]?.value) : NONE),
  extension: (context, input, [url]) => {
    const wanted = value(context, url);
    return children1(context, input, 'extension').filter(
      (item) => isObject(item.value) && item.value['url'] === wanted,
    );
  },
  resolve: ({ environment }, input) =>
    input.flatMap((item) => {
      const reference = isObject(item.value) ? item.value['reference'] : item.value;
      const target = typeof reference === 'string' ? environment.resolve(reference, item.value) : undefined;
      return target === undefined ? [] : [asResource(target)];
    }),
  conformsTo: (context, input, [url]) => {
    const item = single(input);
    const profile = value(context, url);
    return item && typeof profile === 'string' ? bool(context.environment.conforms(item.value, profile)) : NONE;
  },
  memberOf: (context, input, [url]) => {
    const item = single(input);
    const valueSet = value(context, url);
    // What cannot be looked up counts as a member: it is not the message's fault.
    return item && typeof valueSet === 'string'
      ? bool(context.environment.isMember(item.value, valueSet) ?? true)
      : NONE;
  },
  htmlChecks: ({ environment }, input) =>
    bool(input.every((item) => typeof item.value !== 'string' || environment.isNarrativeAllowed(item.value))),
  startsWith: ofText((given, prefix) => (typeof prefix === 'string' ? given.startsWith(prefix) : undefined)),
  endsWith: ofText((given, suffix) => (typeof suffix === 'string' ? given.endsWith(suffix) : undefined)),
  contains: ofText((given, part) => (typeof part === 'string' ? given.includes(part) : undefined)),
  matches: ofText((given, pattern) => (typeof pattern === 'string' ? matches(given, pattern) : undefined)),
  matchesFull: ofText((given, pattern) =>
    typeof pattern === 'string' ? matches(given, `^(?:${pattern})$`) : undefined,
  ),
  indexOf: ofText((given, part) => (typeof part === 'string' ? given.indexOf(part) : undefined)),
  substring: ofText((given, start, length) => {
    if (typeof start !== 'number' || start < 0 || start >= given.length) return undefined;
    return typeof length === 'number' ? given.slice(start, start + length) : given.slice(start);
  }),
  replace: ofText((given, part, by) => given.replaceAll(text(part), () => text(by))),
  replaceMatches: ofText((given, pattern, by) =>
    typeof pattern === 'string' && typeof by === 'string' ? given.replaceAll(patternOf(pattern), by) : undefined,
  ),
  upper: ofText((given) => given.toUpperCase()),
  lower: ofText((given) => given.toLowerCase()),
  trim: ofText((given) => given.trim()),
  length: ofText((given) => given.length),
  toString: ofText((given) => given),
  toInteger: ofText((given) => (/^[+-]?\d+$/.test(given) ? Number(given) : undefined)),
  toDecimal: ofText((given) => (/^[+-]?\d+(?:\.\d+)?$/.test(given) ? Number(given) : undefined)),
  toBoolean: ofText((given) => (given === 'true' || given === 'false' ? given === 'true' : undefined)),
  toDateTime: ofText((given) => (DATE.test(given) ? given : undefined)),
  toDate: ofText((given) => (DATE.test(given) ? given.slice(0, 10) : undefined)),
  toChars: (_, input) => Array.from(text(single(input)?.value)).map((char) => ({ value: char })),
  split: (context, input, [separator]) =>
    text(single(input)?.value)
      .split(text(value(context, separator)))
      .map((part) => ({ value: part })),
  join: (context, input, [separator]) =>
    one(input.map((item) => text(item.value)).join(text(value(context, separator)))),
  today: () => one(new Date().toISOString().slice(0, 10)),
  now: () => one(new Date().toISOString()),
  abs: (_, input) => {
    const given = single(input)?.value;
    return typeof given === 'number' ? one(Math.abs(given)) : NONE;
  },
};

/** Other spellings in published definitions. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['htmlchecks', 'htmlChecks'],
  ['htmlChecks2', 'htmlChecks'],
]);

function call({ of, name, args }: Expression & { kind: 'call' }): Evaluator {
  const input: Evaluator = of ? compile(of) : (_, items) => items;
  if (name === 'is' || name === 'as') return typeOperator(input, name, typeArgument(args[0]));
  if (name === 'ofType') return typeOperator(input, 'as', typeArgument(args[0]));
  const known = ALIASES.get(name) ?? name;
  const apply = Object.hasOwn(FUNCTIONS, known) ? FUNCTIONS[known] : undefined;
  if (!apply) throw new FhirPathError(`It uses the function ${name}, which is not supported.`);
  const compiled = args.map(compile);
  return (context, items) => apply(context, input(context, items), compiled);
}
