/**
 * Reads the files of certificates and keys again when they change on disk, as certbot, cert-manager and people renew
 * them: in place, by a rename or by another target of a symbolic link. The files are looked at when somebody asks, not
 * watched: notifications do not come from network drives, nor through symbolic links. What cannot be used, such as a new
 * certificate whose key has not been written yet, is not used: the earlier pair stays, and the files are tried again
 * when they change next. No path and no content of a file is in any message.
 */
import { machineSteady, pause } from '../clock';
import type { TlsFiles, TlsOptions } from '../config';
import { readFile, stat } from '../files';
import { repairPem } from '../pem';
import { bytesOf, findCertificateProblem } from './usable-certificates';

type FileKind = keyof TlsFiles;

const NAMES: Readonly<Record<FileKind, string>> = {
  ca: 'CA file',
  cert: 'certificate file',
  key: 'private key file',
  pfx: 'PFX file',
};

/** A larger file is none of certificates (bytes): the CAs of a whole operating system are 250 kB. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/**
 * A file that is changed twice within a tick of its file system keeps its times. So its times count as unchanged only
 * once they were the same for this long (milliseconds); before that it is read each time.
 */
const SETTLING_MS = 2000;
/** How long a program may take to write a file, or both (milliseconds), before they are reported as unusable. */
const BEING_WRITTEN_MS = 200;

/** The files cannot be used; the message says which and why. */
class UnusableFiles extends Error {}

/** The certificates of one mailbox or connection, as they are on disk. */
export class CertificateFiles {
  readonly #paths: Array<[FileKind, string]>;
  #current: TlsOptions;
  /** What was in use when `onChange` was last called. */
  #reported: TlsOptions;
  #problem: string | null = null;
  #stamps = '';
  /** When the stamps were first seen, by the steady clock (milliseconds). */
  #seenAt = 0;
  #hasSettled = false;
  #checking: Promise<void> | undefined;
  /**
   * Called when changed files are in use from now on (null), and once for each problem for which they are not: a sentence
   * that says which file and why.
   */
  onChange: (problem: string | null) => void = () => undefined;

  /** @param tls what was read from `tls.files`, if it names any, and is in use until they change */
  constructor(tls: TlsOptions) {
    this.#current = tls;
    this.#reported = tls;
    this.#paths = Object.entries(tls.files ?? {}) as Array<[FileKind, string]>;
  }

  /** False if nothing was read from files, so that nothing can change. */
  get hasFiles(): boolean {
    return this.#paths.length > 0;
  }

  /** The newest certificates that can be used. The same object as long as they do not change. */
  get current(): TlsOptions {
    return this.#current;
  }

  /** Why the files on disk are not in use, in a sentence; null if they are. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Reads the files again if they have changed. Never rejects. */
  check(): Promise<void> {
    if (!this.hasFiles) return Promise.resolve();
    this.#checking ??= this.#check().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #check(): Promise<void> {
    // Before they are read, so that what changes meanwhile is another stamp at the next check.
    const stamps = (await Promise.all(this.#paths.map(([, path]) => stampOf(path)))).join(' ');
    if (stamps === this.#stamps && this.#hasSettled) return;
    if (stamps !== this.#stamps) this.#seenAt = machineSteady();
    this.#stamps = stamps;
    this.#hasSettled = machineSteady() - this.#seenAt >= SETTLING_MS;
    let problem = await this.#tryToUse();
    // They may be just being written, which is nothing to report.
    if (problem !== null && problem !== this.#problem) {
      await pause(BEING_WRITTEN_MS);
      problem = await this.#tryToUse();
    }
    this.#report(problem);
  }

  /** Returns why the files cannot be used; null if they are in use now. */
  async #tryToUse(): Promise<string | null> {
    try {
      const contents = await Promise.all(
        this.#paths.map(async ([kind, path]) => [kind, await read(kind, path)] as const),
      );
      if (contents.every(([kind, content]) => content.equals(bytesOf(this.#current[kind])))) return null;
      const next: TlsOptions = { ...this.#current, ...Object.fromEntries(contents) };
      const problem = findCertificateProblem(next, NAMES);
      if (problem) throw new UnusableFiles(problem.text);
      this.#current = next;
      return null;
    } catch (error) {
      const reason = error instanceof UnusableFiles ? error.message : 'they cannot be read';
      return `The certificate files on disk cannot be used: ${reason}. The earlier ones stay in use.`;
    }
  }

  #report(problem: string | null): void {
    const isAnother = problem !== this.#problem || this.#current !== this.#reported;
    this.#problem = problem;
    this.#reported = this.#current;
    if (isAnother) this.onChange(problem);
  }
}

/**
 * Returns the options with what is on disk now; unchanged if that cannot be used. For somebody who opens a connection
 * long after the files were first read.
 */
export async function readCertificatesAgain(tls: TlsOptions): Promise<TlsOptions> {
  const files = new CertificateFiles(tls);
  await files.check();
  return files.current;
}

/** Returns what differs whenever a file was changed or replaced, following symbolic links. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return codeOf(error);
  }
}

/** @throws UnusableFiles when it cannot be read: opening a pipe would wait for ever */
async function read(kind: FileKind, path: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new UnusableFiles(`the ${NAMES[kind]} is no regular file`);
    if (found.size > MAX_FILE_BYTES) throw new UnusableFiles(`the ${NAMES[kind]} is too large`);
    const content = await readFile(path);
    return kind === 'pfx' ? content : repairPem(content);
  } catch (error) {
    if (error instanceof UnusableFiles) throw error;
    throw new UnusableFiles(`the ${NAMES[kind]} cannot be read (${codeOf(error)})`);
  }
}

/** Node's own message has the path in it. */
function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}
