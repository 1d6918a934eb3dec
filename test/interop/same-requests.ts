/**
 * Valid and invalid requests for both servers (see same-responses.test.ts). Their responses must be equal, except for a
 * `difference` that docs/interoperation.md explains.
 */
import type { RawRequest } from './support/raw-request';
import { ALICE, BOB, CAROL, HANDSHAKE, tokenOfBob, type Scene, type Version, WORKFLOW } from './support/scene';

/** A known difference between the two responses to a request. */
interface Difference {
  /** The name of the difference in docs/interoperation.md. */
  name: string;
  /** The status of each server's response. */
  official: number;
  ours: number;
  /** The fields and headers that differ, if the statuses are equal. */
  fields?: RegExp;
  /** The version that differs, if only one does. */
  only?: Version;
}

export interface SameRequest {
  title: string;
  request: (scene: Scene) => RawRequest | Promise<RawRequest>;
  difference?: Difference;
  /** True if the values depend on earlier requests. */
  namesOnly?: boolean;
}

const HOUR_MS = 60 * 60 * 1000;
const UNKNOWN = '20200101000000000000_000000';
/** Fields of tracking in both versions. */
const OUTCOME = /^(status_?(event|code|description|timestamp)|messageType|(recipient|sender)(Smtp|BillingEntity))$/i;
/** The same for a message that failed. */
const FAILURE = new RegExp(`${OUTCOME.source}|^(status_?success|failure(Date|Diagnostic))$`, 'i');
/** Fields of a message that the admin endpoints show. */
const NAMES = /^(recipient|sender)_org_name$/;
const REPORT_FIELDS = /^((recipient|sender)_.*|content_encoding|is_.*|local_id)$/;

/** Bob's handshake with this Authorization header. */
function handshake(scene: Scene, authorization: string): RawRequest {
  return scene.anonymous('POST', `/messageexchange/${BOB}`, { ...HANDSHAKE, Authorization: authorization });
}

const authorization: SameRequest[] = [
  { title: 'a handshake', request: (s) => s.as(BOB, 'POST', '', { headers: HANDSHAKE }) },
  {
    title: 'a handshake without a token',
    request: (s) => s.anonymous('POST', `/messageexchange/${BOB}`, HANDSHAKE),
  },
  { title: 'a handshake with another kind of authorization', request: (s) => handshake(s, 'Basic Ym9iOnNlY3JldA==') },
  {
    title: 'a handshake with a token of four parts',
    request: (s) => handshake(s, tokenOfBob().replace(/:[^:]*$/, '')),
  },
  { title: 'a handshake with a wrong hash', request: (s) => handshake(s, tokenOfBob().replace(/.{8}$/, '00000000')) },
  {
    title: 'a handshake with the token of another mailbox',
    request: (s) => ({ ...handshake(s, tokenOfBob()), path: `/messageexchange/${ALICE}` }),
  },
  {
    title: 'a handshake of a mailbox in lower case with its token in upper case',
    request: (s) => ({ ...handshake(s, tokenOfBob()), path: `/messageexchange/${BOB.toLowerCase()}` }),
  },
  {
    title: 'a handshake with a token in lower case',
    request: (s) => handshake(s, tokenOfBob().replace(BOB, BOB.toLowerCase())),
  },
  {
    title: 'a handshake with a token that was used before',
    request: async (s) => {
      const used = handshake(s, tokenOfBob());
      await s.do(used);
      return used;
    },
    difference: { name: 'token-reuse', official: 200, ours: 403 },
  },
  {
    title: 'a handshake with a token that is three hours old',
    request: (s) => handshake(s, tokenOfBob({ now: new Date(Date.now() - 3 * HOUR_MS) })),
    difference: { name: 'token-time', official: 200, ours: 403 },
  },
  {
    title: 'a handshake without the client version',
    request: (s) => s.as(BOB, 'POST', '', { headers: { 'mex-OSName': 'Linux', 'mex-OSVersion': '6' } }),
  },
  {
    title: 'a request for version 3',
    request: (s) => s.as(BOB, 'GET', '/inbox', { headers: { Accept: 'application/vnd.mesh.v3+json' } }),
    difference: { name: 'version-3', official: 200, ours: 400 },
  },
  {
    title: 'a request for an invalid version',
    request: (s) => s.as(BOB, 'GET', '/inbox', { headers: { Accept: 'application/vnd.mesh.two+json' } }),
  },
  ...[
    'application/json, application/vnd.mesh.v2+json',
    'application/vnd.mesh.v2+json, application/vnd.mesh.v1+json',
    'application/vnd.mesh.v2+json,*/*;q=0.8',
    'application/json;application/vnd.mesh.v2+json',
    'application/vnd.mesh.v1+json;q=0.5',
    'text/html, application/json',
  ].map((accept) => ({
    title: `a request that accepts ${accept}`,
    request: (s: Scene) => s.as(CAROL, 'GET', '/inbox', { headers: { Accept: accept } }),
  })),
  {
    title: 'a health check that accepts two types',
    request: (s) => s.anonymous('GET', '/health', { Accept: 'text/html, application/vnd.mesh.v2+json' }),
  },
];

