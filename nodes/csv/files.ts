/** Files that mesh-csv writes: new ones only, for this user only, and complete before anyone is told their names. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { PayloadError, type CsvFinding } from '../../lib/index';

/** Writes all pieces to a new file. @throws PayloadError, without the path */
export async function writeNewFile(path: string, pieces: AsyncIterable<Buffer>): Promise<void> {
  const file = await openNewFile(path);
  try {
    for await (const piece of pieces) await writeAll(file, piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @throws PayloadError, without the path: names of files may be a patient's */
export async function openNewFile(path: string): Promise<FileHandle> {
  return open(path, 'wx', 0o600).catch(notWritable);
}

/** @throws PayloadError when the disk is full, for instance */
export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at).catch(notWritable);
    at += bytesWritten;
  }
}

function notWritable(error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  throw new PayloadError(`A file of mesh csv cannot be written (${code}).`, {
    advice: 'Check that the folder exists, has space, and may be written by the user who runs Node-RED.',
  });
}

/** How much is collected before it is written (bytes). */
const COLLECTED = 64 * 1024;

/** The findings of a check as a file of their own: line, column, rule and text, one a row. */
export class FindingsFile {
  readonly #path: string;
  #file: number | undefined;
  #collected = '';

  /** The file is made with the first finding. */
  constructor(path: string) {
    this.#path = path;
  }

  /** The path; undefined while there is no finding. */
  get path(): string | undefined {
    return this.#file === undefined ? undefined : this.#path;
  }

  /** Takes a finding: millions of them need no memory, because this waits for the disk. */
  add({ line, column, rule, text }: CsvFinding): void {
    if (this.#file === undefined) {
      this.#file = this.#open();
      this.#collected = 'line,column,rule,text\r\n';
    }
    const values = [line ?? '', column ?? '', rule, text];
    this.#collected += `${values.map((value) => `"${String(value).replaceAll('"', '""')}"`).join(',')}\r\n`;
    if (this.#collected.length >= COLLECTED) this.#write();
  }

  close(): void {
    if (this.#file === undefined) return;
    this.#write();
    closeSync(this.#file);
  }

  #open(): number {
    try {
      return openSync(this.#path, 'wx', 0o600);
    } catch (error) {
      return notWritable(error);
    }
  }

  #write(): void {
    try {
      writeSync(this.#file ?? -1, this.#collected);
    } catch (error) {
      notWritable(error);
    }
    this.#collected = '';
  }
}
