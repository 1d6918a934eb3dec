/** Other input from outside: MLLP, control files, settings, and the sandbox's files and command line. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { readMailboxOptions, type MailboxOptions } from '../../lib/config';
import { ConfigurationError, InvalidMessageError } from '../../lib/errors';
import { readControlFile, writeControlFile } from '../../lib/folders/control-file';
import { buildHl7Ack } from '../../lib/formats/hl7/acknowledge';
import { readHl7Header, readMsa } from '../../lib/formats/hl7/header';
import { decodeHl7Text, encodeHl7Text } from '../../lib/mllp/charset';
import { MllpFrameError, MllpMessageError } from '../../lib/mllp/errors';
import { frame, FrameReader } from '../../lib/mllp/framing';
import { readSandboxOptions } from '../../lib/cli/sandbox';
import { readMailboxFile, readWorkflowFile } from '../../lib/sandbox/mailboxes';
import { hl7Text, mutated, POISON } from '../harness/arbitraries';
import { controlText } from '../folders/letters';
import { ADT, HL7_ACK, ORU } from './inputs';
import { MARK, target, unless, type Target } from './target';

const folder = mkdtempSync(join(tmpdir(), 'mesh-fuzz-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const packets = fc
  .array(
    fc.oneof(
      fc.constantFrom('\u000b', '\u001c\r', '\u001c', '\r', '\n', `\u000b${ADT}\u001c\r`),
      fc.string({ unit: 'binary', maxLength: 30 }),
      mutated(ADT),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'));
const cuts = fc.array(fc.nat(400), { maxLength: 30 });
const message = fc.oneof(mutated(ADT, ORU, HL7_ACK), hl7Text);
const charset = fc.constantFrom('utf-8' as const, 'iso-8859-1' as const, 'windows-1252' as const);

const CONTROL = controlText({ Subject: MARK });
const legal = fc
  .string({
    unit: fc.constantFrom('a', 'Z', '0', ' ', '<', '>', '&', '"', '\u00e9', '\u00a0', '€', '😀', ']'),
    maxLength: 20,
  })
  .map((text) => text.trim());

/** Nearly valid options: each of the right kind or of any. */
const anyOr = <T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: fc.anything() });
const options = fc.record(
  {
    environment: anyOr(
      fc.oneof(
        fc.constantFrom('integration', 'live', 'https://localhost:8700'),
        fc.webUrl(),
        fc.constantFrom(...POISON),
      ),
    ),
    mailboxId: anyOr(fc.constantFrom('X26ABC1', ...POISON)),
    password: fc.oneof(fc.constant(MARK), fc.constant(undefined)),
    sharedKey: anyOr(fc.constant(MARK)),
    proxy: anyOr(fc.record({ url: fc.constantFrom('http://p:1', MARK), password: fc.constant(MARK) })),
    tls: anyOr(fc.record({ passphrase: fc.constant(MARK) })),
    timeouts: anyOr(fc.record({ connectMs: fc.double() })),
    retry: anyOr(fc.record({ attempts: fc.integer() })),
    chunkBytes: anyOr(fc.double()),
    application: anyOr(fc.constantFrom(...POISON, MARK)),
  },
  { requiredKeys: [] },
);
const LINES =
  '{"mailbox_id":"X26ABC1","password":"MARK9434765919","active":true}\n{"workflow_id":"W","senders":["A"],"receivers":["B"]}\n';
const mailboxLine = fc.record(
  {
    mailbox_id: fc.string({ minLength: 1 }),
    password: fc.string({ minLength: 1, unit: 'grapheme' }),
    mailbox_name: fc.string({ unit: 'grapheme' }),
    ods_code: fc.string(),
    active: fc.boolean(),
  },
  { requiredKeys: ['mailbox_id', 'password'] },
);
const flags = fc.constantFrom(
  '--port',
  '--host',
  '--http',
  '--client-cert',
  '--shared-key',
  '--admin',
  '--help',
  '0',
  '8700',
  'none',
  '--',
  '-x',
  `--mailboxes=${folder}`,
);

function readFrames(pieces: Buffer[]): string[] {
  const reader = new FrameReader(500);
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.finish()].map(({ bytes, isTooLarge }) =>
    isTooLarge ? 'too large' : bytes.toString('latin1'),
  );
}

