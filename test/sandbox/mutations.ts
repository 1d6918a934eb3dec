/**
 * Removes each rule that makes the sandbox a drop-in for the NHS's own, one at a time, and sees its test fail.
 * `npx tsx test/sandbox/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Rule extends Mutation {
  /** Words from the title of the test. */
  case: string;
  /** In this folder, unless it has a path. */
  test: string;
}

const HEAD = 'returns 431 for too many headers, and 400 for control characters, in the version';

const MUTATIONS: Rule[] = [
  {
    case: 'accepts any client certificate, and with --client-ca those of that CA',
    test: 'test/cli/sandbox.test.ts',
    file: 'lib/cli/sandbox.ts',
    check: "clientCa: 'any', ",
    without: '',
  },
  {
    case: 'accepts any client certificate if configured',
    test: 'tls.test.ts',
    file: 'lib/sandbox/client-certificates.ts',
    check: '!checked || ',
    without: '',
  },
  {
    case: 'checks client certificates against the configured CAs',
    test: 'tls.test.ts',
    file: 'lib/sandbox/start.ts',
    check: ': clientCa.pem;',
    without: ': (await authority()).cert;',
  },
  {
    case: 'refuses a client CA without a readable certificate',
    test: 'tls.test.ts',
    file: 'lib/sandbox/start.ts',
    check: "if (typeof clientCa === 'object') checkClientCa(clientCa.pem);",
    without: 'void checkClientCa;',
  },
  {
    case: 'returns 500 if a body stored as gzip cannot be expanded',
    test: 'download.test.ts',
    file: 'lib/sandbox/endpoints/download.ts',
    check: "if (coder === 'expand') await checkGzip(await open());",
    without: 'void checkGzip;',
  },
  {
    case: 'refuses a chunk whose number is not in its range with 417',
    test: 'chunks.test.ts',
    file: 'lib/sandbox/endpoints/send-chunk.ts',
    check: 'min: -Infinity',
    without: 'min: 1',
  },
  {
    case: HEAD,
    test: 'lifecycle.test.ts',
    file: 'lib/sandbox/server.ts',
    check: 'versionOrFirst(acceptOf(error))',
    without: '(void versionOrFirst, void acceptOf, 1)',
  },
  {
    case: HEAD,
    test: 'lifecycle.test.ts',
    file: 'lib/sandbox/dispatch.ts',
    check: 'toResponse(malformedHead(431), progress.version)',
    without: 'toResponse(malformedHead(431), 1)',
  },
  {
    case: 'reads the version of a malformed request behind a good one',
    test: 'lifecycle.test.ts',
    file: 'lib/sandbox/server.ts',
    check: 'before < 0 ? 0 : before + 4',
    without: '0 * before',
  },
  {
    case: 'refuses a list of media types with 400',
    test: 'handshake.test.ts',
    file: 'lib/sandbox/request.ts',
    check: ".split(';')",
    without: '.split(/[,;]/)',
  },
  {
    case: 'reads other forms of a filter as the NHS’s sandbox does',
    test: 'inbox.test.ts',
    file: 'lib/sandbox/workflow-filter.ts',
    check: 'text.slice(1, -1)',
    without: "text.slice(1).replace(/[*]$/, '')",
  },
  {
    case: 'says nothing to a subject with a colon',
    test: 'services.test.ts',
    file: 'lib/sandbox/responders/opt-out.ts',
    check: 'if (!PLAIN.test(subject) || !PLAIN.test(localId)) {',
    without: "if (subject === '' || localId === '') {",
  },
  {
    case: 'answers a file without rows once only',
    test: 'services.test.ts',
    file: 'lib/sandbox/responders/vaccinations.ts',
    check: 'if (body.length === 0) {',
    without: 'if (body.length < 0) {',
  },
  {
    case: 'answers a refused one with an archive that has a report in its place',
    test: 'services.test.ts',
    file: 'lib/sandbox/responders/landing-portal.ts',
    check: '...(isGood ? [file(localId',
    without: '...(plain ? [file(localId',
  },
  {
    case: 'end where a user plays the service by hand',
    test: 'services.test.ts',
    file: 'lib/sandbox/start.ts',
    check: 'context.services.end(mailbox.mailboxId);',
    without: '',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test.includes('/') ? test : `test/sandbox/${test}`),
);
