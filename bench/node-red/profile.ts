/** What a CPU profile of Node-RED's main thread says about who uses it. */
import type { Profiler } from 'node:inspector';

/** On whose account a function's time goes. */
export type Account = 'nodeRed' | 'nodes' | 'client' | 'store' | 'library' | 'runtime';

/** By the file; what Node.js does itself goes to whom it was called by. */
const OWNERS: Array<[RegExp, Account]> = [
  [/\/dist\/nodes\//, 'nodes'],
  [/\/dist\/lib\/(client|protocol)\/|\/node_modules\/undici\//, 'client'],
  [/\/dist\/lib\/store\//, 'store'],
  [/\/dist\/lib\//, 'library'],
  [/\/node_modules\//, 'nodeRed'],
  // A callback of the socket, before undici is called: the only large sockets are those to MESH.
  [/^node:internal\/(tls|stream_base)|^node:_?(net|tls)/, 'client'],
];

/** Seconds by account; idle time is left out. */
export function accounts({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Record<Account, number> {
  const account = new Map<number, Account | 'idle'>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const visit = (id: number, inherited: Account): void => {
    const node = byId.get(id);
    if (!node) return;
    const { url, functionName } = node.callFrame;
    const own = OWNERS.find(([pattern]) => pattern.test(url))?.[1];
    // The socket's functions, called by someone we know, stay with that one.
    const mine = own === undefined || (url.startsWith('node:') && inherited !== 'runtime') ? inherited : own;
    account.set(id, functionName === '(idle)' ? 'idle' : mine);
    for (const child of node.children ?? []) visit(child, mine);
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
