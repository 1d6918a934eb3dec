import assert from 'node:assert/strict';
import { download, errorOf, post, raw, sandboxFor, send, token } from './support';

/** The limits of mesh-api.yaml, send_message; the last three are the NHS sandbox's. */
const LIMITS: Array<[string, number]> = [
  ['Mex-To', 100],
  ['Mex-WorkflowID', 300],
  ['Mex-Chunk-Range', 20],
  ['Mex-Subject', 500],
  ['Mex-LocalID', 300],
  ['Mex-FileName', 300],
  ['Mex-Content-Checksum', 100],
  ['Mex-PartnerID', 500],
  ['Mex-Content-Type', 100],
  ['Mex-Content-Compressed', 20],
];

describe('sandbox: headers of a message', () => {
  for (const [name, limit] of LIMITS) {
    it(`accepts at most ${limit} characters of ${name}`, async () => {
      const sandbox = await sandboxFor();
      const response = await post(sandbox, { headers: { [name]: 'A'.repeat(limit + 1) } });
      const [problem] = response.json()['detail'] as Array<{ loc: string[]; type: string }>;
      assert.deepEqual(
        [response.status, problem?.loc, problem?.type],
        [400, ['header', name.toLowerCase()], 'string_too_long'],
      );
      const fits = await post(sandbox, { headers: { [name]: 'A'.repeat(limit) } });
      // A value within the limit may still not be a recipient or a range: 417, and not 400.
      assert.equal(fits.status, name === 'Mex-To' || name === 'Mex-Chunk-Range' ? 417 : 202);
    });
  }

  it('accepts a Content-Type of any length', async () => {
    const sandbox = await sandboxFor();
    assert.equal((await post(sandbox, { headers: { 'Content-Type': `text/x;${'a'.repeat(500)}` } })).status, 202);
  });

  it('refuses a URL in recipient, workflow id and checksum: 400 TRANSFER/06', async () => {
    const sandbox = await sandboxFor();
    for (const name of ['Mex-To', 'Mex-WorkflowID', 'Mex-Content-Checksum']) {
      for (const url of ['http://x', 'HTTPS://x']) {
        const response = await post(sandbox, { version: 1, headers: { [name]: url } });
        const { errorEvent, errorCode, fields } = response.json();
        assert.deepEqual([response.status, errorEvent, errorCode, fields], [400, 'TRANSFER', '06', [name]]);
      }
    }
    assert.equal((await post(sandbox, { headers: { 'Mex-Subject': 'http://x' } })).status, 202);
  });

  it('refuses a tab in a header: 400 TRANSFER/06', async () => {
    const sandbox = await sandboxFor();
    const response = await post(sandbox, { headers: { 'Mex-Subject': 'a\tb' } });
    assert.deepEqual([response.status, ...errorOf(response).slice(0, 2)], [400, 'TRANSFER', '06']);
  });

  it('refuses every other control character in a header: 400', async () => {
    const sandbox = await sandboxFor();
    for (const code of [0, 1, 7, 8, 11, 12, 14, 27, 31, 127]) {
      const response = await raw(
        sandbox,
        'POST /messageexchange/X26ABC1/outbox HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
          `Authorization: ${token('X26ABC1')}\r\nMex-To: X26ABC2\r\nMex-WorkflowID: W\r\n` +
          `Mex-Subject: a${String.fromCharCode(code)}b\r\nContent-Length: 1\r\n\r\nx`,
      );
      assert.match(response, /^HTTP\/1.1 400 [^]*"errorCode":"06"/, `U+${code.toString(16)}`);
    }
    assert.deepEqual(sandbox.messages(), []);
  });

  it('accepts only letters, digits, space, colon, hyphen and slash in a checksum', async () => {
    const sandbox = await sandboxFor();
    for (const checksum of ['b10a8db1', 'sha256: b10a-8db1', 'sha256/b10']) {
      assert.equal((await post(sandbox, { headers: { 'Mex-Content-Checksum': checksum } })).status, 202, checksum);
    }
    for (const checksum of ['a+b', 'a=', 'a_b', 'a.b', 'é']) {
      assert.equal((await post(sandbox, { headers: { 'Mex-Content-Checksum': checksum } })).status, 400, checksum);
    }
  });

  it('passes every header on to the recipient, with bytes above 0x7f', async () => {
    const sandbox = await sandboxFor();
    sandbox.clock.set(new Date('2026-01-31T12:00:00.000Z'));
    const given = {
      'Mex-LocalID': 'test#TEST',
      'Mex-Subject': 'Entlassung Müller',
      'Mex-FileName': '../../etc/passwd',
      'Mex-PartnerID': 'sub|tag~~~sub|tag',
      'Mex-Content-Checksum': 'md5 b10a8db1',
      'Mex-Content-Type': 'text/csv; charset=utf-8',
      'Mex-Content-Encrypted': 'Y',
      'Mex-Content-Compressed': 'yes',
    };
    const id = await send(sandbox, { headers: given });
    for (const method of ['GET', 'HEAD']) {
      const { headers } = await download(sandbox, id, { method, version: 1 });
      const expected = {
        ...given,
        'Mex-Content-Compressed': 'Y',
        'Mex-MessageID': id,
        'Mex-MessageType': 'DATA',
        'Mex-From': 'X26ABC1',
        'Mex-To': 'X26ABC2',
        'Mex-WorkflowID': 'TEST_WORKFLOW',
        'Mex-Chunk-Range': '1:1',
        'Mex-Total-Chunks': '1',
        'Mex-AddressType': 'ALL',
        'Mex-Version': '1.0',
        'Mex-StatusCode': '00',
        'Mex-StatusEvent': 'TRANSFER',
        'Mex-StatusDescription': 'Transferred to recipient mailbox',
        'Mex-StatusSuccess': 'SUCCESS',
      };
      for (const [name, value] of Object.entries(expected)) assert.equal(headers[name.toLowerCase()], value, name);
      assert.match(String(headers['mex-statustimestamp']), /^2026013112000\d$/);
      assert.match(String(headers['last-modified']), /^Sat, 31 Jan 2026 12:00:0\d GMT$/);
    }
  });

  it('leaves out headers without a value, and names the file after the message', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { headers: { 'Mex-LocalID': '', 'Mex-Content-Encrypted': 'n/a' } });
    const { headers } = await download(sandbox, id, { version: 1 });
    for (const name of ['localid', 'subject', 'partnerid', 'content-checksum', 'content-encrypted', 'linkedmsgid']) {
      assert.equal(headers[`mex-${name}`], undefined, name);
    }
    assert.equal(headers['mex-filename'], `${id}.dat`);
    assert.equal(headers['mex-content-compressed'], 'N');
  });
});
