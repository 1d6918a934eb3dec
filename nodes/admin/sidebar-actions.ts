/** Actions of the sidebar, with `mesh.write`. The ledger records each action on a message with the user. */
import type { NodeAPI } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import type { ServiceName, ServiceSettings } from '../../lib/sandbox';
import { builtInSandbox } from '../mailbox/built-in-sandbox';
import type { OpenedMailbox } from '../mailbox/connection';
import { sharedText } from '../shared/texts';
import { recordUse } from './audit';
import { adminEndpoint, type AdminRequest } from './endpoints';
import { messageOf, openedMailbox } from './sidebar-paths';

/** MESH returns a message that was not collected for five days (docs/mesh.md, Polling and inbox). */
const FIVE_DAYS_MS = 5 * 24 * 60 * 60 * 1000 + 60_000;

export function actionEndpoints(RED: NodeAPI): void {
  const write = { method: 'post', permission: 'mesh.write' } as const;

  adminEndpoint(RED, { ...write, path: '/mesh/mailboxes/:id/actions' }, async (request) => {
    const { mailbox, poller, environment } = await openedMailbox(RED, request);
    switch (actionOf(request)) {
      case 'poll': {
        const poll = poller.poll();
        return poll.started ? { started: true } : { started: false, nextPoll: poll.nextPoll.toISOString() };
      }
      case 'handshake':
        await mailbox.handshake({ signal: request.signal });
        // The cause of the outbox's pause is gone.
        mailbox.resumeSending();
        return { succeeded: true };
      case 'five-days':
        // Only of the sandbox in this process: another one may be somebody else's.
        if (environment !== 'sandbox') throw noSuchAction(RED);
        (await builtInSandbox()).clock.pass(FIVE_DAYS_MS);
        poller.poll();
        return { passed: true };
      default:
        throw noSuchAction(RED);
    }
  });

  // How a national service of the sandbox in this process answers: the JSON of a ServiceSettings.
  adminEndpoint(RED, { ...write, path: '/mesh/sandbox/services/:service' }, async (request) => {
    (await builtInSandbox()).setService(request.params['service'] as ServiceName, request.body as ServiceSettings);
    return { set: true };
  });

  adminEndpoint(
    RED,
    { ...write, path: '/mesh/mailboxes/:id/messages/:direction/:reference/actions' },
    async (request) => {
      const opened = await openedMailbox(RED, request);
      const { direction, reference } = messageOf(request);
      const action = actionOf(request);
      const done = await actOn(RED, opened, direction, reference, action);
      await recordUse(opened.mailbox, { direction, reference, event: `${action} asked for`, user: request.user });
      return done;
    },
  );
}

async function actOn(
  RED: NodeAPI,
  { mailbox, poller }: OpenedMailbox,
  direction: 'in' | 'out',
  reference: string,
  action: unknown,
): Promise<object> {
  switch (`${direction} ${String(action)}`) {
    case 'out ask':
      return { state: (await mailbox.askAbout(reference))?.state };
    case 'out resend':
      return { reference: (await mailbox.outbox.resend(reference)).id };
    case 'out drop':
      return { state: (await mailbox.outbox.drop(reference)).state };
    case 'in acknowledge':
      // Rejects an id that is not in the store: it would go to MESH unchecked.
      await mailbox.operator.privateFields('in', reference);
      await poller.acknowledge(reference);
      return { state: 'done' };
    case 'in redeliver':
      // A message parked during its download has no row yet, and is downloaded again.
      if (await mailbox.operator.message('in', reference)) await poller.deliverNow(reference);
      else await poller.redeliver(reference);
      return { state: 'delivered' };
    default:
      throw noSuchAction(RED);
  }
}

function actionOf({ body }: AdminRequest): string {
  const { action } = (body ?? {}) as { action?: unknown };
  return typeof action === 'string' ? action : '';
}

function noSuchAction(RED: NodeAPI): InvalidMessageError {
  return new InvalidMessageError(sharedText(RED, 'admin.no-action'));
}
