/** mesh-send: puts a message into the outbox, which sends it to another mailbox, once and in order. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  MAY_STILL_BE_ACCEPTED,
  InvalidMessageError,
  mayHaveArrived,
  SerialQueue,
  type DraftMessage,
  type EnqueueOptions,
  type Outbox,
  type OutboxMessage,
  type OutgoingMessage,
  type PreparedMessage,
} from '../lib/index';
import { MailboxUser } from './mailbox/mailbox-user';
import { meshSent, type MeshSent } from './mailbox/mesh-sent';
import { deadlineSettings, requestedAcknowledgements, type Requested } from './send/acknowledgement-settings';
import {
  outgoingMessage,
  outgoingPayload,
  SEND_FIELDS,
  settingsObject,
  type SendFields,
} from './send/outgoing-message';
import { MllpOnce, type OnceClaim } from './mllp/mllp-once';
import { SendStatus } from './send/send-status';
import { validateBeforeSending } from './send/validate-before-sending';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { choiceSetting } from './shared/settings';
import { withCause, withPlace } from './shared/status';
import { asText, evaluate, evaluateText } from './shared/typed-input';

interface MeshSendDef extends NodeDef {
  version?: number;
  mailbox?: string;
  to?: string;
  toType?: string;
  workflowId?: string;
  workflowIdType?: string;
  localId?: string;
  localIdType?: string;
  localIdShared?: boolean;
  subject?: string;
  subjectType?: string;
  fileName?: string;
  fileNameType?: string;
  contentType?: string;
  contentTypeType?: string;
  payload?: string;
  payloadType?: string;
  payloadIs?: 'content' | 'file';
  copyFile?: boolean;
  compression?: '' | 'auto' | 'always' | 'never';
  chunks?: '' | 'allowed' | 'never';
  checksum?: '' | 'none' | 'md5' | 'sha256';
  confirm?: string;
  onceKey?: string;
  onceKeyType?: string;
  strictOrder?: boolean;
  validate?: '' | 'fhir';
  definitions?: string;
  collectWithinHours?: number | string;
  asks?: Requested;
  infrastructureWithinHours?: number | string;
  businessWithinWorkingDays?: number | string;
}

/** A command in a flow's message: send a new message, or resend or drop one of the outbox. */
type Command =
  | {
      kind: 'send';
      message: OutgoingMessage;
      once: Omit<OnceClaim, 'release'> & Partial<OnceClaim>;
      /** The message came over MLLP, and its sender waits for a response. */
      isFromMllp: boolean;
      requested: NonNullable<EnqueueOptions['requestedAcknowledgements']>;
      prepared: Pick<PreparedMessage, 'localIdIsShared' | 'recommendedMb'>;
    }
  | { kind: 'resend'; id: string }
  | { kind: 'drop'; id: string };

/** The result of a command: the message in the outbox, and more for msg.meshSent. */
interface Taken {
  message: OutboxMessage;
  more: Pick<MeshSent, 'to' | 'localId' | 'repeated' | 'warning'>;
}

/** The outbox first writes a larger payload into a file, and later messages must not overtake it meanwhile. */
const SMALL_BYTES = 32 * 1024;
const MB = 1_000_000;

