/** Runs other programs to their end. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './node-red';

const promised = promisify(execFile);

/** The folder, environment and user of a program. */
interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Another user than the current one; only root may set it. */
  uid?: number;
  gid?: number;
}

/** What a program wrote, and its exit code. */
interface ProgramResult {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program from the repository's root, and returns its exit code and output.
 * @throws Error when the program cannot be started
 */
export async function run(program: string, args: string[], options: RunOptions = {}): Promise<ProgramResult> {
  const settings = { cwd: ROOT, maxBuffer: 64 * 1024 ** 2, ...options };
  try {
    return { code: 0, ...(await promised(program, args, settings)) };
  } catch (error) {
    const { code, stdout, stderr } = error as Partial<ProgramResult>;
    if (typeof code !== 'number') throw error;
    return { code, stdout: stdout ?? '', stderr: stderr ?? '' };
  }
}

/** Runs npm (the one that runs this script, if any) on `node`, by default on this Node.js. */
export function npm(args: string[], options: RunOptions & { node?: string } = {}): Promise<ProgramResult> {
  const { node = process.execPath, ...rest } = options;
  const cli = process.env['npm_execpath'];
  if (cli === undefined || !cli.endsWith('.js')) return run('npm', args, rest);
  // npm's child processes find their Node.js in the path.
  const path = `${dirname(node)}:${process.env['PATH'] ?? ''}`;
  return run(node, [cli, ...args], { ...rest, env: { ...process.env, ...rest.env, PATH: path } });
}

/** Runs a command of node_modules/.bin. */
export function command(name: string, args: string[]): Promise<ProgramResult> {
  return run(join(ROOT, 'node_modules', '.bin', name), args);
}

/**
 * Returns the output of a program that succeeded.
 * @throws Error naming `what` and the end of the output when the exit code is not 0
 */
export function succeeded({ code, stdout, stderr }: ProgramResult, what: string): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  return stdout;
}
