/** One example, or several beside each other, in a real Node-RED, on a sandbox that survives it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFlows, RealNodeRed, type NodeRedMajor } from './node-red';
import type { TimeLine } from '../../lib/clock';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { exampleOn } from './examples';

interface ExampleOptions {
  major: NodeRedMajor;
  /** Replaced properties by node id, e.g. a shorter interval. */
  changes?: Record<string, object>;
  clock?: TimeLine;
  /** Nodes deployed with the example's, e.g. a sender of broken messages. */
  extraNodes?: unknown[];
  /** Whether the sandbox has the national services of file flows. */
  nationalServices?: boolean;
}

/** Runs an example in its own user folder, which {@link restart} keeps. */
export class ExampleRun {
  #nodeRed: RealNodeRed | undefined;

  private constructor(
    readonly sandbox: Sandbox,
    readonly userDir: string,
    private readonly options: ExampleOptions,
  ) {}

  /** Starts Node-RED and deploys the examples, with every mailbox on the sandbox. */
  static async start(names: string | readonly string[], options: ExampleOptions): Promise<ExampleRun> {
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-journey-'));
    const sandbox = await startSandbox({
      clientCertificate: 'required',
      mailboxes: [],
      ...(options.nationalServices && { nationalServices: true }),
    });
    const run = new ExampleRun(sandbox, userDir, options);
    try {
      for (const { type, mailboxId } of exampleFlows(...[names].flat())) {
        if (type === 'mesh-config') sandbox.addMailbox({ mailboxId: String(mailboxId), password: 'password' });
      }
      await run.#startNodeRed([]);
      // Credentials come with a deploy only.
      const flows = await Promise.all([names].flat().map((name) => exampleOn(sandbox, name, options.changes)));
      await run.nodeRed.deploy([...flows.flat(), ...(options.extraNodes ?? [])]);
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

  /** Restarts Node-RED with its flows, credentials and store, and with another clock if there is one. */
  async restart(signal?: NodeJS.Signals, clock = this.options.clock): Promise<void> {
    await this.stop(signal);
    await this.#startNodeRed(undefined, clock);
  }

  async end(): Promise<void> {
    await this.stop();
    await this.sandbox.close();
    await rm(this.userDir, { recursive: true, force: true });
  }

  async #startNodeRed(flows?: unknown[], clock = this.options.clock): Promise<void> {
    const { major } = this.options;
    this.#nodeRed = await RealNodeRed.start({
      major,
      userDir: this.userDir,
      // Debug messages show whole payloads.
      settings: 'debugMaxLength: 1000000,',
      ...(flows && { flows }),
      ...(clock && { clock }),
    });
  }

  /** Makes MESH respond 503 to every request of a mailbox, which is safe to repeat. */
  makeMeshUnavailable(mailboxId: string): void {
    this.sandbox.fault({ operation: '*', mailboxId, times: Infinity, effect: { kind: 'status', status: 503 } });
  }

  /** Waits until the status of each node is green. */
  async untilGreen(...ids: string[]): Promise<void> {
    for (const id of ids) await this.nodeRed.status(id, ({ fill }) => fill === 'green');
  }

  /** Returns the messages at MESH with this workflow. */
  sent(workflowId: string): ReturnType<Sandbox['messages']> {
    return this.sandbox.messages().filter((message) => message.workflowId === workflowId);
  }
}
