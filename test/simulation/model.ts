/**
 * What must hold, whatever goes wrong:
 *
 * 1. What the outbox has confirmed is at MESH exactly once, byte for byte, or is shown as needing a person.
 * 2. What was acknowledged to MESH is delivered to the flow, byte for byte, until the flow is done with it, or is shown
 *    as parked. Once it is done, it is never delivered again; if MESH offers it again, the ledger says so.
 * 3. Messages in strict order reach MESH in the order in which they were put into the outbox.
 * 4. Nothing that is not ours is touched: no file of somebody else's, in whichever folder, and no store of another
 *    version.
 * 5. No wait outlives its cause: once nothing goes wrong any more, everything settles. Nothing is tried without end.
 * 6. A message needs a person only where a fault or somebody's act has hit it, and its payload is missing only where one
 *    has damaged it; what MESH could not deliver is shown.
 * 7. What was erased is on our disk no more, and neither sent nor delivered.
 *
 * A backup that is put back takes away what was promised since it was made, but for two things: nothing is sent twice,
 * and what was on its way to MESH since the last start is shown, whether the backup has it or not, unless the store has failed
 * since.
 *
 * The model is told what the flow, the people and MESH see. It never looks into the code that it judges.
 */
import type { OutboxMessage } from '../../lib/index';
import type { Kind } from './faults';
import type { MeshMessage } from './mesh';

/** A message that the flow means to send. */
export interface Sending {
  /** Its name in the trace. */
  name: string;
  bytes: Buffer;
  to: string;
  workflowId: string;
  isStrict: boolean;
  /** Its sender repeats what was not confirmed. */
  isRepeated: boolean;
  /**
   * `confirmed`: the outbox has said that it has it. `refused`: that it does not. `not known`: neither, because the
   * process ended, or the outbox did not know.
   */
  outcome: 'asked' | 'confirmed' | 'refused' | 'not known';
  /** Copies that people have asked for, this one included. */
  copies: number;
  /** A person gave it up: it need not be sent. */
  isGivenUp: boolean;
  isErased: boolean;
  /** MESH's copies of it. */
  atMesh: MeshMessage[];
  /** What has hit it. */
  hits: Set<Kind>;
  /** Whether the outbox has begun to send it since Node-RED's last start, and whether it is on its way now. */
  isBegun: boolean;
  isOnItsWay: boolean;
  /** A backup from before it is in the store's place. It is shown if it had been begun. */
  isForgotten: false | 'not begun' | 'begun';
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
  isErased: boolean;
  /** Somebody's act has taken it away after it was acknowledged to MESH, or may have: a backup, an erasure. */
  isTakenAway: boolean;
  /** What has hit it. */
  hits: Set<Kind>;
  deliveries: number;
  /** How often it had been acknowledged to MESH when MESH offered it again. */
  offeredAgainAfter?: number | undefined;
}

/** How the outbox shows a message at the end. */
export type Shown = Pick<OutboxMessage, 'id' | 'state' | 'needsDecision' | 'messageId' | 'error'>;

/** Events of the outbox between the first byte of an attempt and its end. */
const ON_ITS_WAY: ReadonlySet<string> = new Set(['sending', 'chunk']);
/** States in which a person sees that a message did not reach MESH, or may not have. */
const SHOWN_TO_A_PERSON: ReadonlySet<string> = new Set(['parked', 'rejected', 'closed', 'undelivered']);
/** Faults of the machine, which hit any message. */
const HIT_EVERYTHING: ReadonlySet<Kind> = new Set([
  'power cut',
  'disk error',
  'failed sync',
  'folder replaced',
  'backup put back',
]);

/**
 * Faults after which the outbox need not remember what it was sending when a backup is put back: a power cut loses its
 * notes, and where the store has failed, it compares them with the store and begins new ones.
 */
const LOSE_NOTES: ReadonlySet<Kind> = new Set(['power cut', 'disk error', 'failed sync', 'disk full']);

/** Faults and acts that damage a payload, or take it away. */
const DAMAGES_PAYLOADS: ReadonlySet<Kind> = new Set([
  'bit rot',
  'disk error',
  'failed sync',
  'folder replaced',
  'backup put back',
  'erase',
]);

