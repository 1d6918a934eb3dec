/** Attributes a CPU profile of Node-RED's main thread to its parts. */
import type { Profiler } from 'node:inspector';

/** The part that a function's time is attributed to. */
export type Account = 'nodeRed' | 'nodes' | 'client' | 'store' | 'library' | 'runtime';

/** The part that owns a file. Time in Node.js itself is attributed to its caller. */
const OWNERS: Array<[RegExp, Account]> = [
  [/\/dist\/nodes\//, 'nodes'],
  [/\/dist\/lib\/(client|protocol)\/|\/node_modules\/undici\//, 'client'],
  [/\/dist\/lib\/store\//, 'store'],
  [/\/dist\/lib\//, 'library'],
  [/\/node_modules\//, 'nodeRed'],
  // Socket callbacks before undici is called: the only busy sockets are those to MESH.
  [/^node:internal\/(tls|stream_base)|^node:_?(net|tls)/, 'client'],
];

/** Returns seconds by part, without idle time. */
export function accounts({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Record<Account, number> {
  const account = new Map<number, Account | 'idle'>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const visit = (id: number, inherited: Account): void => {
    const node = byId.get(id);
    if (!node) return;
    const { url, functionName } = node.callFrame;
    const own = OWNERS.find(([pattern]) => pattern.test(url))?.[1];
    // Functions of the socket belong to their caller, if it is known.
    const inheritedOrOwn = own === undefined || (url.startsWith('node:') && inherited !== 'runtime') ? inherited : own;
    account.set(id, functionName === '(idle)' ? 'idle' : inheritedOrOwn);
    for (const child of node.children ?? []) visit(child, inheritedOrOwn);
  };
  const root = nodes[0];
  if (root) visit(root.id, 'runtime');
  const seconds = { nodeRed: 0, nodes: 0, client: 0, store: 0, library: 0, runtime: 0 };
  for (const [i, id] of samples.entries()) {
    const who = account.get(id);
    if (who !== undefined && who !== 'idle') seconds[who] += (timeDeltas[i] ?? 0) / 1e6;
  }
  return seconds;
}
