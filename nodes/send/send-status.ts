/**
 * The status of mesh-send: a pause, the message being sent, messages that need a decision, else how many it has sent.
 */
import type { Node, NodeStatusFill } from 'node-red';
import { type OutboxEvent, type OutboxMessage, type OutboxState, WAITING_TO_SEND } from '../../lib/index';
import type { ConnectionState } from '../mailbox/connection';
import { connectionStatus } from '../mailbox/connection-status';
import type { SendingStatus } from '../mailbox/mailbox-user';
import { isPassing } from '../mailbox/send-alarms';
import { showsError } from '../shared/report-error';
import { errorStatus, shortCount, type Status } from '../shared/status';

/** Error codes of a pause that have a status text of their own; any other shows as `paused`. */
const PAUSES: Partial<Record<string, string>> = {
  MESH_CONNECTION: 'away',
  MESH_PROTOCOL: 'away',
  MESH_UNAVAILABLE: 'away',
  MESH_UNKNOWN_OUTCOME: 'away',
  MESH_AUTHENTICATION: 'refused',
  MESH_TLS: 'tls',
};

/** The status of one node. */
export class SendStatus implements SendingStatus {
  readonly #node: Node;
  /** Undefined until the node is registered; the registration already reports the first states. */
  #user: { show(status: Status): void } | undefined;
  /** Ids of messages that this node has put into the outbox and MESH has not accepted yet. */
  readonly #pending = new Set<string>();
  #connection: ConnectionState = { kind: 'idle' };
  #sending: OutboxState = { waiting: 0, needsDecision: 0 };
  /** The message that is being sent, and the chunk, counted from 1, if it has several. */
  #current: { id: string; chunk: number; total: number } | undefined;
  #sent = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  attach(user: { show(status: Status): void }): void {
    this.#user = user;
    this.#show(this.#status());
  }

  connectionChanged(state: ConnectionState): void {
    this.#connection = state;
    this.#update();
  }

  sendingChanged(state: OutboxState): void {
    this.#sending = state;
    this.#update();
  }

  /** Notes a message that this node has put into the outbox. */
  queued({ id, state }: OutboxMessage): void {
    if (WAITING_TO_SEND.includes(state)) this.#pending.add(id);
  }

  /** Takes an event of the outbox. */
  happened({ event, message }: OutboxEvent): void {
    if (!this.#pending.has(message.id)) return;
    const { id, chunksSent, totalChunks = 1 } = message;
    if (event === 'sending' || event === 'chunk') {
      this.#current = { id, chunk: Math.min(chunksSent + 1, totalChunks), total: totalChunks };
      this.#show(this.#status());
      return;
    }
    if (this.#current?.id === id) this.#current = undefined;
    if (event === 'accepted' || event === 'adopted') this.#sent += 1;
    if (message.state === 'queued' || (message.state === 'unknown' && !message.needsDecision)) return;
    this.#pending.delete(id);
    this.#show(this.#status());
  }

  /** Shows a change of the mailbox. A good one does not hide the error of the last message. */
  #update(): void {
    if (showsError(this.#node) && this.#isWell) return;
    this.#show(this.#status());
  }

  get #isWell(): boolean {
    const { needsDecision, paused, storeError } = this.#sending;
    const isBroken = ['disconnected', 'unusable', 'waiting'].includes(this.#connection.kind);
    return !isBroken && !storeError && !paused && needsDecision === 0;
  }

  #show(status: Status): void {
    this.#user?.show(status);
  }

  #status(): Status {
    const { waiting, needsDecision, paused, storeError } = this.#sending;
    if (this.#connection.kind === 'unusable' || this.#connection.kind === 'waiting')
      return connectionStatus(this.#connection);
    if (storeError) return errorStatus(storeError, 'ring');
    if (this.#current) {
      const { chunk, total } = this.#current;
      const more = this.#pending.size - 1;
      const plain = more > 0 ? { plain: ` (+${shortCount(more)})` } : {};
      if (total === 1) return { ...sendStatus('blue', 'sending'), ...plain };
      return { ...sendStatus('blue', 'chunk', { chunk, total }), ...plain };
    }
    if (paused) {
      const fill = isPassing(paused.error) ? 'yellow' : 'red';
      const reason = PAUSES[paused.error.code] ?? 'paused';
      return { ...sendStatus(fill, `paused-${reason}`, { waiting: shortCount(waiting) }), shape: 'ring' };
    }
    if (needsDecision > 0) return sendStatus('yellow', 'held', { held: shortCount(needsDecision) });
    if (waiting > 0) return sendStatus('blue', 'waiting', { waiting: shortCount(waiting) });
    if (this.#connection.kind !== 'connected' || this.#sent === 0) return connectionStatus(this.#connection);
    return sendStatus('green', 'sent', { sent: this.#sent });
  }
}

function sendStatus(fill: NodeStatusFill, key: string, values?: Status['values']): Status {
  return { fill, shape: 'dot', key: `mesh-send.status.${key}`, ...(values && { values }) };
}
