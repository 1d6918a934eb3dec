/** The flow of one world: what it sends, and what it does with what it is handed. */
import type { InboxConsumer, InboxPoller } from '../../lib/receive/inbox-types';
import { KeyReusedError } from '../../lib/errors';
import type { Faults } from './faults';
import { bytesNamed, type Model, type Sending } from './model';
import type { Process } from './process';
import type { SeededRandom } from './random';
import type { Schedule } from './schedule';

/** Mailboxes that the flow sends to. */
export const RECIPIENTS = ['Y90OT1', 'Y90OT2'];
const WORKFLOWS = ['LETTERS', 'RESULTS'];
/** The wait before a sender repeats what was not confirmed (milliseconds). */
const REPEAT_MS = 30_000;

interface FlowParts {
  schedule: Schedule;
  faults: Faults;
  random: SeededRandom;
  model: Model;
  /** The process that runs now, once its mailbox is open. */
  process: () => Process | undefined;
  note: (line: string) => void;
}

export class Flow {
  /** The outbox's ids of each message that was sent, by name. */
  readonly ids = new Map<string, Set<string>>();
  readonly #parts: FlowParts;
  /** The keys of messages that are sent once for each key. */
  readonly #keys: string[] = [];

  constructor(parts: FlowParts) {
    this.#parts = parts;
  }

  /** Puts new messages of these sizes into the outbox, one behind the other: for one recipient and workflow. */
  send(sizes: readonly number[]): void {
    const { model, random, process, faults } = this.#parts;
    const [to, workflowId] = [random.pick(RECIPIENTS), random.pick(WORKFLOWS)];
    const isStrict = random.chance(0.4);
    // A sender that repeats what was not confirmed, as an MLLP sender does, names the message.
    const isRepeated = !isStrict && random.chance(0.5);
    if (!process()?.mailbox) return;
    for (const size of sizes) {
      const name = `out${model.sent.size + 1}`;
      const ofOther = isRepeated && this.#keys.length > 0 && faults.strikes('key reused', 0.2);
      const key = ofOther ? faults.of('key reused').pick(this.#keys) : name;
      if (isRepeated && !ofOther) this.#keys.push(key);
      const sending: Sending = {
        name,
        bytes: bytesNamed(name, size),
        to,
        workflowId,
        isStrict,
        isRepeated,
        outcome: 'asked',
        copies: 1,
        isGivenUp: false,
        isErased: false,
        atMesh: [],
        hits: new Set(),
        isBegun: false,
        isOnItsWay: false,
        isForgotten: false,
      };
      model.sent.set(name, sending);
      this.ids.set(name, new Set());
      void this.#put(sending, isRepeated ? key : undefined).catch((error: unknown) => model.violated(String(error)));
    }
  }

  /** Returns the name of the message that has this id in the outbox. */
  nameOf(id: string): string | undefined {
    return [...this.ids].find(([, ids]) => ids.has(id))?.[0];
  }

  /** `key`: of a sender that repeats what was not confirmed. */
  async #put(sending: Sending, key: string | undefined): Promise<void> {
    const { process, note, schedule } = this.#parts;
    const { name, to, workflowId, bytes, isStrict } = sending;
    const now = process();
    const again = (): void => void schedule.in(REPEAT_MS, () => void this.#put(sending, key));
    if (!now?.mailbox) {
      again();
      return;
    }
    sending.outcome = 'asked';
    note(`flow: sends ${name} (${bytes.length} bytes${isStrict ? ', strict' : ''})`);
    // If the process is killed meanwhile, nobody learns what became of it.
    const forget = schedule.in(REPEAT_MS, () => {
      if (!now.life.isOver) return;
      sending.outcome = 'not known';
      if (key !== undefined) void this.#put(sending, key);
    });
    try {
      const { message } = await now.mailbox.outbox.enqueue(
        { to, workflowId, payload: bytes },
        { strictOrder: isStrict, ...(key === undefined ? {} : { onceKey: key }) },
      );
      forget();
      sending.outcome = 'confirmed';
      this.ids.get(name)?.add(message.id);
      note(`flow: ${name} confirmed as ${message.id}`);
    } catch (error) {
      forget();
      const { message } = error as Error;
      const isOther = error instanceof KeyReusedError;
      const isRepeated = key !== undefined && !isOther;
      // A repeat, or an error that leaves it open, makes no promise.
      sending.outcome = isRepeated || /not known/.test(message) ? 'not known' : 'refused';
      note(`flow: ${name} ${sending.outcome}: ${message}`);
      if (isRepeated) again();
    }
  }

  /** Takes what the inbox delivers, and says some time later that it is done. */
  consumer(poller: InboxPoller): InboxConsumer {
    const { model, faults, random, schedule, note, process } = this.#parts;
    const { life } = process() ?? { life: undefined };
    const done = async (messageId: string): Promise<void> => {
      const receiving = model.received.get(messageId);
      if (receiving) receiving.isFinished = true;
      try {
        await poller.acknowledge(messageId);
        note(`flow: ${receiving?.name} done`);
        if (receiving) receiving.isDone = true;
      } catch (error) {
        note(`flow: mesh-ack of ${receiving?.name} failed: ${String(error)}`);
        schedule.in(REPEAT_MS, () => void done(messageId), life);
      }
    };
    return {
      workflows: [],
      maxLeases: 3,
      intervalMs: 60_000,
      acknowledge: 'flow',
      async deliver({ received, deliveryCount }) {
        const { messageId, messageType } = received.message;
        const name = model.received.get(messageId)?.name ?? messageId;
        note(`flow: gets ${name}, delivery ${deliveryCount}`);
        if (messageType === 'DATA') model.delivered(messageId, received.payload);
        if (faults.strikes('flow fails', 0.1)) {
          model.hit(name, 'flow fails');
          throw new Error('The flow failed.');
        }
        if (faults.strikes('flow never acknowledges', 0.1)) {
          model.hit(name, 'flow never acknowledges');
          return;
        }
        schedule.in(random.between(0, 20_000), () => void done(messageId), life);
      },
      parked: ({ messageId }) => note(`flow: ${model.received.get(messageId)?.name ?? messageId} is parked`),
      failed: (error, messageId) => note(`inbox: ${error.code} ${messageId ?? ''} ${error.message}`),
    };
  }
}
