/**
 * The status of mesh-send: a pause, the message being sent, messages that need a decision, else how many it has sent.
 */
import type { Node, NodeAPI, NodeStatus } from 'node-red';
import { type OutboxEvent, type OutboxMessage, type OutboxState, WAITING_TO_SEND } from '../../lib/index';
import type { ConnectionState } from '../mailbox/connection';
import { connectionStatus } from '../mailbox/connection-status';
import type { SendingStatus } from '../mailbox/mailbox-user';
import { isPassing } from '../mailbox/send-alarms';
import { showsError } from '../shared/report-error';
import { errorStatus, shortCount } from '../shared/status';

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
  readonly #RED: NodeAPI;
  readonly #node: Node;
  /** Undefined until the node is registered; the registration already reports the first states. */
  #user: { show(status: NodeStatus): void } | undefined;
  /** Ids of messages that this node has put into the outbox and MESH has not accepted yet. */
  readonly #pending = new Set<string>();
  #connection: ConnectionState = { kind: 'idle' };
  #sending: OutboxState = { waiting: 0, needsDecision: 0 };
  /** The status text of the message that is being sent. */
  #current: { id: string; text: string } | undefined;
  #sent = 0;

  constructor(RED: NodeAPI, node: Node) {
    this.#RED = RED;
    this.#node = node;
  }

  attach(user: { show(status: NodeStatus): void }): void {
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
      const chunk = Math.min(chunksSent + 1, totalChunks);
      const text =
        totalChunks > 1
          ? this.#RED._('mesh-send.status.chunk', { chunk, total: totalChunks })
          : this.#RED._('mesh-send.status.sending');
      this.#current = { id, text };
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

  #show(status: NodeStatus): void {
    this.#user?.show(status);
  }

  #status(): NodeStatus {
    const { waiting, needsDecision, paused, storeError } = this.#sending;
    const text = (key: string, values: Record<string, string | number> = {}): string =>
      this.#RED._(`mesh-send.status.${key}`, values);
    if (this.#connection.kind === 'unusable' || this.#connection.kind === 'waiting')
      return connectionStatus(this.#RED, this.#connection);
    if (storeError) return errorStatus(this.#RED, storeError, 'ring');
    if (this.#current) {
      const more = this.#pending.size - 1;
      return { fill: 'blue', shape: 'dot', text: this.#current.text + (more > 0 ? ` (+${shortCount(more)})` : '') };
    }
    if (paused) {
      const fill = isPassing(paused.error) ? 'yellow' : 'red';
      const reason = PAUSES[paused.error.code] ?? 'paused';
      return { fill, shape: 'ring', text: text(`paused-${reason}`, { waiting: shortCount(waiting) }) };
    }
    if (needsDecision > 0) {
      return { fill: 'yellow', shape: 'dot', text: text('held', { held: shortCount(needsDecision) }) };
    }
    if (waiting > 0) return { fill: 'blue', shape: 'dot', text: text('waiting', { waiting: shortCount(waiting) }) };
    if (this.#connection.kind !== 'connected' || this.#sent === 0) {
      return connectionStatus(this.#RED, this.#connection);
    }
    return { fill: 'green', shape: 'dot', text: text('sent', { sent: this.#sent }) };
  }
}
