/** One question to a deployed mailbox by somebody who is no node of a flow: the editor. */
import type { ConnectionUser, OpenedMailbox } from '../mailbox/connection';
import type { MeshConfigNode } from '../mailbox/mailbox-user';

/** Registers for as long as the question takes. Rejects with the configuration's error where the mailbox cannot be used. */
export async function withTemporaryUser<Result>(
  config: MeshConfigNode,
  ask: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const nothing = (): void => undefined;
  const user: ConnectionUser = { sends: false, connectionChanged: nothing, sendingChanged: nothing, raise: nothing };
  config.connection.register(user);
  try {
    return await config.connection.run(user, ask);
  } finally {
    await config.connection.deregister(user);
  }
}
