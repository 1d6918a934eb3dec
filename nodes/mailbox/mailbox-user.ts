/** Connects a node with its mailbox: registration, the mailbox's status, and calls that end when the node closes. */
import type { Node, NodeAPI } from 'node-red';
import {
  ConfigurationError,
  isSandbox,
  type OutboxMessage,
  type OutboxState,
  type WorkflowProfiles,
} from '../../lib/index';
import { cleanError, clearError, showsError } from '../shared/report-error';
import { errorStatus, nameSandbox, setStatus, withCause, type Status } from '../shared/status';
import { sharedText } from '../shared/texts';
import { alarmError } from './alarm-error';
import type { Connection, ConnectionState, ConnectionUser, OpenedMailbox } from './connection';
import { connectionStatus } from './connection-status';
import type { MailboxRoute, MeshConfigCredentials } from './mailbox-settings';
import type { Alarm } from './send-alarms';

/** The mesh-config node at runtime, with register and deregister as in core mqtt. */
export interface MeshConfigNode extends Node<Required<MeshConfigCredentials>> {
  readonly connection: Connection;
  /** Reads the workflow profiles that the settings name. Rejects with ConfigurationError when they are wrong. */
  profiles(): Promise<WorkflowProfiles>;
  /** `sandbox`, `integration`, `live` or a URL; undefined when the setting is wrong. */
  readonly environment: string | undefined;
  /**
   * Reads the deployed way to the mailbox, which its stored credentials may take.
   * @throws ConfigurationError when a part of it is wrong
   */
  route(): MailboxRoute;
  /**
   * Returns the mailbox's id and its organisation's ODS code, empty if it is not set.
   * @throws ConfigurationError when one is wrong
   */
  identity(): { mailboxId: string; odsCode: string };
  register(user: ConnectionUser): void;
  deregister(user: ConnectionUser, done: () => void): void;
}

/** The part of mesh-send that shows the progress of its messages, in place of the mailbox's own status. */
export interface SendingStatus {
  attach(user: MailboxUser): void;
  connectionChanged(state: ConnectionState): void;
  sendingChanged(state: OutboxState): void;
}

/** A node that uses a mailbox. */
export class MailboxUser implements ConnectionUser {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #configId: string;
  readonly #config: MeshConfigNode | undefined;
  readonly #sendStatus: SendingStatus | undefined;
  #closed = false;
  #fault: Status | undefined;

