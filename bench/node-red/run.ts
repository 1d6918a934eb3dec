/** A real Node-RED with the hook that measures it. */
import type { Profiler } from 'node:inspector';
import { join, resolve } from 'node:path';
import { RealNodeRed } from '../../test/harness/node-red';
import { freePort } from '../../test/harness/ports';

const HOOK = resolve(__dirname, 'hook.cjs');
const NODES = resolve(__dirname, 'nodes');

/** What the hook measured between `start` and `stop`. */
export interface HookFigures {
  p99Ms: number;
  maxMs: number;
  peakMiB: number;
  cpuSeconds: number;
  mainSeconds: number;
  storeSeconds: number;
  profile?: Profiler.Profile;
}

/** A Node-RED that runs flows. */
export interface Observed {
  nodeRed: RealNodeRed;
  /**
   * Runs a command of hook.cjs.
   * @throws Error when it fails
   */
  hook: <T>(command: string) => Promise<T>;
}

/** Starts a Node-RED, deploys the flows, and stops it after `work`. */
export async function withNodeRed<T>(
  folder: string,
  flows: unknown[],
  work: (observed: Observed) => Promise<T>,
): Promise<T> {
  const port = await freePort();
  const nodeRed = await RealNodeRed.start({
    userDir: join(folder, 'node-red'),
    flows: [],
    settings: `bench: void require(${JSON.stringify(HOOK)}), nodesDir: ${JSON.stringify(NODES)},`,
    env: { BENCH_HOOK_PORT: String(port) },
  });
  const hook = async <R>(command: string): Promise<R> => {
    const response = await fetch(`http://127.0.0.1:${port}/${command}`);
    if (!response.ok) throw new Error(`hook: ${await response.text()}`);
    return (await response.json()) as R;
  };
  try {
    // Deployed rather than read from the flow file: only a deployment moves credentials out of the nodes.
    await nodeRed.deploy(flows);
    return await work({ nodeRed, hook });
  } finally {
    await nodeRed.stop();
  }
}
