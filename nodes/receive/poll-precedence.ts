/**
 * Which of two mesh-poll nodes gets what both want: the one that was there first. It keeps its place when it is deployed
 * again, so that a node that somebody adds takes nothing from a running one.
 */
const places = new Map<string, number>();

/** Returns the place of a node, a new one for a node that this process has not seen: the lower number goes first. */
export function precedenceOf(nodeId: string): number {
  const place = places.get(nodeId) ?? places.size;
  places.set(nodeId, place);
  return place;
}
