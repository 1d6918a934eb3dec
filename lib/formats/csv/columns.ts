/** Decides whether a value is what its column says. The rules are compiled once: millions of values go through them. */
import { brokenNhsNumberRule, NHS_NUMBER_TEXTS } from '../nhs-number';
import { dateFormat } from './dates';
import { wholePattern, type CsvCell, type CsvColumn } from './schema';

/** What is wrong with a value: made once for each rule of a column, and without the value. */
export interface Fault {
  /** Stable, e.g. `required`, `nhs-number`. */
  rule: string;
  text: string;
}

type Check = (value: string) => Fault | undefined;

/** Returns what checks the values of a column. It returns the first fault of a value. */
export function columnCheck(column: CsvColumn | CsvCell, forbiddenStart = ''): Check {
  const checks = [startCheck(forbiddenStart), ...typeChecks(column), ...limitChecks(column)].filter(
    (check) => check !== undefined,
  );
  const missing: Fault | undefined = column.required ? { rule: 'required', text: 'The value is missing.' } : undefined;
  return (value) => {
    if (isEmpty(value)) return missing;
    for (const check of checks) {
      const fault = check(value);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** Whether a value has nothing but blanks. */
function isEmpty(value: string): boolean {
  return value === '' || (value.charCodeAt(0) <= 0x20 && value.trim() === '');
}

const INTEGER = /^[+-]?\d+$/;
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/;
/** A minus before a number begins no formula. */
const NEGATIVE = /^-(?:\d+(?:\.\d*)?|\.\d+)$/;

function startCheck(forbidden: string): Check | undefined {
  if (forbidden === '') return undefined;
  const codes = new Set(Array.from(forbidden, (character) => character.charCodeAt(0)));
  const fault = { rule: 'forbidden-start', text: `The value begins with one of the characters ${forbidden}` };
  return (value) => (codes.has(value.charCodeAt(0)) && !NEGATIVE.test(value) ? fault : undefined);
}

function typeChecks(column: CsvColumn | CsvCell): Check[] {
  const { type } = column;
  switch (type) {
    case 'text':
      return [];
    case 'integer':
      return [matches(INTEGER, { rule: type, text: 'The value is not a whole number.' })];
    case 'decimal':
      return [matches(DECIMAL, { rule: type, text: 'The value is not a number.' })];
    case 'nhs-number': {
      const { separators, testNumbers } = column;
      return [
        (value) => {
          const rule = brokenNhsNumberRule(value, { separators, testNumbers });
          return rule === undefined ? undefined : NHS_NUMBER_FAULTS[rule];
        },
      ];
    }
    case 'date':
    case 'time': {
      const forms = [column.format ?? 'HH:mm'].flat();
      const accepts = forms.map((form) => dateFormat(form)).filter((accept) => accept !== undefined);
      const fault = { rule: type, text: `The value is no ${type} of the form ${forms.join(' or ')}.` };
      return [(value) => (accepts.some((accept) => accept(value)) ? undefined : fault)];
    }
  }
}

const NHS_NUMBER_FAULTS = Object.fromEntries(
  Object.entries(NHS_NUMBER_TEXTS).map(([rule, text]) => [rule, { rule: `nhs-number-${rule}`, text }]),
) as Record<keyof typeof NHS_NUMBER_TEXTS, Fault>;

function limitChecks(column: CsvColumn | CsvCell): Check[] {
  const { minLength = 0, maxLength = Infinity, minimum = -Infinity, maximum = Infinity } = column;
  const checks: Check[] = [];
  if (minLength > 0 || maxLength < Infinity) {
    const short = { rule: 'length', text: `The value has fewer than ${minLength} characters.` };
    const long = { rule: 'length', text: `The value has more than ${maxLength} characters.` };
    checks.push((value) => {
      const length = characters(value);
      return length < minLength ? short : length > maxLength ? long : undefined;
    });
  }
  if (minimum > -Infinity || maximum < Infinity) {
    const small = { rule: 'range', text: `The number is less than ${minimum}.` };
    const large = { rule: 'range', text: `The number is more than ${maximum}.` };
    checks.push((value) => (Number(value) < minimum ? small : Number(value) > maximum ? large : undefined));
  }
  if (column.pattern !== undefined) {
    checks.push(
      matches(wholePattern(column.pattern), {
        rule: 'pattern',
        text: 'The value does not have the form of its column.',
      }),
    );
  }
  if (column.values !== undefined) {
    const fold = (value: string): string => (column.ignoreCase ? value.toLowerCase() : value);
    const known = new Set(column.values.map(fold));
    const fault = { rule: 'values', text: 'The value is none of those of its column.' };
    checks.push((value) => (known.has(fold(value)) ? undefined : fault));
  }
  return checks;
}

function matches(pattern: RegExp, fault: Fault): Check {
  return (value) => (pattern.test(value) ? undefined : fault);
}

/** Counts as a person does: a character outside of the basic plane is one. */
function characters(value: string): number {
  let length = value.length;
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code >= 0xd800 && code <= 0xdbff) length -= 1;
  }
  return length;
}
