/**
 * Conditions of a map's rows: FHIRPath, in which a path into the message (`PV1-2.1`) is the collection of its texts, and
 * `%event` (`A01`), `%message` (`ADT`) and `%previous` (the name of the segment before) are texts. What most rows need
 * (comparisons with texts, exists(), empty(), in, and, or, not()) is compiled to functions; the rest is evaluated by
 * lib/formats/fhir/fhirpath. Both answer alike, undefined included.
 */
import { ConfigurationError } from '../errors';
import { compileFhirPath, type Environment } from '../formats/fhir/fhirpath/evaluate';
import { FhirPathError, parseFhirPath, type Expression } from '../formats/fhir/fhirpath/parse';
import { parseSourcePath, type SourcePath } from './source-path';

/** Where a condition's texts come from. */
export interface ConditionContext {
  /** The texts at a path that are not empty. */
  textsAt(path: SourcePath): readonly string[];
  variable(name: VariableName): string;
}

const VARIABLES = ['event', 'message', 'previous'] as const;
export type VariableName = (typeof VARIABLES)[number];

/** A compiled condition. */
export interface Condition {
  holds(context: ConditionContext): boolean;
  /** The paths that it reads. */
  paths: readonly SourcePath[];
}

type Texts = (context: ConditionContext) => readonly string[];
type Truth = (context: ConditionContext) => boolean | undefined;

/** A quoted text, which stays; a path or a variable, which becomes a quoted name. */
const NAMES =
  /'(?:[^'\\]|\\.)*'|(?<![\w%])(?:[A-Z][A-Z0-9]{2}\/)?[A-Z][A-Z0-9]{2}(?:\[\d+\])?-\d+(?:\[\d+\])?(?:\.\d+){0,2}|%(?:event|message|previous)\b/g;

/** @throws ConfigurationError when it is no condition */
export function compileCondition(text: string): Condition {
  const paths = new Map<string, SourcePath>();
  const named = text.replace(NAMES, (found) => {
    if (found.startsWith("'")) return found;
    if (!found.startsWith('%')) paths.set(found, parseSourcePath(found));
    return `\`${found}\``;
  });
  try {
    const isTrue = truthOf(parseFhirPath(named), paths) ?? byFhirPath(named, paths);
    return { holds: (context) => isTrue(context) === true, paths: [...paths.values()] };
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    throw new ConfigurationError(`The condition “${text}” cannot be used. ${error.message}`, {
      cause: error,
      advice: "Write it as PV1-2.1 = 'I', PID-29.exists(), OBX-2 in ('NM' | 'SN'), joined by and, or.",
    });
  }
}

/** Compiles what is simple; undefined where it is not. */
function truthOf(node: Expression, paths: ReadonlyMap<string, SourcePath>): Truth | undefined {
  if (node.kind === 'call') return callOf(node, paths);
  if (node.kind !== 'binary') {
    const texts = textsOf(node, paths);
    return texts && ((context) => (texts(context).length === 0 ? undefined : true));
  }
  if (node.operator === 'and' || node.operator === 'or') {
    const [left, right] = [truthOf(node.left, paths), truthOf(node.right, paths)];
    if (!left || !right) return undefined;
    // Three-valued: one side decides where it is false (and) or true (or).
    const decides = node.operator === 'or';
    return (context) => {
      const one = left(context);
      if (one === decides) return decides;
      const other = right(context);
      if (other === decides) return decides;
      return one === undefined || other === undefined ? undefined : !decides;
    };
  }
  const [left, right] = [textsOf(node.left, paths), textsOf(node.right, paths)];
  if (!left || !right) return undefined;
  if (node.operator === 'in') {
    return (context) => {
      const [one, ...more] = left(context);
      if (more.length > 0) throw new FhirPathError('It has several values where one is needed.');
      return one === undefined ? undefined : right(context).includes(one);
    };
  }
  if (node.operator !== '=' && node.operator !== '!=') return undefined;
  const isEqual = node.operator === '=';
  return (context) => {
    const [ones, others] = [left(context), right(context)];
    if (ones.length === 0 || others.length === 0) return undefined;
    return (ones.length === others.length && ones.every((one, index) => one === others[index])) === isEqual;
  };
}

function callOf(node: Expression & { kind: 'call' }, paths: ReadonlyMap<string, SourcePath>): Truth | undefined {
  if (node.of === undefined || node.args.length > 0) return undefined;
  if (node.name === 'not') {
    const inner = truthOf(node.of, paths);
    return (
      inner &&
      ((context) => {
        const value = inner(context);
        return value === undefined ? undefined : !value;
      })
    );
  }
  if (node.name !== 'exists' && node.name !== 'empty') return undefined;
  const texts = textsOf(node.of, paths);
  const wantsSome = node.name === 'exists';
  return texts && ((context) => texts(context).length > 0 === wantsSome);
}

function textsOf(node: Expression, paths: ReadonlyMap<string, SourcePath>): Texts | undefined {
  if (node.kind === 'literal' && typeof node.value === 'string') {
    const texts = [node.value];
    return () => texts;
  }
  if (node.kind === 'binary' && node.operator === '|') {
    const texts = literalsOf(node);
    return texts.includes(undefined) ? undefined : () => texts as string[];
  }
  if (node.kind !== 'member' || node.of !== undefined) return undefined;
  return textsNamed(node.name, paths);
}

/** The texts of `'A' | 'B'`; undefined among them for what is no text. */
function literalsOf(node: Expression): Array<string | undefined> {
  if (node.kind === 'binary' && node.operator === '|') return [...literalsOf(node.left), ...literalsOf(node.right)];
  return [node.kind === 'literal' && typeof node.value === 'string' ? node.value : undefined];
}

function textsNamed(name: string, paths: ReadonlyMap<string, SourcePath>): Texts | undefined {
  const path = paths.get(name);
  if (path) return (context) => context.textsAt(path);
  const variable = VARIABLES.find((each) => name === `%${each}`);
  return variable && ((context) => [context.variable(variable)]);
}

/** What has no place in a message is not found: there is no resource to resolve, and no value set. */
const NOWHERE: Omit<Environment, 'spend'> = {
  resource: undefined,
  rootResource: undefined,
  resolve: () => undefined,
  baseOf: () => undefined,
  isNarrativeAllowed: () => true,
  isMember: () => undefined,
  conforms: () => false,
};

/** Steps of one evaluation: a condition looks at a handful of texts. */
const MAX_STEPS = 10_000;

function byFhirPath(named: string, paths: ReadonlyMap<string, SourcePath>): Truth {
  const compiled = compileFhirPath(named);
  const names = [...paths.keys(), ...VARIABLES.map((name) => `%${name}`)];
  const readers = names.map((name) => [name, textsNamed(name, paths)] as const);
  return (context) => {
    const value = Object.fromEntries(readers.map(([name, texts]) => [name, texts?.(context) ?? []]));
    let steps = 0;
    const spend = (count: number): void => {
      steps += count;
      if (steps > MAX_STEPS) throw new FhirPathError('It takes too many steps.');
    };
    return compiled.isTrue({ value }, { ...NOWHERE, spend });
  };
}
