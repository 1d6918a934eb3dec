/** Measures a running Node-RED for the soak test, and distinguishes growth from noise. */
import { readdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { median } from '../harness/median';
import type { RealNodeRed } from '../harness/node-red';

/** One measurement of Node-RED. */
export interface Measure {
  /** The JavaScript heap after a garbage collection (bytes). */
  heap: number;
  /** Resident memory of the process (bytes). */
  rss: number;
  /** Active timers, sockets, requests … of libuv. */
  handles: number;
  /** Open file descriptors; 0 if the system does not report them. */
  descriptors: number;
  /** Files in the store's folder and its subfolders. */
  files: number;
}

/** Node-RED settings with the function that `measureFlow` calls. Needs `--expose-gc` in NODE_OPTIONS. */
export const MEASURE_SETTINGS = `functionGlobalContext: {
  measure: () => {
    global.gc();
    const { heapUsed, rss, external } = process.memoryUsage();
    return { heap: heapUsed + external, rss, handles: process.getActiveResourcesInfo().length };
  },
},`;

/** Returns the flow of `GET /measure`. */
export function measureFlow(tab: string): Array<{ id: string; type: string; [property: string]: unknown }> {
  return [
    { id: 'measure', type: 'http in', z: tab, x: 100, y: 900, url: '/measure', method: 'get', wires: [['measured']] },
    {
      id: 'measured',
      type: 'function',
      z: tab,
      x: 300,
      y: 900,
      func: "msg.payload = global.get('measure')(); return msg;",
      outputs: 1,
      wires: [['measure-out']],
    },
    { id: 'measure-out', type: 'http response', z: tab, x: 500, y: 900, statusCode: '200', headers: {}, wires: [] },
  ];
}

/** Takes a measurement now. */
export async function measure(nodeRed: RealNodeRed, storeFolder: string): Promise<Measure> {
  const response = await fetch(`${nodeRed.url}/measure`);
  if (!response.ok) throw new Error(`measure: status ${response.status}`);
  const inside = (await response.json()) as Pick<Measure, 'heap' | 'rss' | 'handles'>;
  const descriptors = `/proc/${nodeRed.pid}/fd`;
  return {
    ...inside,
    descriptors: existsSync(descriptors) ? (await readdir(descriptors)).length : 0,
    files: (await readdir(storeFolder, { recursive: true })).length,
  };
}

const minimum = (numbers: readonly number[]): number => Math.min(...numbers);

/**
 * The increase from the second to the last third of the run that still counts as noise: a share of the value, plus a
 * constant. The heap is compared by its minimum, because work in progress during a measurement is not a leak.
 */
const ALLOWED = {
  heap: { of: minimum, share: 0.1, more: 4_000_000 },
  rss: { of: median, share: 0.1, more: 16_000_000 },
  handles: { of: median, share: 0, more: 10 },
  descriptors: { of: median, share: 0, more: 10 },
} satisfies Partial<Record<keyof Measure, object>>;

/** Returns one line for each measure that grew. The first third of the run is the warm-up. */
export function growth(measures: readonly Measure[]): string[] {
  const third = Math.floor(measures.length / 3);
  const [second, last] = [measures.slice(third, 2 * third), measures.slice(2 * third)];
  return (Object.keys(ALLOWED) as Array<keyof typeof ALLOWED>).flatMap((name) => {
    const { of, share, more } = ALLOWED[name];
    const before = of(second.map((each) => each[name]));
    const after = of(last.map((each) => each[name]));
    return after > before * (1 + share) + more ? [`${name} grew from ${before} to ${after}`] : [];
  });
}
