/** Validates FHIR resources against the base definitions and profiles. */
import { isObject } from '../fhirpath/evaluate';
import { Budget, LimitReached } from './budget';

import { Issues } from './issues';
import type { Definitions, ValidationOptions, ValidationResult } from './types';
import { Walk } from './walk';

const MAX_ISSUES = 1000;

/** Steps of one validation. A dense letter of 5 MB takes about a tenth of them. */
const MAX_STEPS = 10_000_000;

/**
 * Validates a resource as parsed by lib/formats/fhir: a JavaScript object in the form of FHIR JSON.
 * Never throws, whatever the object is: what cannot be validated is an issue.
 */
export function validate(
  resource: unknown,
  definitions: Definitions,
  options: ValidationOptions = {},
): ValidationResult {
  const issues = new Issues(options.maxIssues ?? MAX_ISSUES);
  try {
    if (!isObject(resource)) {
      issues.add('', {
        rule: 'unknown-resource',
        text: 'It is no FHIR resource: it is not an object.',
        advice: 'Pass on the resource as an object, or parse it first.',
      });
    } else new Walk(quick(definitions), issues, new Budget(MAX_STEPS)).resource(resource, options);
  } catch (error) {
    if (!(error instanceof LimitReached)) throw error;
    issues.list.push({
      severity: 'error',
      path: '',
      element: '',
      rule: 'limit',
      profile: '',
      text: `Validation ended early: too many ${error.message}. What follows was not checked.`,
      advice: 'Correct what was found and validate again.',
    });
  }
  return { valid: !issues.list.some(({ severity }) => severity === 'error'), issues: issues.list };
}

/** Definitions that remember what they found: a walk asks for the same few thousands of times. */
const remembering = new WeakMap<Definitions, Definitions>();

function quick(definitions: Definitions): Definitions {
  let known = remembering.get(definitions);
  if (!known) {
    known = {
      release: definitions.release,
      profile: remember((url) => definitions.profile(url)),
      type: remember((name) => definitions.type(name)),
      baseOf: remember((type) => definitions.baseOf(type)),
      valueSet: remember((url) => definitions.valueSet(url)),
      codeSystem: remember((url) => definitions.codeSystem(url)),
    };
    remembering.set(definitions, known);
  }
  return known;
}

/** Answers that are remembered; payloads name addresses without end, definitions some thousands. */
const MAX_REMEMBERED = 20_000;

function remember<Value>(find: (key: string) => Value | undefined): (key: string) => Value | undefined {
  const found = new Map<string, Value | undefined>();
  return (key) => {
    if (found.has(key)) return found.get(key);
    const value = find(key);
    if (found.size < MAX_REMEMBERED) found.set(key, value);
    return value;
  };
}
