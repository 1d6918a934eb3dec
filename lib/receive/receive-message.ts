/** One message in: the straight line, up to the acknowledgement, which is the caller's. */
import { join } from 'node:path';
import type { MeshClient } from '../client/client';
import type { MailboxConfig } from '../config';
import { safeFileName } from '../payload/safe-file-name';
import { fileSink } from '../payload/file-sink';
import { bufferSink } from '../payload/sink';
import type { ReceivedMessage } from '../types';
import { downloadMessage, type DownloadOptions } from './download';

/** How to receive. Without `file` and `folder` the payload comes as a Buffer. */
export interface ReceiveOptions extends DownloadOptions {
  /** Write the payload to this file, which may not be there yet. */
  file?: string;
  /** Write the payload into this folder, named by message id and the sender's file name made safe. */
  folder?: string;
}

/** What a REPORT comes to. */
export const NOTHING = { bytes: 0, sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' };

/**
 * Downloads a message and checks that it is whole; it stays in the MESH inbox until it is acknowledged. A REPORT has no
 * payload. Throws DownloadError, TooLargeError, StorageError, NotFoundError or GoneError; nothing is left behind then.
 */
export async function receiveMessage(
  client: MeshClient,
  config: Pick<MailboxConfig, 'maxBufferBytes' | 'maxExpandedBytes' | 'checkChecksum'>,
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
  if (sink === undefined) return { message, ...NOTHING };
  try {
    return { message, ...(await sink.finish()) };
  } finally {
    await sink.discard();
  }
}
