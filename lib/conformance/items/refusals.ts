/** 701, 702, 704 and 705: what MESH refuses, and what the client makes of it. */
import { MeshError, openMailbox } from '../../index';
import { NeedsPerson, NotPossibleHere, type Item, type Note } from '../item';

export const disabledMailbox: Item = {
  id: '701',
  title: 'A disabled mailbox is answered 403',
  run: async ({ options }, note) => {
    if (!options.disabled) {
      throw new NotPossibleHere(
        'No disabled mailbox was given: ask NHS England for one, and give it with --disabled-mailbox.',
      );
    }
    const mailbox = openMailbox({ ...options.connection, ...options.disabled });
    try {
      await refused(note, 'its handshake', { code: 'MESH_AUTHENTICATION', status: 403 }, mailbox.handshake());
      await refused(note, 'a listing of its inbox', { code: 'MESH_AUTHENTICATION', status: 403 }, mailbox.listInbox());
    } finally {
      await mailbox.close();
    }
  },
};

export const unregisteredRecipient: Item = {
  id: '702',
  title: 'An unregistered recipient is answered 417, code 12',
  run: async (stage, note) => {
    const to = stage.options.unregistered ?? 'X26NOSUCHMBOX';
    const sending = stage.send({ to, payload: 'Nobody is there to get this.', compression: 'never' });
    await refused(note, 'the message', { code: 'MESH_REJECTED', status: 417, meshCode: '12' }, sending);
  },
};

export const unknownMessage: Item = {
  id: '704',
  title: 'A message that there is not is answered 404, code 20',
  run: async ({ recipient }, note) => {
    const receiving = recipient.receive('20000101000000000000_000000');
    await refused(note, 'its download', { code: 'MESH_NOT_FOUND', status: 404, meshCode: '20' }, receiving);
  },
};

export const goneMessage: Item = {
  id: '705',
  title: 'A message that is gone is answered 410',
  run: async (stage, note) => {
    const pending = await stage.pending();
    note.message(pending.messageId);
    if (!stage.isDue(pending)) throw new NeedsPerson(LATER);
    const receiving = stage.recipient.receive(pending.messageId);
    await refused(note, 'its download', { code: 'MESH_GONE', status: 410 }, receiving);
  },
};

/** Why 703 and 705 are not done today. */
export const LATER =
  'MESH has to keep the message for five days first. Run 703 and 705 again after that with --continue and this pack’s JSON file.';

interface Expected {
  code: string;
  status: number;
  meshCode?: string;
}

/** MESH has to refuse it, and the client to say so with advice. What else goes wrong is the item's own failure. */
async function refused(note: Note, what: string, expected: Expected, call: Promise<unknown>): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error !== undefined && !(error instanceof MeshError)) throw error;
  const { status, meshCode } = error ?? {};
  const code = expected.meshCode === undefined ? '' : ` with code ${expected.meshCode}`;
  const right = status === expected.status && (expected.meshCode === undefined || meshCode === expected.meshCode);
  note.check(
    `${what} was answered ${expected.status}${code}`,
    right,
    `${status ?? 'accepted'} ${meshCode ?? ''}`.trim(),
  );
  note.check('the client says what happened', error?.code === expected.code, error?.message);
  note.check('and what to do', (error?.advice ?? '') !== '', error?.advice);
}
