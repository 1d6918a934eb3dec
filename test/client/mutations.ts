/**
 * Removes each check of lib/client that a response is MESH's, and each rule about renewed certificate files, one at a time, and
 * sees its test fail.
 * `npx tsx test/client/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test. */
  case: string;
  /** Default: test/client/foreign-responses.test.ts. */
  test?: string;
}

const ORIGIN = 'lib/client/origin.ts';
const EXCHANGE = 'lib/client/exchange.ts';
const RECEIVE = 'test/receive/hostile-durable.test.ts';
const SEND = 'test/send/foreign-responses.test.ts';
const FILES = 'lib/client/certificate-files.ts';
const RENEWAL = 'test/client/certificate-files.test.ts';

const TEXT = 'lib/protocol/header-text.ts';
const TEXT_TEST = 'test/protocol/header-text.test.ts';
const USABLE = 'lib/client/usable-certificates.ts';
const USABLE_TEST = 'test/client/usable-certificates.test.ts';
const REFUSAL = 'lib/client/proxy-refusal.ts';
const VARIABLES = 'lib/proxy-variables.ts';
const PROXY_TEST = 'test/client/proxy-variables.test.ts';

/** Certificate files that are renewed on disk. */
const RENEWED: Taken[] = [
  {
    case: 'are used by the next request',
    test: RENEWAL,
    file: 'lib/client/transport.ts',
    check: 'if (certificates.hasFiles) await certificates.check();',
    without: '',
  },
  {
    case: 'drop no request in progress',
    test: RENEWAL,
    file: 'lib/client/transport.ts',
    check: 'void before.close().then(forget, forget);',
    without: 'void before.destroy().then(forget, forget);',
  },
  ...['cert', 'key'].map((first) => ({
    case: `keep the old pair while half is renewed (${first} first)`,
    test: RENEWAL,
    file: FILES,
    check: 'if (problem) throw new UnusableFiles(problem.text);',
    without: 'void problem;',
  })),
  {
    case: 'for a CA of garbage',
    test: RENEWAL,
    file: USABLE,
    check: 'if (tls.ca !== undefined) requireAuthority(tls, names);',
    without: '',
  },
  {
    case: 'for a chain that ends within its second certificate',
    test: RENEWAL,
    file: USABLE,
    check: 'found.length > 0 && found.length === begun',
    without: 'found.length > 0',
  },
  {
    case: 'for a folder in place of the certificate',
    test: RENEWAL,
    file: FILES,
    check: 'if (!found.isFile())',
    // Not for a pipe: reading one would hold the process of the tests.
    without: 'if (!found.isFile() && !found.isDirectory())',
  },
  {
    case: 'for a key that is gone',
    test: RENEWAL,
    file: FILES,
    check: '(${codeOf(error)})`',
    without: '(${String(error)})`',
  },
  {
    case: 'for a certificate of garbage',
    test: RENEWAL,
    file: FILES,
    check: 'if (isAnother) this.onChange(problem);',
    without: 'void isAnother; this.onChange(problem);',
  },
  {
    case: 'are over as a problem when the old files are put back',
    test: RENEWAL,
    file: FILES,
    check: '    this.#problem = problem;',
    without: '    this.#problem = problem ?? this.#problem;',
  },
  {
    case: 'twice within a tick of their file system',
    test: RENEWAL,
    file: FILES,
    check: 'machineSteady() - this.#seenAt >= SETTLING_MS',
    without: 'machineSteady() >= SETTLING_MS - SETTLING_MS',
  },
  {
    case: 'also by a mailbox that makes no request',
    test: RENEWAL,
    file: 'lib/monitor/health.ts',
    check: 'void this.#certificates.check();',
    without: '',
  },
  {
    case: 'between the start of Node-RED and the first request',
    test: RENEWAL,
    file: 'lib/check/check-connection.ts',
    check: 'await readCertificatesAgain(options.tls)',
    without: '(void readCertificatesAgain, options.tls)',
  },
  {
    case: 'follows certificate files that are renewed on disk, without a deploy',
    test: 'test/nodes/mesh-status.test.ts',
    file: 'nodes/shared/tls-and-proxy.ts',
    check: 'Object.keys(files).length > 0 && { files }',
    without: 'Object.keys(files).length > 9 && { files }',
  },
  {
    case: 'use certificate files that are renewed on disk from the next connection on',
    test: 'test/nodes/mesh-mllp.test.ts',
    file: 'nodes/mesh-mllp-in.ts',
    check: 'server.setTls(',
    without: 'void (',
  },
  {
    case: 'presents its certificate as renewed on disk',
    test: 'test/nodes/mesh-mllp.test.ts',
    file: 'nodes/mesh-mllp-out.ts',
    check: 'certificates.check().then(() => certificates.current)',
    without: 'Promise.resolve(certificates.current)',
  },
];

