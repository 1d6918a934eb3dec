/**
 * The child's side of the protocol: one JSON object per line in, one per line out (peers/python.py speaks it too). The
 * process ends when its standard input ends.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** The result of one round, as measured by the process that did the work. */
export interface Work {
  /** Elapsed time. */
  seconds: number;
  /** User and system time of all threads. */
  cpuSeconds: number;
  /** Payload bytes, uncompressed. */
  bytes: number;
  messages: number;
}

/** Does the work and measures its time and CPU. */
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

/** Returns the resident memory in MiB: now, or the peak since `resetPeak`. NaN without /proc. */
function residentMiB(what: 'now' | 'peak'): number {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return Number(new RegExp(`^${what === 'now' ? 'VmRSS' : 'VmHWM'}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Resets the peak to the present size (proc(5): writing 5 to clear_refs resets VmHWM), and returns that size. */
function resetPeak(): { idleMiB: number } {
  (globalThis as { gc?: () => void }).gc?.();
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux: the peak is NaN anyway.
  }
  return { idleMiB: residentMiB('now') };
}

type Commands = Record<string, (request: never) => unknown>;

/** Runs the command that each request names, one request at a time, and writes its reply. */
export function serve(commands: Commands): void {
  const all: Commands = {
    idle: resetPeak,
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
      .then((reply) => process.stdout.write(`${JSON.stringify(reply)}\n`));
  });
  lines.once('close', () => process.exit());
}
