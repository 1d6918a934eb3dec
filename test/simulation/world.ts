/** One world from one seed: it runs, everything goes wrong that the seed has chosen, then nothing does; then it is judged. */
import { createHash } from 'node:crypto';
import { openStorage } from '../../lib/index';
import { SimulatedClock, BEGIN } from './clock';
import { Disk, type Node } from './disk';
import { Faults, NOTHING_LEFT_OUT, type Kind, type LeftOut } from './faults';
import { Flow, RECIPIENTS } from './flow';
import { Mesh, type MeshMessage, type MeshRequest } from './mesh';
import { bytesNamed, Model, nameIn } from './model';
import { Network } from './network';
import { People } from './people';
import { FOLDER, leaveWorld, OUR_MAILBOX, Process, type Settings } from './process';
import { SeededRandom } from './random';
import { Schedule } from './schedule';
import { Upkeep } from './upkeep';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Everything has settled within this time after the last fault: look-ups take 40 minutes, a poison message waits 20. */
const SETTLES_WITHIN_MS = 150 * MINUTE;
/** States in which a message may wait for a person. */
const NEEDS_DECISION = ['unknown', 'parked'] as const;
/** A call that asks the store ends within this time. */
const CALL_ENDS_WITHIN_MS = 10 * MINUTE;
/** Steps within this time, above which something runs again and again without end. */
const MOST_STEPS = { count: 20_000, withinMs: 5 * MINUTE };
/** How often the settling is looked at. */
const LOOK_EVERY_MS = 5 * MINUTE;

/** What became of a world. */
export interface Outcome {
  seed: number;
  steps: number;
  simulatedMs: number;
  struck: ReadonlyMap<Kind, number>;
  /** Every fault that struck, by the name that leaves it out. */
  strikes: readonly string[];
  /** How often MESH, or somebody else, gave each status as a response. */
  statuses: ReadonlyMap<number, number>;
  violations: readonly string[];
  trace: readonly string[];
  /** Two runs of one seed have the same. */
  digest: string;
}

/** How a process ends, and who waits for it. */
interface Ending extends PromiseWithResolvers<void> {
  how: 'kill' | 'power cut' | 'stop';
}

/** Runs the world of a seed. Afterwards lib is on the machine again. */
export async function simulate(seed: number, leftOut: LeftOut = NOTHING_LEFT_OUT): Promise<Outcome> {
  countPutOff();
  try {
    return await new World(seed, leftOut).run();
  } finally {
    globalThis.setImmediate = MACHINE_IMMEDIATE;
    leaveWorld();
  }
}

class World {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  readonly #schedule = new Schedule();
  readonly #clock = new SimulatedClock(this.#schedule);
  readonly #disk: Disk;
  readonly #mesh: Mesh;
  readonly #network: Network;
  readonly #model = new Model();
  readonly #flow: Flow;
  readonly #people: People;
  readonly #upkeep: Upkeep;
  readonly #settings: Settings;
  readonly #trace: string[] = [];
  #process: Process | undefined;
  #boots = 0;
  #starts = 0;
  #meshOffsetMs = 0;
  /** The end of the process that this step has brought; handled between two steps. */
  #ending: Ending | undefined;
  #isStopping = false;
  /** Since when steps are counted, and from which on. */
  #counted = { since: 0, from: 0 };

