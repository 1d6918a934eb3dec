/** Which MLLP listeners of this process take connections, for the readiness endpoint. */

/** By id of the mesh-mllp-in node. */
const listeners = new Map<string, boolean>();

/** Notes whether a listener takes connections; undefined once its node has closed. */
export function noteListener(id: string, isListening: boolean | undefined): void {
  if (isListening === undefined) listeners.delete(id);
  else listeners.set(id, isListening);
}

/** True if every listener that is deployed takes connections. */
export function allListening(): boolean {
  return [...listeners.values()].every(Boolean);
}
