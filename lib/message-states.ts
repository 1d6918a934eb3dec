/**
 * The states of a sent and of a received message: what each one means, what may be done in it, where it is shown. Every
 * list of states in the store, the outbox, the inbox, the nodes and the sidebar is derived from these two tables, once,
 * when this module is loaded. How a message moves from one state to the next is told in docs/design.md, "States and
 * outcomes".
 *
 * A new state is a new entry here; then the code that sets it, the number of the schema
 * (lib/store/rules/schema-version.ts: the lists are part of its indexes and triggers), its colour if it needs a new one
 * (resources/mesh-sidebar) and its label in nodes/locales.
 */

/** What a person may do with a message, where it shows and what it means. */
interface MessageState {
  /** A sentence for a developer. */
  means: string;
  /** The state as a person reads it. Stored, in `msg` and in metrics it is the entry's own name. */
  label: string;
  /** The list of the operator's view that shows it. */
  filter: string;
  look: Look;
}

/**
 * How a state looks: in the sidebar the class `mesh-look-<look>`, drawn in the colours and shapes of Node-RED's own
 * statuses.
 */
export const LOOKS = {
  waiting: { fill: 'blue', shape: 'ring' },
  busy: { fill: 'blue', shape: 'dot' },
  good: { fill: 'green', shape: 'dot' },
  bad: { fill: 'red', shape: 'dot' },
  over: { fill: 'grey', shape: 'dot' },
} as const;
export type Look = keyof typeof LOOKS;

interface SentState extends MessageState {
  /** Counts towards the outbox's limits and holds up strict order: MESH is not known to have accepted it. */
  pending: boolean;
  /** Nothing more happens by itself. `otherwise`: it ended without being collected. */
  final: false | 'collected' | 'otherwise';
  /** MESH has accepted it, for certain. */
  accepted: boolean;
  /** Whether the recipient has it, as far as MESH's rules tell. `perhaps`: nothing rules it out. */
  arrived: 'no' | 'perhaps' | 'probably';
  /**
   * Whether a person may send it again: always, or only after a business or infrastructure acknowledgement as named.
   */
  resendable: false | 'always' | 'if refused' | 'if refused or overdue';
  /** Whether a person may drop it: as one that was never sent, or as a failure that has been dealt with. */
  droppable: false | 'unsent' | 'failed';
  /** Whether a person has to say what becomes of it. `if not found`: once MESH is no longer asked for it. */
  needsDecision: boolean | 'if not found';
  /** Needs a person's attention: listed so in the operator's view, and an alarm if nothing else reports it. */
  attention: boolean;
  /** `msg.meshSent.status`: what mesh-send knows of it, which is the way up to MESH's acceptance. */
  status: 'queued' | 'accepted' | 'rejected' | 'unknown' | 'parked' | 'dropped';
}

const SENT = {
  queued: {
    means: 'Stored; its next attempt is due now or at a set time.',
    label: 'queued',
    pending: true,
    final: false,
    accepted: false,
    arrived: 'no',
    resendable: false,
    droppable: 'unsent',
    needsDecision: false,
    attention: false,
    status: 'queued',
    filter: 'waiting',
    look: 'waiting',
  },
  sending: {
    means: 'An attempt is under way, or was when its process ended.',
    label: 'sending',
    pending: true,
    final: false,
    accepted: false,
    arrived: 'probably',
    resendable: false,
    droppable: false,
    needsDecision: false,
    attention: false,
    status: 'queued',
    filter: 'waiting',
    look: 'busy',
  },
  accepted: {
    means: 'MESH has accepted all of it; the recipient has not collected it yet.',
    label: 'accepted',
    pending: false,
    final: false,
    accepted: true,
    arrived: 'probably',
    resendable: 'if refused',
    droppable: false,
    needsDecision: false,
    attention: false,
    status: 'accepted',
    filter: 'underway',
    look: 'busy',
  },
  acknowledged: {
    means: 'The recipient has collected it: it has acknowledged the download to MESH.',
    label: 'collected',
    pending: false,
    final: 'collected',
    accepted: true,
    arrived: 'probably',
    resendable: 'if refused or overdue',
    droppable: false,
    needsDecision: false,
    attention: false,
    status: 'accepted',
    filter: 'arrived',
    look: 'good',
  },
  undelivered: {
    means: 'MESH accepted it and reported that it did not reach its recipient.',
    label: 'undelivered',
    pending: false,
    final: 'otherwise',
    accepted: true,
    arrived: 'perhaps',
    resendable: 'always',
    droppable: 'failed',
    needsDecision: false,
    attention: true,
    status: 'accepted',
    filter: 'undelivered',
    look: 'bad',
  },
  rejected: {
    means: 'MESH refused it.',
    label: 'rejected',
    pending: false,
    final: 'otherwise',
    accepted: false,
    arrived: 'no',
    resendable: 'always',
    droppable: 'failed',
    needsDecision: false,
    attention: true,
    status: 'rejected',
    filter: 'undelivered',
    look: 'bad',
  },
  unknown: {
    means: 'The response to its last request was lost: MESH may have accepted it (docs/design.md, rule 1).',
    label: 'unknown',
    pending: true,
    final: false,
    accepted: false,
    arrived: 'probably',
    resendable: 'always',
    droppable: 'unsent',
    needsDecision: 'if not found',
    attention: true,
    status: 'unknown',
    filter: 'unknown',
    look: 'bad',
  },
  parked: {
    means: 'It cannot be sent as it is, or has failed too often; no attempt is made until a person decides.',
    label: 'parked',
    pending: true,
    final: false,
    accepted: false,
    arrived: 'no',
    resendable: 'always',
    droppable: 'unsent',
    needsDecision: true,
    attention: true,
    status: 'parked',
    filter: 'parked',
    look: 'bad',
  },
  closed: {
    means: 'It ended without MESH: dropped, resent as another message, or without any outcome after 31 days.',
    label: 'closed',
    pending: false,
    final: 'otherwise',
    accepted: false,
    arrived: 'perhaps',
    resendable: 'always',
    droppable: false,
    needsDecision: false,
    attention: false,
    status: 'dropped',
    filter: 'closed',
    look: 'over',
  },
} as const satisfies Record<string, SentState>;

