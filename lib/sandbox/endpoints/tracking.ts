/** tracking_by_message_id, and the deprecated tracking_by_local_id. */
import { compactSeconds } from '../../protocol/time';
import { json } from '../response';
import type { SandboxContext } from '../context';
import { failureOf, lastEvent, lastEventOf, readableDetails, statusOf, type Message } from '../message';
import { noSuchMessage, Refusal } from '../refusal';
import { missing, param } from '../request';
import type { MailboxHandler, Route } from '../router';

const trackByMessageId: MailboxHandler = (request, context) => {
  const messageId = (request.query.get('messageID') ?? '').trim().toUpperCase();
  if (messageId === '') throw missing('query', 'messageID');
  const message = context.messages.get(messageId);
  // As at MESH, another mailbox's message is not found rather than forbidden.
  if (!message || message.from !== request.mailbox.mailboxId || message.hiddenFrom === 'sender') throw noSuchMessage();
  if (!isKnown(message, context)) throw noSuchMessage();
  return request.version === 1 ? json(200, trackingV1(message, context)) : json(200, trackingV2(message, context), 2);
};

/** Version 1 only (mesh-api.yaml). */
const trackByLocalId: MailboxHandler = (request, context) => {
  const found = context.messages
    .withLocalId(request.mailbox.mailboxId, param(request, 'localId'))
    .filter((message) => isKnown(message, context));
  const [message] = found;
  if (!message) throw noSuchMessage();
  if (found.length > 1) throw new Refusal(300, 'Multiple Choices, the local_id is not unique');
  return json(200, trackingV1(message, context));
};

/** Returns whether tracking knows the message yet: MESH's tracking lags (SandboxOptions.trackingLagMs). */
function isKnown(message: Message, context: SandboxContext): boolean {
  return context.clock.ms() >= message.uploadedAt + context.trackingLagMs;
}

function trackingV2(message: Message, context: SandboxContext): object {
  const details = readableDetails(message);
  const recipient = context.mailboxes.get(message.to);
  const outcome = outcomeOf(message);
  return {
    message_id: message.messageId,
    local_id: details.localId,
    workflow_id: details.workflowId,
    filename: details.fileName,
    expiry_time: new Date(message.inboxExpiry).toISOString(),
    upload_timestamp: new Date(message.uploadedAt).toISOString(),
    recipient: message.to,
    recipient_name: recipient?.name ?? '',
    recipient_ods_code: recipient?.odsCode ?? '',
    recipient_org_code: recipient?.orgCode ?? '',
    recipient_org_name: recipient?.orgName ?? '',
    status_success: outcome.success,
    status: statusOf(message),
    status_event: outcome.event,
    status_timestamp: outcome.at.toISOString(),
    status_description: outcome.description,
    status_code: outcome.code,
  };
}

function trackingV1(message: Message, context: SandboxContext): object {
  const details = readableDetails(message);
  const recipient = context.mailboxes.get(message.to);
  const sender = context.mailboxes.get(message.from);
  const outcome = outcomeOf(message);
  const acknowledged = lastEventOf(message, 'acknowledged');
  const status = statusOf(message);
  return {
    addressType: 'ALL',
    checksum: details.checksum,
    chunkCount: message.totalChunks,
    compressFlag: details.compressed ? 'Y' : '',
    contentEncoding: details.contentEncoding,
    downloadTimestamp: acknowledged ? compactSeconds(new Date(acknowledged.at)) : '',
    dtsId: message.messageId,
    encryptedFlag: details.encrypted ? 'Y' : '',
    expiryTime: compactSeconds(new Date(message.inboxExpiry)),
    failureDate: outcome.success ? undefined : compactSeconds(outcome.at),
    failureDiagnostic: outcome.success ? undefined : outcome.description,
    fileName: details.fileName,
    fileSize: message.bytes,
    isCompressed: details.compressed ? 'Y' : '',
    linkedMsgId: message.reportId ?? failureOf(message)?.linkedMessageId,
    localId: details.localId,
    meshRecipientOdsCode: recipient?.odsCode ?? '',
    messageId: message.messageId,
    messageType: message.type,
    partnerId: details.partnerId,
    recipient: message.to,
    recipientBillingEntity: recipient?.billingEntity,
    recipientName: recipient?.name ?? '',
    recipientOrgCode: recipient?.orgCode ?? '',
    recipientOrgName: recipient?.orgName ?? '',
    recipientSmtp: smtp(message.to),
    sender: message.from,
    senderBillingEntity: sender?.billingEntity,
    senderName: sender?.name ?? '',
    senderOdsCode: sender?.odsCode ?? '',
    senderOrgCode: sender?.orgCode ?? '',
    senderOrgName: sender?.orgName ?? '',
    senderSmtp: smtp(message.from),
    // Version 1 writes it with a capital letter: "Accepted" (mesh-api.yaml, example).
    status: status.charAt(0).toUpperCase() + status.slice(1),
    statusCode: outcome.code,
    statusDescription: outcome.description,
    statusEvent: outcome.event,
    statusSuccess: outcome.success ? 'SUCCESS' : 'ERROR',
    statusTimestamp: compactSeconds(outcome.at),
    subject: details.subject,
    uploadTimestamp: compactSeconds(new Date(message.uploadedAt)),
    version: '1.0',
    workflowId: details.workflowId,
  };
}

function smtp(mailboxId: string): string {
  return `${mailboxId.toLowerCase()}@dts.nhs.uk`;
}

/** Returns the outcome of a message as tracking reports it. */
function outcomeOf(message: Message): { success: boolean; event: string; code: string; description: string; at: Date } {
  const status = statusOf(message);
  const at = new Date(lastEvent(message).at);
  if (status !== 'undeliverable' && status !== 'error') {
    return { success: true, event: 'TRANSFER', code: '00', description: 'Transferred to recipient mailbox', at };
  }
  const { event = '', code = '', description = '' } = lastEvent(message);
  return { success: false, event, code, description, at };
}

const path = '/messageexchange/:mailboxId/outbox/tracking';

export const trackingRoutes: Route[] = [
  { method: 'GET', path, operation: 'tracking_by_message_id', access: 'mailbox', handler: trackByMessageId },
  {
    method: 'GET',
    path: `${path}/:localId`,
    operation: 'tracking_by_local_id',
    access: 'mailbox',
    handler: trackByLocalId,
  },
];
