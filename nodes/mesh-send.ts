/** mesh-send: puts a message into the mailbox's outbox, from where it is sent to another mailbox, once and in order. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  InvalidMessageError,
  mayHaveArrived,
  type EnqueueOptions,
  type Outbox,
  type OutboxMessage,
  type OutgoingMessage,
  type PreparedMessage,
} from '../lib/index';
import { MailboxUser } from './mailbox/mailbox-user';
import { InOrder } from './send/in-order';
import { meshSent, type MeshSent } from './send/mesh-sent';
import { onInput } from './shared/on-input';
import { askedFor, deadlineSettings, type Asked } from './send/deadline-settings';
import {
  outgoingMessage,
  outgoingPayload,
  SEND_FIELDS,
  settingsObject,
  type SendFields,
} from './send/outgoing-message';
import { SendStatus } from './send/send-status';
import { choiceSetting } from './shared/settings';
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
  confirm?: 'accepted' | 'queued';
  onceKey?: string;
  onceKeyType?: string;
  strictOrder?: boolean;
  collectWithinHours?: number | string;
  asks?: Asked;
  infrastructureWithinHours?: number | string;
  businessWithinWorkingDays?: number | string;
}

/** What a msg asks for: a message to send, or something to be done with one that is in the outbox. */
type Order =
  | {
      kind: 'send';
      message: OutgoingMessage;
      onceKey: string;
      asks: NonNullable<EnqueueOptions['asks']>;
      prepared: Pick<PreparedMessage, 'localIdIsShared' | 'recommendedMb'>;
    }
  | { kind: 'resend'; id: string }
  | { kind: 'drop'; id: string };

/** What the outbox made of it. */
interface Taken {
  message: OutboxMessage;
  more: Pick<MeshSent, 'to' | 'localId' | 'repeated' | 'warning'>;
}

/** The outbox writes more than this into a file first: meanwhile what comes after must not overtake it. */
const SMALL_BYTES = 32 * 1024;
const MB = 1_000_000;

