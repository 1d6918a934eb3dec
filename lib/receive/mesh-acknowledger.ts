/**
 * Tells MESH what was collected (the acknowledge PUT), and again what it could not be told.
 *
 * What has to be told again needs no list of its own on the disk: MESH's inbox lists it for as long as MESH does not know.
 * The set here only makes it sooner.
 */
import type { IncomingRows } from './incoming-rows';
import type { InboxRouter } from './inbox-router';
import { asMeshError, isGone } from './inbox-rules';
import type { InboxClient } from './durable-inbox-types';
import type { InboxConsumer } from './inbox-types';
import type { Notices } from './notices';
import { Turns } from './turns';

/** Beyond so many, those that come later are told after a list. */
const REMEMBERED = 10_000;

/** What a teller works with. */
export interface MeshAcknowledgerParts {
  client: InboxClient;
  rows: IncomingRows;
  router: InboxRouter<InboxConsumer>;
  notices: Notices;
  signal: AbortSignal;
  /** MESH is told as soon as a message is stored; else when the flow is done with it. */
  whenSpooled: boolean;
  /** The store failed while MESH was told in the background. */
  onFailed: (error: unknown) => void;
  /** The telling in the background has ended. */
  onIdle: () => void;
}

/** Tells MESH, for one mailbox. */
export class MeshAcknowledger {
  readonly whenSpooled: boolean;
  readonly #parts: MeshAcknowledgerParts;
  readonly #pending = new Set<string>();
  #failed = false;
  #told = 0;
  #run: Promise<void> | undefined;
  /** What MESH is being told now: nobody else tells it meanwhile. */
  readonly #telling = new Map<string, Promise<void>>();
  /** Requests go one after the other; the commits that follow them do not wait for each other. */
  readonly #turns = new Turns();

  constructor(parts: MeshAcknowledgerParts) {
    this.#parts = parts;
    this.whenSpooled = parts.whenSpooled;
  }

  /** What is stored now will be told at once: nothing has failed in this run. */
  get tells(): boolean {
    return this.whenSpooled && !this.#failed;
  }

  /** How many MESH was told of, ever. */
  get told(): number {
    return this.#told;
  }

  /** Whether it tells in the background. */
  get isBusy(): boolean {
    return this.#run !== undefined;
  }

  /** It has to be told some time. */
  owe(messageId: string): void {
    if (this.#pending.size < REMEMBERED) this.#pending.add(messageId);
  }

  /** Tells what is owed, in the background; not if MESH could not be told lately: then it waits for the next poll. */
  wake(): void {
    const { signal, onFailed, onIdle } = this.#parts;
    if (this.#run || this.#failed || signal.aborted) return;
    this.#run = this.#tellAll()
      .catch((error: unknown) => onFailed(error))
      .finally(() => {
        this.#run = undefined;
        onIdle();
      });
  }

  /** A poll begins: MESH may be there again. Tells what is owed, as far as that goes. Throws what the store throws. */
  async tellOwed(): Promise<void> {
    await this.#run;
    this.#failed = false;
    await this.#tellAll();
  }

  /** Resolves when nothing is told in the background. */
  async close(): Promise<void> {
    await this.#run;
  }

  async #tellAll(): Promise<void> {
    while (!this.#failed) {
      const [messageId] = this.#pending;
      if (messageId === undefined) return;
      await this.#tell(messageId);
    }
  }

  /** Tells MESH, unless that has failed since the last poll: then, and if it fails, it is owed. Throws what the store throws. */
  async tellNow(messageId: string): Promise<void> {
    this.owe(messageId);
    if (!this.#failed) await this.#tell(messageId);
  }

  #tell(messageId: string): Promise<void> {
    const telling =
      this.#telling.get(messageId) ?? this.#tellOnce(messageId).finally(() => this.#telling.delete(messageId));
    this.#telling.set(messageId, telling);
    return telling;
  }

  async #tellOnce(messageId: string): Promise<void> {
    const { rows, notices } = this.#parts;
    const endTurn = await this.#turns.next();
    try {
      if (this.#failed || !(await this.#request(messageId))) return;
    } finally {
      endTurn();
    }
    await rows.told(messageId);
    this.#pending.delete(messageId);
    this.#told += 1;
    notices.over('acknowledge');
  }

  /** Whether MESH knows now. */
  async #request(messageId: string): Promise<boolean> {
    const { client, router, notices, signal } = this.#parts;
    try {
      await client.acknowledge(messageId, signal);
      return true;
    } catch (error) {
      // What is gone from MESH needs no telling.
      if (isGone(error)) return true;
      this.#failed = true;
      if (!signal.aborted) notices.raise('acknowledge', asMeshError(error), router.consumers, messageId);
      return false;
    }
  }
}
