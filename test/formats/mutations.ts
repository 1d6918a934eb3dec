/**
 * Removes each rule of the readers, one at a time, and sees its test fail.
 * `npx tsx test/formats/mutations.ts [words of a title]`; it changes files of lib while it runs, and restores them.
 */
import { tryAll, type Mutation } from '../harness/mutation';

interface Removed extends Mutation {
  /** Words from the title of the test. */
  title: string;
  /** The test's file. */
  test: string;
}

const TERMINATORS = 'test/formats/hl7-terminators.test.ts';
const TERMINATOR = 'lib/formats/hl7/terminator.ts';
const SEPARATORS = 'lib/formats/hl7/separators.ts';

const MUTATIONS: Removed[] = [
  {
    title: 'line breaks of another kind are text, whatever follows',
    test: TERMINATORS,
    file: TERMINATOR,
    check: '(isOwn ? name !== undefined : isKnown)',
    without: '(name !== undefined)',
  },
  {
    title: 'which is reported',
    test: TERMINATORS,
    file: TERMINATOR,
    check: 'if (!isOwn) {',
    without: 'if (!isOwn && isFirm) {',
  },
  {
    title: 'of each message of a file end as its own header does',
    test: TERMINATORS,
    file: TERMINATOR,
    check: '      terminator = undefined;\n',
    without: '',
  },
  {
    title: 'have no blank line in their last field',
    test: TERMINATORS,
    file: 'lib/formats/hl7/segment.ts',
    check: "else if (char.trim() !== '') break;",
    without: 'else break;',
  },
  {
    title: 'without fields are read back where lines end with LF',
    test: TERMINATORS,
    file: 'lib/formats/hl7/message.ts',
    check: "lineEnd !== '\\r'",
    without: 'false',
  },
  {
    title: 'survive a change of a neighbour and a copy to another field byte for byte',
    test: TERMINATORS,
    file: SEPARATORS,
    check: '$/i;\n\n/** Whether `\\name\\`',
    without: '$/;\n\n/** Whether `\\name\\`',
  },
  {
    title: 'of any message survive a copy of each text to another field',
    test: TERMINATORS,
    file: SEPARATORS,
    check: "parts[index] === 'E' && index + 3",
    without: "parts[index] === 'e' && index + 3",
  },
  {
    title: 'that a sender has got wrong stay as they are beside a changed neighbour',
    test: TERMINATORS,
    file: 'lib/formats/hl7/segment.ts',
    check: 'isUnchanged(value, was, by) ? was',
    without: 'isUnchanged(value, was, by) ? escapeText(was, by)',
  },
  {
    title: 'that is a FHIR message of another kind is no ITK3 request',
    test: 'test/acks/parse-acknowledgement.test.ts',
    file: 'lib/acks/parse-acknowledgement.ts',
    check: 'isItk3 ? { request: kept } : { unmarkedRequest: kept }',
    without: '{ request: kept }',
  },
  {
    title: 'that is a FHIR message of another kind is no ITK3 request',
    test: 'test/acks/parse-acknowledgement.test.ts',
    file: 'lib/acks/parse-acknowledgement.ts',
    check: 'isItk3 || response.acknowledgement !== undefined ? response : {}',
    without: 'response',
  },
  {
    title: 'that is ITK3 by the profile of its bundle or header',
    test: 'test/acks/parse-acknowledgement.test.ts',
    file: 'lib/acks/itk3/read.ts',
    check: 'handling !== undefined || profiles.some',
    without: 'handling !== undefined && profiles.some',
  },
  {
    title: 'GP Connect has the prescribed subject where the flow brings its parts',
    test: 'test/send/by-profile.test.ts',
    file: 'lib/send/by-profile.ts',
    check: 'profile.subjectOptional !== true ||',
    without: 'profile.subjectOptional === true ||',
  },
];

tryAll(
  MUTATIONS,
  ({ title }) => title,
  ({ title, test }) => [require.resolve('mocha/bin/mocha.js'), '--exit', '-f', title, test],
);
