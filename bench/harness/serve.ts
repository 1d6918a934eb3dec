/**
 * The child's half of every process of the bench: one JSON object a line in, one a line out (peers/python.py speaks the
 * same). Ends when its standard input does.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** What one round of work came to, as the process that did it measured it. */
export interface Work {
  /** Wall clock. */
  seconds: number;
  /** User and system time of all threads of the process. */
  cpuSeconds: number;
  /** Payload bytes, uncompressed. */
  bytes: number;
  messages: number;
}

/** Does the work and measures it. */
export async function measured<T extends object>(
  work: () => Promise<Pick<Work, 'bytes' | 'messages'> & T>,
): Promise<Work & T> {
  const before = process.cpuUsage();
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { ...result, seconds, cpuSeconds: (user + system) / 1e6 };
}

/** Resident memory in MiB: now, or the most since `forgetPeak`. NaN where there is no /proc. */
export function residentMiB(what: 'now' | 'peak'): number {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return Number(new RegExp(`^${what === 'now' ? 'VmRSS' : 'VmHWM'}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Begins a new peak (proc(5): 5 written to clear_refs sets VmHWM to the present size), and gives where it begins. */
function forgetPeak(): { idleMiB: number } {
  (globalThis as { gc?: () => void }).gc?.();
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux: the peak is then NaN all the same.
  }
  return { idleMiB: residentMiB('now') };
}

type Commands = Record<string, (request: never) => unknown>;

/** Answers requests, one at a time, by the command that each names. */
export function serve(commands: Commands): void {
  const all: Commands = {
    idle: forgetPeak,
    peak: () => ({ peakMiB: residentMiB('peak') }),
    ...commands,
  };
  let last: Promise<unknown> = Promise.resolve();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const request = JSON.parse(line) as { command: string };
    last = last
      .then(async () => {
        const command = all[request.command];
        if (!command) throw new Error(`no such command: ${request.command}`);
        return { ok: (await command(request as never)) ?? {} };
      })
      .catch((error: unknown) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }))
      .then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`));
  });
  lines.once('close', () => process.exit());
}
