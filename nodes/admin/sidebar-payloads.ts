/**
 * What needs `mesh.payload`, because it may be of a patient: looking at a message's names, downloading it, composing one. Each is
 * in the ledger with the user before anything is shown.
 */
import type { NodeAPI } from 'node-red';
import { z } from 'zod';
import { InvalidMessageError, notADevice, type OutgoingMessage } from '../../lib/index';
import { adminEndpoint, requireNamedUser, type AdminRequest } from './endpoints';
import { safeHeaders } from './response';
import { messageOf, openedMailbox } from './sidebar-paths';
import { drained } from './sidebar-views';
import { sharedText } from '../shared/texts';

const MESSAGE = '/mesh/mailboxes/:id/messages/:direction/:reference';

export function payloadEndpoints(RED: NodeAPI): void {
  const payload = { permission: 'mesh.payload' } as const;

  adminEndpoint(RED, { ...payload, method: 'get', path: `${MESSAGE}/private` }, async (request) => {
    const { mailbox, environment } = await openedMailbox(RED, request);
    requireNamedUser(RED, request, environment);
    const { direction, reference } = messageOf(request);
    const fields = await mailbox.operator.privateFields(direction, reference);
    await mailbox.operator.note(direction, reference, 'looked at', request.user);
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
    await mailbox.operator.note(direction, reference, 'downloaded', request.user);
    const { response, signal } = request;
    safeHeaders(response);
    response.set({
      // Never the sender's type: a browser may not be told to run it.
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(found.size),
      'Content-Disposition': attachment(found.fileName, reference),
    });
    for await (const piece of found.open()) {
      if (signal.aborted) return undefined;
      // A copy: the piece's memory is used again for the next one.
      if (!response.write(Buffer.from(piece))) await drained(response, signal);
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
      const announced = Number(request.raw.get('content-length'));
      const message = composed(RED, request);
      if (!Number.isSafeInteger(announced)) throw new InvalidMessageError(sharedText(RED, 'admin.no-length'));
      const sent = await mailbox.operator.sendStream(message, request.raw as AsyncIterable<Buffer>, announced, {
        asks: 'automatic',
      });
      await mailbox.operator.note('out', sent.id, 'composed', request.user);
      return { reference: sent.id };
    },
  );
}

const text = (most: number) => z.string().trim().max(most);
/** The limits are MESH's own: OutgoingMessage. */
const composedMessage = z.strictObject({
  to: text(100).min(1),
  workflowId: text(300).min(1),
  subject: text(500).optional(),
  fileName: text(300).optional(),
});

/** In a header, URI-encoded JSON: what stands in a URL ends in the logs of proxies. */
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

/** The sender's name without anything that could leave the header or the folder: RFC 6266, with a plain one for old readers. */
export function attachment(fileName: string | undefined, reference: string): string {
  const base = (fileName ?? '').split(/[/\\]/).at(-1) ?? '';
  const cleaned = base.normalize('NFC').replaceAll(/[\p{C}"*:<>?|%;\\/]/gu, '');
  const short = cleaned
    .replace(/^[.\s]+/, '')
    .slice(0, 150)
    .toWellFormed()
    .replace(/[.\s]+$/, '');
  const name = notADevice(short || `${reference.replaceAll(/[^\w-]/g, '')}.dat`);
  const plain = name.replaceAll(/[^\w.\- ]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(/['()]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
