/**
 * A disk that keeps apart what a process sees and what a power cut leaves. As ext4 and XFS do it: bytes are safe once
 * their file is synced; names (of new, renamed and removed files) reach the disk in their order, all of them once a
 * folder is synced, and a new file's with the first sync of that file.
 */
import { dirname, basename, join } from 'node:path';
import type { Faults } from './faults';
import type { SeededRandom } from './random';

// Node.js cuts small Buffers from a larger one: a piece of memory for each page that is written costs more than its copy.
Buffer.poolSize = 1024 * 1024;

/** A sector is written as a whole or not at all. */
const SECTOR = 512;

/** Bytes that grow. */
class Content {
  size = 0;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(bytes: Uint8Array = Buffer.alloc(0)) {
    this.#buffer = Buffer.from(bytes);
    this.size = bytes.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.size);
  }

  /** Puts bytes in their place; afterwards the content has this size. */
  put(at: number, bytes: Uint8Array, size: number): void {
    const end = Math.max(size, at + bytes.length);
    if (end > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(4096, 2 * end));
      this.bytes.copy(larger);
      this.#buffer = larger;
    }
    if (end > this.size) this.#buffer.fill(0, this.size, end);
    this.#buffer.set(bytes, at);
    this.size = size;
  }
}

/** Bytes that were written or cut off and are not synced. */
interface PendingWrite {
  at: number;
  before: Buffer;
  after: Buffer;
  sizeBefore: number;
  sizeAfter: number;
}

/** A file or folder, whatever its names are. */
export class Node {
  readonly isFolder: boolean;
  readonly ino: number;
  /** The children of a folder. */
  readonly children = new Map<string, Node>();
  mtimeMs: number;
  mode: number;
  /** True if it is none of ours, and so is everything in it: no program of ours may change or remove it. */
  isForeign = false;
  /** What a process sees. */
  #content = new Content();
  /** What is not synced. */
  readonly #pending: PendingWrite[] = [];
  /** What the disk has, if that is more than `#pending` away from what a process sees: a sync has failed. */
  #onDisk: Content | undefined;

  constructor(isFolder: boolean, ino: number, mode: number, now: number) {
    this.isFolder = isFolder;
    this.ino = ino;
    this.mode = mode;
    this.mtimeMs = now;
  }

  get size(): number {
    return this.#content.size;
  }

  /** The bytes of a file as a process sees them. Not a copy. */
  get bytes(): Buffer {
    return this.#content.bytes;
  }

  write(at: number, bytes: Uint8Array): void {
    const after = Buffer.from(bytes);
    const before = Buffer.from(this.bytes.subarray(at, at + after.length));
    const sizeAfter = Math.max(this.size, at + after.length);
    this.#pending.push({ at, before, after, sizeBefore: this.size, sizeAfter });
    this.#content.put(at, after, sizeAfter);
  }

  truncate(size: number): void {
    const before = Buffer.from(this.bytes.subarray(size));
    this.#pending.push({ at: size, before, after: Buffer.alloc(0), sizeBefore: this.size, sizeAfter: size });
    this.#content.put(size, Buffer.alloc(0), size);
  }

