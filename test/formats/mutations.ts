/**
 * Removes each rule of the readers, one at a time, and sees its test fail.
 * `npx tsx test/formats/mutations.ts [words of a title]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Removed extends Mutation {
  /** Words from the title of the test. */
  title: string;
  /** The test's file. */
  test: string;
}

const AS_READ = 'test/formats/as-read.test.ts';
const BATCHES = 'test/formats/hl7-batch.test.ts';
const EDGES = 'test/formats/edifact-edges.test.ts';
const FHIR = 'test/formats/fhir-edges.test.ts';
const TRIPS = 'test/formats/round-trip.test.ts';
const ITK2 = 'test/formats/itk2.test.ts';
const ENVELOPE = 'lib/formats/itk2/envelope.ts';
const PEERS = 'test/mllp/unusual-peers.test.ts';
const CHARSETS = 'test/formats/hl7-charset.test.ts';
const CHARSET = 'lib/formats/hl7/charset.ts';
const TERMINATORS = 'test/formats/hl7-terminators.test.ts';
const TERMINATOR = 'lib/formats/hl7/terminator.ts';
const SEPARATORS = 'lib/formats/hl7/separators.ts';

const FORMS = 'test/formats/multipart.test.ts';
const FORM = 'lib/formats/multipart.ts';
const UNWRAPPED = 'test/receive/multipart.test.ts';

