/**
 * Endpoints with `mesh.payload`, because a message may concern a patient: its personal details, its download, and
 * composing one. The ledger records each use with the user before anything is shown.
 */
import type { NodeAPI } from 'node-red';
import { z } from 'zod';
import { InvalidMessageError, avoidDeviceName, type OutgoingMessage } from '../../lib/index';
import { sharedText } from '../shared/texts';
import { recordUse } from './audit';
import { adminEndpoint, requireNamedUser, type AdminRequest } from './endpoints';
import { safeHeaders } from './response';
import { messageOf, openedMailbox } from './sidebar-paths';
import { drained } from './sidebar-views';

const MESSAGE = '/mesh/mailboxes/:id/messages/:direction/:reference';

export function payloadEndpoints(RED: NodeAPI): void {
  const payload = { permission: 'mesh.payload' } as const;

  adminEndpoint(RED, { ...payload, method: 'get', path: `${MESSAGE}/private` }, async (request) => {
    const { mailbox, environment } = await openedMailbox(RED, request);
    requireNamedUser(RED, request, environment);
    const { direction, reference } = messageOf(request);
    const fields = await mailbox.operator.privateFields(direction, reference);
    await recordUse(mailbox, { direction, reference, event: 'looked at', user: request.user });
    return fields;
  });

  const payloadOf = async (request: AdminRequest) => {
    const { mailbox, environment } = await openedMailbox(RED, request);
    requireNamedUser(RED, request, environment);
    const { direction, reference } = messageOf(request);
    return { mailbox, direction, reference, found: await mailbox.operator.payload(direction, reference) };
  };
  const file = { ...payload, method: 'get', path: `${MESSAGE}/payload`, download: payloadOf } as const;
  adminEndpoint(RED, file, async (request) => {
    const { mailbox, direction, reference, found } = await payloadOf(request);
    await recordUse(mailbox, { direction, reference, event: 'downloaded', user: request.user });
    const { response, signal } = request;
    safeHeaders(response);
    response.set({
      // Not the sender's content type, with which a browser might run the payload.
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(found.size),
      'Content-Disposition': attachment(found.fileName, reference),
    });
    for await (const part of found.open()) {
      if (signal.aborted) return undefined;
      // A copy, because the memory is reused for the next part.
      if (!response.write(Buffer.from(part))) await drained(response, signal);
    }
    response.end();
    return undefined;
  });

  adminEndpoint(
    RED,
    { ...payload, method: 'post', body: 'stream', path: '/mesh/mailboxes/:id/compose' },
    async (request) => {
      const { mailbox, environment } = await openedMailbox(RED, request);
      requireNamedUser(RED, request, environment);
      const contentLength = Number(request.raw.get('content-length'));
      const message = composed(RED, request);
      if (!Number.isSafeInteger(contentLength)) throw new InvalidMessageError(sharedText(RED, 'admin.no-length'));
      const sent = await mailbox.operator.sendStream(message, request.raw as AsyncIterable<Buffer>, contentLength, {
        requestedAcknowledgements: 'automatic',
      });
      await recordUse(mailbox, { direction: 'out', reference: sent.id, event: 'composed', user: request.user });
      return { reference: sent.id };
    },
  );
}

const text = (max: number) => z.string().trim().max(max);
/** With MESH's limits; see OutgoingMessage. */
const composedMessage = z.strictObject({
  to: text(100).min(1),
  workflowId: text(300).min(1),
  subject: text(500).optional(),
  fileName: text(300).optional(),
});

/**
 * Reads the message's fields from a header, as URI-encoded JSON: a URL would end up in the logs of proxies.
 * @throws InvalidMessageError when a field is missing or too long
 */
function composed(RED: NodeAPI, { raw }: AdminRequest): Omit<OutgoingMessage, 'payload'> {
  let read: unknown;
  try {
    read = JSON.parse(decodeURIComponent(raw.get('mesh-message') ?? ''));
  } catch {
    read = undefined;
  }
  const message = composedMessage.safeParse(read);
  if (!message.success) throw new InvalidMessageError(sharedText(RED, 'admin.composed'));
  const { to, workflowId, subject = '', fileName = '' } = message.data;
  return { to, workflowId, ...(subject === '' ? {} : { subject }), ...(fileName === '' ? {} : { fileName }) };
}

/**
 * Returns a Content-Disposition (RFC 6266) with the sender's file name, made safe for the header and the folder, and a
 * plain ASCII name for old browsers.
 */
export function attachment(fileName: string | undefined, reference: string): string {
  const base = (fileName ?? '').split(/[/\\]/).at(-1) ?? '';
  const cleaned = base.normalize('NFC').replaceAll(/[\p{C}"*:<>?|%;\\/]/gu, '');
  const short = cleaned
    .replace(/^[.\s]+/, '')
    .slice(0, 150)
    .toWellFormed()
    .replace(/[.\s]+$/, '');
  const name = avoidDeviceName(short || `${reference.replaceAll(/[^\w-]/g, '')}.dat`);
  const plain = name.replaceAll(/[^\w.\- ]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(/['()]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
