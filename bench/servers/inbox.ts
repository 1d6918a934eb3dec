/** The inbox of the bench's server: prepared messages, oldest first. No step depends on how many there are. */

/** A message that can be downloaded. */
export interface Stored {
  workflowId: string;
  from: string;
  /** As MESH holds them; each is one answer. */
  chunks: Buffer[];
  encoding: 'gzip' | undefined;
  localId?: string | undefined;
}

/** Of one server; the mailbox in the path is not looked at. */
export class Inbox {
  #ids: string[] = [];
  readonly #messages = new Map<string, Stored>();
  /** Everything before it was acknowledged. */
  #first = 0;

  /** Takes all messages out. */
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

  /** At most `most` ids from place `from` on, and the place where the next page begins, if there is one. */
  page(from: number, most: number): { ids: string[]; next: number | undefined } {
    const ids: string[] = [];
    let at = Math.max(from, this.#first);
    for (; at < this.#ids.length && ids.length < most; at += 1) {
      const id = this.#ids[at] ?? '';
      if (this.#messages.has(id)) ids.push(id);
    }
    return { ids, next: at < this.#ids.length ? at : undefined };
  }
}
