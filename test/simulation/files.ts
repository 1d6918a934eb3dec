/** The functions of lib/files.ts on the simulated disk. Each asynchronous one ends in a step of its own. */
import { constants } from 'node:fs';
import type { Files } from '../../lib/files';
import { systemError, type Disk, type Node } from './disk';

/** The open files of one process, and its locks: both end with it. */
export class Descriptors {
  /** Paths that the process has locked. */
  readonly locks = new Set<string>();
  readonly #disk: Disk;
  readonly #open = new Map<number, Node>();
  #next = 10;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** @throws ENOENT, EEXIST and what the disk throws */
  open(path: string, flags: string | number = 'r', mode = 0o666): number {
    const { creates, isExclusive, cutsOff } = readFlags(flags);
    const found = this.#disk.find(path);
    if (found && isExclusive) throw systemError('EEXIST', 'open');
    const node = creates ? this.#disk.create(path, mode) : this.#disk.get(path, 'open');
    this.#disk.onOpen(path, node);
    if (cutsOff) this.#disk.truncate(node, 0);
    const descriptor = this.#next++;
    this.#open.set(descriptor, node);
    return descriptor;
  }

  /** @throws EBADF */
  get(descriptor: number): Node {
    const node = this.#open.get(descriptor);
    if (!node) throw systemError('EBADF', 'fstat');
    return node;
  }

  close(descriptor: number): void {
    this.#open.delete(descriptor);
  }
}

function readFlags(flags: string | number): { creates: boolean; isExclusive: boolean; cutsOff: boolean } {
  const number = typeof flags === 'number' ? flags : (FLAGS[flags] ?? 0);
  return {
    creates: (number & constants.O_CREAT) !== 0,
    isExclusive: (number & constants.O_EXCL) !== 0,
    cutsOff: (number & constants.O_TRUNC) !== 0,
  };
}

const { O_CREAT, O_EXCL, O_TRUNC } = constants;
const FLAGS: Record<string, number> = {
  r: 0,
  'r+': 0,
  w: O_CREAT | O_TRUNC,
  'w+': O_CREAT | O_TRUNC,
  wx: O_CREAT | O_EXCL,
  'wx+': O_CREAT | O_EXCL,
};

/** What the files of one process stand on. */
export interface FilesParts {
  disk: Disk;
  descriptors: Descriptors;
  /** Runs work in a step of its own, and resolves with its result; never, once the process is over. */
  later: <Result>(work: () => Result) => Promise<Result>;
  /** Names the machine's last start. */
  bootId: string;
}

