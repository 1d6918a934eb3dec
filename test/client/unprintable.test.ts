/** Ids, codes and descriptions from outside with characters that forge lines of a log or act on a terminal. */
import assert from 'node:assert/strict';
import { ConfigurationError, MeshError, printable, ProtocolError, RejectedError } from '../../lib/index';
import { readError, readTracking } from '../../lib/protocol/responses';
import { trackedEnd, undeliveredError } from '../../lib/send/follow-up';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt } from '../harness/mailboxes';

const EVIL = [
  'a\nb',
  'a\r\nERROR forged',
  'a\u001b[31mb',
  'a\u0000b',
  'a\u009bb',
  'a\u2028b',
  'a\u202eb',
  'a\u2066b',
  'a\ud800b',
];

/** Everything that an error shows, without its stack: the stack has lines of its own. */
function shown(error: MeshError): string {
  const { message, advice, messageId, meshCode, event, description, mailboxId } = error;
  return [message, advice, messageId, meshCode, event, description, mailboxId].join('|');
}

function assertPrintable(text: string, what: string): void {
  assert.equal(text, printable(text), JSON.stringify(what));
}

describe('text from outside that cannot be printed', () => {
  it('is replaced in every text of every error', () => {
    for (const evil of EVIL) {
      const details = { advice: evil, messageId: evil, meshCode: evil, event: evil, description: evil };
      assertPrintable(shown(new ConfigurationError(`Message ${evil}`, details)), evil);
    }
    assert.equal(new RejectedError('Message a\u001b[31mb').message, 'Message a?[31mb');
  });

  it('leaves text in other scripts and emoji as they are', () => {
    for (const text of ['Môn', 'Ł', 'ا', '名前', '👩🏽‍⚕️']) assert.equal(printable(text), text);
  });

  it('makes a list with such an id not MESH’s', async () => {
    for (const evil of EVIL.filter((text) => text.isWellFormed())) {
      const server = await hostileMesh(() => ({ body: Buffer.from(JSON.stringify({ messages: ['M1', evil] })) }));
      await failure(ProtocolError, mailboxAt(server).listInbox());
    }
  });

  it('does not reach the errors of calls with an id that a flow made', async () => {
    const server = await hostileMesh(() => ({ status: 404 }));
    const mailbox = mailboxAt(server);
    const calls: Array<(id: string) => Promise<unknown>> = [
      (id) => mailbox.receive(id),
      (id) => mailbox.head(id),
      (id) => mailbox.acknowledge(id),
      (id) => mailbox.track(id),
      (id) => mailbox.trackByLocalId(id),
      (id) => mailbox.lookup(id, id),
    ];
    for (const evil of EVIL) {
      for (const call of calls) assertPrintable(shown(await failure(MeshError, call(evil))), evil);
    }
  });

  it('in MESH’s own errors and tracking is replaced before it is stored or shown', () => {
    for (const evil of EVIL) {
      const error = readError({ errorCode: evil, errorEvent: evil, errorDescription: evil, messageID: evil });
      for (const part of Object.values(error)) assertPrintable(part, evil);
      const tracking = readTracking({ message_id: evil, status: 'error', status_code: evil, status_description: evil });
      assertPrintable(JSON.stringify(Object.values(tracking).join('|')), evil);
      assertPrintable(Object.values(trackedEnd(tracking, 0)?.change.error ?? {}).join('|'), evil);
      assertPrintable(Object.values(undeliveredError(evil, evil, evil)).join('|'), evil);
    }
  });
});