/** Header values, certificates and proxies as the world has them. */
const READER = 'lib/client/block-reader.ts';
const BODY = 'lib/client/incoming-body.ts';
const READER_TEST = 'test/client/block-reader.test.ts';

/** Memory that is used again. */
const MEMORY: Taken[] = [
  {
    case: 'hands on every byte in order',
    test: READER_TEST,
    file: READER,
    check: 'const isRead = oldest && oldest.end + HEAD_BYTES <= this.#total - this.#unread;',
    without: 'const isRead = oldest;',
  },
  {
    case: 'hands on every byte in order',
    test: READER_TEST,
    file: READER,
    check: 'isLast && this.#handedOn === this.#filled',
    without: 'isLast',
  },
  {
    case: 'before the connection ends',
    test: READER_TEST,
    file: READER,
    check: 'this.#handOn();\n      return push(...end);',
    without: 'return push(...end);',
  },
  {
    case: 'is not read while its reader takes nothing',
    test: READER_TEST,
    file: READER,
    check: 'return this.#unread <= HAND_ON_BYTES;',
    without: 'return true;',
  },
  {
    case: 'into the same memory again',
    test: READER_TEST,
    file: READER,
    check: 'return isRead ? oldest.block : undefined;',
    without: 'return undefined;',
  },
  {
    case: 'of 1 bytes keeps them',
    test: READER_TEST,
    file: BODY,
    check: 'this.#pieces.push(Buffer.from(piece));',
    without: 'this.#pieces.push(piece);',
  },
  {
    case: 'at most twice its size',
    test: READER_TEST,
    file: BODY,
    check: 'this.#filled >= filling.length / 2',
    without: 'this.#filled > 0',
  },
  {
    case: 'to one user at a time',
    test: READER_TEST,
    file: 'lib/payload/piece-memory.ts',
    check: 'this.#taken.delete(buffer)',
    without: 'this.#taken.has(buffer)',
  },
  {
    case: 'is not kept beyond 6 MiB',
    test: READER_TEST,
    file: 'lib/payload/piece-memory.ts',
    check: ' && this.#free.length < this.#maxFree',
    without: '',
  },
  {
    case: 'as soon as the file releases it',
    test: 'test/payload/sink.test.ts',
    file: 'lib/payload/file-sink.ts',
    check: 'this.#digests.update(piece);',
    without: 'this.#digests.update(piece);\n    receivedMemory.release(piece);',
  },
  {
    case: 'as soon as the file releases it',
    test: 'test/payload/sink.test.ts',
    file: 'lib/payload/file-sink.ts',
    check: '(piece) => receivedMemory.release(piece)',
    without: '() => undefined',
  },
];

const EDGES: Taken[] = [
  {
    case: 'is text in every field',
    test: TEXT_TEST,
    file: TEXT,
    check: "return utf8.decode(Buffer.from(received, 'latin1'));",
    without: 'return received;',
  },
  {
    case: 'is read back as every text was written',
    test: TEXT_TEST,
    file: TEXT,
    check: ' && headerText(text) === text',
    without: '',
  },
  {
    case: 'that was decoded before stays',
    test: TEXT_TEST,
    file: TEXT,
    check: ' || NO_BYTE.test(received)',
    without: '',
  },
  {
    case: 'arrives as it was sent, at another mailbox',
    test: TEXT_TEST,
    file: 'lib/sandbox/request.ts',
    check: ".replace(/^[ \\t]+|[ \\t]+$/g, '')",
    without: '.trim()',
  },
  {
    case: 'repeats it as one character for each byte',
    test: TEXT_TEST,
    file: 'lib/protocol/responses.ts',
    check: 'printable(headerText(received))',
    without: 'printable(received)',
  },
  { case: 'a CA that is no CA', test: USABLE_TEST, file: USABLE, check: 'certificate.ca ||', without: 'true ||' },
  {
    case: 'the key of another certificate',
    test: USABLE_TEST,
    file: USABLE,
    check: 'if (certificates[0]?.checkPrivateKey(privateKey)) return;',
    without: 'return;',
  },
  {
    case: 'an encrypted key without a passphrase',
    test: USABLE_TEST,
    file: USABLE,
    check: 'const isEncrypted = ',
    without: 'const isEncrypted = false && ',
  },
  { case: 'a chain whose issuer is first', test: USABLE_TEST, file: USABLE, check: 'owner > 0', without: 'owner > 9' },
  {
    case: 'where the server refuses our expired one',
    test: USABLE_TEST,
    file: 'lib/client/failures.ts',
    check: 'isRefused ? findClientCertificateOutOfDate(tls) :',
    without: 'isRefused ? undefined :',
  },
  { case: 'are none: whole chains', test: USABLE_TEST, file: 'lib/pem.ts', check: "'$1\\n'", without: "'$1'" },
  { case: 'speaks NTLM only', test: PROXY_TEST, file: REFUSAL, check: "!schemes.includes('Basic')", without: 'false' },
  {
    case: 'answers with a page',
    test: PROXY_TEST,
    file: REFUSAL,
    check: 'status === 200 && !',
    without: 'status === 200 || !',
  },
  {
    case: 'with a length or type that mean nothing',
    test: PROXY_TEST,
    file: REFUSAL,
    check: 'page !== undefined && hasBody',
    without: 'page !== undefined || hasBody',
  },
  {
    case: 'is not used for a server on this machine',
    test: PROXY_TEST,
    file: 'lib/config.ts',
    check: 'return isThisMachine(url.hostname) ? undefined :',
    without: 'return',
  },
  {
    case: 'has its credentials apart',
    test: PROXY_TEST,
    file: VARIABLES,
    check: "  url.password = '';",
    without: '',
  },
  {
    case: 'is the first that is set',
    test: PROXY_TEST,
    file: VARIABLES,
    check: '[name, name.toUpperCase()]',
    without: '[name.toUpperCase(), name]',
  },
];

