/** The built package in a real Node-RED: the parts that node-red-node-test-helper omits. Needs `npm run build`. */
import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealNodeRed, type NodeRedMajor } from '../harness/node-red';
import { NODE_NAMES, ROOT } from './support';

const PACKAGE = '@mesh-flows/node-red-nhs-mesh';

const TAB = { id: 'tab', type: 'tab', label: 'real' };
const on = (node: object): object => ({ z: 'tab', x: 100, y: 100, wires: [], ...node });
const FLOW = [
  TAB,
  { id: 'a', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC1', version: 1 },
  { id: 'b', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC2', version: 1 },
  on({
    id: 'inject',
    type: 'inject',
    props: [{ p: 'payload' }],
    payload: 'hello',
    payloadType: 'str',
    wires: [['send']],
  }),
  on({ id: 'send', type: 'mesh-send', mailbox: 'a', to: 'X26ABC2', workflowId: 'TEST_WORKFLOW', wires: [['track']] }),
  on({ id: 'track', type: 'mesh-track', mailbox: 'a', property: 'tracking', wires: [['now']] }),
  on({ id: 'now', type: 'mesh-poll', mailbox: 'b', interval: 0, payloadAs: 'text', wires: [['ack'], [], [], []] }),
  on({ id: 'ack', type: 'mesh-ack', mailbox: 'b', wires: [['done']] }),
  on({ id: 'done', type: 'debug', active: true, tosidebar: true, complete: 'true', targetType: 'full' }),
  on({ id: 'bad', type: 'inject', props: [{ p: 'payload' }], payload: '5', payloadType: 'num', wires: [['send']] }),
  on({ id: 'catcher', type: 'catch', wires: [['caught']] }),
  on({ id: 'caught', type: 'debug', active: true, tosidebar: true, complete: 'error.message', targetType: 'msg' }),
];

describe('in a real Node-RED', function () {
  this.timeout(90_000);
  let userDir = '';
  let nodeRed: RealNodeRed;
  const get = async (path: string, accept = 'application/json'): Promise<Response> => {
    const response = await fetch(nodeRed.url + path, { headers: { accept } });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return response;
  };

  before(async function () {
    if (!existsSync(join(ROOT, 'dist', 'nodes', 'mesh-config.html'))) this.skip();
    userDir = await mkdtemp(join(tmpdir(), 'mesh-node-red-'));
    const major = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
    nodeRed = await RealNodeRed.start({ userDir, major, flows: FLOW });
  });
  after(async () => {
    await nodeRed?.stop();
    if (userDir !== '') await rm(userDir, { recursive: true });
  });

  it('loads every node without an error', async () => {
    const sets = (await (await get('/nodes')).json()) as Array<{
      module: string;
      name: string;
      err?: string;
      types: string[];
    }>;
    const ours = sets.filter(({ module }) => module === PACKAGE);
    assert.deepEqual(ours.map(({ name }) => name).toSorted(), [...NODE_NAMES].toSorted());
    for (const set of ours) assert.equal(set.err, undefined, set.name);
    const html = await (await get('/nodes', 'text/html')).text();
    for (const name of NODE_NAMES) {
      assert.ok(html.includes(`data-template-name="${name}"`), `template of ${name}`);
      assert.ok(html.includes(`data-help-name="${name}"`), `help of ${name}`);
    }
  });

  it('serves the icons', async () => {
    const icons = (await (await get('/icons')).json()) as Record<string, string[]>;
    for (const name of NODE_NAMES) {
      assert.ok(icons[PACKAGE]?.includes(`${name}.svg`), name);
      const icon = await get(`/icons/${PACKAGE}/${name}.svg`);
      assert.match(icon.headers.get('content-type') ?? '', /svg/);
    }
  });

  it('serves the texts, in British English where it differs', async () => {
    for (const name of NODE_NAMES) {
      const texts = (await (await get(`/locales/${PACKAGE}/${name}?lng=en-US`)).json()) as Record<string, unknown>;
      assert.ok(name in texts, name);
    }
    const british = await (await get(`/locales/${PACKAGE}/mesh-lookup?lng=en-GB`)).text();
    assert.match(british, /organisation/);
    assert.match(british, /Workflow id/);
  });

  it('carries a message from inject through MESH to the debug sidebar', async () => {
    await nodeRed.status('send', ({ text }) => text === 'connected');
    await nodeRed.inject('inject');
    const msg = (await nodeRed.debug('done')) as { payload: string; mesh: { mailboxId: string; from: string } };
    assert.equal(msg.payload, 'hello');
    assert.equal(msg.mesh.from, 'X26ABC1');
    await nodeRed.status('send', ({ text }) => text === '1 sent');
    await nodeRed.status('ack', ({ text }) => text === '1 done');
  });

  it('reports errors with a text, and keeps running', async () => {
    await nodeRed.inject('bad');
    assert.match(
      String(await nodeRed.debug('caught')),
      /must be a string, a Buffer or an object; this one is a number/,
    );
    await nodeRed.status('send', ({ fill, text }) => fill === 'red' && text === 'message not valid');
    await nodeRed.inject('inject');
    await nodeRed.debug('done');
  });

  it('reports a wrong mailbox when it is deployed', async () => {
    const live = { id: 'b', type: 'mesh-config', environment: 'live', mailboxId: 'X26ABC2', version: 1 };
    await nodeRed.deploy(FLOW.map((node) => ('id' in node && node.id === 'b' ? live : node)));
    await nodeRed.status(
      'now',
      ({ fill, shape, text }) => fill === 'red' && shape === 'ring' && text === 'check settings',
    );
    assert.match(nodeRed.log(), /\[mesh-config:b\].*client certificate/);
  });
});