  sync(): void {
    // Where a sync has failed before, only what was written since then reaches the disk.
    for (const { at, after, sizeAfter } of this.#onDisk ? this.#pending : []) this.#onDisk?.put(at, after, sizeAfter);
    this.#pending.length = 0;
  }

  /** A sync that fails: what was written stays readable, and never reaches the disk by itself. */
  drop(): void {
    this.#onDisk ??= this.#undone();
    this.#pending.length = 0;
  }

  /** What a power cut leaves: of what was not synced, any part. */
  cut(random: SeededRandom): void {
    if (this.#pending.length === 0 && !this.#onDisk) return;
    const left = this.#onDisk ?? this.#undone();
    for (const { at, after, sizeAfter } of this.#pending.splice(0)) {
      const fate = random.pick(['lost', 'kept', 'kept', 'torn'] as const);
      if (fate === 'kept') left.put(at, after, sizeAfter);
      if (fate !== 'torn') continue;
      const end = Math.floor((at + random.between(0, after.length)) / SECTOR) * SECTOR;
      const part = after.subarray(0, Math.max(0, end - at));
      if (part.length > 0) left.put(at, part, Math.max(left.size, at + part.length));
    }
    this.#content = left;
    this.#onDisk = undefined;
  }

  /** Changes a bit, as no program did. */
  rot(random: SeededRandom): void {
    const at = random.between(0, this.size - 1);
    this.bytes[at] = (this.bytes[at] ?? 0) ^ (1 << random.between(0, 7));
  }

  /** Returns a node of its own with the same content, all of it on the disk. */
  copy(): Node {
    const copied = new Node(this.isFolder, this.ino, this.mode, this.mtimeMs);
    copied.#content = new Content(this.bytes);
    copied.isForeign = this.isForeign;
    for (const [name, child] of this.children) copied.children.set(name, child.copy());
    return copied;
  }

  /** Returns the content without what is not synced. */
  #undone(): Content {
    const content = new Content(this.bytes);
    for (const { at, before, sizeBefore } of this.#pending.toReversed()) content.put(at, before, sizeBefore);
    return content;
  }
}

/** A name that was given or taken away and is not on the disk yet. */
interface PendingName {
  folder: Node;
  name: string;
  before: Node | undefined;
}

/** An error as the system's. */
export function systemError(code: string, syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${syscall}`), { code, syscall });
}

/** The parts of the paths that were looked for: SQLite asks for the same few at every transaction. */
const parts = new Map<string, readonly string[]>();

function partsOf(path: string): readonly string[] {
  let found = parts.get(path);
  if (found === undefined) {
    // Worlds name other files each.
    if (parts.size > 1000) parts.clear();
    found = path.split('/').filter(Boolean);
    parts.set(path, found);
  }
  return found;
}

/** The disk of one machine. */
export class Disk {
  readonly #root = new Node(true, 1, 0o755, 0);
  readonly #faults: Faults;
  readonly #now: () => number;
  /** Changes of names that are not on the disk, in groups that are there together: a rename is two. */
  #names: PendingName[][] = [];
  #nextIno = 2;
  /** Called before each access: a process may be killed there. */
  onAccess: () => void = () => undefined;
  /** Called when a program changes or removes what is foreign. */
  onForeign: (what: string) => void = () => undefined;
  /** Called before a file is opened. */
  onOpen: (path: string, node: Node) => void = () => undefined;
  /** True while the disk has no space. */
  isFull = false;
  /** Bytes that may still be written, as a program is told. */
  readonly freeBytes = 100 * 1024 ** 3;

  constructor(faults: Faults, now: () => number) {
    this.#faults = faults;
    this.#now = now;
  }

  /** Returns the file or folder of a path; undefined if there is none. */
  find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const part of partsOf(path)) node = node?.children.get(part);
    return node;
  }

  /** @throws ENOENT */
  get(path: string, syscall: string): Node {
    this.access('read', syscall);
    const found = this.find(path);
    if (!found) throw systemError('ENOENT', syscall);
    return found;
  }

  /** Creates a file; an existing one stays as it is. @throws ENOENT, ENOSPC */
  create(path: string, mode: number): Node {
    return this.find(path) ?? this.#add(path, false, mode);
  }

  /** Creates a folder and those above it. */
  makeFolders(path: string, mode: number): void {
    if (this.find(path)) return;
    if (dirname(path) !== path) this.makeFolders(dirname(path), mode);
    this.#add(path, true, mode);
  }

  /** Removes the name of a file or an empty folder. @throws ENOTEMPTY */
  remove(path: string): void {
    this.access('read', 'unlink');
    const folder = this.#folderOf(path, 'unlink');
    const node = this.find(path);
    if (node && node.children.size > 0) throw systemError('ENOTEMPTY', 'rmdir');
    this.#touches(node, `${path} was removed`);
    this.#name([[folder, basename(path), undefined]]);
  }

  /** Renames a file or folder, replacing what is there. */
  rename(from: string, to: string): void {
    this.access('write', 'rename');
    const node = this.find(from);
    if (!node) throw systemError('ENOENT', 'rename');
    const target = this.#folderOf(to, 'rename');
    this.#touches(node, `${from} was renamed`);
    this.#touches(this.find(to), `${to} was replaced`);
    this.#name([
      [target, basename(to), node],
      [this.#folderOf(from, 'rename'), basename(from), undefined],
    ]);
  }

  write(node: Node, at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.access('write', 'write');
    this.#touches(node, 'a file was written');
    node.write(at, bytes);
    node.mtimeMs = this.#now();
  }

  truncate(node: Node, size: number): void {
    this.access('read', 'ftruncate');
    this.#touches(node, 'a file was cut off');
    if (size !== node.size) node.truncate(size);
  }

  sync(node: Node): void {
    this.access('read', 'fsync');
    if (this.#faults.strikes('failed sync', 0.004)) {
      node.drop();
      throw systemError('EIO', 'fsync');
    }
    if (node.isFolder) this.#names = [];
    else {
      node.sync();
      // Up to the name of this file: what was named before is on the disk too.
      const last = this.#names.findLastIndex((group) =>
        group.some(({ folder, name }) => folder.children.get(name) === node),
      );
      this.#names.splice(0, last + 1);
    }
  }

  /**
   * An access to the disk, which may fail.
   * @throws EIO; ENOSPC for a write
   */
  access(kind: 'read' | 'write', syscall: string): void {
    this.onAccess();
    if (kind === 'write' && this.isFull) throw systemError('ENOSPC', syscall);
    if (this.#faults.strikes('disk error', 0.001)) throw systemError('EIO', syscall);
  }

  /** What a power cut leaves. */
  cut(random: SeededRandom): void {
    const kept = random.between(0, this.#names.length);
    for (const group of this.#names.splice(kept).toReversed())
      for (const { folder, name, before } of group.toReversed()) this.#set(folder, name, before);
    this.#names = [];
    for (const [, node] of this.#all('/', this.#root)) if (!node.isFolder) node.cut(random);
  }

  /** Returns every file below a folder, by its path. */
  files(folder: string): Array<[string, Node]> {
    const root = this.find(folder);
    return root ? [...this.#all(folder, root)].filter(([, node]) => !node.isFolder) : [];
  }

  /** Puts a node in a place, or nothing, as a person does: afterwards every name is on the disk. */
  put(path: string, node: Node | undefined): void {
    this.#set(this.#folderOf(path, 'put'), basename(path), node);
    this.#names = [];
  }

  /** Brings everything that was written to the disk. */
  syncAll(): void {
    this.#names = [];
    for (const [, node] of this.#all('/', this.#root)) if (!node.isFolder) node.sync();
  }

  /** Makes a file of somebody else's, and the folders above it: no program of ours may touch them. */
  putForeign(path: string, text: string): void {
    const node = this.#foreignNode(false);
    node.write(0, Buffer.from(text));
    node.sync();
    this.#putForeign(path, node);
  }

  #putForeign(path: string, node: Node): void {
    if (!this.find(dirname(path))) this.#putForeign(dirname(path), this.#foreignNode(true));
    this.put(path, node);
  }

  #foreignNode(isFolder: boolean): Node {
    const node = this.newNode(isFolder, 0o644);
    node.isForeign = true;
    return node;
  }

  newNode(isFolder: boolean, mode: number): Node {
    return new Node(isFolder, this.#nextIno++, mode, this.#now());
  }

  #add(path: string, isFolder: boolean, mode: number): Node {
    this.access('write', isFolder ? 'mkdir' : 'open');
    const node = this.newNode(isFolder, mode);
    const folder = this.#folderOf(path, 'open');
    this.#touches(folder, `${path} was made`);
    this.#name([[folder, basename(path), node]]);
    return node;
  }

  #touches(node: Node | undefined, what: string): void {
    if (node?.isForeign) this.onForeign(what);
  }

  #folderOf(path: string, syscall: string): Node {
    const folder = this.find(dirname(path));
    if (!folder?.isFolder) throw systemError('ENOENT', syscall);
    return folder;
  }

  #name(changes: Array<[folder: Node, name: string, node: Node | undefined]>): void {
    this.#names.push(changes.map(([folder, name]) => ({ folder, name, before: folder.children.get(name) })));
    for (const [folder, name, node] of changes) this.#set(folder, name, node);
  }

  #set(folder: Node, name: string, node: Node | undefined): void {
    if (node) folder.children.set(name, node);
    else folder.children.delete(name);
  }

  *#all(path: string, node: Node): Generator<[string, Node]> {
    yield [path, node];
    for (const [name, child] of node.children) yield* this.#all(join(path, name), child);
  }
}
