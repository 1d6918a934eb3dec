/** Which codes a value set and a code system have, as far as that is known without a terminology server. */
import type { CodeSystem, Codes } from '../validate/types';
import type { CodeRule, CodeSystemDefinition, Concept, ValueSet } from './normal';

/** Value sets that name each other are followed this deep. */
const MAX_NESTING = 16;

/** A code system, with what the filters of value sets ask. */
export interface KnownCodeSystem extends CodeSystem {
  /** Whether a code is another one or stands below it; undefined when the definition does not say. */
  isA(code: string, ancestor: string): boolean | undefined;
}

export interface Terminology {
  valueSet(url: string): Codes | undefined;
  codeSystem(url: string): KnownCodeSystem | undefined;
}

export function knownCodeSystem(definition: CodeSystemDefinition): KnownCodeSystem {
  const { url, complete, caseSensitive } = definition;
  const asCompared = (code: string): string => (caseSensitive ? code : code.toLowerCase());
  const displays = new Map<string, readonly string[]>();
  const parents = new Map<string, string[]>();
  const add = (concepts: readonly Concept[], above: string[]): void => {
    for (const concept of concepts) {
      const code = asCompared(concept.code);
      displays.set(code, [...(displays.get(code) ?? []), ...concept.displays]);
      const known = parents.get(code) ?? [];
      parents.set(code, [...known, ...above, ...(concept.parents ?? []).map(asCompared)]);
      add(concept.concepts ?? [], [code]);
    }
  };
  add(definition.concepts, []);
  return {
    url,
    complete,
    caseSensitive,
    displaysOf: (code) => displays.get(asCompared(code)),
    isA(code, ancestor) {
      const seen = new Set<string>();
      const waiting = [asCompared(code)];
      for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
        if (at === asCompared(ancestor)) return true;
        if (seen.has(at)) continue;
        seen.add(at);
        waiting.push(...(parents.get(at) ?? []));
      }
      return complete && displays.has(asCompared(ancestor)) ? false : undefined;
    },
  };
}

/** Any of several: yes if one says yes, unknown if one is unknown. */
function any<T>(list: readonly T[], ask: (entry: T) => boolean | undefined): boolean | undefined {
  let answer: boolean | undefined = false;
  for (const entry of list) {
    const one = ask(entry);
    if (one === true) return true;
    if (one === undefined) answer = undefined;
  }
  return answer;
}

/** All of several: no if one says no, unknown if one is unknown. */
function all<T>(list: readonly T[], ask: (entry: T) => boolean | undefined): boolean | undefined {
  const no = any(list, (entry) => not(ask(entry)));
  return not(no);
}

const not = (answer: boolean | undefined): boolean | undefined => (answer === undefined ? undefined : !answer);

/** Depth of value sets that name each other: one that names itself would be followed without end. */
let nesting = 0;
function nested<T>(ask: () => T): T | undefined {
  if (nesting >= MAX_NESTING) return undefined;
  nesting += 1;
  try {
    return ask();
  } finally {
    nesting -= 1;
  }
}

export function codesOf(definition: ValueSet, terminology: Terminology): Codes {
  const { include, exclude } = definition;
  const lists = new Map<CodeRule, Set<string>>();
  const listed = (rule: CodeRule): Set<string> => {
    const known = lists.get(rule) ?? new Set(rule.codes);
    lists.set(rule, known);
    return known;
  };

  const ofSystem = (rule: CodeRule, code: string, system: string | undefined): boolean | undefined => {
    if (rule.system === undefined) return true;
    if (system !== undefined && system !== rule.system) return false;
    const codeSystem = terminology.codeSystem(rule.system);
    if (rule.codes) {
      if (listed(rule).has(code)) return true;
      return codeSystem?.caseSensitive === false
        ? rule.codes.some((each) => each.toLowerCase() === code.toLowerCase())
        : false;
    }
    if (!codeSystem) return undefined;
    const exists = codeSystem.displaysOf(code) !== undefined;
    if (!exists) return codeSystem.complete ? false : undefined;
    return all(rule.filters ?? [], (filter) => passes(filter, code, codeSystem));
  };
  const follows = (rule: CodeRule, code: string, system: string | undefined): boolean | undefined =>
    all([() => ofSystem(rule, code, system), ...ofSets(rule, (codes) => codes.has(code, system))], (ask) => ask());
  const ofSets = (rule: CodeRule, ask: (codes: Codes) => boolean | undefined): Array<() => boolean | undefined> =>
    (rule.valueSets ?? []).map((url) => () => {
      const codes = terminology.valueSet(url);
      return codes && nested(() => ask(codes));
    });

  return {
    has(code, system) {
      const isIn = any(include, (rule) => follows(rule, code, system));
      if (isIn === false || exclude.length === 0) return isIn;
      const isOut = any(exclude, (rule) => follows(rule, code, system));
      return all([isIn, not(isOut)], (answer) => answer);
    },
    hasSystem: (system) =>
      any(include, (rule) =>
        rule.system === undefined
          ? all(
              ofSets(rule, (codes) => codes.hasSystem(system)),
              (ask) => ask(),
            )
          : rule.system === system,
      ),
  };
}

function passes(
  { property, op, value }: { property: string; op: string; value: string },
  code: string,
  codeSystem: KnownCodeSystem,
): boolean | undefined {
  if (property !== 'concept' && property !== 'code') return undefined;
  if (op === 'is-a') return codeSystem.isA(code, value);
  if (op === 'descendent-of') return code === value ? false : codeSystem.isA(code, value);
  if (op === 'is-not-a') return not(codeSystem.isA(code, value));
  if (op === '=') return code === value;
  if (op === 'in') return value.split(',').includes(code);
  return undefined;
}
