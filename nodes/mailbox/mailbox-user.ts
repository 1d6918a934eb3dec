/** What a node needs of its mailbox: registration, the mailbox's status, and calls that end when the node is closed. */
import type { Node, NodeAPI, NodeStatus } from 'node-red';
import { ConfigurationError, type OutboxMessage, type OutboxState, type WorkflowProfiles } from '../../lib/index';
import { alarmError } from './alarm-error';
import type { Connection, ConnectionState, ConnectionUser, OpenedMailbox } from './connection';
import type { MeshConfigCredentials } from './mailbox-settings';
import { cleanError, errorIsOver, showsError } from '../shared/report-error';
import type { SendStatus } from '../send/send-status';
import type { Alarm } from './send-alarms';
import { connectionStatus, errorStatus } from '../shared/status';
import { sharedText } from '../shared/texts';

/** The mesh-config node at runtime. register and deregister are as core mqtt has them. */
export interface MeshConfigNode extends Node<Required<MeshConfigCredentials>> {
  readonly connection: Connection;
  /** The workflow profiles as its settings have them. Rejects where they are wrong. */
  profiles(): Promise<WorkflowProfiles>;
  /** `sandbox`, `integration`, `live` or a URL; undefined where what is configured cannot be read. */
  readonly environment: string | undefined;
  register(user: ConnectionUser): void;
  deregister(user: ConnectionUser, done: () => void): void;
}

export class MailboxUser implements ConnectionUser {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #config: MeshConfigNode | undefined;
  readonly #sendStatus: SendStatus | undefined;
  #closed = false;
  #fault: NodeStatus | undefined;

  /** Registers the node with its config node until it is closed. Without one, the node says so. */
  constructor(RED: NodeAPI, node: Node, configId: string | undefined, sendStatus?: SendStatus) {
    this.#RED = RED;
    this.#node = node;
    this.#sendStatus = sendStatus;
    this.#config = findConfig(RED, configId);
    if (this.#config === undefined) {
      this.show(errorStatus(RED, this.#noMailbox(), 'ring'));
      return;
    }
    this.#config.register(this);
    sendStatus?.attach(this);
  }

  /** True for a node that puts messages into the outbox: it shows how the sending stands. */
  get sends(): boolean {
    return this.#sendStatus !== undefined;
  }

  /** True as soon as Node-RED stops the node. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** False where the mailbox is missing or its configuration wrong: then that is what has been told. */
  get isUsable(): boolean {
    return this.#config !== undefined && this.#config.connection.state.kind !== 'unusable';
  }

  connectionChanged(state: ConnectionState): void {
    if (this.#sendStatus !== undefined) {
      this.#sendStatus.connectionChanged(state);
      return;
    }
    if (state.kind === 'connected' && showsError(this.#node)) return;
    this.show(
      state.kind === 'unusable'
        ? connectionStatus(this.#RED, state)
        : (this.#fault ?? connectionStatus(this.#RED, state)),
    );
  }

  sendingChanged(state: OutboxState): void {
    this.#sendStatus?.sendingChanged(state);
  }

  raise(alarm: Alarm): void {
    if (this.#closed) return;
    const { error, msg } = alarmError(this.#RED, alarm);
    this.#node.error(cleanError(this.#RED, error), msg);
  }

  /** From now on the node shows this, whatever becomes of the mailbox: its own settings are wrong. */
  fault(error: unknown): void {
    this.#fault = errorStatus(this.#RED, error, 'ring');
    this.show(this.#fault);
  }

  /** Sets the node's status; not after it was closed, when Node-RED has already cleared it. */
  show(status: NodeStatus): void {
    if (this.#closed) return;
    errorIsOver(this.#node);
    this.#node.status(status);
  }

  /** Rejects with the configuration's error where the mailbox cannot be used at all. */
  async run<Result>(work: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>): Promise<Result> {
    if (this.#config === undefined) throw this.#noMailbox();
    return this.#config.connection.run(this, work);
  }

  /** Waits until MESH has accepted a message of the outbox. */
  async accepted(id: string): Promise<OutboxMessage> {
    if (this.#config === undefined) throw this.#noMailbox();
    return this.#config.connection.accepted(this, id);
  }

  /** This node tells what needs attention in the outbox from now on; gives a function that ends it. */
  follow(): () => void {
    return this.#config?.connection.follow(this) ?? (() => undefined);
  }

  /** For the node's close handler: ends what is under way, then calls done. */
  close(done: () => void): void {
    this.#closed = true;
    if (this.#config === undefined) done();
    else this.#config.deregister(this, done);
  }

  #noMailbox(): ConfigurationError {
    return new ConfigurationError(sharedText(this.#RED, 'error.no-mailbox'));
  }
}

/** The mesh-config node with this id, running. Undefined also where the id is some other node's, as after a careless import. */
export function findConfig(RED: NodeAPI, id: string | undefined): MeshConfigNode | undefined {
  const node: unknown = id === undefined || id === '' ? null : RED.nodes.getNode(id);
  return isMailboxNode(node) ? node : undefined;
}

/** Whether this is a mesh-config node, running. */
export function isMailboxNode(node: unknown): node is MeshConfigNode {
  const found = node as Partial<MeshConfigNode> | null;
  return found?.type === 'mesh-config' && typeof found.register === 'function';
}

/** The usual: a node that only uses its mailbox, and has nothing else to close. */
export function useMailbox(RED: NodeAPI, node: Node, configId: string | undefined): MailboxUser {
  const user = new MailboxUser(RED, node, configId);
  node.on('close', (_removed: boolean, done: () => void) => user.close(done));
  return user;
}