export class Model {
  readonly sent = new Map<string, Sending>();
  readonly received = new Map<string, Receiving>();
  readonly violations: string[] = [];
  /** The store may have failed since Node-RED's last start, at any time once the disk was full. */
  #hasStoreFailed = false;
  #wasDiskFull = false;
  /** The outbox's ids of messages that people have sent again as others. */
  readonly #resent = new Set<string>();
  /** Faults that have hit the machine. */
  readonly #machineHits = new Set<Kind>();

  /** Something that must hold does not. */
  violated(what: string): void {
    if (!this.violations.includes(what)) this.violations.push(what);
  }

  // What goes wrong.

  /** A fault has struck somewhere on the machine. */
  struck(kind: Kind): void {
    if (HIT_EVERYTHING.has(kind)) this.#machineHits.add(kind);
    if (kind === 'disk full') this.#wasDiskFull = true;
    if (!LOSE_NOTES.has(kind)) return;
    this.#hasStoreFailed = true;
    for (const sending of this.sent.values()) {
      sending.isBegun = false;
      if (kind === 'power cut') sending.isForgotten &&= 'not begun';
    }
  }

  /** A fault or a person's act has hit a message. */
  hit(name: string | undefined, kind: Kind): void {
    if (name === undefined) return;
    this.sent.get(name)?.hits.add(kind);
    for (const receiving of this.received.values()) if (receiving.name === name) receiving.hits.add(kind);
  }

  /** Node-RED was ended with everything that was under way. */
  ended(kind: Kind): void {
    for (const sending of this.sent.values()) if (sending.isOnItsWay) sending.hits.add(kind);
    for (const receiving of this.received.values())
      if (receiving.deliveries > 0 && !receiving.isDone) receiving.hits.add(kind);
  }

  /** Node-RED starts. */
  started(): void {
    this.#hasStoreFailed = this.#wasDiskFull;
    for (const sending of this.sent.values()) sending.isBegun = sending.isOnItsWay = false;
  }

  /** Somebody copies the store. Returns what to call when the copy is put in the store's place. */
  storeCopied(): () => void {
    const confirmed = new Set(
      [...this.sent.values()].filter(({ outcome, isForgotten }) => outcome === 'confirmed' && !isForgotten),
    );
    const stored = new Set([...this.received.values()].filter(({ message }) => message.acknowledgements > 0));
    const done = new Set([...this.received.values()].filter(({ isDone }) => isDone));
    const erased = new Set([...this.sent.values(), ...this.received.values()].filter(({ isErased }) => isErased));
    return () => {
      this.#resent.clear();
      for (const sending of this.sent.values()) {
        if (!confirmed.has(sending)) sending.isForgotten = sending.isBegun ? 'begun' : 'not begun';
        // The outbox does not know any more that it has it already.
        if (sending.isRepeated && sending.outcome !== 'confirmed') sending.copies += 1;
        sending.isErased = erased.has(sending);
      }
      for (const receiving of this.received.values()) {
        if (receiving.message.acknowledgements > 0 && !stored.has(receiving)) receiving.isTakenAway = true;
        if (!done.has(receiving)) receiving.isDone = false;
        receiving.offeredAgainAfter = undefined;
        receiving.isErased = erased.has(receiving);
      }
    };
  }

  // What was confirmed is at MESH exactly once (1), in strict order (3).

  /** A person has sent the message with this id in the outbox again, as another one. */
  sentAgain(id: string): void {
    this.#resent.add(id);
  }

  /** The outbox says something of a message. */
  event(name: string, event: string): void {
    const sending = this.sent.get(name);
    if (!sending) return;
    sending.isOnItsWay = ON_ITS_WAY.has(event);
    sending.isBegun ||= sending.isOnItsWay && !this.#hasStoreFailed;
  }

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
    if (sending.isErased) this.violated(`${name}: sent after it was erased`);
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
    const { name, atMesh, outcome, isGivenUp, isForgotten, isErased } = sending;
    const isPromised = outcome === 'confirmed' && isForgotten !== 'not begun';
    if (isPromised && shown.length === 0) this.violated(`${name}: the outbox has lost it`);
    for (const one of shown) {
      const isThere = atMesh.some(({ messageId }) => messageId === one.messageId);
      const isAccepted = ['accepted', 'acknowledged'].includes(one.state);
      if (isAccepted && !isThere)
        this.violated(`${name}: the outbox shows it as ${one.state}, and MESH does not have it`);
      if (isAccepted && this.#resent.has(one.id))
        this.violated(`${name}: it was sent again, and the outbox shows that MESH had accepted it`);
      this.checkCause(sending, one);
    }
    const isShown = shown.some(({ state, needsDecision }) => needsDecision || SHOWN_TO_A_PERSON.has(state));
    if (isPromised && atMesh.length === 0 && !isShown && !isGivenUp && !isErased)
      this.violated(`${name}: MESH does not have it, and nobody is told`);
  }

