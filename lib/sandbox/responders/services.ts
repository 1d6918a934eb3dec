/** The national services of one sandbox: takes what arrives in their mailboxes, and sends their answers when due. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { z } from 'zod';
import { ConfigurationError } from '../../errors';
import { headerText } from '../../protocol/header-text';
import type { BodyStore, StoredBody } from '../bodies';
import type { SandboxClock } from '../clock';
import type { Mailboxes } from '../mailboxes';
import { deliver, streamOf, uploadedBytes } from '../delivery';
import type { Message } from '../message';
import type { Messages } from '../messages';
import type { Workflows } from '../workflows';
import { digitalLetters } from './digital-letters';
import { landingPortal } from './landing-portal';
import { nhais } from './nhais';
import { notify } from './notify';
import { optOut } from './opt-out';
import { pdsTrace } from './pds-trace';
import {
  SERVICES,
  silence,
  STAGE_DELAYS_MS,
  STAGES,
  type Responder,
  type ServiceAnswer,
  type ServiceName,
  type ServiceNote,
  type ServiceReply,
  type ServiceRequest,
  type ServiceSettings,
} from './responder';
import { vaccinations } from './vaccinations';

const expand = promisify(gunzip);

/** The largest request that a service reads (bytes, expanded). */
const LARGEST = 64 * 1024 * 1024;
const MAX_NOTES = 1000;

const settingsSchema = z.strictObject({
  answer: z.enum(['by-content', 'rejected', 'silent']).optional(),
  delaysMs: z.partialRecord(z.enum(STAGES), z.number().min(0)).optional(),
  copies: z.int().min(1).max(100).optional(),
  missing: z.array(z.enum(STAGES)).optional(),
  optedOut: z.array(z.string()).optional(),
});

/** The parts of the sandbox that the services work with. */
interface Parts {
  clock: SandboxClock;
  mailboxes: Mailboxes;
  workflows: Workflows;
  bodies: BodyStore;
  messages: Messages;
}

interface DueReply {
  /** Sandbox time (ms). */
  at: number;
  from: string;
  to: string;
  reply: ServiceReply;
  /** Its bytes, stored when it was planned. */
  body: StoredBody;
}

