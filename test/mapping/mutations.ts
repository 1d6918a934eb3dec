/**
 * Removes each rule of the maps' engine once, one at a time, and sees its test fail.
 * `npx tsx test/mapping/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test. */
  case: string;
}

const ENGINE = { file: 'lib/mapping/hl7-to-fhir.ts' };
const TARGET = { file: 'lib/mapping/target.ts' };
const TYPES = { file: 'lib/mapping/data-types.ts' };

const MUTATIONS: Taken[] = [
  { ...ENGINE, case: 'reports a value that is not', check: 'if (isNull(part)) return', without: 'if (false) return' },
  {
    ...ENGINE,
    case: 'reports conditions of which none held',
    check: 'if (covered === undefined) {',
    without: 'if (false) {',
  },
  { ...ENGINE, case: 'lists what it left of', check: 'if (taken.has(place)) continue;', without: '' },
  { ...ENGINE, case: 'writes each repeat with its own role', check: 'if (shared === undefined) {', without: '{' },
  {
    ...TARGET,
    case: 'reports a value that is not',
    check: "else return 'written-before';",
    without: 'else at[leaf.key] = value;',
  },
  {
    ...TARGET,
    case: 'makes valid FHIR R4 of ORU',
    check: "if (mustExist && at[key] === undefined) return 'no-resource';",
    without: '',
  },
  {
    ...TYPES,
    case: 'a number that is no NHS number',
    check: 'isNhsAuthority(authority, type) && brokenNhsNumberRule(number) === undefined',
    without: 'isNhsAuthority(authority, type)',
  },
  { ...TYPES, case: 'takes those without a zone for British', check: 'time.wall + time.zone', without: 'time.wall' },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title }) => mochaArgs(title, 'test/mapping/hl7-to-fhir.test.ts'),
);
