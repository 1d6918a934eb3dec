/**
 * Takes a fix of the durable lines out, one at a time, and expects some seed to fail. `npx tsx
 * test/simulation/mutations.ts [words of a title]`; it changes files of lib while it runs, and restores them.
 */
import { spawnSync } from 'node:child_process';
import { ROOT } from '../harness/node-red';
import type { Kind } from './faults';
import { tryEach, withFault, type Mutation } from '../harness/mutation';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

interface Taken extends Mutation {
  /** What holds as long as the fix is there. */
  title: string;
  /** The faults that show it: nothing else goes wrong then, and all of them do. Default: any, as in every run. */
  only?: readonly Kind[];
  /** The seed from which on worlds are run: one a little before the first that fails, so that the list takes minutes. */
  from?: number;
}

const LINE = 'lib/send/sending-line.ts';
const COMMITS = 'lib/store/sqlite/shared-commits.ts';
const OUTGOING = 'lib/store/sqlite/outgoing.ts';
const DUE_TIMES = 'lib/store/rules/due-times.ts';
const ORIGIN = 'lib/client/origin.ts';
const FAILURES = 'lib/client/failures.ts';
const MARKS = 'lib/send/send-marks.ts';
const RECEIVING_LINE = 'lib/receive/receiving-line.ts';
const FILE_SINK = 'lib/payload/file-sink.ts';

const SENDING: Taken[] = [
  {
    title: 'a message whose response is lost is not sent again blindly',
    file: FAILURES,
    check: 'if (!context.repeatable && failure.requestSent) {',
    without: 'if (context.repeatable && !failure.requestSent && Math.abs(0) > 0) {',
  },
  {
    title: 'a fault of MESH after a whole message leaves it unknown',
    file: FAILURES,
    check:
      'if (!context.repeatable) return unknownOutcome(context, `MESH returned status ${status}`, { ...details, status });',
    without: '',
  },
  {
    title: 'a foreign response to a whole message leaves it unknown',
    file: FAILURES,
    check: 'if (!context.repeatable) return unknownOutcome(context, what, details);',
    without: '',
  },
  {
    title: 'an interrupted whole message is unknown',
    only: ['kill'],
    file: 'lib/send/interrupted-messages.ts',
    check: "if ((isWhole || isStoreBehind) && mark?.is !== 'free') return unknown(row, INTERRUPTED, now);",
    without: 'void unknown;\n  void INTERRUPTED;\n  void isWhole;\n  void isStoreBehind;',
  },
  {
    title: 'the intent is committed before the attempt',
    file: LINE,
    check: 'made = await store.changeBatch(transitions, progress);',
    without:
      'made = transitions.map(() => true);\n      void store.changeBatch(transitions, progress).catch(() => undefined);',
  },
  {
    title: 'an attempt is marked before its request',
    only: ['kill'],
    file: LINE,
    check: '        this.#markBegun(row);\n',
    without: '',
  },
  {
    title: 'what cannot be marked is not sent',
    only: ['kill', 'disk error', 'disk full'],
    file: LINE,
    check: '      this.#commitOutcome({ row, ending: notBegun(row) });\n      throw error;',
    without: '      void error;',
  },
  {
    title: 'marks that a power cut may have lost prove nothing',
    only: ['power cut'],
    file: MARKS,
    check: 'this.#isComplete = this.#head !== undefined && isSame(this.#head.boot, boot);',
    without: 'this.#isComplete = this.#head !== undefined;\n    void [isSame, boot];',
  },
  {
    title: 'a response of MESH is not lost with the commit that failed',
    only: ['disk error', 'failed sync', 'kill'],
    file: LINE,
    check: 'for (const { row, ending } of ended) {\n        const isMade',
    without: 'for (const { row, ending } of ended.slice(ended.length)) {\n        const isMade',
  },
  {
    title: 'a chunked message that MESH has whole is accepted, whichever chunk MESH says it of',
    only: ['kill', 'power cut'],
    file: 'lib/send/attempt.ts',
    check: 'if (error instanceof MessageCompleteError && messageId !== null) {',
    without: "if (error instanceof MessageCompleteError && messageId === '') {",
  },
  {
    title: 'a part of a message at MESH is not the message',
    file: 'lib/send/follower.ts',
    check: "if (found.status === 'uploading')",
    without: "if (found.status === 'never')",
  },
  {
    title: 'calls for one recipient and workflow are committed in their order',
    file: 'lib/send/outbox.ts',
    check: '      await place.turn;\n',
    without: '',
  },
  {
    title: 'a resend and the closing of its original are one commit, if the original is still as it was',
    only: ['response lost', 'MESH fault', 'resend'],
    file: OUTGOING,
    check: 'if (!replaced) return undefined;',
    without: '',
  },
  {
    title: 'a key that was used for another message is an error',
    file: 'lib/send/once-key.ts',
    check: 'if (differs.length === 0) return;',
    without: 'if (differs.length >= 0) return;',
  },
];

