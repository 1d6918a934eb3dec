/** The characters of header values, as bytes on the wire and as text. */
import assert from 'node:assert/strict';
import { validateHeaderValue } from 'node:http';
import * as fc from 'fast-check';
import { readMessageHeaders, outgoingHeaders } from '../../lib/protocol/message-headers';
import { headerBytes, headerText } from '../../lib/protocol/header-text';
import { readTracking } from '../../lib/protocol/responses';
import { mailboxAt, sandbox, twoMailboxesAt } from '../harness/mailboxes';
import { send } from '../sandbox/support';

const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('the text of a header', () => {
  for (const text of ['Zoë', '£5 – “ready”', 'Łódź', 'Ωμέγα', '名前', '😀', '\u00a0', 'naïve café', '\ufeffx']) {
    it(`in UTF-8 is shown as it was written: ${text}`, () => assert.equal(headerText(utf8(text)), text));
  }

  it('in Latin-1 is shown as it was written', () => {
    for (const text of ['Zoë', 'Müller £ §', 'é', 'Ã', 'ÿþ', 'Ãa', 'ä¶ö']) assert.equal(headerText(text), text);
  });

  it('with bytes that are no whole UTF-8 is Latin-1 as a whole', () => {
    for (const text of ['\u00c0\u0080', '\u00ed\u00a0\u0080', utf8('名').slice(0, 2), `${utf8('ë')} ë`]) {
      assert.equal(headerText(text), text);
    }
  });

  it('that was decoded before stays as it is', () => {
    for (const text of ['Łë', '名前', `😀${utf8('ë')}`]) assert.equal(headerText(text), text);
  });

  it('is read back as every text was written, from bytes alone', () => {
    const unit = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.string({ unit: 'binary', maxLength: 4 }).map(utf8),
      fc.constantFrom('Ã', '©', 'Â', '\u0080', 'ë', '’', '\ufeff'),
    );
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        const sent = headerBytes(text);
        assert.match(sent, /^[\u0000-\u00ff]*$/); // oxlint-disable-line no-control-regex -- bytes
        assert.equal(headerText(sent), text);
      }),
      { numRuns: 500 },
    );
  });

  it('is sent in Latin-1 where that suffices, as ever', () =>
    assert.equal(headerBytes('Zoë Müller £'), 'Zoë Müller £'));

  it('is sent in UTF-8 where Latin-1 has no such character, or would be read as another text', () => {
    assert.equal(headerBytes('O’Brien'), utf8('O’Brien'));
    assert.equal(headerBytes('Ã©'), utf8('Ã©'));
  });
});

describe('UTF-8 in headers', () => {
  const TEXT = 'Łukasz – naïve “Zoë” 😀 déjà voilà';

  it('is text in every field of a received message', () => {
    const fields = {
      'mex-from': 'from',
      'mex-workflowid': 'workflowId',
      'mex-localid': 'localId',
      'mex-subject': 'subject',
      'mex-filename': 'fileName',
      'mex-partnerid': 'partnerId',
      'mex-content-checksum': 'checksum',
      'mex-content-type': 'contentType',
      'mex-linkedmsgid': 'linkedMessageId',
      'mex-statusdescription': 'statusDescription',
    } as const;
    const headers = Object.fromEntries(Object.keys(fields).map((name) => [name, utf8(TEXT)]));
    const message = readMessageHeaders(headers, 'X26ABC1', 'ID');
    for (const field of Object.values(fields)) assert.equal(message[field], TEXT, field);
  });

  it('are headers that HTTP can carry', () => {
    const least = { to: 'X26ABC2', workflowId: 'WF', localId: TEXT, contentType: 'text/plain', subject: TEXT };
    for (const [name, value] of Object.entries(outgoingHeaders('X26ABC1', least))) validateHeaderValue(name, value);
  });

  it('arrives as it was sent, at another mailbox and in tracking', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server);
    const sent = { to: 'X26ABC2', workflowId: 'WF', subject: TEXT, fileName: `${TEXT}.txt`, localId: `${TEXT}-1` };
    const { messageId } = await alice.send({ ...sent, payload: 'x' });
    const { message: received } = await bob.receive(messageId);
    assert.deepEqual([received.subject, received.fileName, received.localId], [TEXT, `${TEXT}.txt`, `${TEXT}-1`]);
    for (const tracked of [await alice.track(messageId), await alice.trackByLocalId(`${TEXT}-1`)]) {
      assert.deepEqual([tracked.messageId, tracked.localId, tracked.fileName], [messageId, `${TEXT}-1`, `${TEXT}.txt`]);
    }
  });

  it('from a client that writes the bytes itself is text at another mailbox', async () => {
    const server = await sandbox();
    const id = await send(server, { headers: { 'Mex-Subject': utf8(TEXT), 'Mex-LocalID': 'Zoë' } });
    const { subject, localId } = await mailboxAt(server, { mailboxId: 'X26ABC2' }).head(id);
    assert.deepEqual([subject, localId], [TEXT, 'Zoë']);
  });

  it('is text in a tracking that repeats it as one character for each byte', () => {
    const read = readTracking({ message_id: 'ID', subject: utf8(TEXT), local_id: utf8(TEXT), filename: 'Zoë' });
    assert.deepEqual([read.subject, read.localId, read.fileName], [TEXT, TEXT, 'Zoë']);
    assert.equal(readTracking({ message_id: 'ID', subject: TEXT }).subject, TEXT);
  });
});
