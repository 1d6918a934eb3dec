import { deepEqual } from 'node:assert/strict';
import type { Definitions } from '../../../lib/formats/fhir/validate/types';
import { validate } from '../../../lib/formats/fhir/validate/validate';

const NONE: Definitions = {
  release: 'STU3',
  profile: () => undefined,
  type: () => undefined,
  baseOf: () => undefined,
  valueSet: () => undefined,
  codeSystem: () => undefined,
};

describe('FHIR validation', () => {
  it('refuses what is no resource, and does not throw', () => {
    for (const value of [undefined, null, 1, 'text', [], {}, { resourceType: 7 }]) {
      deepEqual(
        validate(value, NONE).issues.map(({ rule }) => rule),
        ['unknown-resource'],
      );
    }
  });
});
