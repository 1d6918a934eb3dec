/**
 * Removes each check on payloads and their folders, one at a time, and sees its test fail.
 * `npx tsx test/payload/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
}

const NOT_OURS = 'test/payload/not-ours.test.ts';
const SPOOL = 'test/payload/spool.test.ts';
const QUARANTINE = 'test/payload/quarantine.test.ts';
const BLOCKS = 'test/payload/block-digests.test.ts';
const REGULAR = 'test/payload/regular-file.test.ts';
const CHANGED = 'test/send/changed-payload.test.ts';
const SPACE = 'test/payload/disk-space.test.ts';
const TAKING = 'test/folders/taking-files.test.ts';
const ODD = 'test/folders/odd-files.test.ts';
const MARKS = 'test/folders/in-folder-marks.test.ts';
const ERASE = 'test/store/sqlite/erase.test.ts';

/** A file's stamp is a guard of its own. */
const NO_STAMP: Mutation = {
  file: 'lib/payload/source.ts',
  check: 'if (!isSameState(stamp, first)) throw changedFile();',
  without: 'void stamp;',
  also: {
    file: 'lib/payload/source.ts',
    check: 'if (!isSameState(now, first)) throw changedFile();',
    without: 'void now;',
  },
};

const MUTATIONS: Taken[] = [
  {
    case: 'that Windows refuses for a moment with EBUSY is retried',
    test: 'test/payload/rename-with-retry.test.ts',
    file: 'lib/payload/rename-with-retry.ts',
    check: "parts.platform === 'win32' ? WAITS_MS : []",
    without: '[]',
  },
  {
    case: 'passes over a file system that cannot do it, and not over a disk that fails',
    test: 'test/payload/sync-folder.test.ts',
    file: 'lib/payload/sync-folder.ts',
    check: "if (!CANNOT.has((error as NodeJS.ErrnoException).code ?? '')) throw error;",
    without: '',
  },
  {
    case: 'is not forgotten because of a wrong date',
    test: MARKS,
    file: 'lib/payload/counted-time.ts',
    check: 'Math.min(elapsedMs, now - before.at)',
    without: 'now - before.at',
  },
  {
    case: 'is remembered for 31 days',
    test: MARKS,
    file: 'lib/folders/in-folder.ts',
    check: '(await pathExists(older)) ? older : ',
    without: '',
  },
  {
    case: 'is refused, and left as it is, when it has other files in it',
    test: NOT_OURS,
    file: 'lib/payload/spool-mark.ts',
    check: 'if (found.length > 0) {',
    without: 'if (found.length < 0) {',
  },
  {
    case: 'is refused to a second store',
    test: NOT_OURS,
    file: 'lib/payload/spool-mark.ts',
    check: 'if (owner === store) return;',
    without: 'if (owner !== undefined) return;',
  },
  {
    case: 'is not taken into use: its volume may not be mounted',
    test: NOT_OURS,
    file: 'lib/payload/spool-mark.ts',
    check: 'if (await isExpected()) {',
    without: 'if (!isExpected) {',
  },
  {
    case: 'is moved into quarantine at the next start',
    test: NOT_OURS,
    file: 'lib/payload/spool.ts',
    check: 'await this.#quarantine.take(orphans);',
    without: 'await this.remove(orphans);',
  },
  {
    case: 'touches nothing that has another name',
    test: SPOOL,
    file: 'lib/payload/spool-names.ts',
    check: 'return NAME.test(name);',
    without: 'return NAME.test(name) || name !== "";',
  },
  {
    case: 'finds a payload that was taken for an orphan',
    test: SPOOL,
    file: 'lib/payload/spool.ts',
    check: 'if (await asStorageError(() => this.#quarantine.putBack(name)))',
    without: 'if (name === "")',
  },
  {
    case: 'are old by the clock of the file system',
    test: SPOOL,
    file: 'lib/payload/spool.ts',
    check: 'const now = ageMs === 0 ? 0 : await this.#timeOfFiles();',
    without: 'const now = ageMs === 0 ? await this.#timeOfFiles() : Date.now();',
  },
  {
    case: 'by a hash that nobody without the store’s key can compute',
    test: SPOOL,
    file: 'lib/payload/spool-names.ts',
    check: "createHmac('sha256', key)",
    without: "createHmac('sha256', key === '' ? key : 'key')",
  },
  {
    case: 'leaves no byte behind when its message is erased',
    test: 'test/receive/resume.test.ts',
    file: 'lib/payload/spool.ts',
    check: "this.#key = options.owner?.key ?? randomBytes(32).toString('hex');",
    without: "this.#key = randomBytes(32).toString('hex');",
  },
  {
    case: 'goes on with the files that are left',
    test: ERASE,
    file: 'lib/store/tools/erase.ts',
    check:
      'const files = await locateFiles(side, found, erasure.spool);\n  for (const each of files) await removeFiles(side, each);',
    without:
      'const files = await locateFiles(side, found, erasure.spool);\n  for (const each of files) await removeFiles(side, { ...each, paths: each.paths.slice(0, 1) });',
  },
  {
    case: 'compressed bodies and uploads too',
    test: ERASE,
    file: 'lib/payload/spool-names.ts',
    check: '^(?:in|out|part|upload)-',
    without: '^(?:in|out|part)-',
  },
  {
    case: 'deletes nothing because of a wrong date',
    test: QUARANTINE,
    file: 'lib/payload/counted-time.ts',
    check: 'Math.min(elapsedMs, now - before.at)',
    without: 'Math.max(elapsedMs, now - before.at)',
  },
  {
    case: 'deletes no file of somebody else’s that is put there',
    test: QUARANTINE,
    file: 'lib/payload/quarantine.ts',
    check: 'if (isSpoolName(name) || name.startsWith(AGE_FILE))',
    without: 'if (name !== "")',
  },
  {
    case: 'when the payload may be in a folder that cannot be reached',
    test: ERASE,
    file: 'lib/store/tools/erase.ts',
    check: '(payloadFolders.length > 0 || !hasPayloadFolder)',
    without: '!hasPayloadFolder',
  },
  {
    case: 'lets messages in strict order go on behind one that was erased',
    test: ERASE,
    file: 'lib/store/tools/erase.ts',
    check:
      "    ...('id' in message ? updates(table, seq, closing(message, now)) : []),\n    ...updates(table, seq, set),",
    without: "    ...updates(table, seq, { ...set, ...('id' in message ? closing(message, now) : {}) }),",
  },
  {
    case: 'keeps the row, and names the file, when the payload cannot be deleted',
    test: ERASE,
    file: 'lib/store/tools/erase.ts',
    check: '  for (const each of files) await removeFiles(side, each);\n',
    without: '  void Promise.allSettled(files.map((each) => removeFiles(side, each)));\n',
  },
  {
    case: 'let no byte of a changed block out',
    test: BLOCKS,
    file: 'lib/payload/block-digests.ts',
    check: "if (!createHash('sha256').update(block).digest().equals(expected)) throw changed();",
    without: 'void expected;',
  },
  {
    case: 'let nothing out when their list was changed',
    test: BLOCKS,
    file: 'lib/payload/block-digests.ts',
    check: 'if (digestOfList(at) !== digest) throw changed();',
    without: 'void digestOfList;',
  },
  {
    case: 'let nothing out when the payload has become shorter',
    test: BLOCKS,
    file: 'lib/payload/block-digests.ts',
    check: 'if (at < last) throw changed();',
    without: '',
  },
  {
    case: 'comes without its last piece when it was changed',
    test: BLOCKS,
    file: 'lib/payload/block-digests.ts',
    check: "if (whole.digest('hex') !== sha256) throw changed();",
    without: '',
  },
  {
    case: 'its first byte, in one request',
    test: CHANGED,
    file: 'lib/payload/spool.ts',
    check: 'return digest === undefined ? stored : checkedByDigest(stored, size, digest);',
    without: 'return stored;',
  },
  {
    case: 'in the row is not sent either',
    test: CHANGED,
    file: 'lib/payload/stored-payload.ts',
    check: 'if (stored.digest !== undefined) checkBlock(stored.bytes, stored.digest);',
    without: 'void checkBlock;',
  },
  {
    case: 'with its time set back, is parked',
    test: CHANGED,
    file: 'lib/payload/regular-file.ts',
    check: '(one.ctimeMs === undefined || other.ctimeMs === undefined || one.ctimeMs === other.ctimeMs)',
    without: 'one !== undefined',
  },
  {
    case: 'is refused also when it takes the file’s place after the first look',
    test: REGULAR,
    file: 'lib/payload/regular-file.ts',
    check: 'O_RDONLY | O_NOFOLLOW | O_NONBLOCK',
    without: 'O_RDONLY | O_NONBLOCK',
    also: NO_STAMP,
  },
  {
    case: 'is refused: a pipe that nobody writes to',
    test: REGULAR,
    file: 'lib/payload/regular-file.ts',
    check: 'O_RDONLY | O_NOFOLLOW | O_NONBLOCK',
    without: 'O_RDONLY | O_NOFOLLOW',
  },
  {
    case: 'that was changed in its file is not sent',
    test: 'test/payload/chunks.test.ts',
    file: 'lib/payload/scratch.ts',
    check: 'checkedByList(fileSourceAt(path, await statFile(path)), bytes, digests.list)',
    without: 'fileSourceAt(path, await statFile(path))',
    also: NO_STAMP,
  },
  {
    case: 'by a thousand messages that come at the same moment',
    test: SPACE,
    file: 'lib/payload/disk-space.ts',
    check: 'this.#asking ??= this.#ask()',
    without: 'this.#asking = this.#ask()',
  },
  {
    case: 'after a question that failed',
    test: SPACE,
    file: 'lib/payload/disk-space.ts',
    check: '.finally(() => (this.#asking = undefined))',
    without: '',
  },
  {
    case: 'is on the disk, with its name, before its .ctl is there',
    test: TAKING,
    file: 'lib/folders/files.ts',
    check: "if (process.platform !== 'win32') await handle.sync();",
    without: '',
  },
  {
    case: 'from another file system is copied, synced and then named',
    test: TAKING,
    file: 'lib/folders/files.ts',
    check: '    await copy.sync();\n',
    without: '',
  },
  {
    case: 'is never written through a symbolic link',
    test: TAKING,
    file: 'lib/payload/whole-file.ts',
    check: '((constants as Partial<typeof constants>).O_NOFOLLOW ?? 0)',
    without: '0',
  },
  {
    case: 'moves half a pair with such a name too',
    test: ODD,
    file: 'lib/folders/pairing.ts',
    check: "if (!names.every(isUtf8)) return { kind: 'bad-name', names, hasControl };",
    without: 'void isUtf8;',
  },
  {
    case: 'moves a pair whose .ctl it may not read to failed',
    test: ODD,
    file: 'lib/folders/claims.ts',
    check: 'if (error instanceof InvalidMessageError) return error;',
    without: '',
  },
  {
    case: 'has a gigabyte to failed, without reading it',
    test: ODD,
    file: 'lib/folders/control-file.ts',
    check: 'if (stamp.size > MAX_CONTROL_BYTES) throw tooLarge();',
    without: '',
  },
  {
    case: 'moved to a full failed folder',
    test: ODD,
    file: 'lib/folders/claims.ts',
    check: 'stuck.push({ id, error });',
    without: 'throw error;',
  },
  {
    case: 'reports a pair that cannot be moved once',
    test: ODD,
    file: 'lib/folders/out-folder.ts',
    check: "return isPatienceOver ? { kind: 'stuck' } : 'left';",
    without: "return 'left';",
  },
  {
    case: 'a name of 255 bytes is sent, and fits into failed',
    test: ODD,
    file: 'lib/folders/claims.ts',
    check: 'fitting(stem, MAX_STEM_BYTES - suffix.length)',
    without: 'stem',
  },
  {
    case: 'whose name differs in case only',
    test: ODD,
    file: 'lib/folders/pairing.ts',
    check: 'for (const group of groups(files, ({ stem }) => stem)) {',
    without: 'for (const group of groups(files, ({ stem }) => stem.toLowerCase())) {',
  },
  {
    case: 'may have folders and files of somebody else in it',
    test: ODD,
    file: 'lib/folders/claims.ts',
    check: '.filter((name) => CLAIM_ID.test(name))',
    without: '.filter((name) => CLAIM_ID !== undefined && name.length > 0)',
  },
  {
    case: 'keeps what somebody else has put into a folder of ours',
    test: ODD,
    file: 'lib/folders/files.ts',
    check: 'await rmdir(folder).catch(() => undefined);',
    without: 'void rmdir; await rm(folder, { recursive: true, force: true });',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
