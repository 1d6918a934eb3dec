/** The headers of head_message, retrieve_message and retrieve_chunk. */
import type { OutgoingHttpHeaders } from 'node:http';
import { formatChunkRange } from '../../protocol/chunk-range';
import { headerBytes } from '../../protocol/header-text';
import { compactSeconds } from '../../protocol/time';
import { failureOf, fileNameOf, lastEvent, type Message } from '../message';
import { acceptedAt } from '../reports';

/** Returns the Mex headers of a message that have a value. `chunk` is counted from 1. */
export function messageHeaders(message: Message, chunk: number): OutgoingHttpHeaders {
  const { details, type } = message;
  const headers: Record<string, string> = {
    'Mex-MessageID': message.messageId,
    'Mex-MessageType': type,
    'Mex-From': message.from,
    'Mex-To': message.toHeader ?? message.to,
    'Mex-WorkflowID': details.workflowId,
    'Mex-LocalID': details.localId,
    'Mex-Subject': details.subject,
    'Mex-PartnerID': details.partnerId,
    'Mex-FileName': type === 'DATA' ? fileNameOf(message) : details.fileName,
    'Mex-Content-Checksum': details.checksum,
    'Mex-Content-Type': details.contentType,
    'Mex-Content-Encrypted': details.encrypted ? 'Y' : '',
    'Mex-AddressType': 'ALL',
    'Mex-Version': '1.0',
    ...(type === 'DATA' ? dataHeaders(message, chunk) : reportHeaders(message)),
    'Last-Modified': new Date(lastEvent(message).at).toUTCString(),
  };
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''));
}

function dataHeaders(message: Message, chunk: number): Record<string, string> {
  const { totalChunks, details } = message;
  return {
    'Mex-Chunk-Range': formatChunkRange({ chunk, totalChunks }),
    'Mex-Total-Chunks': String(totalChunks),
    'Mex-Content-Compressed': details.compressed ? 'Y' : 'N',
    'Content-Encoding': details.contentEncoding,
    'Mex-StatusCode': '00',
    'Mex-StatusEvent': 'TRANSFER',
    'Mex-StatusDescription': 'Transferred to recipient mailbox',
    'Mex-StatusSuccess': 'SUCCESS',
    'Mex-StatusTimestamp': compactSeconds(new Date(acceptedAt(message))),
  };
}

/** mesh-api.yaml, "Asynchronous error reporting". */
function reportHeaders(message: Message): Record<string, string> {
  const failure = failureOf(message);
  return {
    'Mex-LinkedMsgID': failure?.linkedMessageId ?? '',
    'Mex-StatusCode': failure?.code ?? '',
    'Mex-StatusEvent': failure?.event ?? '',
    'Mex-StatusDescription': headerBytes(failure?.description ?? ''),
    'Mex-StatusSuccess': 'ERROR',
    'Mex-StatusTimestamp': compactSeconds(new Date(failure?.at ?? message.uploadedAt)),
  };
}
