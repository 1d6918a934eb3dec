/**
 * The mailboxes of one mesh-ack: the selected one, or without a selection whichever received a message, as msg.mesh
 * says.
 */
import type { Node, NodeAPI } from 'node-red';
import { ConfigurationError } from '../../lib/index';
import { knownMailboxes } from '../mailbox/known-mailboxes';
import { MailboxUser } from '../mailbox/mailbox-user';
import { withCause } from '../shared/status';

/** The part of msg.mesh by which a message is found. */
export interface ReceivedIds {
  messageId: string;
  /** Missing in what a flow has made itself. */
  mailboxId?: string;
}

export class AckMailboxes {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #selected: MailboxUser | undefined;
  /** By id of the mesh-config node. */
  readonly #found = new Map<string, MailboxUser>();

  /** @param configId the selected mesh-config node; blank for none */
  constructor(RED: NodeAPI, node: Node, configId: string | undefined) {
    this.#RED = RED;
    this.#node = node;
    this.#selected = configId === undefined || configId === '' ? undefined : new MailboxUser(RED, node, configId);
    node.on('close', (_removed: boolean, done: () => void) => {
      const users = [...(this.#selected ? [this.#selected] : []), ...this.#found.values()];
      let open = users.length;
      if (open === 0) done();
      for (const user of users) {
        user.close(() => {
          open -= 1;
          if (open === 0) done();
        });
      }
    });
  }

  /**
   * Returns the mailbox of a message.
   * @throws ConfigurationError when none is selected and msg.mesh names none that is configured
   */
  async of({ messageId, mailboxId }: ReceivedIds): Promise<MailboxUser> {
    if (this.#selected) return this.#selected;
    const { _: text } = this.#RED;
    if (mailboxId === undefined) {
      const advice = text('mesh-ack.advice.no-mailbox');
      throw withCause(new ConfigurationError(text('mesh-ack.error.no-mailbox'), { messageId, advice }), 'no-mailbox');
    }
    for (const { id, connection } of knownMailboxes(this.#RED)) {
      const opened = await connection.opened();
      if (opened?.mailbox.mailboxId !== mailboxId) continue;
      // A mailbox of this id may be configured in two environments.
      if ((await opened.mailbox.operator.message('in', messageId)) === undefined) continue;
      const user = this.#found.get(id) ?? new MailboxUser(this.#RED, this.#node, id);
      this.#found.set(id, user);
      return user;
    }
    throw new ConfigurationError(text('mesh-ack.error.unknown-mailbox', { mailboxId }), {
      messageId,
      advice: text('mesh-ack.advice.unknown-mailbox'),
    });
  }
}
