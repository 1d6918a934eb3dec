/** The parent's half: a process that is asked for work, one thing at a time. */
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

/** A process of its own, so that its CPU time and its memory are its own. */
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
        // What a peer prints of its own is not for us.
        if (!line.startsWith('{"ok"') && !line.startsWith('{"error"')) return;
        const answer = JSON.parse(line) as { ok?: unknown; error?: string };
        const waiting = this.#waiting.shift();
        if (answer.error === undefined) waiting?.resolve(answer.ok);
        else waiting?.reject(new Error(`${name}: ${answer.error}`));
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

  /** Where the library's processes leave their CPU profiles; none if undefined. */
  static profiles: string | undefined;

  /** A TypeScript file of the bench, e.g. `limits/zlib.ts`. */
  static script(file: string): Child {
    const isProfiled = Child.profiles !== undefined && file.startsWith('contestants/');
    const options = isProfiled ? ['--cpu-prof', `--cpu-prof-dir=${Child.profiles}`] : [];
    return new Child(file, process.execPath, ['--expose-gc', ...options, '--require', 'tsx/cjs', join(BENCH, file)]);
  }

  /** Any program that speaks the same lines. */
  static program(name: string, command: string, args: readonly string[]): Child {
    return new Child(name, command, args);
  }

  /** Asks for one thing and waits for it. Rejects with the child's own error, or when it ends. */
  ask<T>(command: string, fields: object = {}): Promise<T> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
      return Promise.reject(new Error(`${this.#name} has ended`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve: resolve as (value: unknown) => void, reject });
      this.#process.stdin?.write(`${JSON.stringify({ command, ...fields })}\n`);
    });
  }

  /** Ends all that are left, e.g. after an error. */
  static async stopAll(): Promise<void> {
    await Promise.all([...running].map((child) => child.stop()));
  }

  /** Ends it. Repeatable. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  }
}
