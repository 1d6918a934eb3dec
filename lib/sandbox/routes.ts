/** Every endpoint in the order of the search: fixed paths before those with a parameter in the same place. */
import { acknowledgeRoutes } from './endpoints/acknowledge';
import { adminRoutes } from './endpoints/admin';
import { downloadRoutes } from './endpoints/download';
import { handshakeByGet, handshakeRoutes } from './endpoints/handshake';
import { healthRoutes } from './endpoints/health';
import { inboxRoutes } from './endpoints/inbox';
import { lookupRoutes } from './endpoints/lookup';
import { richRoutes } from './endpoints/rich';
import { sendRoutes } from './endpoints/send';
import { sendChunkRoutes } from './endpoints/send-chunk';
import { steeringRoutes } from './endpoints/steering';
import { trackingRoutes } from './endpoints/tracking';
import { Router } from './router';

/** Makes the router; `admin` adds the test endpoints. */
export function makeRouter(admin: boolean): Router {
  return new Router([
    ...healthRoutes,
    ...(admin ? [...adminRoutes, ...steeringRoutes, ...richRoutes, handshakeByGet] : []),
    ...lookupRoutes,
    ...handshakeRoutes,
    ...inboxRoutes,
    ...acknowledgeRoutes,
    ...downloadRoutes,
    ...trackingRoutes,
    ...sendRoutes,
    ...sendChunkRoutes,
  ]);
}
