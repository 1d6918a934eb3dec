/**
 * Runs the tests of one file on one flow, step by step: gives the flow what a step gives, and waits until everything
 * that it expects has come. The clock jumps only while nothing else happens.
 */
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { setMachine } from '../clock';
import { ConfigurationError, MeshError } from '../errors';
import { MllpClient } from '../mllp';
import type { Sandbox, SandboxArrival } from '../sandbox';
import { asText, comparePayloads, describe, isAsExpected, valueAt, type Difference } from './differences';
import { JumpingMachine, realPause } from './jumping-machine';
import type { ExpectedValue, FlowTest, Given, TestFile, Then } from './test-file';
import { nodeNamed, type FlowNode } from './test-flow';
import type { SeenError, SeenMessage, WatchedNodeRed } from './watched-node-red';

/** How one test ended. */
export interface TestResult {
  name: string;
  /** What was expected and did not come, or came otherwise; empty: the test passed. */
  failures: string[];
  /** Snapshots that were written. */
  written: string[];
  /** Milliseconds of the machine. */
  ms: number;
}

export interface RunParts {
  nodeRed: WatchedNodeRed;
  sandbox: Sandbox;
  flow: readonly FlowNode[];
  ports: ReadonlyMap<string, number>;
  file: TestFile;
  /** Snapshots are written anew. */
  isUpdating: boolean;
}

/** Real time without a message, a request or a status after which the clock may jump (milliseconds). */
const QUIET_MS = 60;
/** A Node-RED that idles uses less in a quarter of that time (microseconds of CPU, all threads). */
const BUSY_MICROSECONDS = 1500;
/**
 * How far the clock jumps while something is expected (milliseconds): first in small steps, so that what comes soon comes
 * in its order.
 */
const SMALL_JUMP_MS = 5000;
const LARGE_JUMP_MS = 30_000;
const SMALL_JUMPS_UNTIL_MS = 60_000;
/** For how long a flow may take to open its mailboxes (milliseconds of its clock), and to listen (real time). */
const STARTING_MS = 60_000;
const LISTENING_MS = 30_000;
/** For how long a test that has failed waits for what else it expects (milliseconds of its clock). */
const AFTER_FAILURE_MS = 60_000;
/** The furthest jump of a wait: what happens every hour happens as often as it would. */
const WAITING_JUMP_MS = 3_600_000;

/** Something that came of the flow, and whether a step has expected it. */
interface Came<T> {
  value: T;
  isExpected: boolean;
}
/** A message that the flow sent to MESH. */
type Sent = Omit<SandboxArrival, 'payload'> & { payload: string };

export class FlowRun {
  readonly #parts: RunParts;
  readonly #machine = new JumpingMachine();
  readonly #sent: Array<Came<Sent>> = [];
  readonly #answers: Array<Came<{ code: string; text: string }>> = [];
  readonly #delivered: Array<{ messageId: string; workflow: string }> = [];
  readonly #expected = new Set<SeenMessage | SeenError>();
  #hasFailed = false;
  #requests = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    setMachine(this.#machine);
    parts.sandbox.onMessage((message) => void this.#note(message));
  }