const FORGETTING: Taken[] = [
  {
    title: 'what the marks know and the store has forgotten is not sent again',
    file: 'lib/send/forgotten-messages.ts',
    check: 'if (!isStoreBehind) return [];',
    without: 'if (isStoreBehind || !isStoreBehind) return [];',
  },
  {
    title: 'where more was forgotten than the marks know, everything that is queued needs a decision',
    file: MARKS,
    check: 'this.#sequence - known.begun > marked',
    without: 'this.#sequence < 0 && marked < 0',
  },
  {
    title: 'marks that are behind the store prove nothing by what they lack',
    file: MARKS,
    check: 'if (isStoreBehind || behind < 0)',
    without: 'if (isStoreBehind)',
  },
  {
    title: 'a store that is behind its marks makes them prove nothing by what they lack',
    file: MARKS,
    check: 'if (isStoreBehind || behind < 0)',
    without: 'if (behind < 0)',
  },
  {
    title: 'marks of another generation of the store are not believed',
    file: MARKS,
    check: 'if (this.#head?.generation !== known.generation) {',
    without: 'if (!this.#head) {',
  },
];

const STORE: Taken[] = [
  {
    title: 'a commit is on the disk when it returns',
    file: 'lib/store/sqlite/database.ts',
    check: 'PRAGMA synchronous = FULL',
    without: 'PRAGMA synchronous = OFF',
  },
  {
    title: 'a commit that failed does not come back after a kill',
    only: ['failed sync', 'kill'],
    file: COMMITS,
    check: 'if (!this.#undo()) return this.#onlyReads(calls, unknownCommitError(messageOf(error)));',
    without: '',
    also: { file: COMMITS, check: 'this.#doubt = thrown;', without: '' },
  },
  {
    title: 'a commit whose failure could not be undone is not known, and not refused',
    only: ['failed sync', 'disk error', 'kill'],
    file: COMMITS,
    check: 'if (!this.#undo()) return this.#onlyReads(calls, unknownCommitError(messageOf(error)));',
    without: 'this.#undo();',
  },
  {
    title: 'nothing is written as long as a commit that failed cannot be undone',
    only: ['failed sync', 'disk error', 'kill'],
    file: COMMITS,
    check: 'doubt !== undefined && calls.some(isWrite) && !this.#undo()',
    without: 'doubt === this',
  },
  {
    title: 'a commit that failed does not come back after a power cut',
    only: ['failed sync', 'power cut', 'kill'],
    file: COMMITS,
    check: "this.#database.exec('PRAGMA user_version = 0');",
    without: '',
  },
  {
    title: 'a second process does not open the store',
    only: ['second instance'],
    file: 'lib/store/sqlite/database.ts',
    check: "database.exec('BEGIN EXCLUSIVE');",
    without: "database.exec('BEGIN');",
  },
];

