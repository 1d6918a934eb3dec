/** Texts that several nodes share. They live in mesh-config's catalogue, since every catalogue belongs to one node. */
import type { NodeAPI } from 'node-red';

/** Node-RED names a catalogue `<package>/<node>`, and looks up a key without a namespace in the caller's own. */
const SHARED = '@mesh-flows/node-red-nhs-mesh/mesh-config:mesh-config.';

/** Returns the key with which every node finds a text of locales/<lang>/mesh-config.json, e.g. `error.no-mailbox`. */
export function sharedKey(key: string): string {
  return SHARED + key;
}

/** Returns a text of locales/<lang>/mesh-config.json, e.g. `error.no-mailbox`, with each `__name__` replaced. */
export function sharedText(RED: NodeAPI, key: string, values: Record<string, string | number> = {}): string {
  return RED._(sharedKey(key), values);
}
