/**
 * MESH's headers and responses. Readers of headers never throw; readers of bodies throw a ZodError, which their callers
 * turn into a ProtocolError.
 */
import assert from 'node:assert/strict';
import { validateHeaderValue } from 'node:http';
import * as fc from 'fast-check';
import { z } from 'zod';
import { InvalidMessageError } from '../../lib/errors';
import { bypassesProxy } from '../../lib/client/transport';
import { safeFileName } from '../../lib/payload/safe-file-name';
import { readError, readInbox, readMailboxes, readMessageId, readTracking } from '../../lib/protocol/responses';
import { authorizationToken, parseAuthorizationToken } from '../../lib/protocol/authorization';
import { readChecksum } from '../../lib/protocol/checksum';
import { formatChunkRange, parseChunkRange } from '../../lib/protocol/chunk-range';
import { adviceFor, findErrorCode } from '../../lib/protocol/error-codes';
import { headerBytes } from '../../lib/protocol/header-text';
import { outgoingHeaders, readMessageHeaders } from '../../lib/protocol/message-headers';
import { isoFromMesh, readMeshTime } from '../../lib/protocol/time';
import { workflowMatcher, workflowsMatcher } from '../../lib/protocol/workflow-filter';
import { mutated, POISON } from '../harness/arbitraries';
import { target, thrownBy, type Target } from './target';

const TIMES = [
  '20260401120000',
  '202604011200',
  '20260401120000123456',
  '2026-04-01T12:00:00',
  '2026-04-01T12:00:00.5+01:00',
];
const HASHES = ['md5 ' + 'a'.repeat(32), 'SHA-256:' + '0F'.repeat(32), 'b'.repeat(40)];
const TOKEN = authorizationToken(
  { mailboxId: 'X26ABC1', password: 'p', sharedKey: 'k' },
  { nonce: 'n', now: new Date(0) },
);
const header = fc.oneof(
  mutated(...TIMES, ...HASHES, TOKEN, '1:3', 'REPORT', 'SUCCESS', 'Y', '14'),
  fc.string(),
  fc.constantFrom(...POISON),
);
const NAMES =
  'chunk-range,messagetype,statuscode,statusevent,statustimestamp,statussuccess,from,to,workflowid,localid,subject,filename,content-type,partnerid,content-checksum,content-compressed,linkedmsgid,statusdescription';
const headers = fc.dictionary(
  fc.constantFrom(...NAMES.split(',').map((name) => `mex-${name}`), 'content-encoding'),
  fc.oneof(header, fc.array(header)),
);

const RESPONSES = [
  '{"messages":["20260401_A","20260401_B"],"links":{"self":"/messageexchange/X/inbox","next":"/messageexchange/X/inbox?continue_from=abc%3D"},"approx_inbox_count":2}',
  '{"message_id":"20260401_A","local_id":"L","workflow_id":"W","expiry_time":"2026-04-01T12:00:00","status":"Accepted","status_success":true,"fileSize":5,"chunkCount":1}',
  '{"messageId":"A","statusSuccess":"SUCCESS","uploadTimestamp":"20260401120000","downloadTimestamp":null}',
  '{"results":[{"mailbox_id":"X26ABC1","mailbox_name":"A"},{"address":"X","description":"B"}]}',
  '{"message_id":"A","detail":[{"event":"SEND","code":"12","msg":"no"},{"loc":["header","mex-to"],"msg":"x","input":"y"}]}',
  '{"messageID":"A","errorEvent":"SEND","errorCode":"02","errorDescription":"InvalidRecipient"}',
];
const body = fc.oneof(mutated(...RESPONSES), fc.json()).map((text): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
});
const value = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(...POISON));
const message = fc.record(
  {
    to: value,
    workflowId: value,
    localId: value,
    contentType: value,
    subject: value,
    fileName: value,
    partnerId: value,
    checksum: value,
  },
  { requiredKeys: ['to', 'workflowId', 'localId', 'contentType'] },
);

