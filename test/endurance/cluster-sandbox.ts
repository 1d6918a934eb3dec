/** The cluster test's MESH, in a process of its own: forked, and asked by messages. Ends with its parent. */
import { startSandbox, type SandboxMessage } from '../../lib/sandbox';
import { makeFaulty } from './crash-parts';

/** What the parent asks; each has one answer. */
export type Asked = { ask: 'messages' } | { ask: 'clear-faults' };
/** The first of them comes by itself. */
export type Answer = { url: string; sharedKey: string } | { messages: SandboxMessage[] } | { cleared: true };

async function main(): Promise<void> {
  const [trackingLagMs, probability] = process.argv.slice(2).map(Number);
  const sandbox = await startSandbox({ protocol: 'http', trackingLagMs: trackingLagMs ?? 0 });
  makeFaulty(sandbox, probability ?? 0);
  const answer = (value: Answer): void => void process.send?.(value);
  process.on('message', ({ ask }: Asked) => {
    if (ask === 'messages') answer({ messages: sandbox.messages() });
    if (ask === 'clear-faults') {
      sandbox.clearFaults();
      answer({ cleared: true });
    }
  });
  process.on('disconnect', () => process.exit());
  answer({ url: sandbox.url, sharedKey: sandbox.sharedKey });
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