/** The functions that the durable lines use. Any other is missing, and fails the simulation by its name. */
export function simulatedFiles({ disk, descriptors, later, bootId }: FilesParts): Files {
  const stat = (node: Node): unknown => ({
    size: node.size,
    mtimeMs: node.mtimeMs,
    ino: node.ino,
    dev: 1,
    mode: node.mode,
    nlink: 1,
    isFile: () => !node.isFolder,
    isDirectory: () => node.isFolder,
    isSymbolicLink: () => false,
  });
  const textOr = (bytes: Buffer, options: unknown): unknown => {
    const encoding = typeof options === 'string' ? options : (options as { encoding?: string } | undefined)?.encoding;
    return encoding === undefined ? Buffer.from(bytes) : bytes.toString(encoding as BufferEncoding);
  };

  const handleOf = (descriptor: number): unknown => {
    const node = descriptors.get(descriptor);
    let end = 0;
    return {
      fd: descriptor,
      read: (into: Buffer, offset: number, length: number, at: number) =>
        later(() => {
          disk.access('read', 'read');
          return { bytesRead: node.bytes.copy(into, offset, at, at + length), buffer: into };
        }),
      write: (from: Buffer, offset: number, length: number, at: number) =>
        later(() => {
          disk.write(node, at, from.subarray(offset, offset + length));
          return { bytesWritten: length, buffer: from };
        }),
      writev: (pieces: Buffer[], at: number) =>
        later(() => {
          const bytes = Buffer.concat(pieces);
          disk.write(node, at, bytes);
          return { bytesWritten: bytes.length, buffers: pieces };
        }),
      writeFile: (content: string | Uint8Array) =>
        later(() => {
          const bytes = Buffer.from(content as Uint8Array);
          disk.write(node, end, bytes);
          end += bytes.length;
        }),
      readFile: (options?: unknown) =>
        later(() => {
          disk.access('read', 'read');
          return textOr(node.bytes, options);
        }),
      stat: () => later(() => stat(node)),
      truncate: (size: number) => later(() => disk.truncate(node, size)),
      sync: () => later(() => disk.sync(node)),
      datasync: () => later(() => disk.sync(node)),
      close: () => later(() => descriptors.close(descriptor)),
    };
  };

  const remove = (path: string, { force = false }: { force?: boolean } = {}): void => {
    const found = disk.find(path);
    if (!found) {
      if (force) return;
      throw systemError('ENOENT', 'rm');
    }
    if (found.isFolder) throw systemError('EISDIR', 'rm');
    disk.remove(path);
  };
  const list = (path: string, options?: { withFileTypes?: boolean }): unknown => {
    const names = [...disk.get(path, 'scandir').children];
    if (!options?.withFileTypes) return names.map(([name]) => name);
    return names.map(([name, { isFolder }]) => ({ name, isFile: () => !isFolder, isDirectory: () => isFolder }));
  };
  const read = (path: string, options?: unknown): unknown => {
    if (path === '/proc/sys/kernel/random/boot_id') return bootId;
    return textOr(disk.get(path, 'open').bytes, options);
  };
  const write = (path: string, content: string | Uint8Array): void => {
    const descriptor = descriptors.open(path, 'w');
    try {
      disk.write(descriptors.get(descriptor), 0, Buffer.from(content as Uint8Array));
    } finally {
      descriptors.close(descriptor);
    }
  };

  const simulated: Record<string, unknown> = {
    access: (path: string) => later(() => void disk.get(path, 'access')),
    copyFile: (from: string, to: string) =>
      later(() => {
        if (disk.find(to)) throw systemError('EEXIST', 'copyfile');
        disk.write(disk.create(to, 0o600), 0, disk.get(from, 'copyfile').bytes);
      }),
    lstat: (path: string) => later(() => stat(disk.get(path, 'lstat'))),
    mkdir: (path: string) => later(() => disk.makeFolders(path, 0o700)),
    open: (path: string, flags?: string | number, mode?: number) =>
      later(() => handleOf(descriptors.open(path, flags, mode))),
    readdir: (path: string, options?: { withFileTypes?: boolean }) => later(() => list(path, options)),
    readFile: (path: string, options?: unknown) => later(() => read(path, options)),
    rename: (from: string, to: string) => later(() => disk.rename(from, to)),
    rm: (path: string, options?: { force?: boolean }) => later(() => remove(path, options)),
    rmdir: (path: string) => later(() => disk.remove(path)),
    stat: (path: string) => later(() => stat(disk.get(path, 'stat'))),
    statfs: () => later(() => ({ bsize: 4096, bavail: (disk.isFull ? 0 : disk.freeBytes) / 4096 })),
    writeFile: (path: string, content: string | Uint8Array) => later(() => write(path, content)),
    unlink: (path: string) => later(() => remove(path)),
    chmodSync: () => disk.access('read', 'chmod'),
    closeSync: (descriptor: number) => descriptors.close(descriptor),
    existsSync: (path: string) => disk.find(path) !== undefined,
    fsyncSync: (descriptor: number) => disk.sync(descriptors.get(descriptor)),
    mkdirSync: (path: string) => disk.makeFolders(path, 0o700),
    openSync: (path: string, flags?: string | number, mode?: number) => descriptors.open(path, flags, mode),
    readFileSync: read,
    readSync(descriptor: number, into: Buffer, offset: number, length: number, at: number) {
      disk.access('read', 'read');
      return descriptors.get(descriptor).bytes.copy(into, offset, at, at + length);
    },
    writeFileSync: write,
    writeSync(descriptor: number, bytes: Uint8Array, offset: number, length: number, at: number) {
      disk.write(descriptors.get(descriptor), at, bytes.subarray(offset, offset + length));
      return length;
    },
  };
  return new Proxy(simulated, {
    get(target, name) {
      const found = target[String(name)];
      if (found === undefined) throw new Error(`The simulation has no lib/files ${String(name)} yet.`);
      return found;
    },
  }) as unknown as Files;
}