const MUTATIONS: Removed[] = [
  {
    title: 'is read byte for byte, whatever the pieces',
    test: FORMS,
    file: FORM,
    check: 'length - this.#delimiter.length',
    without: 'length',
  },
  {
    title: 'if it is cut within a part',
    test: FORMS,
    file: FORM,
    check: "if (this.#state !== 'epilogue') throw",
    without: "if (this.#state === 'headers') throw",
  },
  {
    title: 'ends a part only at a whole boundary',
    test: FORMS,
    file: FORM,
    check: "if (!after.startsWith('--') &&",
    without: "if (after === '' &&",
  },
  {
    title: 'if it has a part without a name',
    test: FORMS,
    file: FORM,
    check: 'if (name === undefined) throw unreadable(`part',
    without: 'if (number < 0) throw unreadable(`part',
  },
  {
    title: 'if it has 1,001 parts',
    test: FORMS,
    file: FORM,
    check: 'this.#parts > MAX_PARTS',
    without: 'this.#parts > 2 * MAX_PARTS',
  },
  {
    title: 'the first boundary decides for all',
    test: FORMS,
    file: FORM,
    check: "this.#lineEnd = found[1] ?? '\\r\\n';",
    without: '',
  },
  {
    title: 'is parked whole with an error, leaves no file',
    test: UNWRAPPED,
    file: 'lib/receive/deliver/stored-message.ts',
    check: 'for (const sink of sinks) await sink.discard();',
    without: '',
  },
  {
    title: 'of which one file cannot get its name leaves none of them',
    test: UNWRAPPED,
    file: 'lib/receive/deliver/stored-message.ts',
    check: 'for (const file of files) await rm(file, { force: true }).catch(() => undefined);',
    without: '',
  },
  {
    title: 'that is damaged in the store leaves the files of the delivery before it as they were (in parts)',
    test: UNWRAPPED,
    file: 'lib/receive/deliver/stored-message.ts',
    check: 'await sinks.at(-1)?.complete();\n      // A redelivery',
    without: 'await sinks.at(-1)?.finish();\n      // A redelivery',
  },
  {
    title: 'is done when its last part has reached mesh-ack',
    test: 'test/nodes/mesh-poll.test.ts',
    file: 'nodes/receive/parts.ts',
    check: 'if (found.size < count) return false;',
    without: '',
  },
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
    check: "kind === 'escape' && wouldSpell(out, by)",
    without: "kind === 'escape' && out.length < 0",
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
  {
    title: 'is one table for files and MLLP, whatever a sender writes in MSH-18',
    test: CHARSETS,
    file: CHARSET,
    check: '[\\s_/-]+/g',
    without: '[\\s]+/g',
  },
  {
    title: 'has every byte of every part of ISO 8859',
    test: CHARSETS,
    file: 'lib/formats/charset.ts',
    check: 'if (index < 0x20) return',
    without: 'if (index < 0) return',
  },
  {
    title: 'is the setting’s where the bytes do not fit MSH-18, if that is chosen',
    test: CHARSETS,
    file: CHARSET,
    check: "setting !== 'utf-8' || !isUtf8(bytes)",
    without: 'true',
  },
  {
    title: 'is always the setting’s, if that is chosen',
    test: CHARSETS,
    file: 'lib/formats/hl7/message.ts',
    check: 'declared === charsetAsRead(message)',
    without: 'declared === undefined',
  },
  {
    title: 'of a refused message is said with the place and with those that fit',
    test: CHARSETS,
    file: CHARSET,
    check: "name === undefined ? '' :",
    without: "name !== undefined ? '' :",
  },
  {
    title: 'of acknowledgements is read whole: the worst counts',
    test: BATCHES,
    file: 'lib/acks/parse-acknowledgement.ts',
    check: 'RANK[one.result] - RANK[other.result]',
    without: 'RANK[other.result] - RANK[one.result]',
  },
  {
    title: 'may have another character set and terminator in each message',
    test: BATCHES,
    file: 'lib/formats/hl7/batch.ts',
    check: "payload.toString('latin1')",
    without: "payload.toString('utf8')",
  },
  {
    title: 'a batch of HL7 messages is answered by a batch',
    test: 'test/acks/wiring.test.ts',
    file: 'lib/send/settle-acknowledgement.ts',
    check: 'row && isOfBatch(row, ack)',
    without: 'row && isOfBatch(row, ack) && false',
  },
  {
    title: 'in a batch of acknowledgements settles nothing',
    test: 'test/acks/wiring.test.ts',
    file: 'lib/send/settle-acknowledgement.ts',
    check: 'row && isOfBatch(row, ack)',
    without: 'row !== undefined || isOfBatch(row, ack)',
  },
  {
    title: 'in a batch of acknowledgements settles nothing',
    test: 'test/acks/wiring.test.ts',
    file: 'lib/receive/acknowledge/settlements.ts',
    check: 'unsettled.length > 0 ||',
    without: 'settled[0] === undefined ||',
  },
  {
    title: 'without its last terminator is read and reported; any other end is refused',
    test: EDGES,
    file: 'lib/formats/edifact/segment.ts',
    check: 'if (text.charAt(end) !== syntax.terminator && !TRAILERS.has(tag)) return undefined;',
    without: '',
  },
  {
    title: 'is written as its copy is, whatever part of it has been changed in place',
    test: AS_READ,
    file: 'lib/formats/as-read.ts',
    check: 'return value === parts[at] ? at + 1 : -1;',
    without: 'return at + 1;',
  },
  {
    title: 'is written with the segments of another message that were put into it',
    test: AS_READ,
    file: 'lib/formats/as-read.ts',
    check: 'known?.segment === segment && afterParts(segment, known.parts, 0) === known.parts.length',
    without: 'known !== undefined && afterParts(known.segment, known.parts, 0) > 0',
  },
  {
    title: 'is split at each separator that no release character stands before',
    test: AS_READ,
    file: 'lib/formats/edifact/syntax.ts',
    check: '(part.length - end) % 2 === 1 &&',
    without: 'part.length > end &&',
  },
  {
    title: 'with a UNA of five characters is read by them',
    test: EDGES,
    file: 'lib/formats/edifact/interchange.ts',
    check: "(five ?? six ?? '')",
    without: "(six ?? five ?? '')",
  },
  {
    title: 'that says UNOC and has characters of Windows or UTF-8',
    test: EDGES,
    file: 'lib/formats/edifact/interchange.ts',
    check: 'byte >= 0x80 && byte <= 0x9f',
    without: 'byte < 0',
  },
  {
    title: 'of any several interchanges loses nothing when it is split',
    test: EDGES,
    file: 'lib/formats/edifact/split.ts',
    check: '      hasUna = false;\n',
    without: '',
  },
  {
    title: 'are acknowledgements with their result, never requests',
    test: EDGES,
    file: 'lib/acks/parse-acknowledgement.ts',
    check: 'if (isReceipt(interchange)) return',
    without: 'if (!isReceipt(interchange) && isNhsAck(interchange)) return',
  },
  {
    title: 'leaves empty elements out, whatever they are, and reports it',
    test: FHIR,
    file: 'lib/formats/fhir/to-xml.ts',
    check: 'if (xml !== `<${name}/>`) return xml;',
    without: 'if (xml !== name) return xml;',
  },
  {
    title: 'leaves empty elements of XML out, too',
    test: FHIR,
    file: 'lib/formats/fhir/from-xml.ts',
    check: 'if (value === null && extra === null) {',
    without: 'if (value === null && extra === undefined) {',
  },
  {
    title: 'gives a narrative that inherits prefixes as JSON that is read back',
    test: FHIR,
    file: 'lib/formats/xml.ts',
    check: "declarations === '' ? xhtml",
    without: "declarations !== '<' ? xhtml",
  },
  {
    title: 'has the release that fhirVersion, its profiles or its elements say',
    test: FHIR,
    file: 'lib/formats/fhir/release.ts',
    check: 'if (version !== undefined) return',
    without: 'if (version === undefined) return',
  },
  {
    title: 'takes time in proportion to its size, whatever white space',
    test: BATCHES,
    file: 'lib/formats/hl7/batch.ts',
    check: '(?:MSH|BTS|FTS)(?<=[\\r\\n\\x1c][\\s\\x1c]*(?:MSH|BTS|FTS))\\W/',
    without: '[\\r\\n\\x1c][\\s\\x1c]*(?:MSH|BTS|FTS)\\W/',
  },
  {
    title: 'that has only an end has its messages read',
    test: BATCHES,
    file: 'lib/formats/hl7/batch.ts',
    check: "isHeadless = name === 'BTS' || name === 'FTS';",
    without: 'isHeadless = false;',
  },
  {
    title: 'is refused where its XML could not be read back',
    test: FHIR,
    file: 'lib/formats/fhir/to-xml.ts',
    check: 'if (!isTyped)',
    without: 'if (isTyped === undefined)',
  },
  {
    title: 'throws nothing, changes no value',
    test: TRIPS,
    file: 'lib/formats/hl7/separators.ts',
    check: "    [by.field, 'F'],\n",
    without: '',
  },
  {
    title: 'throws nothing, changes no value',
    test: TRIPS,
    file: 'lib/formats/edifact/syntax.ts',
    check: 'special.has(char) ? release + char : char',
    without: 'char',
  },
  {
    title: 'throws nothing, changes no value',
    test: TRIPS,
    file: 'lib/formats/fhir/to-xml.ts',
    check: 'return escapeXml(text);',
    without: 'return escapeXml(text.slice(0, 3));',
  },
  {
    title: 'is canonical in each way that the same values can be written',
    test: TRIPS,
    file: 'lib/formats/round-trip.ts',
    check: "if (key === 's1' && others.length === 0) return value['s1'];",
    without: '',
  },
  {
    title: 'is refused with the reader’s reason, as a class and a place',
    test: TRIPS,
    file: 'lib/formats/round-trip.ts',
    check: "message.replaceAll(PLACE, '$1 n')",
    without: 'message',
  },
  {
    title: 'with two examples',
    test: 'test/cli/corpus.test.ts',
    file: 'lib/cli/corpus-tally.ts',
    check: '!known.examples.some((each) => each.file === file)',
    without: 'file !== undefined',
  },
  {
    title: 'prints no value of a message',
    test: 'test/cli/corpus.test.ts',
    file: 'lib/cli/corpus.ts',
    check: 'printable(place',
    without: '(place',
  },
  {
    title: 'is never answered as ITK3',
    test: ITK2,
    file: 'lib/acks/parse-acknowledgement.ts',
    check: 'if (isItk2(payload)) return { isItk2: true };',
    without: '',
  },
  {
    title: 'is never answered as ITK3',
    test: ITK2,
    file: 'lib/acks/compose.ts',
    check: "if (form === 'itk3' && isItk2)",
    without: "if (form === 'nhsack' && isItk2)",
  },
  {
    title: 'gives its document the namespaces that it inherits',
    test: ITK2,
    file: 'lib/formats/xml.ts',
    check: 'scope.filter(([prefix]) => isUsed(prefix))',
    without: 'scope.slice(0, 0)',
  },
  {
    title: 'that is hostile is refused: entities, depth, mass',
    test: ITK2,
    file: ENVELOPE,
    check: ', { maxOutputLength: MAX_SIZE }',
    without: '',
  },
  {
    title: 'that is hostile is refused: entities, depth, mass',
    test: ITK2,
    file: ENVELOPE,
    check: '    parseXml(bytes);\n',
    without: '',
  },
  {
    title: 'that is hostile is refused: entities, depth, mass',
    test: ITK2,
    file: ENVELOPE,
    check: 'if (/^\\s*</.test(text)) parseXml(text.trim());',
    without: '',
  },
  {
    title: 'of several payloads has them all',
    test: ITK2,
    file: ENVELOPE,
    check: '(item ?? manifest[index])',
    without: 'item',
  },
  {
    title: 'closes after each answer, at once',
    test: PEERS,
    file: 'lib/mllp/client.ts',
    check: 'void (line.staysOpen = !closes)',
    without: 'void (line.staysOpen = true)',
  },
  {
    title: 'a batch of 2,000 HL7 messages is answered by a batch',
    test: 'test/acks/wiring.test.ts',
    file: 'lib/acks/request.ts',
    check: 'others.map((each) => withHeader(each, first, differing))',
    without: 'others',
  },
  {
    title: 'a batch of 2,000 HL7 messages is answered by a batch',
    test: 'test/acks/wiring.test.ts',
    file: 'lib/acks/request.ts',
    check: '({ ...first, ...header })',
    without: '({ ...header })',
  },
  {
    title: 'makes a message that comes a while after the first wait for nothing',
    test: PEERS,
    file: 'lib/mllp/client.ts',
    check: 'await line.observing;',
    without: 'await connection.closesWithin(CLOSES_WITHIN_MS);',
  },
  {
    title: 'sends AE or AR after CA',
    test: PEERS,
    file: 'lib/mllp/client.ts',
    check: 'if (isCommitted) {\n      this.#ending',
    without: "if (controlId === '') {\n      this.#ending",
  },
  {
    title: 'answers two messages of a frame in one frame or in two',
    test: PEERS,
    file: 'lib/mllp/client-connection.ts',
    check: 'if (open.size > 0) return;',
    without: '',
  },
  {
    title: 'writes a byte order mark after VT',
    test: PEERS,
    file: 'lib/formats/hl7/header.ts',
    check: 'text.replace(LEAD,',
    without: "text.replace('\\n',",
  },
  {
    title: 'writes thousands of messages into a frame',
    test: PEERS,
    file: 'lib/mllp/server-connection.ts',
    check: 'messages.length > MAX_MESSAGES ? undefined : messages',
    without: 'messages',
  },
];

tryAll(
  MUTATIONS,
  ({ title }) => title,
  ({ title, test }) => mochaArgs(title, test),
);
