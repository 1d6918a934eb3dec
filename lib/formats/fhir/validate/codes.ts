/** Codes: those of a binding's value set, and those that a code system defines. */
import { isObject } from '../fhirpath/evaluate';
import type { Frame } from './frame';
import type { Issues } from './issues';
import type { Binding, Definitions } from './types';
import { isAbsolute } from './bundle';

/** Checks that a value has a code of the binding's value set. */
export function checkBinding(
  frame: Frame,
  { strength, valueSet }: Binding,
  of: { element: string; profile: string },
  definitions: Definitions,
  issues: Issues,
): void {
  if (valueSet === undefined || (strength !== 'required' && strength !== 'extensible')) return;
  // A binding of a choice is for its coded types; what else it says, it says in vain.
  if (!CODED.has(frame.type) && !(TEXTS.has(frame.type) && !frame.isChoice)) return;
  const codes = definitions.valueSet(valueSet);
  const name = valueSet.split('|')[0] ?? '';
  if (!codes) {
    issues.add(frame, {
      ...of,
      severity: 'information',
      rule: 'binding-unknown',
      text: `The codes of ${name} are not loaded; the code was not checked.`,
      advice: 'Add the package that defines the value set.',
    });
    return;
  }
  const given = codesOf(frame);
  if (given.length === 0) {
    // A code that has an extension in place of its value is none, whatever the extension says (as HAPI reads it).
    if (strength !== 'required' || (frame.type !== 'CodeableConcept' && !isCodeWithoutValue(frame))) return;
    issues.add(frame, {
      ...of,
      rule: 'binding',
      text: `It must have a code of ${name}, and has none.`,
      advice: 'Add a coding with system and code.',
    });
    return;
  }
  if (given.some(({ code, system }) => codes.has(code, system) !== false)) return;
  issues.add(frame, {
    ...of,
    severity: strength === 'required' ? 'error' : 'warning',
    rule: 'binding',
    text:
      strength === 'required'
        ? `The code is not in the value set ${name}, which is required here.`
        : `The code is not in the value set ${name}, which is to be used where it has a fitting code.`,
    advice: 'Check code and system against the value set.',
  });
}

const isCodeWithoutValue = ({ type, value }: Frame): boolean => type === 'code' && value === undefined;

const CODED = new Set(['code', 'Coding', 'CodeableConcept', 'Quantity']);
/** Bound where the whole element is, as a URL of a list. */
const TEXTS = new Set(['string', 'uri', 'url', 'canonical', 'id']);

interface Code {
  code: string;
  system: string | undefined;
}

/** The codes of a `code`, Coding, CodeableConcept or Quantity. */
function codesOf({ type, value }: Frame): Code[] {
  if (typeof value === 'string') return [{ code: value, system: undefined }];
  if (!isObject(value)) return [];
  if (type === 'CodeableConcept') {
    const codings: readonly unknown[] = Array.isArray(value['coding']) ? value['coding'] : [];
    return codings.flatMap((coding) => (isObject(coding) ? codeOf(coding) : []));
  }
  return codeOf(value);
}

function codeOf({ code, system }: Record<string, unknown>): Code[] {
  if (typeof code !== 'string') return [];
  // A Coding without system is of no value set; a `code` has none by nature.
  return [{ code, system: typeof system === 'string' ? system : '' }];
}

/** Whether a value (a code, Coding or CodeableConcept) is in a value set; undefined when that is not known. */
export function isMember(value: unknown, valueSet: string, definitions: Definitions): boolean | undefined {
  const codes = definitions.valueSet(valueSet);
  if (!codes) return undefined;
  const type = isObject(value) && Array.isArray(value['coding']) ? 'CodeableConcept' : 'Coding';
  let result: boolean | undefined = false;
  for (const { code, system } of codesOf({ type, value } as Frame)) {
    const member = codes.has(code, system);
    if (member === true) return true;
    if (member === undefined) result = undefined;
  }
  return result;
}

/** Checks a Coding against its own code system, where that is loaded and complete. */
export function checkCoding(frame: Frame, definitions: Definitions, issues: Issues): void {
  const { value } = frame;
  if (!isObject(value)) return;
  const { system, code, display } = value;
  if (typeof system !== 'string' || system === '') return;
  if (!isAbsolute(system.toLowerCase())) {
    issues.add(frame, {
      rule: 'system',
      element: 'Coding.system',
      text: 'The system of a code must be an absolute address.',
      advice: 'Use the address of the code system as its publisher gives it, as http://snomed.info/sct.',
    });
    return;
  }
  const known = definitions.codeSystem(system);
  if (!known || typeof code !== 'string') return;
  const displays = known.displaysOf(code);
  if (!displays) {
    if (!known.complete) return;
    const concept = frame.parent?.type === 'CodeableConcept' ? frame.parent : frame;
    issues.add(concept, {
      rule: 'unknown-code',
      element: 'Coding.code',
      profile: known.url,
      text: `The code is not defined in ${known.url}.`,
      advice: 'Check the code and its system.',
    });
    return;
  }
  const folded = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, ' ').trim();
  if (typeof display !== 'string' || displays.length === 0) return;
  if (displays.some((each) => folded(each) === folded(display))) return;
  issues.add(frame, {
    severity: 'warning',
    rule: 'display',
    element: 'Coding.display',
    profile: known.url,
    text: `The display is not that of the code in ${known.url}.`,
    advice: 'Use the display of the code system, and put other words into text.',
  });
}
