/** Uses a deployed mailbox for one request of the editor, which is no node of a flow. */
import type { ConnectionUser, OpenedMailbox } from '../mailbox/connection';
import type { MeshConfigNode } from '../mailbox/mailbox-user';

/**
 * Runs `ask` with the open mailbox, registered as a user meanwhile.
 * @throws ConfigurationError when the mailbox cannot be used
 */
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
