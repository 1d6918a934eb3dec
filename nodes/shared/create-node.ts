/** Creates a node of ours, with the settings that an empty environment variable has blanked marked as such. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { namedVariable } from '../../lib/index';
import { prepareStatus } from './status';

/**
 * Calls RED.nodes.createNode and returns the settings to read. Node-RED replaces `${VAR}` by the value of the variable
 * before it creates the node, so that an empty variable looks like a field that was left blank, which has a default: the
 * sandbox, no TLS, no limit. Such a field gets its `${VAR}` back, which readers refuse (settings.ts). So does a
 * credential: an alert without its token, and mail without its user, would go without.
 */
export function createNode<Def extends NodeDef>(RED: NodeAPI, node: Node, config: Def): Def {
  RED.nodes.createNode(node, config);
  prepareStatus(RED, node);
  restoreCredentials(RED, node, config);
  const saved = savedSettings(RED, config);
  return saved === undefined ? config : (withEmptyVariables(saved, config) as Def);
}

/** A node in a subflow is made from the subflow's own node, whose id is its alias. */
type MaybeInSubflow = NodeDef & { _alias?: string };

/** Gives a node's credentials that are blank, but were stored as a variable, their variable back. */
function restoreCredentials(RED: NodeAPI, node: Node, config: MaybeInSubflow): void {
  const own = node as Node<object>;
  // Undefined while none are stored.
  const credentials = own.credentials as object | undefined;
  if (credentials === undefined) return;
  own.credentials = withEmptyVariables(RED.nodes.getCredentials(config._alias ?? config.id), credentials) as object;
}

/** Returns the settings as the flow file has them; undefined when they are not found. */
function savedSettings(RED: NodeAPI, config: MaybeInSubflow): unknown {
  const { id, _alias: alias } = config;
  let saved: unknown;
  RED.nodes.eachNode((each) => {
    if (each.id === id || (alias !== undefined && each.id === alias)) saved = each;
  });
  return saved;
}

/** Returns the value with each text that is blank, but was saved as a variable, as it was saved. */
function withEmptyVariables(saved: unknown, value: unknown): unknown {
  if (typeof saved === 'string') {
    const isBlank = typeof value === 'string' && value.trim() === '';
    return isBlank && namedVariable(saved) !== undefined ? saved : value;
  }
  if (Array.isArray(saved) && Array.isArray(value)) {
    return value.map((each: unknown, index) => withEmptyVariables(saved[index], each));
  }
  if (!isPlain(saved) || !isPlain(value)) return value;
  const changed = Object.entries(value).filter(([name, own]) => withEmptyVariables(saved[name], own) !== own);
  if (changed.length === 0) return value;
  // Not a copy of all: Node-RED's own properties of a configuration are not enumerable.
  const copy = Object.create(Object.getPrototypeOf(value) as object, Object.getOwnPropertyDescriptors(value)) as object;
  return Object.assign(
    copy,
    Object.fromEntries(changed.map(([name, own]) => [name, withEmptyVariables(saved[name], own)])),
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}
