/**
 * The bytes that all connections of a server hold together: parts of messages, messages that wait, and messages in
 * flight. Beyond the limit sockets are not read, and TCP makes the senders wait. So that one message can always be
 * completed, the connection whose message began first is read on while no message is in flight: its deadline ends it
 * otherwise. The most that is ever held is the limit and one message.
 */
export class ByteBudget {
  readonly #limit: number;
  readonly #holders = new Map<object, { bytes: number; inFlight: number; update: () => void }>();
  /** Connections in the middle of a message, in the order in which their messages began. */
  readonly #inMessage = new Set<object>();
  #bytes = 0;
  #inFlight = 0;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Records what a connection holds: bytes in all, how many of its messages are in flight, and whether it is in the
   * middle of a message. `update` is called when it may have to wait, or may be read again.
   */
  record(holder: object, held: { bytes: number; inFlight: number; isInMessage: boolean }, update: () => void): void {
    const before = this.#holders.get(holder) ?? { bytes: 0, inFlight: 0 };
    if (held.isInMessage) this.#inMessage.add(holder);
    else this.#inMessage.delete(holder);
    this.#holders.set(holder, { bytes: held.bytes, inFlight: held.inFlight, update });
    this.#change(held.bytes - before.bytes, held.inFlight - before.inFlight);
  }

  /** Forgets a connection that holds nothing any more. */
  release(holder: object): void {
    const before = this.#holders.get(holder);
    if (!before) return;
    this.#holders.delete(holder);
    this.#inMessage.delete(holder);
    this.#change(-before.bytes, -before.inFlight);
  }

  /** Whether a connection must not be read now. */
  mustWait(holder: object): boolean {
    if (this.#bytes <= this.#limit) return false;
    const [first] = this.#inMessage;
    return this.#inFlight > 0 || first !== holder;
  }

  /** Lets every connection see anew whether it is read: when the limit is crossed, and when something ends beyond it. */
  #change(bytes: number, inFlight: number): void {
    const wasOver = this.#bytes > this.#limit;
    this.#bytes += bytes;
    this.#inFlight += inFlight;
    const isOver = this.#bytes > this.#limit;
    const hasEnded = bytes < 0 || inFlight < 0;
    if (wasOver === isOver && !(isOver && hasEnded)) return;
    for (const { update } of this.#holders.values()) update();
  }
}