const inbox: SameRequest[] = [
  {
    title: 'a list of messages',
    request: async (s) => {
      await s.message();
      return s.as(ALICE, 'GET', '/inbox');
    },
    namesOnly: true,
  },
  {
    title: 'a page of ten of eleven messages',
    request: async (s) => {
      for (let index = 0; index < 11; index += 1) await s.message();
      return s.as(ALICE, 'GET', '/inbox?max_results=10');
    },
    namesOnly: true,
  },
  { title: 'a list of an empty inbox', request: (s) => s.as(CAROL, 'GET', '/inbox') },
  { title: 'max_results of 9', request: (s) => s.as(ALICE, 'GET', '/inbox?max_results=9') },
  { title: 'max_results of 5001', request: (s) => s.as(ALICE, 'GET', '/inbox?max_results=5001') },
  { title: 'max_results that is not a number', request: (s) => s.as(ALICE, 'GET', '/inbox?max_results=ten') },
  { title: 'a workflow_filter of one character', request: (s) => s.as(ALICE, 'GET', '/inbox?workflow_filter=*') },
  { title: 'a continue_from that is too short', request: (s) => s.as(ALICE, 'GET', '/inbox?continue_from=abc') },
  {
    title: 'a continue_from that no page returned',
    request: (s) => s.as(CAROL, 'GET', `/inbox?continue_from=${'a'.repeat(30)}`),
    difference: { name: 'continue-from', official: 500, ours: 400, only: 2 },
  },
  { title: 'the count of an inbox', request: (s) => s.as(ALICE, 'GET', '/count') },
  { title: 'HEAD of a message', request: async (s) => s.as(ALICE, 'HEAD', `/inbox/${await s.message()}`) },
  { title: 'HEAD by the sender', request: async (s) => s.as(BOB, 'HEAD', `/inbox/${await s.message()}`) },
  { title: 'HEAD by a third mailbox', request: async (s) => s.as(CAROL, 'HEAD', `/inbox/${await s.message()}`) },
  { title: 'HEAD of an unknown message', request: (s) => s.as(ALICE, 'HEAD', `/inbox/${UNKNOWN}`) },
  {
    title: 'HEAD of an acknowledged message',
    request: async (s) => s.as(ALICE, 'HEAD', `/inbox/${await s.acknowledged()}`),
    difference: { name: 'after-acknowledgement', official: 200, ours: 410 },
  },
  { title: 'a download', request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.message()}`) },
  {
    title: 'a download by an id in lower case',
    request: async (s) => s.as(ALICE, 'GET', `/inbox/${(await s.message()).toLowerCase()}`),
  },
  { title: 'a download of an unknown message', request: (s) => s.as(ALICE, 'GET', `/inbox/${UNKNOWN}`) },
  { title: 'a download by another mailbox', request: async (s) => s.as(CAROL, 'GET', `/inbox/${await s.message()}`) },
  {
    title: 'a download of an acknowledged message',
    request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.acknowledged()}`),
    difference: { name: 'after-acknowledgement', official: 200, ours: 410 },
  },
  {
    title: 'a download of an undelivered message',
    request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.undeliverable()}`),
  },
  {
    title: 'a download of an incomplete message',
    request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.uploading()}`),
  },
  { title: 'a download of chunk 1 of 3', request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.chunked()}`) },
  { title: 'a download of chunk 3 of 3', request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.chunked()}/3`) },
  { title: 'a download of chunk 4 of 3', request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.chunked()}/4`) },
  { title: 'a download of chunk 0', request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.chunked()}/0`) },
  {
    title: 'a download of a body that is said to be gzip and is not',
    request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.message({ 'Content-Encoding': 'gzip' })}`),
  },
  { title: 'a download of chunk x', request: async (s) => s.as(ALICE, 'GET', `/inbox/${await s.chunked()}/x`) },
  {
    title: 'a download of a REPORT',
    request: async (s) => s.as(BOB, 'GET', `/inbox/${await s.report()}`),
    difference: {
      name: 'report-headers',
      official: 200,
      ours: 200,
      fields: /^mex-(chunk-range|total-chunks|filename)$/,
    },
  },
  {
    title: 'chunk 2 of a REPORT',
    request: async (s) => s.as(BOB, 'GET', `/inbox/${await s.report()}/2`),
    difference: { name: 'report-chunk', official: 200, ours: 404 },
  },
  {
    title: 'an acknowledgement',
    request: async (s) => s.as(ALICE, 'PUT', `/inbox/${await s.message()}/status/acknowledged`),
  },
  {
    title: 'a second acknowledgement',
    request: async (s) => s.as(ALICE, 'PUT', `/inbox/${await s.acknowledged()}/status/acknowledged`),
  },
  {
    title: 'an acknowledgement of an unknown message',
    request: (s) => s.as(ALICE, 'PUT', `/inbox/${UNKNOWN}/status/acknowledged`),
  },
  {
    title: 'an acknowledgement by another mailbox',
    request: async (s) => s.as(CAROL, 'PUT', `/inbox/${await s.message()}/status/acknowledged`),
  },
];

const outbox: SameRequest[] = [
  { title: 'a message', request: (s) => s.sending() },
  { title: 'a message to a mailbox in lower case', request: (s) => s.sending({ 'Mex-To': ALICE.toLowerCase() }) },
  {
    title: 'a message without a recipient',
    request: (s) => s.sending({ 'Mex-To': undefined }),
    difference: { name: 'no-recipient', official: 400, ours: 400, fields: /./ },
  },
  { title: 'a message with an empty recipient', request: (s) => s.sending({ 'Mex-To': '' }) },
  { title: 'a message without a workflow', request: (s) => s.sending({ 'Mex-WorkflowID': undefined }) },
  {
    title: 'a message with an empty workflow',
    request: (s) => s.sending({ 'Mex-WorkflowID': '' }),
    difference: { name: 'empty-workflow', official: 202, ours: 400 },
  },
  { title: 'a message to an unregistered mailbox', request: (s) => s.sending({ 'Mex-To': 'X26NOBODY' }) },
  { title: 'a message without a body', request: (s) => s.sending({}, '') },
  { title: 'a recipient of 101 characters', request: (s) => s.sending({ 'Mex-To': 'X'.repeat(101) }) },
  { title: 'a workflow of 301 characters', request: (s) => s.sending({ 'Mex-WorkflowID': 'W'.repeat(301) }) },
  { title: 'a subject of 501 characters', request: (s) => s.sending({ 'Mex-Subject': 'S'.repeat(501) }) },
  { title: 'a local id of 301 characters', request: (s) => s.sending({ 'Mex-LocalID': 'L'.repeat(301) }) },
  { title: 'a file name of 301 characters', request: (s) => s.sending({ 'Mex-FileName': 'F'.repeat(301) }) },
  {
    title: 'a tab in the subject',
    request: (s) => s.sending({ 'Mex-Subject': 'a\tb' }),
    difference: { name: 'bad-fields', official: 400, ours: 400, fields: /^fields\[\]$/, only: 1 },
  },
  {
    title: 'a URL as workflow',
    request: (s) => s.sending({ 'Mex-WorkflowID': 'https://example.org/' }),
    difference: { name: 'bad-fields', official: 400, ours: 400, fields: /^fields\[\]$/, only: 1 },
  },
  { title: 'a checksum with an underscore', request: (s) => s.sending({ 'Mex-Content-Checksum': 'a_b' }) },
  { title: 'the content encoding br', request: (s) => s.sending({ 'Content-Encoding': 'br' }) },
  {
    title: 'another sender in Mex-From',
    request: (s) => s.sending({ 'Mex-From': CAROL }),
    difference: { name: 'from-and-type', official: 202, ours: 417 },
  },
  {
    title: 'the message type REPORT',
    request: (s) => s.sending({ 'Mex-MessageType': 'REPORT' }),
    difference: { name: 'from-and-type', official: 202, ours: 417 },
  },
  { title: 'the chunk range 1:1', request: (s) => s.sending({ 'Mex-Chunk-Range': '1:1' }) },
  { title: 'a first chunk', request: (s) => s.sending({ 'Mex-Chunk-Range': '1:2' }) },
  { title: 'the chunk range 2:3 for a first chunk', request: (s) => s.sending({ 'Mex-Chunk-Range': '2:3' }) },
  { title: 'the chunk range 0:3', request: (s) => s.sending({ 'Mex-Chunk-Range': '0:3' }) },
  { title: 'an invalid chunk range', request: (s) => s.sending({ 'Mex-Chunk-Range': 'first' }) },
  ...['0', '-1', '4', 'x'].map((number) => ({
    title: `chunk ${number} with the range ${number}:3`,
    request: async (s: Scene): Promise<RawRequest> =>
      s.as(BOB, 'POST', `/outbox/${await s.uploading()}/${number}`, {
        headers: { 'Mex-Chunk-Range': `${number}:3` },
        body: 'x',
      }),
  })),
  {
    title: 'a second chunk',
    request: async (s) => s.chunk(await s.uploading(), 2, '2:3'),
    difference: { name: 'chunk-response', official: 202, ours: 202, fields: /^(message_id)?$/, only: 2 },
  },
  {
    title: 'a repeated second chunk',
    request: async (s) => {
      const id = await s.uploading();
      await s.do(s.chunk(id, 2, '2:3'));
      return s.chunk(id, 2, '2:3');
    },
    difference: { name: 'chunk-response', official: 202, ours: 202, fields: /^(message_id)?$/, only: 2 },
  },
  { title: 'a chunk without its range', request: async (s) => s.chunk(await s.uploading(), 2, undefined) },
  { title: 'a chunk with the range of another', request: async (s) => s.chunk(await s.uploading(), 2, '3:3') },
  {
    title: 'chunk 3 before chunk 2',
    request: async (s) => s.chunk(await s.uploading(), 3, '3:3'),
    difference: { name: 'chunk-order', official: 202, ours: 417 },
  },
  {
    title: 'a chunk with a total of 4 instead of 3',
    request: async (s) => s.chunk(await s.uploading(), 2, '2:4'),
    difference: { name: 'chunk-total', official: 202, ours: 417 },
  },
  {
    title: 'chunk 4 of 3',
    request: async (s) => s.chunk(await s.uploading(), 4, '4:4'),
    difference: { name: 'chunk-total', official: 406, ours: 417 },
  },
  {
    title: 'an empty chunk',
    request: async (s) => s.chunk(await s.uploading(), 2, '2:3', ''),
    difference: { name: 'empty-chunk', official: 202, ours: 417 },
  },
  {
    title: 'a chunk of an unknown message',
    request: (s) => s.chunk(UNKNOWN, 2, '2:3'),
    difference: { name: 'error-codes', official: 404, ours: 404, fields: /code$|event$/i },
  },
  {
    title: 'a chunk of a complete message',
    request: async (s) => s.chunk(await s.chunked(), 3, '3:3'),
    difference: { name: 'complete-message', official: 423, ours: 423, fields: /./ },
  },
  {
    title: 'a plain chunk after a compressed one',
    request: async (s) => s.chunk(await s.uploading({ 'Content-Encoding': 'gzip' }), 2, '2:3'),
    difference: { name: 'error-codes', official: 417, ours: 417, fields: /code$|event$/i },
  },
  {
    title: 'a chunk of another mailbox’s message',
    request: async (s) => ({
      ...s.as(CAROL, 'POST', `/outbox/${await s.uploading()}/2`, { headers: { 'Mex-Chunk-Range': '2:3' }, body: 'y' }),
    }),
  },
];

const tracking: SameRequest[] = [
  {
    title: 'tracking',
    request: async (s) => s.as(BOB, 'GET', `/outbox/tracking?messageID=${await s.message({ 'Mex-LocalID': 'a' })}`),
    difference: { name: 'tracking-outcome', official: 200, ours: 200, fields: OUTCOME },
  },
  {
    title: 'tracking of an undelivered message',
    request: async (s) => s.as(BOB, 'GET', `/outbox/tracking?messageID=${await s.undeliverable()}`),
    difference: { name: 'tracking-outcome', official: 200, ours: 200, fields: FAILURE },
  },
  {
    title: 'tracking of an unknown message',
    request: (s) => s.as(BOB, 'GET', `/outbox/tracking?messageID=${UNKNOWN}`),
    difference: { name: 'error-codes', official: 404, ours: 404, fields: /code$|event$/i },
  },
  {
    title: 'tracking by the recipient',
    request: async (s) => s.as(ALICE, 'GET', `/outbox/tracking?messageID=${await s.message()}`),
    difference: { name: 'error-codes', official: 404, ours: 404, fields: /code$|event$/i },
  },
  { title: 'tracking without an id', request: (s) => s.as(BOB, 'GET', '/outbox/tracking') },
  {
    title: 'tracking by a local id',
    request: async (s) => {
      const localId = `once-${Math.random()}`;
      await s.message({ 'Mex-LocalID': localId });
      return s.as(BOB, 'GET', `/outbox/tracking/${localId}`);
    },
    difference: { name: 'tracking-outcome', official: 200, ours: 200, fields: OUTCOME },
  },
  {
    title: 'tracking by a local id with a slash',
    request: async (s) => {
      const localId = `a/${Math.random()}`;
      await s.message({ 'Mex-LocalID': localId });
      return s.as(BOB, 'GET', `/outbox/tracking/${encodeURIComponent(localId)}`);
    },
    difference: { name: 'local-id-slash', official: 404, ours: 200 },
  },
  {
    title: 'tracking by a local id of two messages',
    request: async (s) => {
      const localId = `twice-${Math.random()}`;
      await s.message({ 'Mex-LocalID': localId });
      await s.message({ 'Mex-LocalID': localId });
      return s.as(BOB, 'GET', `/outbox/tracking/${localId}`);
    },
  },
  {
    title: 'tracking by an unknown local id',
    request: (s) => s.as(BOB, 'GET', '/outbox/tracking/no-such-local-id'),
    difference: { name: 'error-codes', official: 404, ours: 404, fields: /code$|event$/i },
  },
];

const LOOKUP = '/messageexchange/endpointlookup';
const lookup: SameRequest[] = [
  { title: 'a lookup', request: (s) => s.anonymous('GET', `${LOOKUP}/X26/TEST_WORKFLOW2`) },
  { title: 'a lookup that finds nothing', request: (s) => s.anonymous('GET', `${LOOKUP}/X99/TEST_WORKFLOW`) },
  {
    title: 'a lookup of an ODS code in lower case',
    request: (s) => s.anonymous('GET', `${LOOKUP}/x26/TEST_WORKFLOW2`),
    difference: { name: 'ods-case', official: 200, ours: 200, fields: /^results/ },
  },
  { title: 'a lookup of a blank ODS code', request: (s) => s.anonymous('GET', `${LOOKUP}/%20/TEST_WORKFLOW`) },
  {
    title: 'a workflow search',
    request: (s) => s.anonymous('GET', '/messageexchange/workflowsearch/TEST_WORKFLOW'),
  },
  { title: 'an unknown path', request: (s) => s.anonymous('GET', '/messageexchange/nothing/here/at/all') },
  { title: 'DELETE of an inbox', request: (s) => s.as(BOB, 'DELETE', '/inbox') },
  {
    title: 'the rich inbox',
    request: async (s) => {
      await s.message();
      return s.as(ALICE, 'GET', '/inbox/rich');
    },
    difference: { name: 'rich-status-code', official: 200, ours: 200, fields: /status_code$/ },
    namesOnly: true,
  },
  { title: 'the rich outbox', request: (s) => s.as(BOB, 'GET', '/outbox/rich'), namesOnly: true },
];

/** The official sandbox's test endpoints, which ours has with `admin: true`. They require no token. */
const ADMIN = '/messageexchange/admin';
const JSON_BODY = { 'Content-Type': 'application/json' };

function post(path: string, body: unknown): RawRequest {
  return { method: 'POST', path, headers: JSON_BODY, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

const REPORT = { mailbox_id: BOB, code: '14', description: 'why', workflow_id: WORKFLOW };
const EVENT = { status: 'error', code: '14', event: 'SEND', description: 'why', linked_message_id: 'ABC' };

const admin: SameRequest[] = [
  ...['/health', '/_status', '/_ping', '/healthcheck', '/messageexchange/_ping', '/messageexchange/deepping'].map(
    (path) => ({ title: `admin: GET ${path}`, request: (s: Scene) => s.anonymous('GET', path) }),
  ),
  ...['/admin', ADMIN].flatMap((root): SameRequest[] => [
    { title: `admin: a reset below ${root}`, request: () => ({ method: 'DELETE', path: `${root}/reset` }) },
    {
      title: `admin: a reset of one mailbox below ${root}`,
      request: () => ({ method: 'DELETE', path: `${root}/reset/${BOB.toLowerCase()}` }),
    },
    { title: `admin: a mailbox below ${root}`, request: (s) => s.anonymous('GET', `${root}/mailbox/${BOB}`) },
    {
      title: `admin: an accepted message below ${root}`,
      request: async (s) => s.anonymous('GET', `${root}/message/${await s.message()}`),
      difference: { name: 'admin-names', official: 200, ours: 200, fields: NAMES },
    },
    {
      title: `admin: an event below ${root}`,
      request: async (s) => post(`${root}/message/${await s.message()}/event`, EVENT),
    },
  ]),
  {
    title: 'admin: a reset of an unknown mailbox',
    request: (s) => s.anonymous('DELETE', `${ADMIN}/reset/X26NOBODY`),
  },
  {
    title: 'admin: a mailbox by its third path',
    request: (s) => s.anonymous('GET', `/messageexchange/mailbox/${BOB}`),
  },
  { title: 'admin: an unknown mailbox', request: (s) => s.anonymous('GET', `${ADMIN}/mailbox/X26NOBODY`) },
  {
    title: 'admin: an acknowledged message',
    request: async (s) => s.anonymous('GET', `${ADMIN}/message/${await s.acknowledged()}`),
    difference: { name: 'admin-names', official: 200, ours: 200, fields: NAMES },
  },
  {
    title: 'admin: a chunked message',
    request: async (s) => s.anonymous('GET', `${ADMIN}/message/${await s.chunked()}`),
    difference: { name: 'admin-names', official: 200, ours: 200, fields: NAMES },
  },
  {
    title: 'admin: a message that failed',
    request: async (s) => {
      const id = await s.message();
      await s.do(post(`${ADMIN}/message/${id}/event`, EVENT));
      return s.anonymous('GET', `${ADMIN}/message/${id}`);
    },
    difference: { name: 'admin-names', official: 200, ours: 200, fields: NAMES },
  },
  {
    title: 'admin: a REPORT',
    request: async (s) => s.anonymous('GET', `${ADMIN}/message/${await s.report({ linked_message_id: 'ABC' })}`),
    difference: { name: 'admin-names', official: 200, ours: 200, fields: REPORT_FIELDS },
  },
  {
    title: 'admin: an unknown message',
    request: (s) => s.anonymous('GET', `${ADMIN}/message/${UNKNOWN}`),
    difference: { name: 'error-codes', official: 404, ours: 404, fields: /code$|event$/i },
  },
  { title: 'admin: a new REPORT', request: () => post(`${ADMIN}/report`, REPORT) },
  { title: 'admin: a new error REPORT', request: () => post(`${ADMIN}/report`, { ...REPORT, status: 'error' }) },
  {
    title: 'admin: a new REPORT to an unknown mailbox',
    request: () => post(`${ADMIN}/report`, { ...REPORT, mailbox_id: 'X26NOBODY' }),
  },
  {
    title: 'admin: a new REPORT without its code',
    request: () => post(`${ADMIN}/report`, { mailbox_id: BOB }),
    difference: { name: 'admin-validation', official: 400, ours: 400, fields: /^detail\[\]\.(type|loc\[\])$/ },
  },
  {
    title: 'admin: a new REPORT with an invalid status',
    request: () => post(`${ADMIN}/report`, { ...REPORT, status: 'x' }),
    difference: { name: 'admin-validation', official: 500, ours: 400 },
  },
  {
    title: 'admin: a new REPORT that is not JSON',
    request: () => post(`${ADMIN}/report`, '{'),
    difference: { name: 'admin-validation', official: 400, ours: 400, fields: /^detail\[\]\.(type|loc\[\])$/ },
  },
  {
    title: 'admin: an event of an unknown message',
    request: () => post(`${ADMIN}/message/${UNKNOWN}/event`, EVENT),
    difference: { name: 'error-codes', official: 404, ours: 404, fields: /code$|event$/i },
  },
  {
    title: 'admin: an event with an invalid status',
    request: async (s) => post(`${ADMIN}/message/${await s.message()}/event`, { status: 'x' }),
    difference: { name: 'admin-validation', official: 200, ours: 400 },
  },
];

export const SAME_REQUESTS: readonly SameRequest[] = [
  ...authorization,
  ...inbox,
  ...outbox,
  ...tracking,
  ...lookup,
  ...admin,
];
