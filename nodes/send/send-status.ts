/** What mesh-send shows: a pause, what it is sending, what is held for a person, else how many it has sent. */
import type { Node, NodeAPI, NodeStatus } from 'node-red';
import type { OutboxEvent, OutboxMessage, OutboxState } from '../../lib/index';
import type { ConnectionState } from '../mailbox/connection';
import { showsError } from '../shared/report-error';
import { isPassing } from '../mailbox/send-alarms';
import { connectionStatus, errorStatus, shortCount } from '../shared/status';

/** Why sending pauses, where there is a word for it; any other code is `paused`. */
const PAUSES: Partial<Record<string, string>> = {
  MESH_CONNECTION: 'away',
  MESH_UNAVAILABLE: 'away',
  MESH_UNKNOWN_OUTCOME: 'away',
  MESH_AUTHENTICATION: 'refused',
  MESH_TLS: 'tls',
};

export class SendStatus {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  /** Set as soon as the node is registered, which already tells it the first states. */
  #user: { show(status: NodeStatus): void } | undefined;
  /** What this node has put into the outbox and MESH has not accepted yet, by id. */
  readonly #pending = new Set<string>();
  #connection: ConnectionState = { kind: 'idle' };
  #sending: OutboxState = { waiting: 0, held: 0 };
  /** What is said of the message that is on the wire. */
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

  /** This node has put a message into the outbox. */
  queued({ id, state }: OutboxMessage): void {
    if (state === 'queued' || state === 'sending') this.#pending.add(id);
  }

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
    if (message.state === 'queued' || (message.state === 'unknown' && !message.held)) return;
    this.#pending.delete(id);
    this.#show(this.#status());
  }

  /** News of the mailbox. They do not hide the error of the last message, unless they are bad themselves. */
  #update(): void {
    if (showsError(this.#node) && this.#isWell) return;
    this.#show(this.#status());
  }

  get #isWell(): boolean {
    const { held, paused, storeError } = this.#sending;
    const isBroken = ['disconnected', 'unusable'].includes(this.#connection.kind);
    return !isBroken && !storeError && !paused && held === 0;
  }

  #show(status: NodeStatus): void {
    this.#user?.show(status);
  }

  #status(): NodeStatus {
    const { waiting, held, paused, storeError } = this.#sending;
    const text = (key: string, values: Record<string, string | number> = {}): string =>
      this.#RED._(`mesh-send.status.${key}`, values);
    if (this.#connection.kind === 'unusable') return connectionStatus(this.#RED, this.#connection);
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
    if (held > 0) return { fill: 'yellow', shape: 'dot', text: text('held', { held: shortCount(held) }) };
    if (waiting > 0) return { fill: 'blue', shape: 'dot', text: text('waiting', { waiting: shortCount(waiting) }) };
    if (this.#connection.kind !== 'connected' || this.#sent === 0) {
      return connectionStatus(this.#RED, this.#connection);
    }
    return { fill: 'green', shape: 'dot', text: text('sent', { sent: this.#sent }) };
  }
}
