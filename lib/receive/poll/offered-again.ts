/**
 * A message that MESH lists although the store has it and MESH has our acknowledgement: the service desk may have put
 * it back on purpose, because somebody did not get it (docs/mesh.md, Expiry and retention). It is not delivered twice
 * in silence, nor acknowledged in silence: the ledger has a line, and a person is told, before it is acknowledged.
 */
import { DuplicateOfferError, InvalidMessageError, type MeshError } from '../../errors';
import type { Incoming } from '../../store/store';
import type { MessageHeaders } from '../../types';
import type { MeshAcknowledger } from '../acknowledge/mesh-acknowledger';
import { headersOf } from '../deliver/stored-message';
import type { InboxParts } from '../inbox-parts';
import { isGone, toMeshError } from '../inbox-rules';

interface OfferedAgainParts extends Pick<InboxParts, 'options' | 'rows' | 'router' | 'problems' | 'closing'> {
  acknowledger: MeshAcknowledger;
}

/** Headers that are the same for every copy of a message, where MESH sends them. */
const COMPARED = ['messageType', 'from', 'workflowId', 'localId', 'fileName', 'checksum', 'linkedMessageId'] as const;

/** Handles the messages of one mailbox that MESH offers again. */
export class OfferedAgain {
  readonly #parts: OfferedAgainParts;
  /** Those of the current list and of the one before it: one line and one error, however often MESH lists them. */
  #current = new Set<string>();
  #before = new Set<string>();

  constructor(parts: OfferedAgainParts) {
    this.#parts = parts;
  }

  /** Called when a list of the inbox begins. */
  beginList(): void {
    for (const messageId of this.#before)
      if (!this.#current.has(messageId)) this.#parts.problems.clear(`offered again ${messageId}`);
    this.#before = this.#current;
    this.#current = new Set();
  }

  /**
   * Acknowledges a listed message that the store has: at once if our acknowledgement is missing or too recent for MESH's
   * list, otherwise once it has been compared with what MESH offers, recorded and reported. If it differs, it is another
   * message under the same id: it stays in MESH for a person.
   * @throws StorageError when the store fails
   */
  async acknowledge(messageId: string): Promise<void> {
    const { rows, acknowledger } = this.#parts;
    const row = acknowledger.isRecent(messageId) ? undefined : await rows.get(messageId);
    if (!row || row.acknowledgedAt === null) return acknowledger.acknowledgeNow(messageId);
    const different = await this.#differences(row);
    if (different === undefined) return;
    if (!this.#before.has(messageId)) {
      const detail = { state: row.state, ...(different.length > 0 ? { different: different.join(' ') } : {}) };
      await rows.noteOfferedAgain(messageId, detail);
      this.#parts.options.onOfferedAgain?.(messageId, different.length > 0);
    }
    this.#current.add(messageId);
    this.#report(row, different);
    if (different.length === 0) await acknowledger.acknowledgeNow(messageId);
  }

  /** Returns the headers in which MESH's message differs from ours; undefined if MESH cannot say now. */
  async #differences(row: Incoming): Promise<string[] | undefined> {
    const { options, problems, router, closing } = this.#parts;
    const { messageId } = row;
    try {
      const offered = await options.client.head(messageId, closing);
      const stored = headersOf(row);
      return COMPARED.filter((name) => isDifferent(stored, offered, name));
    } catch (error) {
      // Collected or expired meanwhile.
      if (isGone(error) || closing.aborted) return undefined;
      problems.raise(`offered again ${messageId}`, toMeshError(error), router.consumers.slice(0, 1), messageId);
      return undefined;
    }
  }

  #report(row: Incoming, different: readonly string[]): void {
    const { options, problems, router } = this.#parts;
    const consumer = router.claim(row) ?? router.consumers[0];
    const error =
      different.length === 0 ? offeredAgain(row, options.mailboxId) : another(row, options.mailboxId, different);
    problems.raise(`offered again ${row.messageId}`, error, consumer ? [consumer] : [], row.messageId);
  }
}

function isDifferent(stored: MessageHeaders, offered: MessageHeaders, name: (typeof COMPARED)[number]): boolean {
  const [before, now] = [stored[name], offered[name]];
  return before !== undefined && before !== '' && now !== undefined && now !== '' && before !== now;
}

function offeredAgain({ messageId, state }: Incoming, mailboxId: string): MeshError {
  return new DuplicateOfferError(
    `MESH offers message ${messageId} again, which was received and acknowledged before and is ${state}. ` +
      'It was acknowledged again, and not delivered twice.',
    {
      mailboxId,
      messageId,
      advice:
        'The service desk may have put it back because somebody did not get it. Ask the sender or the service desk, ' +
        'and find the first delivery by its id in the sidebar or the ledger.',
    },
  );
}

function another({ messageId }: Incoming, mailboxId: string, different: readonly string[]): MeshError {
  return new InvalidMessageError(
    `MESH offers another message under the id ${messageId} of one that was received before (${different.join(', ')} ` +
      'differ). It was not acknowledged.',
    {
      mailboxId,
      messageId,
      advice: 'Ask the service desk: MESH must not use an id twice. It expires after five days.',
    },
  );
}