  /** Registers the node with its mesh-config node until it closes. A node without one shows an error status. */
  constructor(RED: NodeAPI, node: Node, configId: string | undefined, sendStatus?: SendingStatus) {
    this.#RED = RED;
    this.#node = node;
    this.#sendStatus = sendStatus;
    this.#configId = configId ?? '';
    this.#config = findConfig(RED, configId);
    if (this.#config === undefined) {
      this.show(errorStatus(this.#noMailbox(), 'ring'));
      return;
    }
    if (isSandbox(this.#config.environment ?? '')) nameSandbox(node);
    this.#config.register(this);
    sendStatus?.attach(this);
  }

  /** True for a node that fills the outbox and shows the progress of its messages. */
  get sends(): boolean {
    return this.#sendStatus !== undefined;
  }

  /** True once Node-RED has begun to close the node. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** False when the mailbox is missing or its configuration is wrong, which the node then shows already. */
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
      state.kind === 'unusable' || state.kind === 'waiting'
        ? connectionStatus(state)
        : (this.#fault ?? connectionStatus(state)),
    );
  }

  sendingChanged(state: OutboxState): void {
    this.#sendStatus?.sendingChanged(state);
  }

  raise(alarm: Alarm): void {
    if (this.#closed) return;
    const { error, msg } = alarmError(this.#RED, alarm);
    this.#node.error(cleanError(this.#RED, error, this.#node), msg);
  }

  /** Shows that the node's own settings are wrong, from now on and whatever the state of the mailbox. */
  fault(error: unknown): void {
    this.#fault = errorStatus(error, 'ring');
    this.show(this.#fault);
  }

  /** Shows a status in place of the last error. */
  show(status: Status): void {
    clearError(this.#node);
    setStatus(this.#node, status);
  }

  /**
   * Runs `work` with the open mailbox.
   * @throws ConfigurationError when the mailbox cannot be used at all
   */
  async run<Result>(work: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>): Promise<Result> {
    if (this.#config === undefined) throw this.#noMailbox();
    return this.#config.connection.run(this, work);
  }

  /**
   * Runs `work` once, as soon as the mailbox is open: waits while its storage is not there yet, and calls `onWaiting`
   * then.
   * @throws ConfigurationError when the mailbox cannot be used at all
   */
  async onceOpen<Result>(
    work: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>,
    onWaiting?: (error: unknown) => void,
  ): Promise<Result> {
    if (this.#config === undefined) throw this.#noMailbox();
    return this.#config.connection.onceOpen(this, work, onWaiting);
  }

  /** Waits until MESH has accepted a message of the outbox; rejects when that fails. */
  async accepted(id: string): Promise<OutboxMessage> {
    if (this.#config === undefined) throw this.#noMailbox();
    return this.#config.connection.accepted(this, id);
  }

  /**
   * Leaves alarms about the outbox's messages to this node while `takesAlarm` returns true. Returns a function that ends
   * that.
   */
  follow(takesAlarm: () => boolean): () => void {
    return this.#config?.connection.follow(takesAlarm) ?? (() => undefined);
  }

  /** Ends the node's pending work, then calls `done`: for the node's close handler. */
  close(done: () => void): void {
    this.#closed = true;
    if (this.#config === undefined) done();
    else this.#config.deregister(this, done);
  }

  #noMailbox(): ConfigurationError {
    return noMailboxError(this.#RED, this.#configId);
  }
}

/**
 * Returns the running mesh-config node with this id; undefined also when the id is another node's, e.g. after an
 * import.
 */
export function findConfig(RED: NodeAPI, id: string | undefined): MeshConfigNode | undefined {
  const node: unknown = id === undefined || id === '' ? null : RED.nodes.getNode(id);
  return isMailboxNode(node) ? node : undefined;
}

/** Returns why there is no running mesh-config node with this id: none is selected, or it is disabled or removed. */
function noMailboxError(RED: NodeAPI, id: string): ConfigurationError {
  const none = withCause(new ConfigurationError(sharedText(RED, 'error.no-mailbox')), 'no-mailbox');
  if (id === '') return none;
  const selected: Array<{ type?: string; d?: boolean; z?: string }> = [];
  const disabledTabs = new Set<string>();
  RED.nodes.eachNode((def) => {
    if (def.id === id) selected.push(def);
    if ((def as { disabled?: boolean }).disabled === true) disabledTabs.add(def.id);
  });
  const [config] = selected;
  if (config?.type === 'mesh-config' && (config.d === true || disabledTabs.has(config.z ?? ''))) {
    const advice = sharedText(RED, 'advice.mailbox-disabled');
    return withCause(new ConfigurationError(sharedText(RED, 'error.mailbox-disabled'), { advice }), 'mailbox-disabled');
  }
  if (config !== undefined) return none;
  const advice = sharedText(RED, 'advice.mailbox-missing');
  return withCause(new ConfigurationError(sharedText(RED, 'error.mailbox-missing'), { advice }), 'mailbox-missing');
}

/** True for a running mesh-config node. */
export function isMailboxNode(node: unknown): node is MeshConfigNode {
  const found = node as Partial<MeshConfigNode> | null;
  return found?.type === 'mesh-config' && typeof found.register === 'function';
}

/** Registers a node that has nothing else to close than its mailbox. */
export function useMailbox(RED: NodeAPI, node: Node, configId: string | undefined): MailboxUser {
  const user = new MailboxUser(RED, node, configId);
  node.on('close', (_removed: boolean, done: () => void) => user.close(done));
  return user;
}