interface ReceivedState extends MessageState {
  /** Waits for its first delivery to the flow. */
  pendingDelivery: boolean;
  /** May be delivered to the flow, if no lease holds it. */
  deliverable: boolean;
  /** The flow has finished with it. */
  final: boolean;
  /** A person has to say what becomes of it. */
  needsDecision: boolean;
}

const RECEIVED = {
  spooled: {
    means: 'Stored with its payload; its download is not acknowledged to MESH yet.',
    label: 'stored',
    pendingDelivery: true,
    deliverable: true,
    final: false,
    needsDecision: false,
    filter: 'waiting',
    look: 'waiting',
  },
  acknowledged: {
    means: 'Acknowledged to MESH; waits for its first delivery to the flow.',
    label: 'pending delivery',
    pendingDelivery: true,
    deliverable: true,
    final: false,
    needsDecision: false,
    filter: 'waiting',
    look: 'good',
  },
  delivered: {
    means: 'Handed to the flow, which has not finished with it; delivered again when its lease ends.',
    label: 'in flight',
    pendingDelivery: false,
    deliverable: true,
    final: false,
    needsDecision: false,
    filter: 'inflight',
    look: 'busy',
  },
  done: {
    means: 'The flow has finished with it.',
    label: 'done',
    pendingDelivery: false,
    deliverable: false,
    final: true,
    needsDecision: false,
    filter: 'done',
    look: 'good',
  },
  parked: {
    means: 'Delivered as often as allowed, or not deliverable at all; no delivery until a person decides.',
    label: 'parked',
    pendingDelivery: false,
    deliverable: false,
    final: false,
    needsDecision: true,
    filter: 'parked',
    look: 'bad',
  },
} as const satisfies Record<string, ReceivedState>;

/** The state of a sent message. */
export type OutgoingState = keyof typeof SENT;
/** The state of a received message. */
export type IncomingState = keyof typeof RECEIVED;
/** The state of a received message that the flow has not finished with. */
export type UnfinishedState = {
  [State in IncomingState]: (typeof RECEIVED)[State]['final'] extends false ? State : never;
}[IncomingState];

/** The lists of the operator's view, by the table. */
export type SentFilter = (typeof SENT)[OutgoingState]['filter'];
export type ReceivedFilter = (typeof RECEIVED)[IncomingState]['filter'];

/** The table of sent messages. */
export const SENT_STATES: Readonly<Record<OutgoingState, SentState>> = SENT;
/** The table of received messages. */
export const RECEIVED_STATES: Readonly<Record<IncomingState, ReceivedState>> = RECEIVED;

/** Every state of a sent message, in the order of the table. */
export const OUTGOING_STATES = Object.keys(SENT) as OutgoingState[];
/** Every state of a received message, in the order of the table. */
export const INCOMING_STATES = Object.keys(RECEIVED) as IncomingState[];

/** The states of sent messages that `is` holds for, in the order of the table. */
function sent(is: (state: SentState) => boolean): readonly OutgoingState[] {
  return OUTGOING_STATES.filter((name) => is(SENT[name]));
}

/** The states of received messages that `is` holds for, in the order of the table. */
function received(is: (state: ReceivedState) => boolean): readonly IncomingState[] {
  return INCOMING_STATES.filter((name) => is(RECEIVED[name]));
}

