/** NHS England's own `mesh_client`, in a Python process for each mailbox. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PYTHON } from './python';

const DRIVER = join(__dirname, '..', 'official_client.py');

/** The client's connection. `ca`, `cert` and `key` are paths of files. */
interface Connection {
  url: string;
  mailboxId: string;
  password: string;
  sharedKey: string;
  ca: string;
  cert: string;
  key: string;
}

/** A received message as the official client describes it. */
interface OfficialMessage {
  sha256: string;
  bytes: number;
  /** Headers by name in lower case, without `mex-`. */
  headers: Record<string, string>;
  sender: string | null;
  recipient: string | null;
  message_id: string | null;
  message_type: string | null;
  workflow_id: string | null;
  filename: string | null;
  local_id: string | null;
  subject: string | null;
  partner_id: string | null;
  checksum: string | null;
  content_type: string | null;
  encrypted: boolean;
  compressed: boolean;
}

/** An error that the official client threw. */
class OfficialClientError extends Error {
  readonly type: string;
  readonly status: number | undefined;
  /** The body of MESH's response, if the client's error has it. */
  readonly response: unknown;

  constructor(error: { type: string; message: string; status?: number; response?: unknown }) {
    super(error.message);
    this.type = error.type;
    this.status = error.status;
    this.response = error.response;
  }
}

interface PendingCommand {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** The official client of one mailbox. It runs commands one after the other. */
export class OfficialClient {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #pending: PendingCommand[] = [];
  readonly #ended: Promise<void>;
  #stderr = '';

  constructor(connection: Connection) {
    this.#process = spawn(PYTHON, [DRIVER], { stdio: 'pipe' });
    this.#process.stderr.on('data', (text: Buffer) => (this.#stderr = (this.#stderr + text.toString()).slice(-4000)));
    // Thrown by a write after the process has ended, which is reported below.
    this.#process.stdin.on('error', () => undefined);
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#settle(line));
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code) => {
        for (const command of this.#pending.splice(0)) {
          command.reject(new Error(`The official client's process ended (${code}): ${this.#stderr}`));
        }
        resolve();
      });
      this.#process.once('error', () => resolve());
    });
    this.#process.stdin.write(`${JSON.stringify(connection)}\n`);
  }

  handshake(): Promise<null> {
    return this.#run('handshake');
  }

  ping(): Promise<Record<string, string>> {
    return this.#run('ping');
  }

  count(): Promise<number> {
    return this.#run('count');
  }

  list(query: { maxResults?: number; workflowFilter?: string } = {}): Promise<string[]> {
    return this.#run('list', query);
  }

  iterate(query: { maxResults?: number; workflowFilter?: string } = {}): Promise<string[]> {
    return this.#run('iterate', query);
  }

  /** `fields`: the keyword arguments of `send_message`, e.g. workflow_id. */
  send(message: {
    to: string;
    file: string;
    compress?: boolean;
    maxChunkBytes?: number;
    fields?: Record<string, string | boolean>;
  }): Promise<string> {
    return this.#run('send', message);
  }

  receive(messageId: string, file: string): Promise<OfficialMessage> {
    return this.#run('receive', { messageId, file });
  }

  acknowledgeInWith(): Promise<string[]> {
    return this.#run('acknowledgeInWith');
  }

  acknowledge(messageId: string): Promise<null> {
    return this.#run('acknowledge', { messageId });
  }

  track(messageId: string): Promise<Record<string, unknown>> {
    return this.#run('track', { messageId });
  }

  lookup(odsCode: string, workflowId: string): Promise<{ results: Array<Record<string, string>> }> {
    return this.#run('lookup', { odsCode, workflowId });
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }

  #run<T>(command: string, request: object = {}): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ command, ...request })}\n`);
    }) as Promise<T>;
  }

  #settle(line: string): void {
    const command = this.#pending.shift();
    const { ok, error } = JSON.parse(line) as {
      ok?: unknown;
      error?: ConstructorParameters<typeof OfficialClientError>[0];
    };
    if (error) command?.reject(new OfficialClientError(error));
    else command?.resolve(ok);
  }
}
