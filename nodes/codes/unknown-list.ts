/** The list of unknown codes of one mesh-codes, kept in the user folder so that it survives a restart. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemClock, UnknownCodes, writeWholeFile } from '../../lib/index';

/** Changes are written together after this time (milliseconds); a kill loses no more than that. */
const WRITE_AFTER_MS = 1000;

export class UnknownList {
  readonly #path: string | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #closing = new AbortController();
  readonly #opened: Promise<void>;
  #codes = new UnknownCodes();
  #isOpen = false;
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();
  #isWaiting = false;

  /**
   * @param path the file; undefined: the list ends with Node-RED
   * @param failed called when the file cannot be written
   */
  constructor(path: string | undefined, failed: (error: unknown) => void) {
    this.#path = path;
    this.#failed = failed;
    this.#opened = this.#open();
  }

  /** The list, when it has been read from the file. */
  async codes(): Promise<UnknownCodes> {
    await this.#opened;
    return this.#codes;
  }

  add(system: string | undefined, code: string): void {
    this.change((codes) => codes.add(system, code, Date.now()));
  }

  /** Changes the list, and has it written. */
  change(work: (codes: UnknownCodes) => void): void {
    if (!this.#isOpen) {
      void this.#opened.then(() => this.change(work));
      return;
    }
    work(this.#codes);
    this.#isChanged = true;
    if (this.#isWaiting || this.#path === undefined) return;
    this.#isWaiting = true;
    void systemClock.sleep(WRITE_AFTER_MS, this.#closing.signal).then(() => {
      this.#isWaiting = false;
      return this.#write();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#opened;
    await this.#write();
  }

  /** A file that is missing or damaged is an empty list. */
  async #open(): Promise<void> {
    const stored =
      this.#path === undefined ? undefined : await readFile(this.#path, 'utf8').then(parsed, () => undefined);
    this.#codes = new UnknownCodes(stored);
    this.#isOpen = true;
  }

  /** One write after the other. */
  #write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeOnce());
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    await this.#opened;
    if (!this.#isChanged || this.#path === undefined) return;
    this.#isChanged = false;
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await writeWholeFile(this.#path, `${JSON.stringify(this.#codes)}\n`, { suffix: '.new', mode: 0o600 });
    } catch (error) {
      this.#isChanged = true;
      this.#failed(error);
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
