/** Other programs, run to their end. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './node-red';

const promised = promisify(execFile);

/** As whom and where a program runs. */
export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Another user than this one; only root may choose. */
  uid?: number;
  gid?: number;
}

/** What it wrote, and its exit code; a program that cannot be started throws. */
export async function run(program: string, args: string[], options: RunOptions = {}): Promise<Ran> {
  const settings = { cwd: ROOT, maxBuffer: 64 * 1024 ** 2, ...options };
  try {
    return { code: 0, ...(await promised(program, args, settings)) };
  } catch (error) {
    const { code, stdout, stderr } = error as Partial<Ran>;
    if (typeof code !== 'number') throw error;
    return { code, stdout: stdout ?? '', stderr: stderr ?? '' };
  }
}

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs npm, the one that runs this script if there is one, on the Node.js given. */
export function npm(args: string[], options: RunOptions & { node?: string } = {}): Promise<Ran> {
  const { node = process.execPath, ...rest } = options;
  const cli = process.env['npm_execpath'];
  if (cli === undefined || !cli.endsWith('.js')) return run('npm', args, rest);
  // What npm starts finds its Node.js in the path.
  const path = `${dirname(node)}:${process.env['PATH'] ?? ''}`;
  return run(node, [cli, ...args], { ...rest, env: { ...process.env, ...rest.env, PATH: path } });
}

/** The command that a package brought to node_modules/.bin. */
export function command(name: string, args: string[]): Promise<Ran> {
  return run(join(ROOT, 'node_modules', '.bin', name), args);
}

/** The output of what must succeed. */
export function succeeded({ code, stdout, stderr }: Ran, what: string): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  return stdout;
}