export = function (RED: NodeAPI): void {
  function MeshSend(this: Node, config: MeshSendDef): void {
    const def = createNode(RED, this, config);
    const status = new SendStatus(this);
    const mailbox = new MailboxUser(RED, this, def.mailbox, status);
    // Evaluating fields (an expression, a context store) takes time, and no later message may overtake.
    const arrivals = new SerialQueue();
    const mllpOnce = new MllpOnce(this.id);
    let waiting = 0;
    let stopListening = (): void => undefined;

    // A mailbox that cannot be used reports that itself, and again for each input.
    mailbox
      .onceOpen(async ({ mailbox: { outbox } }) => {
        stopListening = outbox.onEvent((event) => status.happened(event));
        if (mailbox.isClosed) stopListening();
      })
      .catch(() => undefined);

    /** Returns a warning for a message above the recommended size. It is sent nevertheless. */
    const sizeWarning = ({ bytes, workflowId }: OutboxMessage, max: number | undefined): string | undefined =>
      max === undefined || bytes <= max * MB
        ? undefined
        : RED._('mesh-send.warning.large', { workflowId, max, size: (bytes / MB).toFixed(1) });

    const run = async (outbox: Outbox, command: Command): Promise<Taken> => {
      if (command.kind === 'drop') return { message: await outbox.drop(command.id), more: {} };
      if (command.kind === 'resend') {
        const first = await outbox.get(command.id);
        const message = await outbox.resend(command.id);
        const warning = first && mayHaveArrived(first) ? RED._('mesh-send.warning.duplicate') : undefined;
        return { message, more: warning === undefined ? {} : { warning } };
      }
      const { onceKey, onceContent } = command.once;
      const { message, isNew } = await outbox.enqueue(command.message, {
        ...(onceKey !== '' && { onceKey }),
        ...(onceContent !== '' && { onceContent }),
        strictOrder: def.strictOrder === true,
        copyFile: def.copyFile === true,
        localIdIsShared: def.localIdShared === true || command.prepared.localIdIsShared,
        requestedAcknowledgements: command.requested,
        ...deadlineSettings(RED, def),
      });
      const { to, localId = message.localId } = command.message;
      const warning = isNew ? sizeWarning(message, command.prepared.recommendedMb) : undefined;
      if (warning !== undefined) this.warn(withPlace(this, `${warning} (${message.id})`));
      const repeated = !isNew && { repeated: true as const };
      const more = {
        to,
        ...(localId !== undefined && { localId }),
        ...repeated,
        ...(warning !== undefined && { warning }),
      };
      return { message, more };
    };

    /** Runs commands in the order of arrival; small messages share a commit. Closing the node waits for them. */
    const runInOrder = (msg: NodeMessageInFlow): Promise<{ command: Command; taken: Taken }> =>
      mailbox.run(async ({ mailbox: opened }, signal) => {
        const { command, running } = await arrivals.run(async () => {
          const prepare: Prepare = (message) =>
            opened.prepare(message, { signal, property: (path) => propertyOf(RED, msg, path) });
          const next = await readCommand(RED, this, { def, msg, prepare, mllpOnce });
          const begun = run(opened.outbox, next);
          // A flow may send it again after an error.
          begun.catch(() => next.kind === 'send' && next.once.release?.());
          if (!isSmall(next)) await begun.catch(() => undefined);
          return { command: next, running: begun };
        });
        return { command, taken: await running };
      });

    /** Returns the message once the flow may continue; rejects when it cannot be sent. */
    const settled = async ({ message, more }: Taken, command: Command): Promise<OutboxMessage> => {
      if (command.kind === 'drop') return message;
      const isQueued = MAY_STILL_BE_ACCEPTED.includes(message.state) && !message.needsDecision;
      const confirm = choiceSetting(RED, 'confirm', def.confirm, ['automatic', 'accepted', 'queued']);
      const isFromMllp = command.kind === 'send' && command.isFromMllp;
      const onceQueued = confirm === 'queued' || (confirm === 'automatic' && isFromMllp);
      // A repeat of a failed message fails like that one, at once.
      if (onceQueued && (isQueued || !more.repeated)) return message;
      return mailbox.accepted(message.id);
    };

    onInput(RED, this, async (msg, send) => {
      let taken: Taken | undefined;
      waiting += 1;
      try {
        const { command, ...result } = await runInOrder(msg);
        taken = result.taken;
        status.queued(taken.message);
        const message = await settled(taken, command);
        msg['meshSent'] = meshSent(message, taken.more);
        if (command.kind === 'drop') mailbox.show({ fill: 'grey', shape: 'dot', key: 'mesh-send.status.dropped' });
      } catch (error) {
        // The outbox has the message, and sends it without the flow.
        if (taken !== undefined && mailbox.isClosed) return 'unfinished';
        if (taken !== undefined) msg['meshSent'] = await failed(taken);
        throw error;
      } finally {
        waiting -= 1;
      }
      if (mailbox.isClosed) return 'unfinished';
      send(msg);
      return undefined;
    });

    /** Returns what a flow behind Catch needs to resend or drop the message. */
    const failed = async ({ message: { id, ...first }, more }: Taken): Promise<MeshSent> => {
      const now = await mailbox.run(({ mailbox: { outbox } }) => outbox.get(id)).catch(() => undefined);
      return meshSent(now ?? { id, ...first }, more);
    };

    this.on('close', (_removed: boolean, done: () => void) => {
      if (waiting > 0) this.log(withPlace(this, RED._('mesh-send.log.waiting', { number: waiting })));
      stopListening();
      mailbox.close(done);
    });
  }

  RED.nodes.registerType('mesh-send', MeshSend);
};

