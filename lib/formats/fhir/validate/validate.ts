/** Validates FHIR resources against the base definitions and profiles. */
import type { Definitions, ValidationIssue, ValidationOptions, ValidationResult } from './types';

/**
 * Validates a resource as parsed by lib/formats/fhir: a JavaScript object in the form of FHIR JSON.
 * Never throws, whatever the object is: what cannot be validated is an issue.
 */
export function validate(
  resource: unknown,
  definitions: Definitions,
  options: ValidationOptions = {},
): ValidationResult {
  const issues: ValidationIssue[] = [];
  const type = (resource as { resourceType?: unknown } | null | undefined)?.resourceType;
  for (const url of [typeof type === 'string' ? type : '', ...(options.profiles ?? [])]) {
    if (definitions.type(url) ?? definitions.profile(url)) continue;
    issues.push({
      severity: 'error',
      path: '',
      element: '',
      rule: 'unknown',
      profile: '',
      text: 'It is not a FHIR resource, or a demanded profile is not loaded.',
      advice: 'Check resourceType, and the folder of definitions.',
    });
  }
  return { valid: issues.length === 0, issues };
}