const characters = (min: number, max: number): fc.Arbitrary<string> =>
  fc
    .integer({ min, max })
    .filter((code) => !(code >= 0x7f && code <= 0x9f) && !(code >= 0xd800 && code <= 0xdfff))
    .map((code) => String.fromCodePoint(code));
/** What MESH accepts in a header: printable characters up to the header's length; an address must not be a URL. */
const printable = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .oneof(
      fc.string({ unit: characters(0x20, 0x7e), maxLength, size: 'max' }),
      fc.string({ unit: characters(0x20, 0xff), maxLength, size: 'max' }),
      fc.string({ unit: characters(0x20, 0x10ffff), maxLength, size: 'max' }),
      // Letters that are also bytes of UTF-8, and would be read as other ones.
      fc.string({ maxLength, unit: characters(0xc2, 0x7ff).map((one) => Buffer.from(one).toString('latin1')) }),
    )
    .filter((text) => !/\p{Cc}/u.test(text) && headerBytes(text).length <= maxLength);
const address = (maxLength: number): fc.Arbitrary<string> =>
  printable(maxLength).filter((text) => text.trim() !== '' && !/^\s*https?:/i.test(text));
const accepted = fc.record(
  {
    to: address(100),
    workflowId: address(300),
    localId: printable(300),
    contentType: printable(100),
    subject: printable(500),
    fileName: printable(300),
    partnerId: printable(500),
    checksum: fc.stringMatching(/^[A-Za-z0-9 :-]{0,100}$/).filter((text) => !/^\s*https?:/i.test(text)),
  },
  { requiredKeys: ['to', 'workflowId', 'localId', 'contentType'] },
);
const LENGTHS = {
  to: 100,
  workflowId: 300,
  localId: 300,
  subject: 500,
  fileName: 300,
  partnerId: 500,
  checksum: 100,
  contentType: 100,
};
type Sent = keyof typeof LENGTHS;
/** A field and a value that MESH refuses. */
const refused = fc
  .constantFrom(...(Object.keys(LENGTHS) as Sent[]))
  .chain((field) =>
    fc.tuple(
      fc.constant(field),
      fc.constantFrom(
        'a\u0000',
        'a\rb',
        'a\nb',
        'a\tb',
        '\u001b',
        '\u007f',
        '\u0085',
        '\ud800',
        'b\udc00c',
        'x'.repeat(LENGTHS[field] + 1),
      ),
    ),
  );

