/**
 * Removes each rule of letters once, one at a time, and sees its test fail.
 * `npx tsx test/letters/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test, and its file. */
  case: string;
  test: string;
}

const ADDRESS = { test: 'test/letters/practice-address.test.ts', file: 'lib/letters/practice-address.ts' };
const BUILD = { test: 'test/letters/build-letter.test.ts', file: 'lib/letters/build-letter.ts' };
const DOCUMENT = { test: 'test/letters/build-letter.test.ts', file: 'lib/letters/document.ts' };
const HL7 = { test: 'test/letters/build-letter.test.ts', file: 'lib/letters/from-hl7.ts' };
const READ = { test: 'test/letters/read-letter.test.ts', file: 'lib/letters/read-letter.ts' };

const MUTATIONS: Taken[] = [
  { ...ADDRESS, case: 'is refused for the nhsNumber', check: 'if (rule !== undefined)', without: 'if (false)' },
  { ...ADDRESS, case: 'is refused for the birthDate', check: 'if (!isDate)', without: 'if (false)' },
  {
    ...ADDRESS,
    case: 'is refused for the birthDate',
    check: 'Number(year) < FIRST_YEAR || time > now + DAY_MS',
    without: 'false',
  },
  { ...ADDRESS, case: 'the order of the workflow’s profile', check: "order === 'ddmmyyyy'", without: 'false' },
  { ...ADDRESS, case: 'has for the surname', check: ".replaceAll(/\\p{M}/gu, '')", without: '' },
  {
    ...BUILD,
    case: 'never says that there are no allergies',
    check: "const BY_PROFILE: readonly Heading[] = ['Allergies and adverse reactions', ",
    without: 'const BY_PROFILE: readonly Heading[] = [',
    file: 'lib/letters/headings.ts',
  },
  { ...BUILD, case: 'everything mandatory that is not there', check: 'if (missing.length > 0)', without: 'if (false)' },
  { ...BUILD, case: 'or it is larger than the limit', check: 'if (bytes > by.maxBytes)', without: 'if (false)' },
  {
    ...BUILD,
    case: 'has a text beside its PDF',
    check: '!transfer && letter.sections !== undefined',
    without: 'false',
  },
  { ...BUILD, case: 'in documents that know it only', check: 'if (stranger !== undefined)', without: 'if (false)' },
  {
    ...DOCUMENT,
    case: 'that replaces another names the id',
    check: 'return UUID.test(number) ? number.toLowerCase() : uuidOfName(`${odsCode}/${number}`, DOCUMENTS);',
    without: 'return randomUUID();',
  },
  {
    ...HL7,
    case: 'is refused when it is a draft',
    check: 'if (CONFIDENTIAL.has(txa.at(18)))',
    without: 'if (false)',
  },
  { ...HL7, case: 'is refused when it is a draft', check: '!isWhole', without: 'false' },
  { ...READ, case: 'whatever a bundle has in it', check: 'if (depth > MAX_DEPTH)', without: 'if (depth > 9_999)' },
  { ...READ, case: 'has what it says in codes as text', check: '|| contentOf(section)', without: '' },
  {
    ...READ,
    case: 'neither text nor a file is refused',
    file: 'lib/letters/to-hl7.ts',
    check: 'if (observations.length === 0)',
    without: 'if (false)',
  },
  { ...READ, case: 'in none of its fields', check: '&& !READ.has(type)', without: '&& READ.has(type)' },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