export = function (RED: NodeAPI): void {
  function MeshSend(this: Node, def: MeshSendDef): void {
    RED.nodes.createNode(this, def);
    const status = new SendStatus(RED, this);
    const mailbox = new MailboxUser(RED, this, def.mailbox, status);
    // Fields may take their time to evaluate (an expression, a context store): nobody overtakes meanwhile.
    const arrivals = new InOrder();
    let waiting = 0;
    let stopWatching = (): void => undefined;

    // A mailbox that cannot be used has told so itself, and tells each input again.
    mailbox
      .run(async ({ mailbox: { outbox } }) => {
        stopWatching = outbox.onEvent((event) => status.happened(event));
        if (mailbox.isClosed) stopWatching();
      })
      .catch(() => undefined);

    /** It is sent all the same: the receiver decides. */
    const tooLargeFor = ({ bytes, workflowId }: OutboxMessage, most: number | undefined): string | undefined =>
      most === undefined || bytes <= most * MB
        ? undefined
        : RED._('mesh-send.warning.large', { workflowId, most, size: (bytes / MB).toFixed(1) });

    const take = async (outbox: Outbox, order: Order): Promise<Taken> => {
      if (order.kind === 'drop') return { message: await outbox.drop(order.id), more: {} };
      if (order.kind === 'resend') {
        const first = await outbox.get(order.id);
        const message = await outbox.resend(order.id);
        const warning = first && mayHaveArrived(first) ? RED._('mesh-send.warning.duplicate') : undefined;
        return { message, more: warning === undefined ? {} : { warning } };
      }
      const { message, isNew } = await outbox.enqueue(order.message, {
        ...(order.onceKey !== '' && { onceKey: order.onceKey }),
        strictOrder: def.strictOrder === true,
        copyFile: def.copyFile === true,
        localIdIsShared: def.localIdShared === true || order.prepared.localIdIsShared,
        asks: order.asks,
        ...deadlineSettings(RED, def),
      });
      const { to, localId = message.localId } = order.message;
      const warning = isNew ? tooLargeFor(message, order.prepared.recommendedMb) : undefined;
      if (warning !== undefined) this.warn(`${warning} (${message.id})`);
      const repeated = !isNew && { repeated: true as const };
      const more = {
        to,
        ...(localId !== undefined && { localId }),
        ...repeated,
        ...(warning !== undefined && { warning }),
      };
      return { message, more };
    };

    /** In the order of arrival; small messages share their way to the disk. Closing the node waits for it. */
    const takeInTurn = (msg: NodeMessageInFlow): Promise<{ order: Order; taken: Taken }> =>
      mailbox.run(async ({ mailbox: opened }, signal) => {
        const { order, taking } = await arrivals.add(async () => {
          const next = await fromFlow(RED, this, def, msg, (message) =>
            opened.prepare(message, { signal, property: (path) => propertyOf(RED, msg, path) }),
          );
          const begun = take(opened.outbox, next);
          begun.catch(() => undefined);
          if (!isSmall(next)) await begun.catch(() => undefined);
          return { order: next, taking: begun };
        });
        return { order, taken: await taking };
      });

    /** The message as it stands when the flow may go on; rejects if it cannot be sent. */
    const settled = async ({ message, more }: Taken, order: Order): Promise<OutboxMessage> => {
      if (order.kind === 'drop') return message;
      const isQueued = ['queued', 'sending'].includes(message.state) || (message.state === 'unknown' && !message.held);
      const confirm = choiceSetting(RED, 'confirm', def.confirm, ['accepted', 'queued']);
      // A repeat of one that failed fails as that did, at once.
      if (confirm === 'queued' && (isQueued || !more.repeated)) return message;
      return mailbox.accepted(message.id);
    };

    onInput(RED, this, async (msg, send) => {
      let taken: Taken | undefined;
      waiting += 1;
      try {
        const { order, ...result } = await takeInTurn(msg);
        taken = result.taken;
        status.queued(taken.message);
        const message = await settled(taken, order);
        msg['meshSent'] = meshSent(message, taken.more);
        if (order.kind === 'drop')
          mailbox.show({ fill: 'grey', shape: 'dot', text: RED._('mesh-send.status.dropped') });
      } catch (error) {
        // It is in the outbox, and goes on without the flow.
        if (taken !== undefined && mailbox.isClosed) return 'unanswered';
        if (taken !== undefined) msg['meshSent'] = await failed(taken);
        throw error;
      } finally {
        waiting -= 1;
      }
      if (mailbox.isClosed) return 'unanswered';
      send(msg);
      return undefined;
    });

    /** What a flow behind Catch needs to resend or drop it. */
    const failed = async ({ message: { id, ...first }, more }: Taken): Promise<MeshSent> => {
      const now = await mailbox.run(({ mailbox: { outbox } }) => outbox.get(id)).catch(() => undefined);
      return meshSent(now ?? { id, ...first }, more);
    };

    this.on('close', (_removed: boolean, done: () => void) => {
      if (waiting > 0) this.log(RED._('mesh-send.log.waiting', { number: waiting }));
      stopWatching();
      mailbox.close(done);
    });
  }

  RED.nodes.registerType('mesh-send', MeshSend);
};

/** As its workflow's profile wants it. */
type Prepare = (message: OutgoingMessage) => Promise<PreparedMessage>;

async function fromFlow(
  RED: NodeAPI,
  node: Node,
  def: MeshSendDef,
  msg: NodeMessageInFlow,
  prepare: Prepare,
): Promise<Order> {
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
  const { compression, chunks, checksum } = def;
  const given = outgoingMessage(RED, { ...fields, checksum }, msg['meshSend'], payload, { compression, chunks });
  const { message, ...prepared } = await prepare(given);
  const asks = askedFor(RED, def.asks, settings['asks']);
  return { kind: 'send', message, onceKey: await readOnceKey(RED, node, def, msg, settings), asks, prepared };
}

/** Empty where none is wanted. A key that is wanted and not there is an error: the message might be a repeat. */
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
  if (key === '' && (def.onceKey ?? '') !== '') throw new InvalidMessageError(RED._('mesh-send.error.no-key'));
  return key;
}

/** What a profile's template names of the message. */
function propertyOf(RED: NodeAPI, msg: NodeMessageInFlow, path: string): string | undefined {
  let value: unknown;
  try {
    value = RED.util.getMessageProperty(msg, path);
  } catch {
    // msg.a.b where msg.a is missing throws in Node-RED: to us, there is no value.
    return undefined;
  }
  return asText(RED, value, `msg.${path}`);
}

function isSmall(order: Order): boolean {
  if (order.kind !== 'send') return false;
  const { payload } = order.message;
  if (typeof payload === 'string') return payload.length <= SMALL_BYTES;
  if (payload instanceof Uint8Array) return payload.length <= SMALL_BYTES;
  return false;
}
