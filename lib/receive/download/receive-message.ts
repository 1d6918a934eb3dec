/** Receives one message; acknowledging it is left to the caller. */
import { join } from 'node:path';
import type { MeshClient } from '../../client/client';
import type { MailboxConfig } from '../../config';
import { safeFileName } from '../../payload/safe-file-name';
import { fileSink } from '../../payload/file-sink';
import { bufferSink } from '../../payload/sink';
import type { ReceivedMessage } from '../../types';
import { downloadMessage, type DownloadOptions } from './download';

/** How to receive a message. Without `file` and `folder` the payload is returned as a Buffer. */
export interface ReceiveOptions extends DownloadOptions {
  /** Write the payload to this file, which must not exist. */
  file?: string;
  /** Write the payload to this folder, named by the message id and the sender's file name, made safe. */
  folder?: string;
}

/** Size and SHA-256 of a REPORT, which has no payload. */
export const EMPTY_PAYLOAD = { bytes: 0, sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' };

/**
 * Downloads a message and checks that it is complete; it stays in the MESH inbox until it is acknowledged. A REPORT has
 * no payload. An error leaves no file behind.
 * @throws DownloadError when the message is incomplete or broken
 * @throws TooLargeError when it is larger than the mailbox's limits
 * @throws StorageError when the file cannot be written
 * @throws NotFoundError or GoneError when MESH does not have the message
 */
export async function receiveMessage(
  client: MeshClient,
  config: Pick<MailboxConfig, 'maxBufferBytes' | 'maxExpandedBytes' | 'maxExpansionRatio' | 'checkChecksum'>,
  messageId: string,
  options: ReceiveOptions = {},
): Promise<ReceivedMessage> {
  const { file, folder } = options;
  const { message, sink } = await downloadMessage(
    client,
    messageId,
    {
      async sinkFor(headers, _atLeast, also) {
        if (file !== undefined) return fileSink(file, { replace: false, also });
        if (folder === undefined) return bufferSink(config.maxBufferBytes, also);
        return fileSink(join(folder, safeFileName(messageId, headers.fileName)), { replace: true, also });
      },
    },
    config,
    options,
  );
  if (sink === undefined) return { message, ...EMPTY_PAYLOAD };
  try {
    return { message, ...(await sink.finish()) };
  } finally {
    await sink.discard();
  }
}
