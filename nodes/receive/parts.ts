/**
 * A received message that our nodes have split – mesh-poll a multipart payload, a converter a batch or an envelope – is
 * done when each of its parts has reached a mesh-ack. What a core split node has split, or a join has joined, is not
 * counted: a message without our parts is done at once.
 */

/** Core's `msg.parts` with the mark of our nodes (`markedParts` in shared/converter.ts). */
interface MeshParts {
  id: string;
  index: number;
  count: number;
  /** The received message that this is a part of. */
  ofMessage: string;
}

/** The parts that have reached a mesh-ack, by the id of their message and of their split. */
type Reached = Map<string, Map<string, Set<number>>>;

/** For each inbox: the mesh-ack nodes of a mailbox count together. */
const reachedOf = new WeakMap<object, Reached>();
/** Messages of which some parts never arrive are parked in the end; nothing tells us here. */
const MAX_MESSAGES = 10_000;

/**
 * Notes a part of a message; returns true if all of them are there now, or the message has no parts of ours. The counts
 * are in memory: after a restart the message is delivered again, whole.
 * @param inbox whose messages these are
 */
export function isLastPart(inbox: object, messageId: string, parts: unknown): boolean {
  const levels = levelsOf(messageId, parts);
  if (levels.length === 0) return true;
  const reached: Reached = reachedOf.get(inbox) ?? new Map();
  reachedOf.set(inbox, reached);
  const ofMessage = reached.get(messageId) ?? new Map<string, Set<number>>();
  reached.set(messageId, ofMessage);
  const [oldest] = reached.keys();
  if (reached.size > MAX_MESSAGES && oldest !== undefined) reached.delete(oldest);
  // From the innermost: a part that was itself split is there when all of its own parts are.
  for (const { id, index, count } of levels) {
    const found = ofMessage.get(id) ?? new Set<number>();
    ofMessage.set(id, found.add(index));
    if (found.size < count) return false;
  }
  return true;
}

/** Forgets the parts of a message that is done. */
export function forgetParts(inbox: object, messageId: string): void {
  reachedOf.get(inbox)?.delete(messageId);
}

/** Returns the marked levels of nested parts, the innermost first. */
function levelsOf(messageId: string, parts: unknown): MeshParts[] {
  const levels: MeshParts[] = [];
  for (let each = parts; typeof each === 'object' && each !== null; each = (each as { parts?: unknown }).parts) {
    if ((each as Partial<MeshParts>).ofMessage === messageId) levels.push(each as MeshParts);
    if (levels.length > 20) break;
  }
  return levels;
}