const DISK: Taken[] = [
  {
    title: 'a payload to send is on the disk before its row',
    only: ['power cut', 'no connection', 'MESH busy'],
    file: 'lib/payload/spool.ts',
    check:
      '        await asStorageError(() => handle.sync());\n      } finally {\n        await handle.close();\n      }\n      await this.sync();',
    without: '      } finally {\n        await handle.close();\n      }',
  },
  {
    title: 'a received payload is on the disk before its row',
    only: ['power cut'],
    file: FILE_SINK,
    check: '      await this.#handle.sync();\n',
    without: '',
  },
  {
    title: 'the name of a received payload is on the disk before its row',
    only: ['power cut'],
    file: FILE_SINK,
    check: '      await syncFolder(dirname(this.#target));\n',
    without: '',
  },
  {
    title: 'no byte of a payload that has changed on the disk is sent',
    only: ['bit rot'],
    file: 'lib/payload/block-digests.ts',
    check: "if (!createHash('sha256').update(block).digest().equals(expected)) throw changed();",
    without: 'void expected;',
  },
  {
    title: 'a received payload that has changed on the disk is not delivered',
    only: ['bit rot'],
    file: 'lib/receive/deliver/stored-message.ts',
    check: 'if (bytes !== size || sum !== sha256)',
    without: 'if (bytes !== size)',
  },
  {
    title: 'a download goes on only from the bytes that were noted',
    only: ['bit rot', 'kill', 'response cut'],
    file: FILE_SINK,
    check: 'if (bytes === left.bytes && digests.hex() === left.sha256) {',
    without: 'if (bytes === left.bytes) {',
  },
  {
    title: 'a start leaves the payloads that a row names',
    only: ['kill'],
    file: 'lib/payload/spool.ts',
    check: '!isSpoolName(name) || known.has(name)',
    without: '!isSpoolName(name)',
    also: {
      file: 'lib/payload/spool.ts',
      check: 'if (await asStorageError(() => this.#quarantine.putBack(name)))',
      without: "if (name === '')",
    },
  },
  {
    title: 'a payload in quarantine is put back if a row names it',
    file: 'lib/payload/spool.ts',
    check: 'if (await asStorageError(() => this.#quarantine.putBack(name)))',
    without: "if (name === '')",
  },
  {
    title: 'the payload of a message that is perhaps stored is kept',
    only: ['failed sync', 'kill'],
    file: 'lib/send/outbox.ts',
    check: 'if (error instanceof UnknownCommitError) throw storedPerhaps(id, error);',
    without: 'if (error instanceof UnknownCommitError) await discard();',
  },
  {
    title: 'the payload of a received message that is perhaps stored is kept',
    only: ['failed sync', 'kill'],
    file: RECEIVING_LINE,
    check: '      if (error instanceof UnknownCommitError) throw error;\n',
    without: '',
  },
];

const RECEIVING: Taken[] = [
  {
    title: 'a message is stored before it is acknowledged to MESH',
    file: RECEIVING_LINE,
    check: '      const row = await this.#addRow(downloaded, content);\n',
    without:
      '      if (acknowledger.whenSpooled) await acknowledger.acknowledgeNow(messageId);\n' +
      '      const row = await this.#addRow(downloaded, content);\n',
  },
  {
    title: 'what was delivered before a kill is delivered again until the flow is done',
    file: 'lib/receive/durable-inbox.ts',
    check: "this.#rows.all(['delivered'])",
    without: 'this.#rows.all([])',
  },
  {
    title: 'a chunk that is fetched again replaces what there was of it',
    file: 'lib/receive/download/download.ts',
    check: 'if (began) await this.#sink.restartChunk();',
    without: 'if (began) this.#sink.beginChunk();',
  },
  {
    title: 'a chunk is the one that was asked for',
    only: ['swapped response'],
    file: 'lib/receive/download/incoming-chunk.ts',
    check: 'range.chunk !== chunk',
    without: 'false',
  },
  {
    title: 'what MESH offers again has a line in the ledger before it is acknowledged again',
    only: ['offered again'],
    file: RECEIVING_LINE,
    check: 'await this.#offeredAgain.acknowledge(messageId);',
    without: 'await this.#parts.acknowledger.acknowledgeNow(messageId);',
  },
];

const NOT_MESH: Taken[] = [
  {
    title: 'only a response that names the message is the message',
    file: ORIGIN,
    check: "ensure(typeof named === 'string' && isSame(named, messageId));",
    without: 'void [named, messageId];',
  },
  {
    title: 'only a response that names the message accepts its chunk',
    file: ORIGIN,
    check: 'ensure(isSame(requireMessageId(body), messageId));',
    without: 'void messageId;',
  },
  {
    title: 'only a response with an id accepts a message',
    file: ORIGIN,
    check: '  ensure(messageId !== undefined);\n',
    without: '',
  },
  {
    title: 'only MESH refuses for good',
    file: ORIGIN,
    check: '  ensure(REFUSALS.has(status));\n',
    without: '  void REFUSALS;\n',
    also: { file: ORIGIN, check: '  ensure(isMeshError(body.json));\n', without: '' },
  },
  {
    title: 'a stray status ends nothing for good',
    file: ORIGIN,
    check: '  ensure(REFUSALS.has(status));\n',
    without: '  if (!REFUSALS.has(status)) return;\n',
  },
  {
    title: 'only a response about the message settles it',
    only: ['response lost', 'MESH fault', 'swapped response'],
    file: 'lib/client/tracking.ts',
    check: 'tracking[field]?.toUpperCase() === requested.toUpperCase()',
    without: "requested !== '' && field",
  },
];

