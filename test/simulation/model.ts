/**
 * What must hold, whatever goes wrong:
 *
 * 1. What the outbox has confirmed is at MESH exactly once, byte for byte, or is shown as needing a person.
 * 2. What was acknowledged to MESH is delivered to the flow, byte for byte, until the flow is done with it, or is shown
 *    as parked. Once it is done, it is never delivered again.
 * 3. Messages in strict order reach MESH in the order in which they were put into the outbox.
 * 4. Nothing that is not ours is touched.
 * 5. No wait outlives its cause: once nothing goes wrong any more, everything settles.
 *
 * The model is told what the flow, the people and MESH see. It never looks into the code that it judges.
 */
import type { OutboxMessage } from '../../lib/index';
import type { MeshMessage } from './mesh';

/** A message that the flow means to send. */
export interface Sending {
  /** Its name in the trace. */
  name: string;
  bytes: Buffer;
  to: string;
  workflowId: string;
  isStrict: boolean;
  /**
   * `confirmed`: the outbox has said that it has it. `refused`: that it does not. `not known`: neither, because the
   * process ended, or the outbox did not know.
   */
  outcome: 'asked' | 'confirmed' | 'refused' | 'not known';
  /** Copies that people have asked for, this one included. */
  copies: number;
  /** A person gave it up: it need not be sent. */
  isGivenUp: boolean;
  /** MESH's copies of it. */
  atMesh: MeshMessage[];
}

/** A message that waits for us at MESH. */
export interface Receiving {
  name: string;
  bytes: Buffer;
  message: MeshMessage;
  /** The flow has said that it is done. If the process ends at that moment, it may be delivered once more. */
  isFinished: boolean;
  /** The flow was told that this is kept. */
  isDone: boolean;
  deliveries: number;
}

/** How the outbox shows a message at the end. */
export type Shown = Pick<OutboxMessage, 'id' | 'state' | 'needsDecision' | 'messageId'>;

/** States in which a person sees that a message did not reach MESH, or may not have. */
const SHOWN_TO_A_PERSON: ReadonlySet<string> = new Set(['parked', 'rejected', 'closed', 'undelivered']);

export class Model {
  readonly sent = new Map<string, Sending>();
  readonly received = new Map<string, Receiving>();
  readonly violations: string[] = [];

  /** Something that must hold does not. */
  violated(what: string): void {
    if (!this.violations.includes(what)) this.violations.push(what);
  }

  // What was confirmed is at MESH exactly once (1), in strict order (3).

  /** MESH has accepted a message from us. */
  acceptedAtMesh(message: MeshMessage): void {
    const bytes = Buffer.concat(message.chunks);
    const name = nameIn(bytes);
    const sending = this.sent.get(name);
    if (!sending) {
      this.violated(`${name}: MESH has a message that the flow never sent`);
      return;
    }
    sending.atMesh.push(message);
    if (!bytes.equals(sending.bytes)) this.violated(`${name}: MESH has other bytes than the flow sent`);
    if (message.to !== sending.to || message.workflowId !== sending.workflowId)
      this.violated(`${name}: MESH has it with another address`);
    if (sending.atMesh.length > sending.copies)
      this.violated(`${name}: MESH has it ${sending.atMesh.length} times, and it was wanted ${sending.copies} times`);
    if (sending.outcome === 'refused') this.violated(`${name}: the outbox refused it, and sent it`);
    this.#checkOrder(sending);
  }

  /** Of two messages in strict order, the later one is never at MESH before the first one. */
  #checkOrder(sending: Sending): void {
    if (!sending.isStrict || sending.atMesh.length > 1 || sending.copies > 1) return;
    const lane = [...this.sent.values()].filter(
      ({ isStrict, to, workflowId }) => isStrict && to === sending.to && workflowId === sending.workflowId,
    );
    const later = lane.slice(lane.indexOf(sending) + 1).find(({ atMesh }) => atMesh.length > 0);
    if (later) this.violated(`${sending.name}: MESH got ${later.name}, which was behind it in strict order, before it`);
  }

  /** What the outbox shows for a message that it has confirmed, once everything has settled. */
  settledAs(sending: Sending, shown: readonly Shown[]): void {
    const { name, atMesh, outcome, isGivenUp } = sending;
    if (outcome === 'confirmed' && shown.length === 0) this.violated(`${name}: the outbox has lost it`);
    for (const { state, messageId } of shown) {
      const isThere = atMesh.some((message) => message.messageId === messageId);
      if (['accepted', 'acknowledged'].includes(state) && !isThere)
        this.violated(`${name}: the outbox shows it as ${state}, and MESH does not have it`);
    }
    const isShown = shown.some(({ state, needsDecision }) => needsDecision || SHOWN_TO_A_PERSON.has(state));
    if (outcome === 'confirmed' && atMesh.length === 0 && !isShown && !isGivenUp)
      this.violated(`${name}: MESH does not have it, and nobody is told`);
  }

  /** Whether the outbox has nothing left to do for a message (5). */
  isSettled({ state, needsDecision }: Shown): boolean {
    return needsDecision || !['queued', 'sending', 'unknown'].includes(state);
  }

  // What was acknowledged is delivered until the flow is done (2).

  /** The flow is handed a message. */
  delivered(messageId: string, bytes: Buffer | undefined): void {
    const receiving = this.received.get(messageId);
    if (!receiving) {
      this.violated(`${messageId}: the flow was handed a message that MESH does not have`);
      return;
    }
    receiving.deliveries += 1;
    if (receiving.isDone) this.violated(`${receiving.name}: delivered again after the flow was done`);
    if (bytes && !bytes.equals(receiving.bytes)) this.violated(`${receiving.name}: delivered with other bytes`);
  }

  /** What has become of a received message, once everything has settled. */
  receivedAs(receiving: Receiving, isParked: boolean): void {
    const { name, isFinished, message } = receiving;
    if (isFinished || isParked) return;
    if (message.acknowledgements > 0) this.violated(`${name}: acknowledged to MESH, and the flow never finished it`);
    else this.violated(`${name}: still at MESH, and nobody takes it`);
  }
}

/** The bytes of a message by its name: they begin with it, so that a copy is known wherever it turns up. */
export function bytesNamed(name: string, size: number): Buffer {
  const line = `${name};`;
  return Buffer.from(line.repeat(Math.ceil(size / line.length)).slice(0, Math.max(size, line.length)));
}

function nameIn(bytes: Buffer): string {
  return bytes.subarray(0, 20).toString('latin1').split(';')[0] ?? '';
}
