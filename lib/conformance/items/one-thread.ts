/** 801: one thread for each mailbox. */
import { NotPossibleHere, type Item } from '../item';
import { maxConcurrent } from '../wire-queries';
import { NOT_ARRIVED } from './receive';

const AT_ONCE = 10;

export const oneThread: Item = {
  id: '801',
  title: 'One thread for each mailbox',
  run: async (context, evidence) => {
    const payload = 'Conformance test: one of ten sent at the same time.\n';
    const sent = await Promise.all(
      Array.from({ length: AT_ONCE }, () => context.send({ payload, compression: 'never' })),
    );
    const ids = sent.map(({ messageId }) => messageId);
    ids.forEach((id) => evidence.message(id));
    if (!(await context.arrived(context.recipient, ids))) throw new NotPossibleHere(NOT_ARRIVED);
    await Promise.all(
      ids.map(async (id) => {
        await context.recipient.receive(id);
        await context.acknowledge(id);
      }),
    );
    const maximum = maxConcurrent(context.wire.all);
    evidence.check(`${AT_ONCE} messages were sent and received at the same time`, true);
    evidence.check('no mailbox ever had more than one request in progress, in the whole run', maximum === 1, maximum);
  },
};
