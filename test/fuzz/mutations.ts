/**
 * Faults in parsers and headers, and the fuzz target that has to find each: `npx tsx test/fuzz/mutations.ts [words]`.
 * It changes files of lib and nodes while it runs, and restores them.
 */
import { join } from 'node:path';
import { tryAll, type Mutation } from '../harness/mutation';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

interface Fault extends Mutation {
  /** Part of the target's name. */
  target: string;
}

const FAULTS: Fault[] = [
  {
    target: 'settings: a valid mailbox',
    file: 'lib/config.ts',
    check: 'headersMs: milliseconds.default(120_000)',
    without: 'headersMs: milliseconds.max(60_000).default(60_000)',
  },
  {
    target: 'settings: a valid mailbox',
    file: 'lib/config.ts',
    check: 'mailboxId: rest.mailboxId.toUpperCase()',
    without: 'mailboxId: rest.mailboxId',
  },
  {
    target: 'settings: one wrong field of a mailbox',
    file: 'lib/config.ts',
    check: "issue.path.join('.')",
    without: "issue.path.slice(0, 1).join('.')",
  },
  {
    target: 'settings: valid fields of mesh-config',
    file: 'nodes/mailbox/mailbox-settings.ts',
    check: 'Math.round(chunkMb * MB)',
    without: 'Math.floor(chunkMb * MB)',
  },
  {
    target: 'settings: one wrong field of mesh-config',
    file: 'nodes/shared/settings.ts',
    check: 'number >= limits.min',
    without: 'number >= -limits.max',
  },
  {
    target: 'protocol: headers that MESH accepts',
    file: 'lib/protocol/header-rules.ts',
    check: "header: 'Mex-Subject', maxLength: 500",
    without: "header: 'Mex-Subject', maxLength: 300",
  },
  {
    target: 'protocol: headers that MESH accepts',
    file: 'lib/protocol/message-headers.ts',
    check: "get('mex-partnerid')",
    without: "get('mex-partnerid')?.trim()",
  },
  {
    target: 'protocol: one header that MESH refuses',
    file: 'lib/protocol/header-rules.ts',
    check: '/[\\u0000-\\u001f\\u007f-\\u009f]/',
    without: '/[\\u0000-\\u001f]/',
  },
  {
    target: 'protocol: what the headers',
    file: 'lib/protocol/message-headers.ts',
    check: "success.toUpperCase() === 'SUCCESS'",
    without: "success === 'SUCCESS'",
  },
  {
    target: 'protocol: chunk range',
    file: 'lib/protocol/chunk-range.ts',
    check: 'chunk < 1 || chunk > totalChunks',
    without: 'chunk > totalChunks',
  },
  {
    target: 'protocol: time',
    file: 'lib/protocol/time.ts',
    check: "compact[6] ?? '00'",
    without: "'00'",
  },
  {
    target: 'protocol: time',
    file: 'lib/protocol/time.ts',
    check: 'return match[3] ? text : `${text}Z`;',
    without: 'return match[3] ? text.replace(match[3], "Z") : `${text}Z`;',
  },
  {
    target: 'protocol: authorization token',
    file: 'lib/protocol/time.ts',
    check: '.slice(0, 12)',
    without: '.slice(0, 14)',
  },
  {
    target: 'protocol: names of received files',
    file: 'lib/payload/safe-file-name.ts',
    check: '\\u200b-\\u200f\\u2028-\\u202e',
    without: '\\u200b-\\u200f',
  },
  {
    target: 'protocol: names of received files',
    file: 'lib/payload/safe-file-name.ts',
    check: 'return DEVICE.test(name) ?',
    without: 'return name === "CON" ?',
  },
  {
    target: 'protocol: what tracking',
    file: 'lib/protocol/responses.ts',
    check: 'response.local_id || response.localId',
    without: 'response.localId || undefined',
  },
  {
    target: 'protocol: workflow patterns',
    file: 'lib/protocol/workflow-filter.ts',
    check: 'workflowId.includes(text)',
    without: 'workflowId.startsWith(text)',
  },
  {
    target: 'acks: what an ITK3 request',
    file: 'lib/acks/itk3/read.ts',
    check: "businessRequested: flag('BusAckRequested')",
    without: "businessRequested: flag('InfAckRequested')",
  },
  {
    target: 'acks: what an ITK3 response',
    file: 'lib/acks/itk3/read.ts',
    check: "result: isNegative ? 'negative' : 'positive'",
    without: "result: 'positive'",
  },
  {
    target: 'acks: what an NHSACK',
    file: 'lib/acks/nhsack/nhsack.ts',
    check: 'componentAt(nir, 1, 2)',
    without: 'componentAt(nir, 1, 1)',
  },
  {
    target: 'acks: what an HL7',
    file: 'lib/acks/hl7v2/read.ts',
    check: "AR: ['business', 'negative', 'Application reject']",
    without: "AR: ['business', 'positive', 'Application reject']",
  },
  {
    target: 'formats: HL7 v2 that is built',
    file: 'lib/formats/hl7/separators.ts',
    check: "[by.repetition, 'R'],",
    without: '',
  },
  {
    target: 'formats: EDIFACT that is built',
    file: 'lib/formats/edifact/segment.ts',
    check: 'return releaseText(value, syntax);',
    without: 'return value;',
  },
  {
    target: 'mllp: the last start',
    file: 'lib/mllp/framing.ts',
    check: 'const restart = isTooLarge ? -1 : bytes.lastIndexOf(RESTART);',
    without: 'const restart = isTooLarge ? -1 : (this.#pieces.length, bytes.indexOf(RESTART));',
  },
  {
    target: 'mllp: a framed message',
    file: 'lib/mllp/framing.ts',
    check: 'at = end < 0 ? chunk.length : end + 1;',
    without: 'at = end < 0 ? chunk.length : end + 2;',
  },
  {
    target: 'folders: a written control file',
    file: 'lib/folders/control-file.ts',
    check: ".replaceAll('<', '&lt;')",
    without: '',
  },
  {
    target: 'sandbox: its files are read',
    file: 'lib/sandbox/mailboxes.ts',
    check: ".replace(/^\\uFEFF/, '')",
    without: '',
  },
  {
    target: 'store: a row of a sent',
    file: 'lib/store/rows/outgoing.ts',
    check: 'strictOrder: row.strict_order',
    without: 'strictOrder: row.local_id_is_unique',
  },
  {
    target: 'store: a row with one damaged',
    file: 'lib/store/rows/parse.ts',
    check: 'z.union([z.literal(0), z.literal(1)])',
    without: 'z.number()',
  },
];

tryAll(
  FAULTS,
  ({ target, check }) => `${target}: ${check}`,
  ({ target }) => [...LOAD_TYPESCRIPT, join(__dirname, 'run.ts'), '--target', target, '--seconds', '4', '--seed', '11'],
);
