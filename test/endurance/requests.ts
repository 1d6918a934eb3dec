/**
 * `npm run test:file-flows -- --requests N --kills K --seed S`: requests of all file flows from a process that is killed
 * with SIGKILL at random times, to a sandbox over TLS that drops connections and responds 503, and whose national
 * services answer twice, late, in the wrong order, with a refusal, in part or not at all. At the end every answer must
 * have settled the right request once, none may be lost, and every silence must have been raised once, at its time.
 * Which answer belongs to which request
 * is known from the services, not from the mailbox (requests-judge.ts).
 *
 * Requests go out in rounds: in each, every service is set another way, and requests of every kind are mixed. Then
 * all clocks jump over four days, and what was late arrives.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startSandbox, type Sandbox, type ServiceSettings } from '../../lib/sandbox';
import type { OutgoingMessage } from '../../lib/index';
import { FILE_FLOWS, LATE_MS } from '../harness/file-flows/cases';
import { runScript, say, sayTotal, seeded } from './crash-parts';
import { judgeRequests, type MadeRequest, type RaisedAlarm } from './requests-judge';
import type { GivenReply, KnownRequest, Order, Told } from './requests-mailbox';

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '8' },
    seed: { type: 'string' },
    json: { type: 'boolean' },
  },
});

const REQUESTS = Number(options.requests);
const KILLS = Number(options.kills);
const SEED = options.seed ?? String(Date.now() % 1_000_000);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Probability of each kind of fault for each request. */
const FAULTS = 0.02;
/**
 * Requests that may be dropped before they take effect. One that sends is dropped after only: what a lost attempt to send
 * needs is a decision, which the crash test has (test/endurance/crash.ts).
 */
const DROPPED_BEFORE = ['list_messages', 'download_message', 'acknowledge_message', 'tracking_by_message_id'] as const;
/** Requests that are given to the mailbox at the same time. */
const PRODUCERS = 8;
const ROUNDS = 14;
/** The longest wait until a round is done (machine time), a start of the killed process among it. */
const PATIENCE_MS = 240_000;
const random = seeded(Number(SEED));

/** How a service is set in a round. */
const SETTINGS: ServiceSettings[] = [
  {},
  { copies: 2 },
  // The result before the receipt.
  { delaysMs: { receipt: 5000, result: 1000, report: 3000 } },
  { delaysMs: { receipt: LATE_MS, result: LATE_MS } },
  { answer: 'rejected' },
  { answer: 'silent' },
  { missing: ['result'], copies: 2 },
  { optedOut: ['9997877896', '9991742182', '9999081002'] },
];

/** The jumps of all clocks after the last round: small ones while receipts become overdue. A token allows two hours. */
const JUMPS_MS = [...Array.from({ length: 12 }, () => 15 * MINUTE), ...Array.from({ length: 93 }, () => HOUR)];