const MUTATIONS: Taken[] = [
  {
    case: 'a page without the message’s headers',
    file: ORIGIN,
    check: "ensure(typeof named === 'string' && isSame(named, messageId));",
    without: "ensure(named === undefined || (typeof named === 'string' && isSame(named, messageId)));",
  },
  {
    case: 'an error of MESH with status 200 in place of chunk 1',
    test: RECEIVE,
    file: ORIGIN,
    check: "ensure(typeof named === 'string' && isSame(named, messageId));",
    without: 'void named;',
  },
  {
    case: 'to a later chunk (a page) does not count as sent',
    file: 'lib/client/outbox.ts',
    check: 'else requireChunkAccepted(body, messageId);',
    without: 'else void requireChunkAccepted;',
  },
  {
    case: 'to a later chunk (the id of another message)',
    file: ORIGIN,
    check: 'ensure(isSame(requireMessageId(body), messageId));',
    without: 'requireMessageId(body);',
  },
  {
    case: 'to a later chunk (an error of MESH with its id)',
    file: ORIGIN,
    check: 'isMeshError(json) ? undefined : readMessageId(json)',
    without: 'readMessageId(json)',
  },
  {
    case: 'with status 423 does not count as complete',
    file: 'lib/client/outbox.ts',
    check: 'if (response.status === 423) requireRefusal(response, body, call);',
    without: 'if (response.status === 423) void requireRefusal;',
  },
  ...['that does not know the message (a page)', 'that does not know the message (another server’s JSON)'].map(
    (title) => ({ case: title, file: ORIGIN, check: '  ensure(isMeshError(body.json));', without: '' }),
  ),
  {
    case: 'MESH’s error about another message',
    file: ORIGIN,
    check: 'named === undefined || messageId === undefined || isSame(named, messageId)',
    without: 'named !== messageId || messageId',
  },
  {
    case: 'is a fault of the connection to acknowledge_message, whatever its status',
    file: 'lib/client/inbox.ts',
    check: "requireEmptyOrNaming(body, 'messageId', messageId);",
    without: 'void body;',
  },
  {
    case: 'is a fault of the connection to handshake, whatever its status',
    file: 'lib/client/handshake.ts',
    check: "requireEmptyOrNaming(body, 'mailboxId', exchange.config.mailboxId);",
    without: 'void requireEmptyOrNaming;',
  },
  {
    case: 'in JSON of another form is a fault of the connection to tracking_by_message_id',
    file: EXCHANGE,
    check: 'if (isMeshError(json)) throw',
    without: "if (json === '') throw",
  },
  {
    case: '409 to the POST of a whole message is looked up',
    test: SEND,
    file: ORIGIN,
    check: '  ensure(REFUSALS.has(status));',
    without: '  if (!REFUSALS.has(status)) return;',
  },
  {
    case: '200 to a chunk sends that chunk again',
    test: SEND,
    file: 'lib/client/outbox.ts',
    check: 'else requireChunkAccepted(body, messageId);',
    without: 'else void requireChunkAccepted;',
  },
  {
    case: 'to a lookup or tracking settles nothing',
    test: SEND,
    file: ORIGIN,
    check: '  ensure(isMeshError(body.json));',
    without: '',
  },
  {
    case: 'takes neither health nor time from what responds',
    test: 'test/client/health.test.ts',
    file: 'lib/monitor/health.ts',
    check: 'times.set(response, { began, ended: machineNow() });',
    without: 'this.#recordResponse(response, { began, ended: machineNow() });',
  },
  ...RENEWED,
  ...EDGES,
  ...MEMORY,
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test = 'test/client/foreign-responses.test.ts' }) => mochaArgs(title, test),
);
