/** 801: one thread for each mailbox. */
import { NotPossibleHere, type Item } from '../item';
import { mostAtOnce } from '../wire-questions';
import { NOT_ARRIVED } from './receive';

const AT_ONCE = 10;

export const oneThread: Item = {
  id: '801',
  title: 'One thread for each mailbox',
  run: async (stage, note) => {
    const payload = 'Conformance test: one of ten that were asked for at once.\n';
    const sent = await Promise.all(
      Array.from({ length: AT_ONCE }, () => stage.send({ payload, compression: 'never' })),
    );
    const ids = sent.map(({ messageId }) => messageId);
    ids.forEach((id) => note.message(id));
    if (!(await stage.arrived(stage.recipient, ids))) throw new NotPossibleHere(NOT_ARRIVED);
    await Promise.all(
      ids.map(async (id) => {
        await stage.recipient.receive(id);
        await stage.acknowledge(id);
      }),
    );
    const most = mostAtOnce(stage.wire.all);
    note.check(`${AT_ONCE} sends and ${AT_ONCE} receipts were asked for at the same time`, true);
    note.check('never more than one request of a mailbox was under way, in the whole run', most === 1, most);
  },
};