/** Sent messages that a list of the operator's view shows. */
export const sentIn = (list: SentFilter): readonly OutgoingState[] => sent(({ filter }) => filter === list);
/** Received messages that a list of the operator's view shows. */
export const receivedIn = (list: ReceivedFilter): readonly IncomingState[] => received(({ filter }) => filter === list);

/** Sent messages that count towards the outbox's limits and hold up strict order. */
export const PENDING = sent(({ pending }) => pending);
/** Sent messages with an attempt still to come or under way: what a person sees as waiting to be sent. */
export const WAITING_TO_SEND = sentIn('waiting');
/**
 * Pending messages with no attempt under way: a person may drop them, and a late response of MESH still settles them.
 */
export const UNSENT = sent(({ droppable }) => droppable === 'unsent');
/** Sent messages whose end is not known, the accepted ones included. */
export const NOT_FINAL = sent(({ final }) => final === false);
/** Sent messages that have ended, one way or the other. */
export const FINAL = sent(({ final }) => final !== false);
/** Sent messages that have ended without being collected: nothing of them is overdue any more. */
export const ENDED_UNCOLLECTED = sent(({ final }) => final === 'otherwise');
/** Sent messages that MESH has accepted. */
export const ACCEPTED = sent(({ accepted }) => accepted);
/** Sent messages that have ended without MESH accepting them. */
export const ENDED_UNACCEPTED = sent(({ final, accepted }) => final !== false && !accepted);
/** Accepted messages that have not failed: their collection or an acknowledgement may be overdue. */
export const MAY_BE_OVERDUE = sent(({ final, accepted }) => accepted && final !== 'otherwise');
/** Sent messages that the recipient probably has: an acknowledgement is matched with these first. */
export const PROBABLY_ARRIVED = sent(({ arrived }) => arrived === 'probably');
/** Sent messages that a REPORT of MESH may still settle. */
export const REPORTABLE = sent(({ arrived, final }) => arrived === 'probably' && final === false);
/** Sent messages whose response is lost or still awaited: MESH's id is not known here, and MESH may have them. */
export const RESPONSE_MISSING = sent(({ arrived, pending }) => arrived === 'probably' && pending);
/** Failed messages that a person may put aside. */
export const DROPPABLE_FAILURES = sent(({ droppable }) => droppable === 'failed');
/** Sent messages that need a decision, or may come to. */
export const MAY_NEED_DECISION = sent(({ needsDecision }) => needsDecision !== false);
/** Sent messages that need a decision in any case. */
export const NEEDS_DECISION = sent(({ needsDecision }) => needsDecision === true);
/** Sent messages that need a decision once MESH is no longer asked for them. */
export const LOOKED_FOR = sent(({ needsDecision }) => needsDecision === 'if not found');
/** Pending messages that may still be accepted without a person's help. */
export const MAY_STILL_BE_ACCEPTED = sent(({ pending, needsDecision }) => pending && needsDecision !== true);
/** Sent messages that need a person's attention. */
export const NEEDS_ATTENTION = sent(({ attention }) => attention);
/** Sent messages that need attention as soon as they get into their state. */
export const ATTENTION_AT_ONCE = sent(({ attention, needsDecision }) => attention && needsDecision !== 'if not found');
/** Sent messages that need attention and that MESH is not known to have accepted. */
export const ATTENTION_UNACCEPTED = sent(({ attention, accepted }) => attention && !accepted);
/** `msg.meshSent.status` of messages that MESH has not accepted, and that are not queued. */
export const UNACCEPTED_STATUSES: ReadonlySet<string> = new Set(
  OUTGOING_STATES.map((name) => SENT[name].status).filter((status) => status !== 'queued' && status !== 'accepted'),
);

/** Received messages that wait for their first delivery. */
export const PENDING_DELIVERY = received(({ pendingDelivery }) => pendingDelivery);
/** Received messages that may be delivered, if no lease holds them. */
export const DELIVERABLE = received(({ deliverable }) => deliverable);
/** Received messages that the flow has not finished with. */
export const UNFINISHED = received(({ final }) => !final) as readonly UnfinishedState[];
/**
 * Received messages that are past their first delivery: the flow may have been faster than the acknowledgement to MESH.
 */
export const PAST_DELIVERY = received(({ pendingDelivery }) => !pendingDelivery);

/** Whether a sent message needs a decision. `isLookedFor`: MESH will still be asked whether it has the message. */
export function stateNeedsDecision(state: OutgoingState, isLookedFor: boolean): boolean {
  const needs = SENT[state].needsDecision;
  return needs === 'if not found' ? !isLookedFor : needs;
}

/** The states as a list for SQL: `('queued', 'sending')`. */
export function sqlList(states: ReadonlyArray<OutgoingState | IncomingState>): string {
  return `(${states.map((state) => `'${state}'`).join(', ')})`;
}