  constructor(seed: number, leftOut: LeftOut) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    const random = (name: string): SeededRandom => this.#random.fork(name);
    this.#faults = new Faults(random('faults'), leftOut);
    const note = (line: string): void => this.#note(line);
    this.#faults.onStrike = (kind, name) => {
      this.#note(`fault: ${name}`);
      this.#model.struck(kind);
    };
    const parts = { schedule: this.#schedule, faults: this.#faults, model: this.#model, note };
    this.#disk = new Disk(this.#faults, () => this.#clock.wall);
    this.#disk.onForeign = (what) => this.#model.violated(`Node-RED: it is not ours, and ${what}`);
    this.#mesh = new Mesh(() => BEGIN + this.#schedule.now + this.#meshOffsetMs);
    const hit = (kind: Kind, request: MeshRequest): void => this.#model.hit(this.#nameOf(request), kind);
    this.#network = new Network({ ...parts, random: random('network'), mesh: this.#mesh, hit });
    this.#flow = new Flow({ ...parts, random: random('flow'), process: () => this.#process });
    this.#people = new People({ ...parts, flow: this.#flow, process: () => this.#process });
    const machine = {
      stop: () => this.#stop(),
      start: () => this.#startProcess(),
      useTool: <Result>(work: () => Promise<Result>) => this.#useTool(work),
      atOnce: (work: () => void) => this.#atOnce(work),
      isOpen: () => this.#process?.mailbox !== undefined && !this.#process.life.isOver,
    };
    this.#upkeep = new Upkeep({ ...parts, flow: this.#flow, disk: this.#disk, clock: this.#clock, machine });
    this.#settings = chooseSettings(random('settings'));
  }

  async run(): Promise<Outcome> {
    this.#mesh.onAccepted = (message) => {
      if (message.from !== OUR_MAILBOX) return;
      this.#note(`MESH: accepts ${message.messageId} as ${message.chunks[0]?.subarray(0, 8).toString().split(';')[0]}`);
      this.#model.acceptedAtMesh(message);
    };
    // A person may decide at the very moment at which MESH says that it has the message.
    this.#mesh.onFound = ({ localId }) => {
      if (!this.#faults.strikes('resend', 0.5)) return;
      this.#schedule.in(this.#faults.of('resend').between(0, 45), () => this.#whole(this.#people.resend(localId)));
    };
    this.#faults.without(() => this.#disk.makeFolders(FOLDER, 0o700));
    for (const path of ['/data/settings.js', `${FOLDER}/notes.txt`]) this.#disk.putForeign(path, 'theirs');
    this.#startMachine();
    const busyMs = this.#random.between(5, 60) * MINUTE;
    this.#planTraffic(busyMs);
    this.#planFaults();
    await this.#runUntil(busyMs);
    this.#calmDown();
    const end = this.#schedule.now + SETTLES_WITHIN_MS;
    let isSettled = false;
    while (!isSettled && this.#schedule.now < end && this.#model.violations.length === 0) {
      await this.#runUntil(this.#schedule.now + LOOK_EVERY_MS);
      await this.#during(this.#decide());
      isSettled = (await this.#during(this.#isSettled())) ?? false;
    }
    await this.#during(this.#checkModel());
    this.#process?.end();
    await turns();
    const trace = this.#trace;
    return {
      seed: this.#seed,
      steps: this.#schedule.steps,
      simulatedMs: this.#schedule.now,
      struck: this.#faults.struck,
      strikes: this.#faults.strikesMade,
      statuses: this.#network.statuses,
      violations: this.#model.violations,
      trace,
      digest: createHash('sha256').update(trace.join('\n')).digest('hex'),
    };
  }

  // Time

  /** Runs the world until this time, or until something that must hold does not. */
  async #runUntil(time: number): Promise<void> {
    for (let next = this.#schedule.next; next !== undefined && next <= time; next = this.#schedule.next) {
      if (this.#model.violations.length > 0) return;
      await this.#step();
    }
    this.#schedule.now = Math.max(this.#schedule.now, time);
  }

  /** Runs the world until the work has ended; undefined if it does not. */
  async #during<Result>(work: Promise<Result>): Promise<Result | undefined> {
    const state = { isOver: false };
    const ended = work.finally(() => (state.isOver = true));
    ended.catch(() => undefined);
    await turns();
    for (const until = this.#schedule.now + CALL_ENDS_WITHIN_MS; !state.isOver;) {
      if (this.#schedule.now > until) {
        this.#model.violated('Node-RED: a call of the store has not ended');
        return undefined;
      }
      await this.#step();
    }
    return ended;
  }

  async #step(): Promise<void> {
    if (!this.#schedule.step()) throw new Error('Nothing is planned, and something is waited for.');
    await turns();
    if (this.#ending) await this.#endProcess(this.#ending);
    this.#limitSteps();
  }

  /** A loop without end takes steps without end: that fails, instead of going on for hours. */
  #limitSteps(): void {
    const { now, steps } = this.#schedule;
    const { count, withinMs } = MOST_STEPS;
    if (now - this.#counted.since > withinMs) this.#counted = { since: now, from: steps };
    if (steps - this.#counted.from > count)
      this.#model.violated(
        `Node-RED: more than ${count} steps within ${withinMs / MINUTE} minutes, as in an endless loop`,
      );
  }

  // The machine and its process

  #startMachine(): void {
    this.#boots += 1;
    this.#clock.restartMachine();
    this.#startProcess();
  }

  #startProcess(): void {
    this.#note('Node-RED: starts');
    this.#model.started();
    this.#newProcess().start();
  }

  /** A process, of Node-RED or a tool, which can be killed at any access to the disk. */
  #newProcess(): Process {
    this.#starts += 1;
    const process = new Process({
      schedule: this.#schedule,
      random: this.#random.fork(`process ${this.#starts}`),
      disk: this.#disk,
      clock: this.#clock,
      network: this.#network,
      settings: this.#settings,
      bootId: `boot ${this.#boots}`,
      consumer: (poller) => this.#flow.consumer(poller),
      onEvent: (event, id) => this.#model.event(this.#flow.nameOf(id) ?? id, event),
      onOpen: () => this.#note('Node-RED: running'),
      note: (line) => this.#note(line),
    });
    this.#process = process;
    this.#disk.onAccess = () => {
      const isRunning = !process.life.isOver;
      if (isRunning && this.#faults.strikes('power cut', 0.0002)) void this.#end('power cut');
      else if (isRunning && this.#faults.strikes('kill', 0.0003)) void this.#end('kill');
      if (process.life.isOver) throw new Error('The process is over.');
    };
    return process;
  }

  /** Ends the process within this step: nothing that it does from here on has an effect. Resolves once it is gone. */
  #end(how: Ending['how']): Promise<void> {
    this.#process?.end();
    this.#ending ??= { how, ...Promise.withResolvers<void>() };
    this.#schedule.in(0, () => undefined);
    return this.#ending.promise;
  }

  async #endProcess({ how, resolve }: Ending): Promise<void> {
    this.#ending = undefined;
    // What is left of the process runs into promises that nobody will settle.
    for (let turn = 0; turn < 5; turn += 1) await turns();
    this.#process = undefined;
    this.#disk.onAccess = () => undefined;
    this.#note(`Node-RED: ${how}`);
    this.#model.ended(how === 'stop' ? 'restart' : how);
    resolve();
    await turns();
    if (how === 'stop') return;
    const downMs = this.#faults.of(how).between(1, 120) * SECOND;
    if (how === 'power cut') this.#disk.cut(this.#faults.of(how));
    this.#schedule.in(downMs, () => (how === 'power cut' ? this.#startMachine() : this.#startProcess()));
  }

  /** People stop Node-RED, or end its process. Returns false if there is none, or it has ended by itself meanwhile. */
  async #stop(): Promise<boolean> {
    const process = this.#process;
    if (!process || this.#isStopping) return false;
    this.#isStopping = true;
    this.#note('Node-RED: is stopped');
    if (this.#faults.of('restart').chance(0.6)) await process.close();
    this.#isStopping = false;
    if (process.life.isOver) return false;
    await this.#end('stop');
    return true;
  }

  async #useTool<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    const tool = this.#newProcess();
    tool.enter();
    const result = await tool.unlessEnded(work());
    if (tool.life.isOver) return undefined;
    await this.#end('stop');
    return result;
  }

  #atOnce(work: () => void): void {
    const tool = this.#newProcess();
    tool.enter();
    const { isFull } = this.#disk;
    this.#disk.isFull = false;
    this.#faults.without(work);
    this.#disk.syncAll();
    this.#disk.isFull = isFull;
    tool.end();
    this.#process = undefined;
    this.#disk.onAccess = () => undefined;
  }

  // What happens

  #planTraffic(busyMs: number): void {
    const random = this.#random.fork('traffic');
    // At most six chunks of a message: more of them take steps, and show no more.
    const most = 6 * this.#settings.chunkBytes;
    const sizeOf = (): number => Math.min(most, random.pick([300, 300, 3000, 40_000, 100_000, 200_000]));
    for (let count = random.between(3, 15); count > 0; count -= 1) {
      // Some come in a burst, in which their order counts.
      const sizes = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, sizeOf);
      this.#schedule.in(random.between(0, busyMs), () => this.#flow.send(sizes));
    }
    for (let at = 0; at < busyMs; at += random.between(1, 10) * MINUTE)
      this.#schedule.in(at, () => this.#collect(random));
    for (let count = random.between(0, 12); count > 0; count -= 1) {
      const size = sizeOf();
      this.#schedule.in(random.between(0, busyMs), () => this.#postToUs(size, random));
    }
  }

  /** A recipient collects what it has of ours. */
  #collect(random: SeededRandom): void {
    const recipient = random.pick(RECIPIENTS);
    for (const message of this.#mesh.sent(OUR_MAILBOX)) if (message.to === recipient) this.#mesh.acknowledge(message);
  }

  /** Another organisation sends us a message. */
  #postToUs(size: number, random: SeededRandom): void {
    const name = `in${this.#model.received.size + 1}`;
    const bytes = bytesNamed(name, size);
    const chunkBytes = Math.ceil(bytes.length / random.pick([1, 1, 2, 3]));
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
    const message = this.#mesh.post({
      from: random.pick(RECIPIENTS),
      to: OUR_MAILBOX,
      workflowId: random.pick(['LETTERS', 'RESULTS']),
      localId: name,
      chunks,
    });
    this.#expect(name, bytes, message);
  }

  #expect(name: string, bytes: Buffer, message: MeshMessage): void {
    this.#model.received.set(message.messageId, {
      name,
      bytes,
      message,
      isFinished: false,
      isDone: false,
      isErased: false,
      isTakenAway: false,
      hits: new Set(),
      deliveries: 0,
    });
    this.#note(`MESH: has ${name} for us as ${message.messageId}`);
  }

  #planFaults(): void {
    const repeat = (kind: Kind, everyMs: number, strike: () => void): void => {
      const plan = (): void =>
        void this.#schedule.in(this.#faults.wait(kind, everyMs), () => {
          if (!this.#faults.isHere(kind)) return;
          if (this.#faults.comes(kind)) strike();
          plan();
        });
      if (this.#faults.isHere(kind)) plan();
    };
    const end = (how: 'kill' | 'power cut') => (): void => {
      if (this.#process) void this.#end(how);
    };
    // The worst moment: MESH has acted, and nobody here knows.
    this.#network.onHandled = () => {
      if (this.#faults.strikes('kill', 0.005)) end('kill')();
      else if (this.#faults.strikes('power cut', 0.005)) end('power cut')();
    };
    repeat('kill', 8 * MINUTE, end('kill'));
    repeat('power cut', 15 * MINUTE, end('power cut'));
    repeat('restart', 30 * MINUTE, () => this.#whole(this.#upkeep.restart()));
    repeat('newer version', 60 * MINUTE, () => this.#whole(this.#upkeep.tryOtherVersion()));
    repeat('backup put back', 20 * MINUTE, () => this.#whole(this.#upkeep.putBack()));
    const copies = this.#random.fork('copies');
    const copyLater = (): void =>
      void this.#schedule.in(copies.between(1, 8) * MINUTE, () => {
        if (!this.#faults.isHere('backup put back')) return;
        this.#upkeep.copy();
        copyLater();
      });
    if (this.#faults.isHere('backup put back')) copyLater();
    repeat('second instance', 10 * MINUTE, () => this.#startSecond());

    const clocks = this.#faults.of('clock step');
    repeat('clock step', 10 * MINUTE, () => {
      // By hand, or by NTP after a battery has failed.
      this.#clock.step(clocks.pick([-8 * HOUR, -HOUR, -90 * SECOND, 20 * SECOND, HOUR, 30 * HOUR, 450 * DAY]));
    });
    // Twice a year, where the machine's clock keeps local time: forward, and the next time back.
    let isSummer = false;
    repeat('summer time', 15 * MINUTE, () => {
      this.#clock.step(isSummer ? -HOUR : HOUR);
      isSummer = !isSummer;
    });
    repeat('clock drift', 20 * MINUTE, () =>
      this.#clock.drift(this.#faults.of('clock drift').pick([0.99, 0.9999, 1.02])),
    );
    repeat('MESH clock', 20 * MINUTE, () => {
      this.#meshOffsetMs = this.#faults.of('MESH clock').pick([-HOUR, -MINUTE, MINUTE, HOUR]);
    });
    repeat('disk full', 20 * MINUTE, () => {
      this.#disk.isFull = true;
      this.#schedule.in(this.#faults.of('disk full').between(1, 10) * MINUTE, () => (this.#disk.isFull = false));
    });
    repeat('bit rot', 15 * MINUTE, () => {
      const payloads = this.#disk.files(`${FOLDER}/spool`).filter(([, node]) => isPayload(node));
      if (payloads.length > 0) this.#rot(...this.#faults.of('bit rot').pick(payloads));
    });
    this.#disk.onOpen = (path, node) => {
      if (path.startsWith(`${FOLDER}/spool`) && isPayload(node) && this.#faults.strikes('bit rot', 0.05))
        this.#rot(path, node);
    };
    repeat('folder replaced', 15 * MINUTE, () => this.#upkeep.replaceSpool());
    repeat('foreign files', 10 * MINUTE, () => this.#upkeep.addForeignFiles());

    const isCollectable = ({ from, state }: MeshMessage): boolean => from === OUR_MAILBOX && state === 'accepted';
    const undeliverable = this.#faults.of('undeliverable');
    repeat('undeliverable', 10 * MINUTE, () => {
      const sent = this.#mesh.messages.filter(isCollectable);
      const report = sent.length === 0 ? undefined : this.#mesh.giveUp(undeliverable.pick(sent));
      if (report) this.#expect(`report${report.linkedMessageId?.slice(-6)}`, Buffer.alloc(0), report);
    });
    repeat('offered again', 10 * MINUTE, () => void this.#offerAgain().catch(() => undefined));
    repeat('resend', 10 * MINUTE, () => this.#whole(this.#people.resend()));
    repeat('drop', 15 * MINUTE, () => this.#whole(this.#people.drop()));
    repeat('redeliver', 15 * MINUTE, () => this.#whole(this.#people.redeliver()));
    repeat('erase', 25 * MINUTE, () => this.#whole(this.#upkeep.erase()));
  }

  /** What people do must not fail in a way that they do not expect. */
  #whole(work: Promise<void>): void {
    work.catch((error: unknown) =>
      this.#model.violated(`person: ${error instanceof Error ? error.stack : String(error)}`),
    );
  }

  /** Changes a bit of a payload in the spool: of what is to be sent, or what waits for the flow. */
  #rot(path: string, node: Node): void {
    this.#model.hit(nameIn(node.bytes), 'bit rot');
    node.rot(this.#faults.of('bit rot'));
    this.#note(`disk: a bit of ${path} is another`);
  }

  /** The service desk puts a message back that is done, and that the ledger says is acknowledged. */
  async #offerAgain(): Promise<void> {
    const done = [...this.#model.received.values()].filter(({ isDone }) => isDone);
    if (done.length === 0) return;
    const receiving = this.#faults.of('offered again').pick(done);
    const { message } = receiving;
    if (!(await this.#ledgerOf(message.messageId)).includes('acknowledged')) return;
    if (this.#mesh.offerAgain(message)) receiving.offeredAgainAfter = message.acknowledgements;
  }

  /** The events of a message in the ledger. */
  async #ledgerOf(messageId: string): Promise<string[]> {
    const lines = (await this.#process?.mailbox?.outbox.history(messageId)) ?? [];
    return lines.map(({ event }) => event);
  }

  /** Somebody starts a second Node-RED on the same folder, which has to leave it alone. */
  #startSecond(): void {
    if (!this.#process?.mailbox) return;
    openStorage({ folder: FOLDER }).then(
      () => this.#model.violated('Node-RED: two processes have the storage open'),
      (error: unknown) => this.#note(`second instance: ${String(error)}`),
    );
  }

  /** From here on nothing goes wrong. */
  #calmDown(): void {
    this.#faults.end();
    this.#clock.setRight();
    this.#meshOffsetMs = 0;
    this.#disk.isFull = false;
    this.#note('-- from here on nothing goes wrong --');
  }

  // The judgement

  /** A person gives up what needs a decision: it would hold up what is behind it in strict order for good. */
  async #decide(): Promise<void> {
    const { mailbox } = this.#process ?? {};
    for (const row of (await mailbox?.outbox.list({ states: NEEDS_DECISION }, { limit: 1000 })) ?? []) {
      if (!row.needsDecision) continue;
      const sending = this.#model.sent.get(this.#flow.nameOf(row.id) ?? '');
      if (sending) {
        this.#model.checkCause(sending, row);
        sending.isGivenUp = true;
      }
      await mailbox?.outbox.drop(row.id);
      this.#note(`person: drops ${row.id}`);
    }
  }

  async #isSettled(): Promise<boolean> {
    const { mailbox } = this.#process ?? {};
    if (!mailbox) return false;
    const rows = await mailbox.outbox.list({}, { limit: 1000 });
    const isReceived = [...this.#model.received.values()].every(({ isFinished }) => isFinished);
    return isReceived && rows.every((row) => this.#model.isSettled(row));
  }

  async #checkModel(): Promise<void> {
    const { mailbox, poller } = this.#process ?? {};
    if (!mailbox || !poller) {
      this.#model.violated('Node-RED: the mailbox is not open');
      return;
    }
    if (this.#model.violations.length > 0) return;
    const rows = await mailbox.outbox.list({}, { limit: 1000 });
    for (const row of rows)
      if (!this.#model.isSettled(row)) this.#model.violated(`${row.id}: still ${row.state} in the outbox`);
    for (const sending of this.#model.sent.values()) {
      const ids = this.#flow.ids.get(sending.name);
      this.#model.settledAs(
        sending,
        rows.filter(({ id }) => ids?.has(id)),
      );
    }
    const parked = new Map<string, string>();
    for await (const { message, error } of poller.parked()) parked.set(message.messageId, error.code);
    for (const receiving of this.#model.received.values())
      this.#model.receivedAs(receiving, {
        parkedFor: parked.get(receiving.message.messageId),
        ledger: await this.#ledgerOf(receiving.message.messageId),
      });
  }

  /** Returns the name of the message that a request is about. */
  #nameOf({ path, body }: MeshRequest): string | undefined {
    const message = this.#mesh.messages.find(({ messageId }) => path.includes(messageId));
    if (message?.to === OUR_MAILBOX) return this.#model.received.get(message.messageId)?.name;
    if (message) return nameIn(message.chunks[0] ?? body);
    return body.length > 0 ? nameIn(body) : this.#flow.nameOf(path.split('/').at(-1) ?? '');
  }

  #note(line: string): void {
    this.#trace.push(`${(this.#schedule.now / SECOND).toFixed(3).padStart(10)} ${line}`);
  }
}

/** Whether a file in the spool is a payload, or a part of one. */
const isPayload = ({ size }: Node): boolean => size > 65_536;

function chooseSettings(random: SeededRandom): Settings {
  const maxRequestBytes = random.pick([150_000, 50_000, 1000]);
  return {
    maxRequestBytes,
    chunkBytes: Math.ceil(maxRequestBytes / random.pick([1, 2])),
    meshAcknowledge: random.pick(['when-spooled', 'when-spooled', 'when-done']),
    minimumIntervalMs: 20_000,
    leaseMs: 10 * MINUTE,
  };
}

const MACHINE_IMMEDIATE = globalThis.setImmediate;
/** What the code has put off to the end of a turn, and that has not run yet. */
const putOff = { count: 0 };

/** Counts from now on what the code puts off. */
function countPutOff(): void {
  putOff.count = 0;
  const counted = (run: (...values: unknown[]) => void, ...values: unknown[]): NodeJS.Immediate => {
    putOff.count += 1;
    return MACHINE_IMMEDIATE(() => {
      putOff.count -= 1;
      run(...values);
    });
  };
  globalThis.setImmediate = counted as typeof setImmediate;
}

/** Lets everything run that waits for no step: promises, and what the code has put off. */
async function turns(): Promise<void> {
  do {
    await new Promise<void>((resolve) => MACHINE_IMMEDIATE(resolve));
  } while (putOff.count > 0);
}
