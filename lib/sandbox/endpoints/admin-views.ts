/** Mailboxes and messages as the admin and rich endpoints show them. */
import type { SandboxContext } from '../context';
import type { RegisteredMailbox } from '../mailboxes';
import { failureOf, lastEventOf, readableDetails, statusOf, type Message } from '../message';
import { acceptedAt } from '../reports';
import type { SandboxMessage } from '../types';

/** Returns a mailbox without its password. */
export function mailboxDetails(mailbox: RegisteredMailbox): object {
  return {
    mailbox_id: mailbox.mailboxId,
    mailbox_name: mailbox.name,
    billing_entity: mailbox.billingEntity,
    ods_code: mailbox.odsCode ?? '',
    org_code: mailbox.orgCode ?? '',
    org_name: mailbox.orgName ?? '',
    active: mailbox.active,
  };
}

export function messageDetails(message: Message, context: SandboxContext): object {
  const details = readableDetails(message);
  const recipient = context.mailboxes.get(message.to);
  const sender = context.mailboxes.get(message.from);
  const failure = failureOf(message);
  const acknowledged = lastEventOf(message, 'acknowledged');
  const isReport = message.type === 'REPORT';
  return {
    checksum: details.checksum,
    chunk_count: message.totalChunks,
    content_encoding: details.contentEncoding,
    download_timestamp: acknowledged && iso(acknowledged.at),
    expiry_time: iso(message.inboxExpiry),
    failure_date: failure && !isReport ? iso(failure.at) : undefined,
    failure_diagnostic: isReport ? undefined : failure?.description,
    filename: details.fileName,
    file_size: message.bytes,
    is_compressed: details.compressed,
    is_encrypted: details.encrypted,
    linked_msg_id: message.reportId ?? failure?.linkedMessageId,
    local_id: details.localId,
    message_id: message.messageId,
    message_type: isReport ? 'Report' : 'Data',
    recipient: message.to,
    recipient_name: recipient?.name,
    recipient_ods_code: recipient?.odsCode,
    recipient_org_code: recipient?.orgCode,
    recipient_org_name: recipient?.orgName,
    sender: message.from,
    sender_name: sender?.name,
    sender_ods_code: sender?.odsCode,
    sender_org_code: sender?.orgCode,
    sender_org_name: sender?.orgName,
    status: capital(statusOf(message)),
    status_code: isReport ? failure?.code : undefined,
    status_description: isReport ? failure?.description : undefined,
    status_event: isReport ? failure?.event : undefined,
    status_success: isReport || failure ? 'ERROR' : 'SUCCESS',
    status_timestamp: isReport && failure ? iso(failure.at) : undefined,
    subject: details.subject,
    upload_timestamp: iso(message.uploadedAt),
    workflow_id: details.workflowId,
  };
}

/** Returns one entry of the rich inbox and outbox. */
export function richMessage(message: Message, context: SandboxContext): object {
  const details = readableDetails(message);
  return {
    message_id: message.messageId,
    expiry_timestamp: iso(message.inboxExpiry),
    local_id: details.localId,
    message_type: message.type,
    recipient: message.to,
    recipient_name: context.mailboxes.get(message.to)?.name ?? '',
    sender: message.from,
    sender_name: context.mailboxes.get(message.from)?.name,
    sent_date: iso(acceptedAt(message)),
    status: statusOf(message),
    status_code: failureOf(message)?.code ?? '',
    workflow_id: details.workflowId,
    total_chunks: message.totalChunks,
  };
}

/** Returns one entry of {@link Sandbox.messages} and /admin/log. */
export function listedMessage(message: Message): SandboxMessage {
  const { localId, workflowId } = readableDetails(message);
  return {
    messageId: message.messageId,
    from: message.from,
    to: message.to,
    workflowId,
    ...(localId === '' ? {} : { localId }),
    status: statusOf(message),
    messageType: message.type,
    totalChunks: message.totalChunks,
    bytes: message.bytes,
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
