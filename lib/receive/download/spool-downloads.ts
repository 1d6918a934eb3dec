/** Downloads messages of one mailbox into the store's spool, from the first missing chunk if an earlier one broke off. */
import { StorageError } from '../../errors';
import { DiskSpace } from '../../payload/disk-space';
import { PartialFiles } from '../../payload/partial-files';
import { readChecksum } from '../../protocol/checksum';
import type { MessageHeaders, Progress } from '../../types';
import type { DurableInboxOptions } from '../durable-inbox-types';
import { downloadMessage, type Resumable } from './download';
import { SpoolSink, type SpooledPayload } from './spool-sink';

/** A message whose payload is durable; a REPORT has none. */
export interface Downloaded {
  headers: MessageHeaders;
  payload: SpooledPayload | undefined;
}

/** The downloads of one mailbox, one after the other. */
export class SpoolDownloads {
  readonly #options: DurableInboxOptions;
  readonly #closing: AbortSignal;
  readonly #diskSpace: DiskSpace;
  readonly #partials: PartialFiles;

  /** `closing` aborts the download in progress. */
  constructor(options: DurableInboxOptions, closing: AbortSignal) {
    const { spool, storeKey, minFreeBytes } = options;
    this.#options = options;
    this.#closing = closing;
    this.#diskSpace = new DiskSpace(() => spool.freeBytes(), minFreeBytes);
    this.#partials = new PartialFiles(spool, storeKey);
  }

  /** Reads the partial downloads again: another instance may have polled meanwhile. */
  refresh(): void {
    this.#partials.refresh();
  }

  /** Removes the partial downloads of messages that are not wanted any more. */
  keepOnly(isWanted: (messageId: string) => boolean): Promise<void> {
    return this.#partials.keepOnly(isWanted);
  }

  /** Returns how many complete chunks an earlier download of the message has left. */
  async chunksOf(messageId: string): Promise<number> {
    return (await this.#partials.find(messageId))?.chunks ?? 0;
  }

  /**
   * Downloads a message; `onProgress` is called after each chunk.
   * @throws StorageError when the disk is nearly full: messages stay in MESH, and the store can still write. NoSpaceError
   *   when this message does not fit. Otherwise what downloadMessage throws
   */
  async download(messageId: string, onProgress: (progress: Progress) => void): Promise<Downloaded> {
    await this.#checkDiskSpace();
    const resume = await this.#resumable(messageId);
    const { message, sink } = await downloadMessage(
      this.#options.client,
      messageId,
      {
        sinkFor: (headers, minimumBytes, also) => SpoolSink.begin(this.#sinkParts(headers, also), minimumBytes),
        ...(resume ? { resume } : {}),
      },
      this.#options,
      { signal: this.#closing, onProgress },
    );
    return { headers: message, payload: await (sink as SpoolSink | undefined)?.spooled() };
  }

  async #resumable(messageId: string): Promise<Resumable | undefined> {
    const partial = await this.#partials.find(messageId);
    if (!partial) return undefined;
    const { message, chunks, bytes } = partial;
    const also = readChecksum(message.checksum)?.algorithm;
    const sink = await SpoolSink.resume(this.#sinkParts(message, also), partial);
    return sink && { message, chunks, bytes, sink };
  }

  #sinkParts(message: MessageHeaders, also: string | undefined): Parameters<typeof SpoolSink.begin>[0] {
    return { spool: this.#options.spool, partials: this.#partials, diskSpace: this.#diskSpace, message, also };
  }

  async #checkDiskSpace(): Promise<void> {
    const hasSpace = this.#diskSpace.has(0);
    if (hasSpace === true || (await hasSpace)) return;
    throw new StorageError('The disk is nearly full: received messages stay in the MESH inbox.', {
      mailboxId: this.#options.mailboxId,
      advice: 'Free space on the disk of the storage folder. MESH keeps messages for five days.',
    });
  }
}
