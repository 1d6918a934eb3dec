/** The cluster test's MESH in a separate, forked process that answers requests over IPC and ends with its parent. */
import { startSandbox, type SandboxMessage } from '../../lib/sandbox';
import { makeFaulty } from './crash-parts';

/** A request of the parent; each gets one reply. */
export type SandboxRequest = { ask: 'messages' } | { ask: 'clear-faults' };
/** A reply to the parent. The first, with the URL, is sent without a request. */
export type SandboxReply = { url: string; sharedKey: string } | { messages: SandboxMessage[] } | { cleared: true };

async function main(): Promise<void> {
  const [trackingLagMs, probability] = process.argv.slice(2).map(Number);
  const sandbox = await startSandbox({ protocol: 'http', trackingLagMs: trackingLagMs ?? 0 });
  makeFaulty(sandbox, probability ?? 0);
  const reply = (value: SandboxReply): void => void process.send?.(value);
  process.on('message', ({ ask }: SandboxRequest) => {
    if (ask === 'messages') reply({ messages: sandbox.messages() });
    if (ask === 'clear-faults') {
      sandbox.clearFaults();
      reply({ cleared: true });
    }
  });
  process.on('disconnect', () => process.exit());
  reply({ url: sandbox.url, sharedKey: sandbox.sharedKey });
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
