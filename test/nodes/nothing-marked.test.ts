/**
 * Searches everything that a real Node-RED shows for marked secrets and marked patient data: every admin endpoint with
 * its errors, the export of the ledger, health and metrics, statuses, errors at Catch and the log. The endpoints that
 * may show the marks do, which proves that they were there.
 */
import assert from 'node:assert/strict';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import type { NodeRedMajor, RealNodeRed } from '../harness/node-red';
import { mailboxOn, sendAndPollFlow, startNodeRed } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';
import { ADMIN_ROUTES } from './admin-routes';

const MAJOR = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
const MARK = /MARKED|9434765919/;
const PASSWORD = 'MARKED-PASSWORD';
const PATIENT = { nhsNumber: '9434765919', birthDate: '1939-01-09', surname: 'MARKED' };
const NAMES = { subject: 'MARKED-SUBJECT', fileName: 'MARKED-FILE.txt', localId: 'MARKED-LOCAL-ID' };
/** The endpoints that need mesh.payload. All others need no more than mesh.read or mesh.write. */
const MAY_SHOW = /\/(private|payload)$/;

interface Row {
  reference: string;
  state: string;
}

describe('marked secrets and patient data', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let nodeRed: RealNodeRed;
  let done: () => Promise<void>;
  /** A message in each state, in each mailbox, and one that does not exist. */
  const messages: Array<{ box: string; direction: 'in' | 'out'; reference: string }> = [];

  /** A request like the editor's. */
  const ask = (path: string, body?: object | string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(nodeRed.url + path, {
      headers: {
        'node-red-api-version': 'v2',
        'content-type': typeof body === 'string' ? 'application/octet-stream' : 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const rows = async (box: string, direction: string): Promise<Row[]> =>
    ((await (await ask(`/mesh/mailboxes/${box}/messages?direction=${direction}`)).json()) as { messages: Row[] })
      .messages;
  const states = async (box: string, direction: string): Promise<string> =>
    (await rows(box, direction))
      .map(({ state }) => state)
      .toSorted()
      .join(' ');

  before(async () => {
    const mailboxes = ['X26ABC1', 'X26ABC2', 'X26ABC3'].map((mailboxId) => ({ mailboxId, password: PASSWORD }));
    sandbox = await startSandbox({ protocol: 'https', sharedKey: 'MARKED-KEY', mailboxes });
    const flows = [
      // A payload that is not JSON is parked.
      ...sendAndPollFlow('X26ABC1', 'X26ABC2', { poll: { payloadAs: 'json' }, send: { to: '' } }),
      {
        id: 'watch',
        type: 'mesh-status',
        z: 'tab',
        version: 1,
        all: 'all',
        x: 1,
        y: 1,
        everySeconds: 1,
        wires: [[], []],
      },
      {
        id: 'track3',
        type: 'mesh-track',
        z: 'tab',
        version: 1,
        x: 1,
        y: 1,
        mailbox: 'mailbox-X26ABC3',
        wires: [[], []],
      },
      ...(await mailboxOn(sandbox, 'X26ABC1', { credentials: { password: PASSWORD } })),
      ...(await mailboxOn(sandbox, 'X26ABC2', { credentials: { password: PASSWORD } })),
      // MESH rejects this one.
      ...(await mailboxOn(sandbox, 'X26ABC3', { credentials: { password: 'MARKED-WRONG' } })),
    ];
    ({ nodeRed, done } = await startNodeRed({ major: MAJOR, settings: 'mesh: { metrics: true },' }));
    await nodeRed.deploy(flows);
    const send = (payload: string, meshSend: object): Promise<void> =>
      nodeRed.inject('go', [
        { p: 'payload', v: payload, vt: 'str' },
        { p: 'meshSend', v: JSON.stringify({ ...NAMES, ...meshSend }), vt: 'json' },
      ]);
    await send('{"patient":"MARKED"}', { to: 'X26ABC2' });
    await send('MARKED is not JSON', { to: 'X26ABC2' });
    await send('MARKED', { to: 'X26NOBODY' });
    await send('MARKED', { patient: PATIENT });
    await send('MARKED', { patient: { ...PATIENT, birthDate: 'MARKED-DATE' } });
    const sent = 'accepted accepted rejected rejected';
    await untilInNodeRed('what is sent', async () => (await states('mailbox-X26ABC1', 'out')) === sent);
    await nodeRed.inject('look');
    await untilInNodeRed('what is received', async () => (await states('mailbox-X26ABC2', 'in')) === 'done parked');
    for (const [box, direction] of [
      ['mailbox-X26ABC1', 'out'],
      ['mailbox-X26ABC2', 'in'],
    ] as const) {
      for (const { reference } of await rows(box, direction)) messages.push({ box, direction, reference });
    }
    messages.push({ box: 'mailbox-X26ABC3', direction: 'out', reference: 'no-such' });
  });
  after(async () => {
    await done?.();
    await sandbox?.close();
  });

  /** Bodies of the requests that need one; any other gets an empty object. */
  const bodiesFor = (path: string, box: string): Array<object | string> => {
    const typed = {
      id: box,
      environment: sandbox.url,
      mailboxId: box.slice('mailbox-'.length),
      workflowId: 'TEST_WORKFLOW',
    };
    const stored = { ...typed, password: '__PWRD__', sharedKey: '__PWRD__', tls: `tls-${typed.mailboxId}` };
    if (path.endsWith('/check')) return [stored, { ...stored, password: 'MARKED-TYPED' }, { ...typed, password: '' }];
    if (path.endsWith('/lookup')) return [{ mailbox: box, odsCode: 'X26', workflowId: 'TEST_WORKFLOW' }, {}];
    if (path.endsWith('/compose')) return ['MARKED-PAYLOAD'];
    if (path.endsWith('/actions')) return [{ action: 'handshake' }, { action: 'acknowledge' }, { action: 'none' }];
    return [{}];
  };
  const marksIn = async (response: Response): Promise<boolean> =>
    MARK.test(JSON.stringify([...response.headers]) + (await response.text()));

  it('are in the responses that may show them', async () => {
    for (const { box, direction, reference } of messages.slice(0, -1)) {
      const path = `/mesh/mailboxes/${box}/messages/${direction}/${reference}`;
      assert.ok(await marksIn(await ask(`${path}/private`)), direction);
      assert.ok(await marksIn(await ask(`${path}/payload`)), direction);
    }
  });

  it('are in no other response of any admin endpoint, successful or failed', async () => {
    const seen = new Set<number>();
    for (const route of Object.keys(ADMIN_ROUTES)) {
      const [method, pattern = ''] = route.split(' ');
      for (const { box, direction, reference } of messages) {
        const path = pattern.replace(':id', box).replace(':direction', direction).replace(':reference', reference);
        if (MAY_SHOW.test(path) && reference !== 'no-such') continue;
        const forms = pattern.endsWith('/ledger')
          ? ['?days=9', '?format=jsonl&days=9']
          : ['', '?search=X26&direction=in'];
        const responses =
          method === 'get'
            ? forms.map((query) => ask(path + query))
            : bodiesFor(path, box).map((body) =>
                ask(path, body, { 'mesh-message': '%7B%22subject%22%3A%22MARKED%22%7D' }),
              );
        for (const response of await Promise.all(responses)) {
          seen.add(response.status);
          assert.ok(!(await marksIn(response)), `${method} ${path}: ${response.status}`);
        }
      }
    }
    // Both kinds were present.
    for (const status of [200, 400, 404]) assert.ok(seen.has(status), [...seen].join(' '));
  });

  it('are in no response to a ticket that was used or is for another path', async () => {
    const [first] = messages;
    const payload = `/mesh/mailboxes/${first?.box}/messages/${first?.direction}/${first?.reference}/payload`;
    const ledger = `/mesh/mailboxes/${first?.box}/ledger`;
    const ticketFor = async (path: string): Promise<string> =>
      ((await (await ask(`${path}/ticket`, {})).json()) as { ticket: string }).ticket;
    const used = await ticketFor(payload);
    assert.ok(await marksIn(await fetch(`${nodeRed.url}${payload}?ticket=${used}`)));
    for (const ticket of [used, await ticketFor(ledger), 'MARK']) {
      const response = await fetch(`${nodeRed.url}${payload}?ticket=${ticket}`);
      assert.deepEqual([response.status, await marksIn(response)], [403, false]);
    }
    const download = await fetch(`${nodeRed.url}${ledger}?days=9&ticket=${await ticketFor(ledger)}`);
    assert.deepEqual([download.status, await marksIn(download)], [200, false]);
  });

  it('are in no status, no error at Catch, and not in the log', async () => {
    // The errors are about an unknown mailbox, an unknown patient and an invalid birth date.
    for (let errors = 0; errors < 3; errors += 1) assert.ok(!MARK.test(JSON.stringify(await nodeRed.debug('error'))));
    const statuses = nodeRed.statuses();
    for (const id of ['send', 'poll', 'ack', 'watch', 'track3']) assert.ok(statuses.has(id), id);
    for (const [id, status] of statuses) assert.ok(!MARK.test(JSON.stringify(status)), id);
    assert.ok(!MARK.test(nodeRed.log()));
  });
});