const CLOCKS: Taken[] = [
  {
    title: 'waits are measured by the steady clock',
    only: ['clock step'],
    file: 'lib/clock.ts',
    check: 'return clock.steady ? clock.steady() : clock.now();',
    without: 'return clock.now();',
  },
  {
    title: 'an attempt that is planned implausibly far ahead is due',
    only: ['clock step', 'MESH fault', 'foreign response'],
    file: DUE_TIMES,
    check: 'now + LONGEST_SEND_WAIT_MS + TOLERANCE_MS',
    without: 'now + 1e6 * LONGEST_SEND_WAIT_MS',
  },
  {
    title: 'a look-up that is planned implausibly far ahead is due',
    only: ['clock step', 'response lost'],
    file: DUE_TIMES,
    check: "(state === 'unknown' ? LONGEST_LOOKUP_WAIT_MS : LONGEST_TRACK_WAIT_MS)",
    without: "(state === 'unknown' ? 1e6 * LONGEST_LOOKUP_WAIT_MS : LONGEST_TRACK_WAIT_MS)",
    also: {
      file: 'lib/send/follower.ts',
      check: 'if (behindMs < 0) await this.#planAgain();',
      without: 'void behindMs;',
    },
  },
  {
    title: 'order is the sequence of the store, not the time of an id',
    only: ['clock step', 'kill', 'no connection'],
    file: OUTGOING,
    check: 'ORDER BY seq LIMIT',
    without: 'ORDER BY id LIMIT',
    also: {
      file: 'lib/store/rules/outgoing-triggers.ts',
      check: "${orderOf('earlier.')} < NEW.seq",
      without: 'earlier.id < NEW.id',
      also: {
        file: 'lib/store/rules/outgoing-triggers.ts',
        check: 'AND ${orderOf()} > NEW.seq',
        without: 'AND id > NEW.id',
      },
    },
  },
  {
    title: 'the retention does not trust a clock that has jumped ahead',
    only: ['clock step', 'kill'],
    file: 'lib/store/trusted-time.ts',
    check: 'return Math.min(this.#clock.now(), this.#passed());',
    without: 'return this.#clock.now();',
  },
  {
    title: 'the retention does not trust a clock that is ahead at a start',
    only: ['clock step', 'kill'],
    file: 'lib/store/trusted-time.ts',
    check: 'time: saved ?? clock.now()',
    without: 'time: clock.now()',
  },
  {
    title: 'the end after 31 days does not trust a clock that has jumped ahead',
    only: ['clock step'],
    file: 'lib/send/follower.ts',
    check: 'notYet(row, now, this.#parts.trusted?.now())',
    without: 'notYet(row, now)',
  },
];

const MUTATIONS = [...SENDING, ...FORGETTING, ...STORE, ...DISK, ...RECEIVING, ...NOT_MESH, ...CLOCKS];

/** Worlds that are run at most; the first that fails is enough. */
const WORLDS = 200;

/** Runs worlds until one fails. Returns its seed, and what it has broken. */
function firstFailure({ only }: Taken, from: number, worlds: number): { seed: number; what: string } | undefined {
  const args = [...LOAD_TYPESCRIPT, 'test/simulation/run.ts', '--seed', String(from), '--seeds', String(worlds)];
  if (only) args.push('--only', only.join(','));
  const { stdout } = spawnSync(process.execPath, [...args, '--first'], { cwd: ROOT, encoding: 'utf8' });
  const [, seed, what] = /^FAILED seed (\d+): (.*?)(?:; |$)/m.exec(stdout) ?? [];
  return seed === undefined || what === undefined ? undefined : { seed: Number(seed), what };
}

tryEach(
  MUTATIONS,
  ({ title }) => title,
  (mutation) => {
    const failure = withFault(mutation, () => firstFailure(mutation, mutation.from ?? 1, WORLDS));
    if (!failure) return { result: 'MISSED' };
    const by = `seed ${failure.seed}, ${failure.what}`;
    // A world that fails without the fault, too, proves nothing.
    return { result: firstFailure(mutation, failure.seed, 1) ? 'BROKEN' : 'found', by };
  },
);