  async #note({ payload, ...message }: SandboxArrival): Promise<void> {
    const text = await payload.then(asText, () => '');
    this.#sent.push({ value: { ...message, payload: text }, isExpected: false });
  }

  /** Runs one test. Never rejects: what went wrong is in the result. */
  async run({ name, steps }: FlowTest): Promise<TestResult> {
    const began = performance.now();
    const failures: string[] = [];
    const written: string[] = [];
    try {
      await this.#settled();
      this.#forget();
      for (const { given, then } of steps) {
        for (const one of given) await this.#give(one);
        for (const one of then) {
          const failure = await this.#expect(name, one, written);
          if (failure === undefined) continue;
          failures.push(failure);
          this.#hasFailed = true;
        }
      }
    } catch (error) {
      const advice = error instanceof MeshError && error.advice ? ` ${error.advice}` : '';
      failures.push(`${error instanceof Error ? error.message : String(error)}${advice}`);
    }
    return { name, failures, written, ms: performance.now() - began };
  }

  // What a step gives

  async #give(given: Given): Promise<void> {
    const { nodeRed, sandbox, ports } = this.#parts;
    if ('press' in given) {
      nodeRed.receive(this.#node(given.press).id, {});
    } else if ('message' in given) {
      const { to, msg, file } = given.message;
      const bytes = file === undefined ? {} : { payload: await this.#fileBytes(file) };
      nodeRed.receive(this.#node(to).id, { ...msg, ...bytes });
    } else if ('mllp' in given) {
      await this.#sendMllp(ports.get(this.#node(given.mllp.to).id), await this.#content(given.mllp));
    } else if ('mesh' in given) {
      const { workflow: workflowId, text: _text, file: _file, ...rest } = given.mesh;
      // The flow opens its mailbox as it starts.
      await this.#waitAtMost(STARTING_MS, () => sandbox.mailboxes.find(({ mailboxId }) => mailboxId === rest.to));
      const messageId = await sandbox.deliver({ ...rest, workflowId, body: await this.#content(given.mesh) });
      this.#delivered.push({ messageId, workflow: workflowId });
    } else if ('file' in given) {
      const path = resolve(given.file.path);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, await this.#content(given.file));
    } else if ('answer' in given) {
      nodeRed.answers.set(this.#node(given.answer.node).id, given.answer.msg);
    } else {
      await this.#wait(given.wait);
    }
  }

  #node(name: string): FlowNode {
    return nodeNamed(this.#parts.flow, name);
  }

  async #content({ text, file }: { text?: string | undefined; file?: string | undefined }): Promise<Buffer> {
    return file === undefined ? Buffer.from(text ?? '') : this.#fileBytes(file);
  }

  async #fileBytes(file: string): Promise<Buffer> {
    const path = resolve(dirname(this.#parts.file.path), file);
    return readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw new ConfigurationError(`The file ${file} of the test cannot be read (${error.code ?? error.name}).`);
    });
  }

  /** Sends HL7 to a listener; segments may end as a text editor ends lines. */
  async #sendMllp(port: number | undefined, content: Buffer): Promise<void> {
    if (port === undefined) throw new ConfigurationError('mllp needs a mesh-mllp-in node.');
    await listening(port);
    const client = new MllpClient({ host: '127.0.0.1', port });
    try {
      const message = Buffer.from(
        content
          .toString('latin1')
          .trimEnd()
          .replaceAll(/\r\n|\n/g, '\r')
          .concat('\r'),
        'latin1',
      );
      const { code, bytes } = await client.send(message);
      this.#answers.push({ value: { code, text: bytes.toString('utf8') }, isExpected: false });
    } finally {
      client.close();
    }
  }

  // The clock

  async #wait(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= WAITING_JUMP_MS) {
      await this.#settled();
      this.#jump(Math.min(left, WAITING_JUMP_MS));
    }
    await this.#settled();
  }

  #jump(ms: number): void {
    this.#parts.sandbox.clock.advance(ms);
    this.#machine.jump(ms);
  }

  /** Resolves when nothing has happened for a while. */
  #settled(): Promise<void> {
    return this.#untilFoundOrSettled(() => undefined);
  }

  async #untilFoundOrSettled(find: () => unknown): Promise<void> {
    let before = process.cpuUsage();
    for (let quietMs = 0; quietMs < QUIET_MS; quietMs += QUIET_MS / 4) {
      if (find() !== undefined) return;
      await realPause(QUIET_MS / 4);
      const { user, system } = process.cpuUsage(before);
      before = process.cpuUsage();
      const { length } = this.#parts.sandbox.requests();
      const wasSeen = performance.now() - this.#parts.nodeRed.lastSeenAt < QUIET_MS / 4;
      // On a busy machine nothing may be seen for long although much is on its way: then this process still works.
      const isBusy = user + system > BUSY_MICROSECONDS;
      if (length !== this.#requests || wasSeen || isBusy) quietMs = 0;
      this.#requests = length;
    }
  }

  /** Waits until `find` finds something: for so long by the test's clock. */
  async #waitAtMost<T>(ms: number, find: () => T | undefined): Promise<T | undefined> {
    const longest = this.#hasFailed ? Math.min(ms, AFTER_FAILURE_MS) : ms;
    for (let passed = 0; ;) {
      await this.#untilFoundOrSettled(find);
      const found = find();
      if (found !== undefined || passed > longest) return found;
      const jump = passed < SMALL_JUMPS_UNTIL_MS ? SMALL_JUMP_MS : LARGE_JUMP_MS;
      this.#jump(jump);
      passed += jump;
    }
  }

  // What a step expects

  /** Returns what is wrong; undefined if it is as expected. */
  async #expect(test: string, then: Then, written: string[]): Promise<string | undefined> {
    if (then === 'nothing else') return this.#nothingElse();
    if ('out' in then) {
      const { node, output, msg, waitAtMost } = then.out;
      const wanted = this.#node(node);
      const place = `output ${output} of “${node}”`;
      return this.#message(test, { wanted, output, msg, longestMs: waitAtMost, place }, then.out, written);
    }
    if ('in' in then) {
      const { node, msg, waitAtMost } = then.in;
      const wanted = this.#node(node);
      return this.#message(
        test,
        { wanted, output: 0, msg, longestMs: waitAtMost, place: `the input of “${node}”` },
        then.in,
        written,
      );
    }
    if ('sent' in then) return this.#sentMessage(test, then.sent, written);
    if ('mllpAnswer' in then) {
      const { code, text, waitAtMost } = then.mllpAnswer;
      const answer = await this.#waitAtMost(waitAtMost, () => this.#answers.find(({ isExpected }) => !isExpected));
      if (!answer) return 'No MLLP answer came.';
      answer.isExpected = true;
      if (answer.value.code !== code) return `The MLLP answer was ${answer.value.code}, not ${code}.`;
      const isRight = text === undefined || isAsExpected(text, answer.value.text);
      return isRight ? undefined : `The MLLP answer was\n    ${answer.value.text}\n  not ${describe(text)}.`;
    }
    if ('acknowledged' in then) return this.#acknowledged(then.acknowledged);
    if ('error' in then) {
      const { node, message, waitAtMost } = then.error;
      const id = node === undefined ? undefined : this.#node(node).id;
      const fits = (each: SeenError): boolean =>
        !this.#expected.has(each) && (id === undefined || each.node === id) && isAsExpected(message, each.message);
      const found = await this.#waitAtMost(waitAtMost, () => this.#parts.nodeRed.errors.find(fits));
      if (!found) return `No error came${node === undefined ? '' : ` from “${node}”`} with ${describe(message)}.`;
      this.#expected.add(found);
      return undefined;
    }
    const { node, fill, text, waitAtMost } = then.status;
    const { id } = this.#node(node);
    const found = await this.#waitAtMost(waitAtMost, () => {
      const status = this.#parts.nodeRed.statuses.get(id);
      const isRight = fill === undefined || status?.fill === fill;
      return isRight && status && (text === undefined || isAsExpected(text, status.text)) ? status : undefined;
    });
    const last = this.#parts.nodeRed.statuses.get(id);
    return found ? undefined : `The status of “${node}” stayed ${last ? `${last.fill}: ${last.text}` : 'empty'}.`;
  }

  /** The next message of a node that no step has expected yet. */
  async #message(
    test: string,
    expected: {
      wanted: FlowNode;
      output: number;
      msg: Record<string, ExpectedValue>;
      longestMs: number;
      place: string;
    },
    snapshot: { snapshot?: string | undefined; ignore: string[] },
    written: string[],
  ): Promise<string | undefined> {
    const { wanted, output, msg, longestMs, place } = expected;
    const { nodeRed } = this.#parts;
    const candidates = (): SeenMessage[] =>
      nodeRed.seen.filter((each) => each.node === wanted.id && each.output === output && !this.#expected.has(each));
    const wrongIn = (each: SeenMessage): Difference[] =>
      Object.entries(msg).flatMap(([path, value]) => {
        const actual = valueAt(each.msg, path);
        if (isAsExpected(value, actual)) return [];
        return [
          {
            field: `msg.${path}`,
            expected: describe(value),
            actual: actual === undefined ? undefined : asText(actual),
          },
        ];
      });
    const found = await this.#waitAtMost(longestMs, () => candidates().find((each) => wrongIn(each).length === 0));
    if (!found) {
      const [other] = candidates();
      if (!other) return output === 0 ? `No message reached “${wanted.name}”.` : `No message left ${place}.`;
      this.#expected.add(other);
      return `The message at ${place} is not as expected:\n${listed(wrongIn(other))}`;
    }
    this.#expected.add(found);
    return this.#snapshot(test, place, asText(found.msg['payload']), snapshot, written);
  }

  async #sentMessage(
    test: string,
    expected: Extract<Then, { sent: unknown }>['sent'],
    written: string[],
  ): Promise<string | undefined> {
    const { waitAtMost, snapshot: _name, ignore: _ignore, workflow, ...same } = expected;
    const wanted = Object.entries({ ...same, workflowId: workflow }).filter(
      (each): each is [keyof Sent, ExpectedValue] => each[1] !== undefined,
    );
    const wrongIn = ({ value }: Came<Sent>): Difference[] =>
      wanted.flatMap(([field, one]) =>
        isAsExpected(one, value[field])
          ? []
          : [{ field: WORDS[field] ?? field, expected: describe(one), actual: asText(value[field]) }],
      );
    const open = (): Array<Came<Sent>> => this.#sent.filter(({ isExpected }) => !isExpected);
    const found = await this.#waitAtMost(waitAtMost, () => open().find((each) => wrongIn(each).length === 0));
    if (!found) {
      const [other] = open();
      if (!other) return 'No message was sent to MESH.';
      other.isExpected = true;
      return `The message that was sent to MESH is not as expected:\n${listed(wrongIn(other))}`;
    }
    found.isExpected = true;
    return this.#snapshot(test, 'what was sent to MESH', found.value.payload, expected, written);
  }

  async #acknowledged({
    workflow,
    waitAtMost,
  }: Extract<Then, { acknowledged: unknown }>['acknowledged']): Promise<string | undefined> {
    const wanted = this.#delivered.filter((each) => workflow === undefined || each.workflow === workflow);
    if (wanted.length === 0) return 'No message was given by “mesh”, so none can be acknowledged.';
    const { finished } = this.#parts.nodeRed;
    const isDone = (): true | undefined => wanted.every(({ messageId }) => finished.has(messageId)) || undefined;
    const isFlowDone = await this.#waitAtMost(waitAtMost, isDone);
    return isFlowDone ? undefined : 'No mesh-ack was reached: the message from MESH would come again.';
  }

  /** What a test must expect: messages to MESH, answers, calls of ends, and errors. */
  async #nothingElse(): Promise<string | undefined> {
    await this.#settled();
    const { nodeRed, flow } = this.#parts;
    const nameOf = (id: string): string => flow.find((node) => node.id === id)?.name || id;
    const left = [
      ...this.#sent
        .filter(({ isExpected }) => !isExpected)
        .map(({ value }) => `a message to MESH: ${value.from} to ${value.to}, ${value.workflowId}`),
      ...this.#answers.filter(({ isExpected }) => !isExpected).map(({ value }) => `an MLLP answer: ${value.code}`),
      ...nodeRed.seen
        .filter((each) => each.isOutside && !this.#expected.has(each))
        .map(({ node }) => `a message for “${nameOf(node)}”`),
      ...nodeRed.errors
        .filter((each) => !this.#expected.has(each))
        .map(({ node, message }) => `an error of “${nameOf(node)}”: ${message}`),
    ];
    return left.length === 0
      ? undefined
      : `More came than was expected:\n${left.map((each) => `    ${each}`).join('\n')}`;
  }

  // Snapshots

  async #snapshot(
    test: string,
    place: string,
    actual: string,
    { snapshot, ignore }: { snapshot?: string | undefined; ignore: string[] },
    written: string[],
  ): Promise<string | undefined> {
    if (snapshot === undefined) return undefined;
    const path = join(dirname(this.#parts.file.path), 'snapshots', basename(snapshot));
    const kept = await readFile(path, 'utf8').catch(() => undefined);
    if (kept === undefined && !this.#parts.isUpdating)
      return `There is no snapshot ${snapshot} for “${test}”. Look at what came, and write it with --update.`;
    const differences = kept === undefined ? undefined : comparePayloads(kept, actual, ignore);
    if (differences?.length === 0) return undefined;
    if (!this.#parts.isUpdating)
      return `${capital(place)} differs from the snapshot ${snapshot}:\n${listed(differences ?? [])}`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, actual);
    written.push(snapshot);
    return undefined;
  }

  /** Forgets what came before this test. */
  #forget(): void {
    const { nodeRed } = this.#parts;
    for (const list of [this.#sent, this.#answers, this.#delivered, nodeRed.seen, nodeRed.errors]) list.length = 0;
    nodeRed.answers.clear();
    nodeRed.finished.clear();
    this.#hasFailed = false;
  }
}

/** Resolves when a listener takes connections. @throws ConfigurationError when it does not within 30 seconds */
async function listening(port: number): Promise<void> {
  for (const end = performance.now() + LISTENING_MS; performance.now() < end; await realPause(QUIET_MS)) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
  }
  throw new ConfigurationError('The mesh-mllp-in node does not listen. Is it disabled, or is something wrong in it?');
}

/** What a test calls a field otherwise than the sandbox does. */
const WORDS: Readonly<Record<string, string>> = { workflowId: 'workflow' };
/** Differences that are shown of one message. */
const SHOWN = 20;

function listed(differences: readonly Difference[]): string {
  const lines = differences
    .slice(0, SHOWN)
    .map(({ field, expected, actual }) => `    ${field}: expected ${shown(expected)}, was ${shown(actual)}`);
  const more = differences.length - lines.length;
  return [...lines, ...(more > 0 ? [`    and ${more} more`] : [])].join('\n');
}

const shown = (text: string | undefined): string =>
  text === undefined ? 'nothing' : `“${text.length > 200 ? `${text.slice(0, 200)}…` : text}”`;
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