/** Completes a message by its workflow's profile. */
type Prepare = (message: DraftMessage) => Promise<PreparedMessage>;

/** @throws InvalidMessageError when the message is not a valid command */
async function readCommand(
  RED: NodeAPI,
  node: Node,
  { def, msg, prepare, mllpOnce }: { def: MeshSendDef; msg: NodeMessageInFlow; prepare: Prepare; mllpOnce: MllpOnce },
): Promise<Command> {
  const settings = settingsObject(RED, msg['meshSend']);
  const resend = asText(RED, settings['resend'], 'resend');
  const drop = asText(RED, settings['drop'], 'drop');
  if (resend !== '' && drop !== '') throw new InvalidMessageError(RED._('mesh-send.error.both'));
  if (resend !== '') return { kind: 'resend', id: resend };
  if (drop !== '') return { kind: 'drop', id: drop };

  const fields: SendFields = {};
  for (const field of SEND_FIELDS) {
    fields[field] = await evaluateText(RED, node, msg, { field, value: def[field], type: def[`${field}Type`] });
  }
  const value = await evaluate(RED, node, msg, {
    field: 'payload',
    value: def.payload ?? 'payload',
    type: def.payloadType ?? 'msg',
  });
  const payload = outgoingPayload(RED, value, def.payloadIs === 'file' ? 'file' : 'content');
  await validateBeforeSending(RED, def, msg, payload);
  const { compression, chunks, checksum } = def;
  const fromFlow = outgoingMessage(RED, { ...fields, checksum }, msg['meshSend'], payload, { compression, chunks });
  const { message, ...prepared } = await prepare(fromFlow);
  const requested = requestedAcknowledgements(RED, def.asks, settings['asks']);
  const isFromMllp = typeof msg['mllp'] === 'object' && msg['mllp'] !== null;
  const once = await readOnce(RED, node, def, msg, settings, mllpOnce);
  return { kind: 'send', message, once, isFromMllp, requested, prepared };
}

/**
 * Returns what the message is known by: the key that the node or msg.meshSend names, or else that of a message that came
 * over MLLP, unless msg.meshSend.onceKey is `false`. An empty key is none.
 * @throws InvalidMessageError when the node has a key but the message does not: it might be a repeat
 */
async function readOnce(
  RED: NodeAPI,
  node: Node,
  def: MeshSendDef,
  msg: NodeMessageInFlow,
  settings: Record<string, unknown>,
  mllpOnce: MllpOnce,
): Promise<Extract<Command, { kind: 'send' }>['once']> {
  const isOff = settings['onceKey'] === false;
  const onceKey = await readOnceKey(RED, node, def, msg, isOff ? {} : settings);
  const onceContent = asText(RED, settings['onceContent'], 'onceContent');
  const claimed = onceKey === '' && !isOff ? mllpOnce.claim(msg) : undefined;
  if (claimed === undefined) return { onceKey, onceContent };
  return { ...claimed, onceContent: onceContent || claimed.onceContent };
}

/**
 * Returns the key that the node or msg.meshSend names; empty when neither does.
 * @throws InvalidMessageError when the node has one but the message does not: it might be a repeat
 */
async function readOnceKey(
  RED: NodeAPI,
  node: Node,
  def: MeshSendDef,
  msg: NodeMessageInFlow,
  settings: Record<string, unknown>,
): Promise<string> {
  const field = 'onceKey';
  const input = { field, value: def.onceKey, type: def.onceKeyType ?? 'msg' };
  const key = (await evaluateText(RED, node, msg, input)) || asText(RED, settings[field], field);
  if (key === '' && (def.onceKey ?? '') !== '') {
    throw withCause(new InvalidMessageError(RED._('mesh-send.error.no-key')), 'no-key');
  }
  return key;
}

/** Returns the value of a message property that a profile's template names. */
function propertyOf(RED: NodeAPI, msg: NodeMessageInFlow, path: string): string | undefined {
  let value: unknown;
  try {
    value = RED.util.getMessageProperty(msg, path);
  } catch {
    // Node-RED throws for msg.a.b when msg.a is missing; here that is no value.
    return undefined;
  }
  return asText(RED, value, `msg.${path}`);
}

function isSmall(command: Command): boolean {
  if (command.kind !== 'send') return false;
  const { payload } = command.message;
  if (typeof payload === 'string') return payload.length <= SMALL_BYTES;
  if (payload instanceof Uint8Array) return payload.length <= SMALL_BYTES;
  return false;
}