export const PROTOCOL: Target[] = [
  target('protocol: headers that MESH accepts are sent unchanged', accepted, [], (values) => {
    const headers = outgoingHeaders('X26ABC1', values);
    for (const [name, text] of Object.entries(headers)) validateHeaderValue(name, text);
    const lower = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text]));
    const read = readMessageHeaders(lower, '', 'ID');
    for (const name of Object.keys(values) as Sent[]) {
      const expected = values[name] === '' ? undefined : values[name];
      // A message without its own content type has that of the response.
      if (name !== 'contentType' || expected !== undefined) assert.equal(read[name], expected, name);
    }
  }),
  target(
    'protocol: one header that MESH refuses is named',
    fc.tuple(accepted, refused),
    [InvalidMessageError],
    ([values, [field, value]]) => {
      const error = thrownBy(InvalidMessageError, () => outgoingHeaders('X26ABC1', { ...values, [field]: value }));
      assert.ok(error?.message.startsWith(`${field} (`), `${field}: ${error?.message}`);
      throw error;
    },
  ),
  target('protocol: headers of a received message', headers, [], (received) => {
    const read = readMessageHeaders(received, 'X26ABC1', 'ID');
    assert.deepEqual([read.mailboxId, read.messageId], ['X26ABC1', 'ID']);
    assert.ok(Number.isSafeInteger(read.totalChunks) && read.totalChunks >= 1);
    safeName(safeFileName(read.linkedMessageId ?? 'ID', read.fileName));
  }),
  target('protocol: headers of a message to send', message, [InvalidMessageError], (values) => {
    const headers = outgoingHeaders('X26ABC1', values);
    for (const [name, text] of Object.entries(headers)) validateHeaderValue(name, text);
    const lower = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text]));
    const read = readMessageHeaders(lower, '', 'ID');
    assert.deepEqual([read.to, read.workflowId, read.localId ?? ''], [values.to, values.workflowId, values.localId]);
  }),
  target('protocol: inbox, tracking, look-up', body, [z.ZodError], (response) => {
    readError(response);
    readMessageId(response);
    for (const read of [readInbox, readTracking, readMailboxes]) {
      try {
        read(response);
      } catch (error) {
        if (read === readMailboxes || !(error instanceof z.ZodError)) throw error;
      }
    }
  }),
  target('protocol: error responses', body, [], (response) => {
    const { code, fields = '' } = readError(response);
    assert.ok(fields.length <= 200);
    if (code !== undefined) findErrorCode(code);
    assert.equal(typeof adviceFor(code ?? ''), 'string');
  }),
  target(
    'protocol: chunk range',
    fc.tuple(header, fc.integer({ min: 1, max: 500_000_000 }), fc.nat(400_000_000), fc.nat(3), fc.nat(3)),
    [],
    ([text, chunk, more, one, all]) => {
      assert.equal(parseChunkRange(`${one}:${all}`) !== undefined, one >= 1 && one <= all);
      const read = parseChunkRange(text);
      assert.ok(read === undefined || (read.chunk >= 1 && read.chunk <= read.totalChunks));
      const range = { chunk, totalChunks: chunk + more };
      assert.deepEqual(parseChunkRange(formatChunkRange(range)), range);
    },
  ),
  target(
    'protocol: time',
    fc.tuple(header, fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })),
    [],
    ([text, date]) => {
      const read = readMeshTime(text);
      assert.ok(read === undefined || isoFromMesh(read.toISOString()) === read.toISOString());
      assert.equal(isoFromMesh(date.toISOString()), date.toISOString());
    },
  ),
  target('protocol: checksum', header, [], (text) => {
    const read = readChecksum(text);
    if (read) assert.deepEqual(readChecksum(`${read.algorithm}:${read.hex}`), read);
  }),
  target(
    'protocol: authorization token',
    fc.tuple(header, fc.stringMatching(/^[A-Z0-9_-]{1,20}$/), fc.nat(), fc.string(), fc.string({ minLength: 1 })),
    [],
    ([text, mailboxId, nonceCount, password, sharedKey]) => {
      parseAuthorizationToken(text);
      const token = authorizationToken({ mailboxId, password, sharedKey }, { nonceCount, now: new Date(0) });
      const read = parseAuthorizationToken(token);
      assert.deepEqual(
        [read?.mailboxId, read?.nonceCount, read?.timestamp],
        [mailboxId, String(nonceCount), '197001010000'],
      );
    },
  ),
  target(
    'protocol: workflow patterns',
    fc.tuple(fc.array(fc.oneof(header, fc.stringMatching(/^[!*AB_]{0,8}$/))), fc.stringMatching(/^[AB_]{0,6}$/)),
    [],
    ([patterns, id]) => {
      workflowsMatcher(patterns)(id);
      for (const pattern of patterns.filter((each) => each.trim() !== '')) {
        assert.notEqual(workflowMatcher(pattern)(id), workflowMatcher(`!${pattern.trim()}`)(id));
      }
      assert.equal(id === '' || workflowMatcher(`*${id}*`)(`x${id}y`), true);
    },
  ),
  target('protocol: names of received files', fc.tuple(value, header), [], ([id, name]) =>
    safeName(safeFileName(id, name)),
  ),
  target('protocol: hosts without proxy', fc.tuple(fc.webUrl(), fc.array(header)), [], ([url, list]) =>
    bypassesProxy(new URL(url), list),
  ),
];

/** Checks that a name is valid on any file system, and has no path. */
function safeName(name: string): void {
  assert.ok(Buffer.byteLength(name) <= 255, 'too long');
  // oxlint-disable-next-line no-control-regex -- it looks for control characters
  assert.doesNotMatch(name, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069/\\<>:"|?*]/);
  assert.doesNotMatch(name, /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|[. ]$|^\.{0,2}$/i);
}
