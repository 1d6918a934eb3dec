/**
 * Makes a flow fit to be tested: every mailbox is on the sandbox, every MLLP listener on a port of its own, and nothing
 * is read that only the real place has. The flow itself stays as it is.
 */
import { ConfigurationError } from '../errors';

/** A node as a flow file has it. */
export type FlowNode = { id: string; type: string; name?: string; [property: string]: unknown };

/**
 * Nodes that reach what is outside Node-RED. A message for one of them is caught: the test sees it (`in`), and gives
 * the response (`answer`).
 */
const ENDS: ReadonlySet<string> = new Set([
  'http request',
  'mesh-mllp-out',
  'e-mail',
  'tcp out',
  'tcp request',
  'udp out',
  'mqtt out',
  'amqp-out',
  'exec',
]);

/** @param type the type of a node */
export const isEnd = (type: string): boolean => ENDS.has(type);

/**
 * Returns the flow as it is deployed in a test.
 * @param ports a free port for each mesh-mllp-in, by its id
 */
export function testFlow(nodes: readonly FlowNode[], ports: ReadonlyMap<string, number>): FlowNode[] {
  return nodes.map((node) => {
    if (node.type === 'mesh-config') {
      const { tls: _tls, proxy: _proxy, ...rest } = node;
      return { ...rest, environment: 'sandbox', sandboxWorkflows: '*' };
    }
    if (node.type === 'mesh-mllp-in') return { ...node, host: '127.0.0.1', port: ports.get(node.id), tls: '' };
    return node;
  });
}

/**
 * Returns the node that a test names: by its name, or by its id.
 * @throws ConfigurationError that lists the names there are, when it is none of them or several nodes have it
 */
export function nodeNamed(nodes: readonly FlowNode[], name: string): FlowNode {
  const found = nodes.filter((node) => node.id === name || (node.name === name && node.type !== 'tab'));
  const [node] = found;
  if (node && found.length === 1) return node;
  if (node) {
    const ids = found.map(({ id }) => id).join(', ');
    throw new ConfigurationError(`${found.length} nodes have the name “${name}”. Name the one by its id: ${ids}.`);
  }
  const names = nodes.flatMap(({ name: each, type }) =>
    each && type !== 'tab' && type !== 'group' ? [`“${each}”`] : [],
  );
  throw new ConfigurationError(`The flow has no node “${name}”. It has ${names.toSorted().join(', ')}.`);
}
