/** Rows of a store, and files that are not stores. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { ConfigurationError, StorageError } from '../../lib/errors';
import { sqliteSide, TABLES } from '../../lib/store/tools/side';
import { INCOMING_COLUMN_NAMES, parseIncoming } from '../../lib/store/rows/incoming';
import { ledgerEntry } from '../../lib/store/rows/ledger';
import { OUTGOING_STATES } from '../../lib/message-states';
import { OUTGOING_COLUMN_NAMES, outgoingOf, parseOutgoing } from '../../lib/store/rows/outgoing';
import type { Row } from '../../lib/store/rows/parse';
import { MARK, target, thrownBy, unless, type Target } from './target';

const folder = mkdtempSync(join(tmpdir(), 'mesh-fuzz-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const column = fc.oneof(
  fc.string(),
  fc.double(),
  fc.constant(null),
  fc.json(),
  fc.constantFrom('queued', 'spooled', 'DATA', 'in', 'inline', 1, 0, '{}'),
  fc.constant(new Uint8Array(3)),
);
const rowOf = (columns: readonly string[]): fc.Arbitrary<Row> =>
  fc.record(Object.fromEntries(columns.map((name) => [name, column]))) as fc.Arbitrary<Row>;
const rows = fc.tuple(rowOf(OUTGOING_COLUMN_NAMES), rowOf(INCOMING_COLUMN_NAMES), rowOf(TABLES.ledger));

const text = fc.string();
const moment = fc.option(fc.nat());
// The store's parser drops a key __proto__, as it should; no envelope has one.
const key = text.filter((name) => name !== '__proto__');
/** A sent message's row as the store writes it. */
const sentRow = fc.record({
  seq: fc.nat(),
  id: fc.uuid(),
  mailbox: fc.nat(9),
  instance: fc.option(text),
  once_key: fc.option(text),
  once_digest: fc.option(text),
  lane: text,
  strict_order: fc.constantFrom(0, 1),
  local_id: text,
  local_id_is_unique: fc.constantFrom(0, 1),
  workflow_id: text,
  envelope: fc.dictionary(key, fc.string({ unit: 'grapheme' })).map((fields) => JSON.stringify(fields)),
  size: fc.nat(),
  queued_at: fc.nat(),
  resend_of: fc.option(text),
  acknowledgement_reference: fc.option(text),
  state: fc.constantFrom(...OUTGOING_STATES),
  payload_kind: fc.constantFrom(null, 'inline', 'spool'),
  payload_name: fc.option(text),
  payload_file: fc.constant(null),
  payload_digest: fc.constant(null),
  plan: fc.constantFrom(null, '{"encoding":"gzip","level":3,"chunkBytes":1,"totalChunks":2}'),
  chunks_sent: fc.nat(),
  message_id: fc.option(text),
  attempts: fc.nat(),
  next_attempt_at: fc.nat(),
  first_attempt_at: moment,
  accepted_at: moment,
  settled_at: moment,
  next_track_at: moment,
  tracked: fc.nat(),
  error: fc.constantFrom(null, '{"code":"MESH_X","message":"m"}'),
  infrastructure: fc.constantFrom('not-asked', 'awaited', 'positive'),
  business: fc.constantFrom('not-asked', 'partial', 'negative', 'overdue'),
  stages: fc.option(
    fc
      .array(
        fc.record({
          name: text,
          kind: fc.constantFrom('receipt', 'result', 'report'),
          occurs: fc.constantFrom('expected', 'optional', 'any'),
          outcome: fc.constantFrom('not-asked', 'awaited', 'positive'),
          replies: fc.constant([]),
        }),
        { maxLength: 3 },
      )
      .map((stages) => JSON.stringify(stages)),
  ),
  reply_keys: fc.option(text),
  replies: fc.constantFrom('not-asked', 'awaited', 'partial'),
  replies_revision: fc.nat(),
  replies_by: moment,
  collect_by: moment,
  infrastructure_by: moment,
  business_by: moment,
}) as fc.Arbitrary<Row>;
/** By column, a value that no store writes. */
const DAMAGE: Row = {
  id: null,
  state: MARK,
  envelope: `{"${MARK}`,
  plan: '{"encoding":"br"}',
  error: '{}',
  strict_order: 2,
  local_id_is_unique: null,
  payload_kind: MARK,
  payload_file: '{"path":5}',
  business: MARK,
  chunks_sent: null,
  collect_by: MARK,
};

export const STORE: Target[] = [
  target('store: rows', rows, [StorageError], ([outgoing, incoming, ledger]) => {
    unless(StorageError, () => parseOutgoing(outgoing));
    unless(StorageError, () => parseIncoming(incoming));
    ledgerEntry(ledger, String);
  }),
  target('store: a row of a sent message is read as written', sentRow, [], (row) => {
    const sent = outgoingOf(parseOutgoing(row), 'K', null);
    assert.deepEqual(
      [sent.id, sent.state, sent.strictOrder, sent.localIdIsUnique, sent.envelope, sent.messageId, sent.business],
      [
        row['id'],
        row['state'],
        row['strict_order'] === 1,
        row['local_id_is_unique'] === 1,
        JSON.parse(String(row['envelope'])),
        row['message_id'],
        row['business'],
      ],
    );
  }),
  target(
    'store: a row with one damaged column names it',
    fc.tuple(sentRow, fc.constantFrom(...Object.keys(DAMAGE))),
    [StorageError],
    ([row, column]) => {
      const error = thrownBy(StorageError, () => parseOutgoing({ ...row, [column]: DAMAGE[column] ?? null }));
      assert.match(error?.message ?? '', new RegExp(`\\(${column}[.\\w]*\\)`));
      throw error;
    },
  ),
  target(
    'store: a file to copy that is not a store',
    fc.uint8Array({ maxLength: 200 }),
    [ConfigurationError, StorageError],
    async (bytes) => {
      for (const ending of ['', '-wal', '-shm']) rmSync(inFolder(`mesh.db${ending}`), { force: true });
      writeFileSync(inFolder('mesh.db'), Buffer.concat([Buffer.from('SQLite format 3\0'), bytes]));
      const side = await sqliteSide(folder);
      await side.close();
    },
  ),
];
