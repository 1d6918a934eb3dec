/** The parent's side of the protocol: a child process that does one task at a time on request. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BENCH = join(__dirname, '..');

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

const running = new Set<Child>();

/** A separate process, so that its CPU time and memory can be measured by themselves. */
export class Child {
  readonly #process: ChildProcess;
  readonly #waiting: Waiting[] = [];
  readonly #name: string;

  private constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#process;
    if (stdout) {
      createInterface({ input: stdout }).on('line', (line) => {
        // Peers also print lines of their own, which are ignored.
        if (!line.startsWith('{"ok"') && !line.startsWith('{"error"')) return;
        const reply = JSON.parse(line) as { ok?: unknown; error?: string };
        const waiting = this.#waiting.shift();
        if (reply.error === undefined) waiting?.resolve(reply.ok);
        else waiting?.reject(new Error(`${name}: ${reply.error}`));
      });
    }
    const ended = (why: string): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${name} ended (${why})`));
    };
    this.#process.once('error', (error) => ended(error.message));
    this.#process.once('exit', (code, signal) => ended(String(code ?? signal)));
    this.#process.stdin?.on('error', () => undefined);
    running.add(this);
    this.#process.once('exit', () => running.delete(this));
  }

  /** Folder for the CPU profiles of the library's processes. No profiles are written if undefined. */
  static profiles: string | undefined;

  /** Starts a TypeScript file of the bench, e.g. `limits/zlib.ts`. */
  static script(file: string): Child {
    const isProfiled = Child.profiles !== undefined && file.startsWith('contestants/');
    const options = isProfiled ? ['--cpu-prof', `--cpu-prof-dir=${Child.profiles}`] : [];
    return new Child(file, process.execPath, ['--expose-gc', ...options, '--require', 'tsx/cjs', join(BENCH, file)]);
  }

  /** Starts any program that speaks the same protocol. */
  static program(name: string, command: string, args: readonly string[]): Child {
    return new Child(name, command, args);
  }

  /**
   * Sends a command and waits for its reply.
   *
   * @throws Error with the child's own message, or when the child ends.
   */
  ask<T>(command: string, fields: object = {}): Promise<T> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
      return Promise.reject(new Error(`${this.#name} has ended`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve: resolve as (value: unknown) => void, reject });
      this.#process.stdin?.write(`${JSON.stringify({ command, ...fields })}\n`);
    });
  }

  /** Stops all children that still run, e.g. after an error. */
  static async stopAll(): Promise<void> {
    await Promise.all([...running].map((child) => child.stop()));
  }

  /** Stops the child. May be called more than once. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  }
}