  /** Whether a message is shown as failed, or as needing a person, for a cause (6). */
  checkCause(sending: Sending, { state, needsDecision, messageId, error }: Shown): void {
    const { name, isGivenUp, isErased, copies } = sending;
    if (needsDecision) this.#checkPayload(sending, error?.code);
    if (needsDecision && !this.#hasCause(sending)) this.violated(`${name}: needs a decision, and nothing has hit it`);
    if (state === 'rejected') this.violated(`${name}: the outbox shows it as rejected, and MESH rejects nothing`);
    if (state === 'closed' && !isGivenUp && !isErased && copies === 1)
      this.violated(`${name}: the outbox has closed it, and nobody wanted that`);
    const isUndeliverable = this.#isUndeliverable(messageId);
    if (state === 'undelivered' && !isUndeliverable)
      this.violated(`${name}: the outbox shows it as undelivered, and MESH does not`);
    if (isUndeliverable && ['accepted', 'acknowledged'].includes(state))
      this.violated(`${name}: MESH could not deliver it, and the outbox shows it as ${state}`);
  }

  /** A message whose payload is not there as it was stored: only what damages payloads may be the cause. */
  #checkPayload({ name, hits }: Sending | Receiving, code: string | undefined): void {
    const isDamaged = [...hits, ...this.#machineHits].some((kind) => DAMAGES_PAYLOADS.has(kind));
    if (code === 'MESH_PAYLOAD' && !isDamaged)
      this.violated(`${name}: its payload is not there as it was stored, and nothing has damaged it`);
  }

  #hasCause({ hits }: Sending | Receiving): boolean {
    return hits.size > 0 || this.#machineHits.size > 0;
  }

  /**
   * Whether the outbox has nothing left to do for a message (5). What MESH could not deliver is tracked until the outbox
   * knows: after a backup was put back, the report may have been received before.
   */
  isSettled({ state, needsDecision, messageId }: Shown): boolean {
    if (needsDecision) return true;
    if (state === 'accepted') return !this.#isUndeliverable(messageId);
    return !['queued', 'sending', 'unknown'].includes(state);
  }

  #isUndeliverable(messageId: string | undefined): boolean {
    const atMesh = [...this.sent.values()].flatMap((sending) => sending.atMesh);
    return atMesh.some((message) => message.messageId === messageId && message.state === 'undeliverable');
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
    if (receiving.isErased) this.violated(`${receiving.name}: delivered after it was erased`);
    if (bytes && !bytes.equals(receiving.bytes)) this.violated(`${receiving.name}: delivered with other bytes`);
  }

  /**
   * What has become of a received message, once everything has settled. `parkedFor`: the code of its error, if it is
   * parked. `ledger`: its events there.
   */
  receivedAs(
    receiving: Receiving,
    { parkedFor, ledger }: { parkedFor: string | undefined; ledger: readonly string[] },
  ): void {
    const isParked = parkedFor !== undefined;
    this.#checkPayload(receiving, parkedFor);
    const { name, isFinished, isTakenAway, isErased, message, offeredAgainAfter = Infinity } = receiving;
    if (message.acknowledgements > offeredAgainAfter && !ledger.includes('offered again') && !isErased)
      this.violated(`${name}: MESH offered it again, and it was acknowledged without a line in the ledger`);
    if (isParked && !this.#hasCause(receiving)) this.violated(`${name}: parked, and nothing has hit it`);
    if (isFinished || isParked || isTakenAway || isErased) return;
    if (message.acknowledgements > 0) this.violated(`${name}: acknowledged to MESH, and the flow never finished it`);
    else this.violated(`${name}: still at MESH, and nobody takes it`);
  }
}

/** The bytes of a message by its name: they begin with it, so that a copy is known wherever it turns up. */
export function bytesNamed(name: string, size: number): Buffer {
  const line = `${name};`;
  return Buffer.from(line.repeat(Math.ceil(size / line.length)).slice(0, Math.max(size, line.length)));
}

/** Returns the name of the message that has these bytes. */
export function nameIn(bytes: Buffer): string {
  return bytes.subarray(0, 20).toString('latin1').split(';')[0] ?? '';
}
