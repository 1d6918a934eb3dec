/** One example in one real Node-RED, on a sandbox that outlives it: for its good day and its worst. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFlows, RealNodeRed, type NodeRedMajor } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { exampleOn, until } from './example-support';

/** What a run changes of the example. */
export interface RunOptions {
  major: NodeRedMajor;
  /** Properties by node id, e.g. a shorter interval. */
  changes?: Record<string, object>;
  env?: Record<string, string>;
  /** Nodes beside the example's, e.g. a sender of what is broken. */
  beside?: unknown[];
}

/**
 * For MESH_TEST_CLOCK: as `fastClock`, but in the middle of a week, so that working days go by at any time. It is behind the
 * real time.
 */
export function weekdayClock(speed: number): string {
  const day = 24 * 60 * 60 * 1000;
  const sinceWednesday = (new Date().getUTCDay() + 4) % 7;
  const wednesday = Math.floor(Date.now() / day) * day - (sinceWednesday + 7) * day;
  return `${Date.now()},${wednesday},${speed}`;
}

/** Starts in its own user folder; {@link restart} keeps it. */
export class ExampleRun {
  #nodeRed: RealNodeRed | undefined;

  private constructor(
    readonly sandbox: Sandbox,
    readonly userDir: string,
    private readonly options: RunOptions,
  ) {}

  /** With the example deployed, and every mailbox of it on the sandbox. */
  static async start(name: string, options: RunOptions): Promise<ExampleRun> {
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-journey-'));
    const sandbox = await startSandbox({ clientCertificate: 'required', mailboxes: [] });
    const run = new ExampleRun(sandbox, userDir, options);
    try {
      for (const { type, mailboxId } of exampleFlows(name)) {
        if (type === 'mesh-config') sandbox.addMailbox({ mailboxId: String(mailboxId), password: 'password' });
      }
      await run.#begin([]);
      // Flows are deployed, as only so they bring their credentials.
      await run.nodeRed.deploy([...(await exampleOn(sandbox, name, options.changes)), ...(options.beside ?? [])]);
      return run;
    } catch (error) {
      await run.end();
      throw error;
    }
  }

  get nodeRed(): RealNodeRed {
    if (!this.#nodeRed) throw new Error('Node-RED is stopped');
    return this.#nodeRed;
  }

  async stop(signal?: NodeJS.Signals): Promise<void> {
    await this.#nodeRed?.stop(signal);
    this.#nodeRed = undefined;
  }

  /** With the flows, the credentials and the store that it had. */
  async restart(signal?: NodeJS.Signals): Promise<void> {
    await this.stop(signal);
    await this.#begin();
  }

  async end(): Promise<void> {
    await this.stop();
    await this.sandbox.close();
    await rm(this.userDir, { recursive: true, force: true });
  }

  async #begin(flows?: unknown[]): Promise<void> {
    const { major, env } = this.options;
    this.#nodeRed = await RealNodeRed.start({
      major,
      userDir: this.userDir,
      // Payloads whole.
      settings: 'debugMaxLength: 1000000,',
      ...(flows && { flows }),
      ...(env && { env }),
    });
  }

  /** MESH answers 503 to everything that this mailbox asks: safe to repeat. */
  meshAway(mailboxId: string): void {
    this.sandbox.fault({ operation: '*', mailboxId, times: Infinity, effect: { kind: 'status', status: 503 } });
  }

  /** Waits until a node's status is green. */
  async green(...ids: string[]): Promise<void> {
    for (const id of ids) await this.nodeRed.status(id, ({ fill }) => fill === 'green');
  }

  /** Waits for so many messages at MESH with this workflow. */
  atMesh(workflowId: string, count: number): Promise<unknown> {
    return until(`${count} of ${workflowId} at MESH`, () => this.sent(workflowId).length >= count);
  }

  sent(workflowId: string): ReturnType<Sandbox['messages']> {
    return this.sandbox.messages().filter((message) => message.workflowId === workflowId);
  }
}