/** The services. Without {@link start} there are none. */
export class Services {
  readonly #byMailbox = new Map<string, Responder>();
  readonly #settings = new Map<ServiceName, ServiceSettings>();
  readonly #notes: ServiceNote[] = [];
  readonly #sandbox: Parts;
  #due: DueReply[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(sandbox: Parts) {
    this.#sandbox = sandbox;
  }

  /** Makes the services' mailboxes, unless there is one with the id. */
  start(password: () => string): void {
    const { mailboxes, workflows } = this.#sandbox;
    const made = [optOut(), vaccinations(), notify(), digitalLetters(), landingPortal(), pdsTrace(), nhais()];
    for (const responder of made) {
      for (const mailboxId of responder.mailboxIds) {
        if (mailboxes.get(mailboxId)) continue;
        mailboxes.add({ mailboxId, password: password(), name: `Sandbox: ${responder.service}` });
        this.#byMailbox.set(mailboxId, responder);
      }
      workflows.register(responder.workflowIds);
    }
  }

  /** Ends the service behind a mailbox: somebody plays it by hand. */
  end(mailboxId: string): void {
    this.#byMailbox.delete(mailboxId.toUpperCase());
  }

  /**
   * Replaces the settings of a service.
   * @param settings a {@link ServiceSettings}, which may come over HTTP
   * @throws ConfigurationError for an unknown service or a wrong setting
   */
  set(service: string, settings: unknown): void {
    const name = SERVICES.find((known) => known === service);
    if (name === undefined) {
      throw new ConfigurationError(`The sandbox has no service ${service}.`, {
        advice: `The services are ${SERVICES.join(', ')}.`,
      });
    }
    const parsed = settingsSchema.safeParse(settings);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new ConfigurationError(
        `The settings of ${service} are not valid: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
      );
    }
    this.#settings.set(name, parsed.data as ServiceSettings);
  }

  /** Returns what was made of the last 1,000 requests, oldest first. */
  notes(): ServiceNote[] {
    return [...this.#notes];
  }

  /** Takes an accepted message, if it is for a service: collects it, and plans the answers. */
  take(message: Message): void {
    const responder = this.#byMailbox.get(message.to);
    if (responder === undefined || message.type !== 'DATA') return;
    const note = (text: string): void => {
      this.#notes.push({ service: responder.service, messageId: message.messageId, note: text });
      if (this.#notes.length > MAX_NOTES) this.#notes.shift();
    };
    // A reset of the sandbox may delete the bytes that are being read.
    this.#answer(responder, message).then(note, (error: unknown) => note(`No answer: ${String(error)}`));
  }

  async #answer(responder: Responder, message: Message): Promise<string> {
    const settings = this.#settings.get(responder.service) ?? {};
    const request = await collected(message, this.#sandbox);
    const answer = request ? await answered(responder, request, settings) : silence('the request cannot be read');
    const now = this.#sandbox.clock.ms();
    for (const reply of answer.replies) {
      if (settings.missing?.includes(reply.stage)) continue;
      const at = now + (settings.delaysMs?.[reply.stage] ?? STAGE_DELAYS_MS[reply.stage]);
      for (let copy = 0; copy < (settings.copies ?? 1); copy += 1) {
        const body = await this.#sandbox.bodies.write(streamOf(reply.body), Infinity);
        this.#due.push({ at, from: message.to, to: message.from, reply, body });
      }
    }
    this.deliver();
    return answer.note;
  }

  /** Sends the answers that are due by the sandbox's clock, in the order of their times. */
  deliver(): void {
    if (this.#due.length === 0) return;
    const now = this.#sandbox.clock.ms();
    const due = this.#due.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    this.#due = this.#due.filter(({ at }) => at > now);
    for (const { from, to, reply, body } of due) deliver(this.#sandbox, { ...reply, from, to }, body);
    clearTimeout(this.#timer);
    const next = Math.min(...this.#due.map(({ at }) => at));
    if (this.#due.length === 0) return;
    // The clock may be moved meanwhile: then it delivers, and plans anew.
    this.#timer = setTimeout(() => this.deliver(), Math.min(next - now, 2 ** 31 - 1)).unref();
  }

  /** Forgets the answers to come. */
  forgetAnswers(): void {
    clearTimeout(this.#timer);
    for (const { body } of this.#due.splice(0)) void body.delete();
  }
}

/** Reads a request and marks it as collected; undefined when it is too large to be read. */
async function collected(message: Message, { clock, messages }: Parts): Promise<ServiceRequest | undefined> {
  const { details } = message;
  const stored = message.bytes <= LARGEST ? await uploadedBytes(message) : undefined;
  const now = clock.now();
  messages.record(message, { status: 'acknowledged', at: now.getTime() });
  const body =
    stored && details.contentEncoding === 'gzip'
      ? await expand(stored, { maxOutputLength: LARGEST }).catch(() => undefined)
      : stored;
  if (body === undefined) return undefined;
  return {
    messageId: message.messageId,
    from: message.from,
    to: message.to,
    workflowId: headerText(details.workflowId),
    subject: headerText(details.subject),
    localId: headerText(details.localId),
    fileName: headerText(details.fileName),
    body,
    receivedAt: now,
  };
}

async function answered(
  responder: Responder,
  request: ServiceRequest,
  settings: ServiceSettings,
): Promise<ServiceAnswer> {
  if (settings.answer === 'silent') return silence('the setting says so');
  const isItsOwn = responder.workflowIds.some((id) => id.toUpperCase() === request.workflowId.toUpperCase());
  return isItsOwn ? responder.answer(request, settings) : silence('the service does not read this workflow');
}
