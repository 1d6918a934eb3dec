/** 701, 702, 704 and 705: requests that MESH refuses, and the errors that the client makes of them. */
import { MeshError, openMailbox } from '../../index';
import { NeedsPerson, NotPossibleHere, type Item, type Evidence } from '../item';

export const disabledMailbox: Item = {
  id: '701',
  title: 'A disabled mailbox gets status 403',
  run: async ({ options }, evidence) => {
    if (!options.disabled) {
      throw new NotPossibleHere(
        'No disabled mailbox was specified: ask NHS England for one, and name it with --disabled-mailbox.',
      );
    }
    const mailbox = openMailbox({ ...options.connection, ...options.disabled });
    try {
      await refused(evidence, 'the handshake', { code: 'MESH_AUTHENTICATION', status: 403 }, mailbox.handshake());
      await refused(
        evidence,
        'a listing of its inbox',
        { code: 'MESH_AUTHENTICATION', status: 403 },
        mailbox.listInbox(),
      );
    } finally {
      await mailbox.close();
    }
  },
};

export const unregisteredRecipient: Item = {
  id: '702',
  title: 'An unregistered recipient gets status 417 with code 12',
  run: async (context, evidence) => {
    const to = context.options.unregistered ?? 'X26NOSUCHMBOX';
    const sending = context.send({
      to,
      payload: 'Conformance test: this recipient does not exist.',
      compression: 'never',
    });
    await refused(evidence, 'the message', { code: 'MESH_REJECTED', status: 417, meshCode: '12' }, sending);
  },
};

export const unknownMessage: Item = {
  id: '704',
  title: 'An unknown message gets status 404 with code 20',
  run: async ({ recipient }, evidence) => {
    const receiving = recipient.receive('20000101000000000000_000000');
    await refused(evidence, 'the download', { code: 'MESH_NOT_FOUND', status: 404, meshCode: '20' }, receiving);
  },
};

export const goneMessage: Item = {
  id: '705',
  title: 'An expired message gets status 410',
  run: async (context, evidence) => {
    const pending = await context.pending();
    evidence.message(pending.messageId);
    if (!context.isDue(pending)) throw new NeedsPerson(LATER);
    const receiving = context.recipient.receive(pending.messageId);
    await refused(evidence, 'the download', { code: 'MESH_GONE', status: 410 }, receiving);
  },
};

/** Why 703 and 705 cannot be finished today. */
export const LATER =
  'MESH must first keep the message for five days. Then run 703 and 705 again with --continue and the JSON file of ' +
  'this pack.';

interface Expected {
  code: string;
  status: number;
  meshCode?: string;
}

/** Checks that MESH refused the call and that the client's error has advice. Any other error fails the item. */
async function refused(evidence: Evidence, what: string, expected: Expected, call: Promise<unknown>): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error !== undefined && !(error instanceof MeshError)) throw error;
  const { status, meshCode } = error ?? {};
  const code = expected.meshCode === undefined ? '' : ` with code ${expected.meshCode}`;
  const right = status === expected.status && (expected.meshCode === undefined || meshCode === expected.meshCode);
  evidence.check(
    `${what} got status ${expected.status}${code}`,
    right,
    `${status ?? 'accepted'} ${meshCode ?? ''}`.trim(),
  );
  evidence.check('the client’s error says what happened', error?.code === expected.code, error?.message);
  evidence.check('the client’s error says what to do', (error?.advice ?? '') !== '', error?.advice);
}