async function main(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-requests-'));
  const sandbox = await startSandbox({ nationalServices: true, strict: true });
  const common = { times: Infinity, probability: FAULTS };
  for (const operation of DROPPED_BEFORE)
    sandbox.fault({ ...common, operation, effect: { kind: 'drop', when: 'before' } });
  sandbox.fault({ ...common, operation: '*', effect: { kind: 'drop', when: 'after' } });
  sandbox.fault({ ...common, operation: '*', effect: { kind: 'status', status: 503 } });
  const run = new Run(folder, sandbox);
  say(`Seed ${SEED}, ${REQUESTS} requests, ${KILLS} kills.`);
  const began = Date.now();
  try {
    await writeFile(join(folder, 'ca.pem'), sandbox.ca ?? '');
    await run.start();
    // A fifth of the kills come while the days pass and while the late answers arrive, the others in the rounds.
    const later = Math.ceil(KILLS / 5);
    for (let round = 0; round < ROUNDS; round += 1) {
      const upTo = (total: number, n: number): number => Math.floor((total * n) / ROUNDS);
      const size = upTo(REQUESTS, round + 1) - upTo(REQUESTS, round);
      const kills = upTo(KILLS - later, round + 1) - upTo(KILLS - later, round);
      await run.killing(kills, () => run.round(round, size));
      say(`Round ${round + 1}: ${run.made.length} requests, ${run.given.length} answers, ${run.kills} kills.`);
    }
    await run.killing(Math.ceil(later / 2), () => run.passDays());
    await run.killing(later - Math.ceil(later / 2), () => run.collectAnswers(HOUR));
    sandbox.clearFaults();
    const known = await run.known();
    const { counts, faults } = judgeRequests({
      made: run.made,
      messages: sandbox.messages(),
      sent: sandbox.serviceReplies(),
      given: run.given,
      alarms: run.alarms,
      known,
      // The jump in which it becomes due, and the next one, should a kill have come between.
      slackMs: 2 * HOUR + 5 * MINUTE,
      kills: run.kills,
    });
    for (const fault of faults.slice(0, 20)) say(`FAULT: ${fault}`);
    const { requests, replies, settled, negative, missing, late, duplicates, redelivered, alarmsCutOff } = counts;
    say(
      `${requests} requests, ${replies} answers (${duplicates} of them repeats, ${redelivered} given again after a kill): ` +
        `${settled} settled (${negative} refused or in part, ${late} late), ${missing} raised as missing; ${alarmsCutOff} alarms ` +
        `cut off by a kill. Seed ${SEED}, ${run.kills} kills, ${Math.round((Date.now() - began) / 1000)} s.`,
    );
    const isGood = sayTotal([faults.length === 0 && run.kills === KILLS]);
    if (options.json) say(JSON.stringify({ seed: SEED, kills: run.kills, ...counts, faults: faults.length }));
    return isGood;
  } finally {
    await run.kill().catch(() => undefined);
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The mailbox's process, and what is done with it. */
class Run {
  readonly made: MadeRequest[] = [];
  readonly given: GivenReply[] = [];
  readonly alarms: RaisedAlarm[] = [];
  kills = 0;
  #child: ChildProcess | undefined;
  /** By how much the mailbox's clock is ahead (ms). */
  #ahead = 0;
  #orders = 0;
  readonly #answers = new Map<number, (answer: Answer | undefined) => void>();

  constructor(
    private readonly folder: string,
    private readonly sandbox: Sandbox,
  ) {}

  async start(): Promise<void> {
    const args = [join(this.folder, 'store'), this.sandbox.url, join(this.folder, 'ca.pem'), String(this.#ahead)];
    const child = fork(join(__dirname, 'requests-mailbox.ts'), args, {
      execArgv: ['--require', createRequire(__filename).resolve('tsx/cjs')],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`The mailbox's process ended by itself (${String(code)}).`)));
      child.on('message', (told: Told) => (told.kind === 'ready' ? resolve() : this.#take(child, told)));
    });
  }

  #take(child: ChildProcess, told: Exclude<Told, { kind: 'ready' }>): void {
    if (told.kind === 'answer') this.#answers.get(told.n)?.(told);
    else if (told.kind === 'overdue') this.alarms.push(told);
    else {
      this.given.push(told.reply);
      if (child.connected) child.send({ confirmed: told.n });
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.removeAllListeners('exit');
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    // Nobody answers these any more.
    for (const answer of this.#answers.values()) answer(undefined);
  }

  /** Does some work, and kills and starts the process so many times meanwhile, or right after it. */
  async killing(kills: number, work: () => Promise<void>): Promise<void> {
    const doing = work();
    // Its error is thrown below; until then it must not end this process.
    doing.catch(() => undefined);
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(50 + random() * 1000);
      await this.kill();
      this.kills += 1;
      await this.start();
    }
    await doing;
  }

  /** Gives an order until it is answered: a kill may come before. */
  async #order<Result>(order: WithoutNumber<Order>): Promise<Result> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await this.#orderOnce(order);
      if (answer && answer.error === undefined) return answer.result as Result;
      if (Date.now() > end) throw new Error(`No answer to ${order.do}: ${answer?.error ?? 'the process ended'}`);
      await sleep(50);
    }
  }

  /** Returns undefined when the process has ended before it answered. */
  async #orderOnce(order: WithoutNumber<Order>): Promise<Answer | undefined> {
    const child = this.#child;
    this.#orders += 1;
    const n = this.#orders;
    const answer = new Promise<Answer | undefined>((resolve) => {
      this.#answers.set(n, resolve);
      if (child?.connected === true) child.send({ ...order, n }, (error) => error && resolve(undefined));
      else resolve(undefined);
    });
    return answer.finally(() => this.#answers.delete(n));
  }

  /** Milliseconds since 1970 by the mailbox's clock. */
  #now(): number {
    return Date.now() + this.#ahead;
  }

  /** Lets time pass for the services and the mailbox. A process that starts meanwhile begins with the new time. */
  async #advance(ms: number): Promise<void> {
    this.#ahead += ms;
    this.sandbox.clock.advance(ms);
    await this.#orderOnce({ do: 'advance', ms });
  }

  /** Sends requests of every flow, lets the services answer, and collects the answers. */
  async round(round: number, size: number): Promise<void> {
    const flows = Object.entries(FILE_FLOWS);
    const settings = flows.map(([flow, { service }], index) => {
      const usable = flow === 'opt-out' ? SETTINGS : SETTINGS.slice(0, -1);
      const own = usable[(round + index) % usable.length] ?? {};
      this.sandbox.setService(service, own);
      return own;
    });
    const from = this.#now();
    const made: MadeRequest[] = [];
    let next = 0;
    const produce = async (): Promise<void> => {
      while (next < size) {
        const at = next;
        next += 1;
        const [flow, of] = flows[at % flows.length] ?? ['', undefined];
        // Cases that a setting makes are made by the settings.
        const byContent = (of?.cases ?? []).filter((each) => each.settings === undefined);
        const chosen = byContent[Math.floor(random() * byContent.length)];
        if (!chosen) throw new Error(`no case of ${flow}`);
        const request = named(flow, chosen.request(this.made.length + at + 1), this.made.length + at + 1);
        const id = await this.#order<string>({ do: 'enqueue', onceKey: request.localId, request });
        made.push({
          flow,
          what: chosen.what,
          localId: request.localId,
          settings: settings[at % flows.length] ?? {},
          from,
          until: 0,
          id,
        });
      }
    };
    await Promise.all(Array.from({ length: PRODUCERS }, produce));
    const undecided = new Set<string>();
    const notAtMesh = (): MadeRequest[] => {
      const collected = this.sandbox.messages().filter(({ status }) => status === 'acknowledged');
      const atMesh = new Set(collected.map(({ localId }) => localId));
      return made.filter(({ localId, id }) => !atMesh.has(localId) && !undecided.has(id));
    };
    await this.#untilSo(`round ${round + 1} to be at MESH`, async (n) => {
      // A kill while a request is being sent, of which MESH has nothing: a person decides after 40 minutes.
      for (const { id } of n % 10 === 9 ? notAtMesh() : []) {
        const { message } = await this.#order<KnownRequest>({ do: 'state', id });
        if (message.needsDecision) undecided.add(id);
      }
      return notAtMesh().length === 0;
    });
    const until = this.#now();
    for (const each of made) this.made.push(Object.assign(each, { until }));
    await this.collectAnswers(10_000);
  }

  /** Lets time pass for the services, and collects what they have answered. */
  async collectAnswers(passedMs: number): Promise<void> {
    this.sandbox.clock.pass(passedMs);
    // Messages that were taken this moment are answered in the next one.
    await sleep(100);
    this.sandbox.clock.pass(passedMs);
    const isCollected = (): boolean => {
      const status = new Map(this.sandbox.messages().map((each) => [each.messageId, each.status]));
      const given = new Set(this.given.map(({ messageId }) => messageId));
      return this.sandbox
        .serviceReplies()
        .every(({ messageId }) => status.get(messageId) === 'acknowledged' && given.has(messageId));
    };
    await this.#untilSo('the answers to be collected', isCollected);
  }

  /** Polls, and lets a minute at a time pass, until something is so. */
  async #untilSo(what: string, isSo: (n: number) => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    for (let n = 0; !(await isSo(n)); n += 1) {
      if (Date.now() > end) throw new Error(`Waited ${PATIENCE_MS / 1000} s for ${what}.`);
      await this.#order({ do: 'poll' });
      await sleep(100);
      if (n > 1) await this.#advance(MINUTE);
    }
  }

  /** Waits until the mailbox raises nothing and asks MESH nothing: with thousands to follow, a look takes seconds. */
  async #untilQuiet(): Promise<void> {
    for (;;) {
      const [told, last] = [this.alarms.length, this.sandbox.requests().at(-1)];
      await sleep(100);
      if (told === this.alarms.length && last === this.sandbox.requests().at(-1)) return;
    }
  }

  /** Lets four days pass. */
  async passDays(): Promise<void> {
    for (const ms of JUMPS_MS) {
      await this.#advance(ms);
      // What the jump has woken, and a process that is started again, does its work first.
      await this.#order({ do: 'poll' });
      await this.#untilQuiet();
    }
  }

  /** Returns what the mailbox knows of each request. */
  async known(): Promise<Map<string, KnownRequest>> {
    const known = new Map<string, KnownRequest>();
    for (const { id } of this.made) known.set(id, await this.#order<KnownRequest>({ do: 'state', id }));
    return known;
  }
}

type Answer = Extract<Told, { kind: 'answer' }>;
type WithoutNumber<Type> = Type extends unknown ? Omit<Type, 'n'> : never;

/** Every request has a local id of its own, by which the judge finds it at MESH; NHAIS does not read it. */
function named(flow: string, request: OutgoingMessage, n: number): OutgoingMessage & { localId: string } {
  return { ...request, localId: request.localId ?? `${flow}-${n}` };
}

runScript(main, `Seed ${SEED}`);
