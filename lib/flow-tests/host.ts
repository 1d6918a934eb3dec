/** The process that runs one test file: a Node-RED, and a sandbox in the place of MESH. It ends when its parent is told. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { MeshError } from '../errors';
import { BUILT_IN_SANDBOX, processWide, startSandbox } from '../sandbox';
import { FlowRun } from './flow-run';
import type { FileResult, FileToRun } from './protocol';
import { testFlow } from './test-flow';
import { WatchedNodeRed } from './watched-node-red';

async function run({ file, flow, nodeRed, userDir, isUpdating }: FileToRun): Promise<FileResult> {
  const sandbox = await startSandbox({ protocol: 'https', strict: true, nationalServices: true });
  sandbox.registerWorkflows(['*']);
  for (const mailboxId of file.mailboxes) sandbox.addMailbox({ mailboxId, password: 'password', name: mailboxId });
  processWide[BUILT_IN_SANDBOX] = Promise.resolve(sandbox);
  const listeners = flow.filter(({ type }) => type === 'mesh-mllp-in');
  const ports = new Map(await Promise.all(listeners.map(async ({ id }) => [id, await freePort()] as const)));
  const watched = await WatchedNodeRed.start({ nodeRed, userDir, flow: testFlow(flow, ports) });
  try {
    const runner = new FlowRun({ nodeRed: watched, sandbox, flow, ports, file, isUpdating });
    const results = [];
    for (const test of file.tests) results.push(await runner.run(test));
    return { results, reached: [...watched.reached] };
  } finally {
    await watched.stop();
    await sandbox.close();
  }
}

/** Returns a port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

process.once('message', (task: FileToRun) => {
  // A parent that was killed must leave no Node-RED behind.
  process.once('disconnect', () => process.exit(1));
  const failed = (error: unknown): FileResult => {
    const advice = error instanceof MeshError && error.advice ? ` ${error.advice}` : '';
    return { results: [], reached: [], failed: `${error instanceof Error ? error.message : String(error)}${advice}` };
  };
  void run(task)
    .catch(failed)
    .then((result) => process.send?.(result, () => process.exit(0)));
});
