/**
 * The file system, as the durable lines use it: the only module of their rooms that imports node:fs. Each function has
 * the name and the meaning of Node's own.
 */
import * as sync from 'node:fs';
import * as promises from 'node:fs/promises';

export { constants } from 'node:fs';
export type { FileHandle } from 'node:fs/promises';

type SyncName =
  | 'chmodSync'
  | 'closeSync'
  | 'createReadStream'
  | 'existsSync'
  | 'fsyncSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readFileSync'
  | 'readSync'
  | 'writeSync';
type PromiseName =
  | 'access'
  | 'copyFile'
  | 'lstat'
  | 'mkdir'
  | 'mkdtemp'
  | 'open'
  | 'readdir'
  | 'readFile'
  | 'rename'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'statfs'
  | 'writeFile';

/** A file system. */
export type Files = Pick<typeof sync, SyncName> & Pick<typeof promises, PromiseName>;

/** Undefined: the machine's own, whose functions are looked up at each call, as an import of node:fs does. */
let files: Files | undefined;

/**
 * Puts another file system in the machine's place, or the machine's back. For a simulation that runs code in the
 * process: the package exports this from nowhere, and no environment variable, setting or flow leads here.
 */
export function setFiles(replacement?: Files): void {
  files = replacement;
}

function fileSystemOf(name: keyof Files): Files {
  return files ?? ((name in promises ? promises : sync) as unknown as Files);
}

/** Returns the function of this name, of whichever file system is in place when it is called. */
function inPlace<Name extends keyof Files>(name: Name): Files[Name] {
  return ((...args: unknown[]) =>
    (fileSystemOf(name)[name] as (...args: unknown[]) => unknown)(...args)) as Files[Name];
}

export const access = inPlace('access');
export const copyFile = inPlace('copyFile');
export const lstat = inPlace('lstat');
export const mkdir = inPlace('mkdir');
export const mkdtemp = inPlace('mkdtemp');
export const open = inPlace('open');
export const readdir = inPlace('readdir');
export const readFile = inPlace('readFile');
export const rename = inPlace('rename');
export const rm = inPlace('rm');
export const rmdir = inPlace('rmdir');
export const stat = inPlace('stat');
export const statfs = inPlace('statfs');
export const writeFile = inPlace('writeFile');
export const chmodSync = inPlace('chmodSync');
export const closeSync = inPlace('closeSync');
export const createReadStream = inPlace('createReadStream');
export const existsSync = inPlace('existsSync');
export const fsyncSync = inPlace('fsyncSync');
export const mkdirSync = inPlace('mkdirSync');
export const openSync = inPlace('openSync');
export const readFileSync = inPlace('readFileSync');
export const readSync = inPlace('readSync');
export const writeSync = inPlace('writeSync');
