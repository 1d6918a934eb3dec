/** The inbox of the bench's server: prepared messages, oldest first. No step's cost grows with their number. */

/** A message that can be downloaded. */
export interface Stored {
  workflowId: string;
  from: string;
  /** The chunks as MESH keeps them; each is the body of one response. */
  chunks: Buffer[];
  encoding: 'gzip' | undefined;
  localId?: string | undefined;
}

/** The only inbox of the server, whatever mailbox the path names. */
export class Inbox {
  #ids: string[] = [];
  readonly #messages = new Map<string, Stored>();
  /** Index of the first message that is not acknowledged. */
  #first = 0;

  /** Removes all messages. */
  clear(): void {
    this.#ids = [];
    this.#messages.clear();
    this.#first = 0;
  }

  add(id: string, message: Stored): void {
    this.#ids.push(id);
    this.#messages.set(id, message);
  }

  find(id: string): Stored | undefined {
    return this.#messages.get(id);
  }

  acknowledge(id: string): void {
    this.#messages.delete(id);
    while (this.#first < this.#ids.length && !this.#messages.has(this.#ids[this.#first] ?? '')) this.#first += 1;
  }

  get count(): number {
    return this.#messages.size;
  }

  /** Returns at maximum `maximum` ids from index `from` on, and the index of the next page, if there is one. */
  page(from: number, maximum: number): { ids: string[]; next: number | undefined } {
    const ids: string[] = [];
    let at = Math.max(from, this.#first);
    for (; at < this.#ids.length && ids.length < maximum; at += 1) {
      const id = this.#ids[at] ?? '';
      if (this.#messages.has(id)) ids.push(id);
    }
    return { ids, next: at < this.#ids.length ? at : undefined };
  }
}
