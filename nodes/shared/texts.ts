/** The texts that several nodes share. They live in mesh-config's catalogue: a catalogue belongs to one node. */
import type { NodeAPI } from 'node-red';

/** Node-RED names a catalogue `<package>/<node>`; a key without a namespace is looked up in the caller's own. */
const SHARED = '@mesh-flows/node-red-nhs-mesh/mesh-config:mesh-config.';

/** A text of locales/<lang>/mesh-config.json, e.g. `error.no-mailbox`. `__name__` in it is replaced. */
export function sharedText(RED: NodeAPI, key: string, values: Record<string, string | number> = {}): string {
  return RED._(SHARED + key, values);
}
