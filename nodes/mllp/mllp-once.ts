/**
 * "Once per key" for a message that came over MLLP, where neither the node nor msg.meshSend names a key: a sender that
 * gets no AA repeats its message, and the recipient must not get it again.
 */
import { createHash } from 'node:crypto';
import type { NodeMessage } from 'node-red';
import type { MllpProperty } from './requests';

/** What a message is known by. */
export interface OnceClaim {
  onceKey: string;
  /** What a repeat has in common with the first message; empty: the payload. */
  onceContent: string;
  /** Gives the place among the request's messages back, for a message that was not stored. */
  release(): void;
}

/** Requests whose messages are counted, the latest ones. A sender waits for its response: it has few at a time. */
const MAX_REQUESTS = 10_000;

/** The messages that one mesh-send makes of MLLP requests. */
export class MllpOnce {
  readonly #nodeId: string;
  /** The places taken, by request: one request may become several messages, which are no repeats of each other. */
  readonly #taken = new Map<string, Set<number>>();

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /**
   * Returns the key of a message: sender, receiver and control id (MSH-3 to MSH-6, MSH-10), with MSH-7 where
   * mesh-mllp-in says so, the node, and the message's place among those of its request. What is compared is the HL7 v2
   * message as it came, without MSH-7: engines set that anew when they repeat one, and the payload may have been made
   * from it with ids and times of its own. Undefined for a message that did not come over MLLP or has no control id.
   */
  claim(msg: NodeMessage): OnceClaim | undefined {
    const mllp = (msg as { mllp?: Partial<MllpProperty> | null }).mllp ?? {};
    const { controlId, requestId } = mllp;
    if (typeof controlId !== 'string' || controlId === '') return undefined;
    const places = this.#placesOf(requestId);
    const place = partOf(msg) ?? firstFree(places);
    places.add(place);
    const { sendingApplication, sendingFacility, receivingApplication, receivingFacility } = mllp;
    const time = mllp.repeatsKeepTime === true ? mllp.messageTime : undefined;
    const parts = [sendingApplication, sendingFacility, receivingApplication, receivingFacility, controlId, time];
    // A digest, since a sender chooses the length and the content of its fields.
    const digest = createHash('sha256').update(JSON.stringify([...parts, this.#nodeId, place]));
    return {
      onceKey: `mllp ${digest.digest('base64url')}`,
      onceContent: mllp.sha256WithoutTime ?? mllp.sha256 ?? '',
      release: () => void places.delete(place),
    };
  }

  #placesOf(requestId: string | undefined): Set<number> {
    if (requestId === undefined) return new Set();
    const places = this.#taken.get(requestId) ?? new Set<number>();
    // The latest ones come last.
    this.#taken.delete(requestId);
    this.#taken.set(requestId, places);
    const [oldest] = this.#taken.size > MAX_REQUESTS ? this.#taken.keys() : [];
    if (oldest !== undefined) this.#taken.delete(oldest);
    return places;
  }
}

/** Returns the place that a split node has given the message; its parts may arrive in any order. */
function partOf(msg: NodeMessage): number | undefined {
  const { parts } = msg as { parts?: { index?: unknown } };
  return typeof parts?.index === 'number' ? parts.index : undefined;
}

function firstFree(places: ReadonlySet<number>): number {
  let place = 0;
  while (places.has(place)) place += 1;
  return place;
}
