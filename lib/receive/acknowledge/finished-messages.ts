/** The last step of the line in: the flow has finished a message. */
import type { InboxParts } from '../inbox-parts';
import type { MeshAcknowledger } from './mesh-acknowledger';

/** The finished messages of one mailbox. */
export class FinishedMessages {
  readonly #parts: InboxParts;
  readonly #acknowledger: MeshAcknowledger;

  constructor(parts: InboxParts, acknowledger: MeshAcknowledger) {
    this.#parts = parts;
    this.#acknowledger = acknowledger;
  }

  /**
   * Ends a message that the flow has finished: it is never delivered again, whatever MESH says. Late and repeated calls
   * are harmless. A message that the store does not know is acknowledged to MESH; only then can this throw errors of
   * MESH.
   * @throws StorageError when the store fails
   */
  async finish(messageId: string): Promise<void> {
    const { rows, options, closing } = this.#parts;
    const row = await rows.settle(messageId);
    if (row) this.#ended(messageId, row.acknowledgedAt === null);
    else if (!(await rows.known([messageId])).has(messageId)) await options.client.acknowledge(messageId, closing);
    this.#acknowledger.wake();
  }

  /**
   * Another instance changed a message: the flow may have finished it there, or a person asked for another delivery.
   * @throws StorageError when the store fails
   */
  async lookAgain(messageId: string): Promise<void> {
    const { rows, leases, clock } = this.#parts;
    const row = await rows.get(messageId);
    if (row?.state === 'delivered' && row.leaseUntil !== null && row.leaseUntil <= clock.now()) {
      leases.add(row, 0);
      leases.expire(messageId);
    }
    if (row?.state !== 'done') return;
    rows.countSettled(row);
    this.#ended(messageId, row.acknowledgedAt === null);
    this.#acknowledger.wake();
  }

  #ended(messageId: string, isUnacknowledged: boolean): void {
    const { leases, listeners } = this.#parts;
    leases.delete(messageId);
    if (isUnacknowledged) this.#acknowledger.acknowledgeLater(messageId);
    listeners.notifySoon();
  }
}
