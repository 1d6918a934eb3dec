/** What the sidebar does with `mesh.write`. Each action on a message is in the ledger, with the user. */
import type { NodeAPI } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { adminEndpoint, type AdminRequest } from './endpoints';
import type { OpenedMailbox } from '../mailbox/connection';
import { messageOf, openedMailbox } from './sidebar-paths';
import { sharedText } from '../shared/texts';

export function actionEndpoints(RED: NodeAPI): void {
  const write = { method: 'post', permission: 'mesh.write' } as const;

  adminEndpoint(RED, { ...write, path: '/mesh/mailboxes/:id/actions' }, async (request) => {
    const { mailbox, poller } = await openedMailbox(RED, request);
    switch (actionOf(request)) {
      case 'poll': {
        const poll = poller.poll();
        return poll.started ? { started: true } : { started: false, nextPoll: poll.nextPoll.toISOString() };
      }
      case 'handshake':
        await mailbox.handshake({ signal: request.signal });
        // Whatever kept the outbox waiting is mended.
        mailbox.resumeSending();
        return { succeeded: true };
      default:
        throw noSuchAction(RED);
    }
  });

  adminEndpoint(
    RED,
    { ...write, path: '/mesh/mailboxes/:id/messages/:direction/:reference/actions' },
    async (request) => {
      const opened = await openedMailbox(RED, request);
      const { direction, reference } = messageOf(request);
      const action = actionOf(request);
      const done = await actOn(RED, opened, direction, reference, action);
      await opened.mailbox.operator.note(direction, reference, `${action} asked for`, request.user);
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
    case 'out resend':
      return { reference: (await mailbox.outbox.resend(reference)).id };
    case 'out drop':
      return { state: (await mailbox.outbox.drop(reference)).state };
    case 'in acknowledge':
      // Only what is in the store: anything else would go to MESH as it is.
      await mailbox.operator.privateFields('in', reference);
      await poller.acknowledge(reference);
      return { state: 'done' };
    case 'in redeliver':
      await poller.redeliver(reference);
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
