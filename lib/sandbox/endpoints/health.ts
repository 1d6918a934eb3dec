/** Health checks, without a token. They are not in mesh-api.yaml; MESH, its clients and the NHS's sandbox have them. */
import { json } from '../response';
import type { Route } from '../router';

const PATHS = ['/health', '/_status', '/_ping', '/healthcheck', '/messageexchange/_ping', '/messageexchange/deepping'];

export const healthRoutes: Route[] = PATHS.map((path) => ({
  method: 'GET',
  path,
  operation: 'ping',
  access: 'open',
  faults: false,
  handler: () => json(200, { env: 'local', build_label: 'latest', status: 'running', outcome: 'Yes' }),
}));
