/**
 * Checks every admin endpoint of this package against the editor's own router, so that no test can forget a new one.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeRedMajor, RealNodeRed } from '../harness/node-red';
import { startNodeRed } from '../harness/flows';
import { ADMIN_ROUTES } from './admin-routes';

const MAJOR = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
/** A path that only this test's Node-RED serves. */
const ROUTES = '/routes-of-the-router';
/** Routes of Node-RED's own nodes. */
const NODE_RED_S_OWN = /^\/(inject|debug|udp-ports|routes-of)/;

/**
 * Source of a node that serves the list of routes of RED.httpAdmin, which all nodes and plugins share. It is text
 * because it runs in the test's Node-RED. Express 4 and 5 have different names for the router.
 */
const SERVE_ROUTES = `module.exports = (RED) => {
  RED.httpAdmin.get('${ROUTES}', (_request, response) => {
    const { stack } = RED.httpAdmin._router ?? RED.httpAdmin.router;
    const routes = stack.map(({ route, name }) => ({ path: String(route?.path ?? name), methods: Object.keys(route?.methods ?? {}) }));
    response.json(routes);
  });
};`;

/** Tokens with all of Node-RED's permissions but none of ours, and with all of ours but one. */
const TOKENS = {
  stranger: ['flows.read', 'flows.write', 'nodes.read', 'nodes.write', 'settings.read', 'status.read'],
  reader: ['mesh.read'],
  writer: ['mesh.write'],
  clerk: ['mesh.payload'],
};
const SETTINGS = `
  mesh: { metrics: true },
  adminAuth: { type: 'credentials', users: [], tokens: async (token) => {
    const permissions = (${JSON.stringify(TOKENS)})[token];
    return permissions ? { username: token, permissions } : null;
  } },`;

interface Route {
  method: string;
  path: string;
}

describe('every admin endpoint', function () {
  this.timeout(60_000);
  let nodeRed: RealNodeRed;
  let done: () => Promise<void>;
  let routes: Route[];

  before(async () => {
    const flows = [{ id: 'box', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC1', version: 1 }];
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-routes-'));
    await mkdir(join(userDir, 'nodes'));
    await writeFile(join(userDir, 'nodes', 'routes.js'), SERVE_ROUTES);
    await writeFile(join(userDir, 'nodes', 'routes.html'), '');
    ({ nodeRed, done } = await startNodeRed({ major: MAJOR, flows, settings: SETTINGS, userDir }));
    const all = (await (await fetch(nodeRed.url + ROUTES)).json()) as Array<{ path: string; methods: string[] }>;
    // Node-RED's own nodes (inject, debug) have the only other routes.
    routes = all
      .filter(({ path }) => !NODE_RED_S_OWN.test(path))
      .flatMap(({ path, methods }) => methods.map((method) => ({ method, path })));
  });
  after(() => done());

  /** A request like the editor's, without a token unless given. */
  const ask = ({ method, path }: Route, token: string | undefined): Promise<Response> =>
    fetch(nodeRed.url + path.replace(':id', 'box').replace(':direction', 'out').replace(':reference', 'x'), {
      method,
      headers: {
        'node-red-api-version': 'v2',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(method === 'post'
          ? { 'content-type': path.endsWith('/compose') ? 'application/octet-stream' : 'application/json' }
          : {}),
      },
      ...(method === 'post' ? { body: '{}' } : {}),
    });

  it('is listed with the permission that it needs', () => {
    assert.deepEqual(
      routes.map(({ method, path }) => `${method} ${path}`).toSorted(),
      Object.keys(ADMIN_ROUTES).toSorted(),
    );
  });

  it('responds 401 or 403 without a token, to an invalid one, and to one without the permission', async () => {
    for (const route of routes) {
      const allowed = ADMIN_ROUTES[`${route.method} ${route.path}`];
      const lacking = Object.keys(TOKENS).filter((token) => token !== allowed);
      for (const token of [undefined, 'invented', ...lacking]) {
        const response = await ask(route, token);
        const what = `${route.method} ${route.path} for ${token ?? 'nobody'}`;
        assert.ok([401, 403].includes(response.status), `${what}: ${response.status}`);
        assert.ok(!(await response.text()).includes('X26ABC'), what);
      }
    }
  });

  it('passes a token with the permission: only the guard refuses', async () => {
    for (const route of routes) {
      const { status } = await ask(route, ADMIN_ROUTES[`${route.method} ${route.path}`]);
      assert.ok(status !== 401 && status !== 403, `${route.method} ${route.path}: ${status}`);
    }
  });

  it('shows no message for an invalid ticket', async () => {
    for (const route of routes.filter(({ method }) => method === 'get')) {
      const response = await ask({ ...route, path: `${route.path}?ticket=invented` }, undefined);
      assert.ok([401, 403].includes(response.status), `${route.path}: ${response.status}`);
    }
  });
});