export const EDGES: Target[] = [
  target(
    'mllp: any cut into packets has the same frames',
    fc.tuple(packets, cuts),
    [MllpFrameError],
    ([stream, at]) => {
      const borders = [0, ...at.map((each) => each % (stream.length + 1)).toSorted((a, b) => a - b), stream.length];
      const pieces = borders.slice(1).map((end, index) => stream.subarray(borders[index], end));
      const whole = unless(MllpFrameError, () => readFrames([stream]));
      assert.deepEqual(
        unless(MllpFrameError, () => readFrames(pieces)),
        whole,
      );
    },
  ),
  target('mllp: a framed message is read back', message, [MllpMessageError], (text) => {
    const bytes = Buffer.from(text);
    const frames = new FrameReader(1_000_000).push(frame(bytes));
    assert.deepEqual(
      frames.map((each) => each.bytes),
      [bytes],
    );
  }),
  target(
    'mllp: the last start of a restarted frame counts',
    fc.array(fc.string({ unit: fc.constantFrom('a', '|', '\r', '\u000b', 'M', 'S') }), { minLength: 1, maxLength: 5 }),
    [],
    (texts) => {
      const starts = texts.map((text) => `\u000bMSH|${text.replaceAll('\u000bMS', '')}`);
      assert.deepEqual(readFrames([Buffer.from(`${starts.join('')}\u001c\r`, 'latin1')]), [starts.at(-1)?.slice(1)]);
    },
  ),
  target(
    'mllp: header, acknowledgement and characters',
    fc.tuple(message, charset, fc.string({ unit: 'binary' })),
    [MllpMessageError],
    ([text, fallback, reason]) => {
      const bytes = Buffer.from(text);
      const header = readHl7Header(bytes);
      readMsa(bytes);
      const acknowledgement = buildHl7Ack(header, { code: 'AE', text: reason });
      // An odd separator or character set may spoil what is read back, but not the writing.
      if (header?.separator === '|' && !/[\r\n]/.test(header.controlId) && acknowledgement.length < 16_384)
        assert.equal(readMsa(acknowledgement)?.controlId, header.controlId);
      const read = decodeHl7Text(bytes, header?.charset ?? '', fallback);
      assert.deepEqual(encodeHl7Text(read, header?.charset ?? '', fallback), bytes);
    },
  ),
  target('folders: control file', mutated(CONTROL, `\uFEFF${CONTROL}`), [InvalidMessageError], (text) => {
    for (const bytes of [Buffer.from(text), Buffer.from(text, 'latin1'), Buffer.from(`\uFEFF${text}`, 'utf16le')])
      readControlFile(bytes);
  }),
  target(
    'folders: a written control file is read back',
    fc.dictionary(fc.stringMatching(/^[A-Za-z_]{1,20}$/), legal, { maxKeys: 20 }),
    [],
    (fields) => {
      const expected = { ...fields };
      // An element with children, and a name that JavaScript treats specially, are left out.
      for (const name of ['StatusRecord', '__proto__']) delete expected[name];
      assert.deepEqual({ ...readControlFile(Buffer.from(writeControlFile(expected))) }, expected);
      writeControlFile(fields, { time: 'never', event: '\u0000', success: false, code: '<', description: '\uD800' });
    },
  ),
  target('settings of a mailbox', options, [ConfigurationError], (given) => {
    const { url, mailboxId } = readMailboxOptions(given as unknown as MailboxOptions);
    assert.match(url.protocol, /^https?:$/);
    assert.match(mailboxId, /^[A-Z0-9_-]+$/);
  }),
  target('sandbox: its files', fc.oneof(mutated(LINES), fc.json()), [ConfigurationError], async (text) => {
    writeFileSync(inFolder('lines.jsonl'), text);
    await readMailboxFile(inFolder('lines.jsonl')).catch((error: unknown) =>
      assert.ok(error instanceof ConfigurationError, String(error)),
    );
    await readWorkflowFile(inFolder('lines.jsonl'));
  }),
  target('sandbox: its files are read as written', fc.array(mailboxLine, { maxLength: 6 }), [], async (lines) => {
    const ending = lines.length % 2 === 0 ? '\n' : '\r\n';
    writeFileSync(inFolder('lines.jsonl'), `\uFEFF${lines.map((line) => JSON.stringify(line) + ending).join(ending)}`);
    const read = await readMailboxFile(inFolder('lines.jsonl'));
    assert.deepEqual(
      read.map((each) => [each.mailboxId, each.password, each.name, each.active, each.odsCode]),
      lines.map((line) => [line.mailbox_id, line.password, line.mailbox_name, line.active, line.ods_code]),
    );
  }),
  target(
    'sandbox: its command line',
    fc.array(fc.oneof(flags, fc.string()), { maxLength: 6 }),
    [ConfigurationError],
    (words) => readSandboxOptions(words, {}),
  ),
];
