/** NHS England's own `mesh_client` in a Python process, one for each mailbox. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PYTHON } from './python';

const DRIVER = join(__dirname, '..', 'official_client.py');

/** Where the client connects. `ca`, `cert` and `key` are files. */
export interface Connection {
  url: string;
  mailboxId: string;
  password: string;
  sharedKey: string;
  ca: string;
  cert: string;
  key: string;
}

/** What the official client says about a message that it received. */
export interface OfficialMessage {
  sha256: string;
  bytes: number;
  /** Names in lower case, without `mex-`. */
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

/** What the official client threw. */
export class OfficialClientError extends Error {
  readonly type: string;
  readonly status: number | undefined;
  /** MESH's answer, where the client hands it on. */
  readonly answer: unknown;

  constructor(error: { type: string; message: string; status?: number; answer?: unknown }) {
    super(error.message);
    this.type = error.type;
    this.status = error.status;
    this.answer = error.answer;
  }
}

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** The official client of one mailbox. Commands are done one after the other. */
export class OfficialClient {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting: Waiting[] = [];
  readonly #ended: Promise<void>;
  #stderr = '';

  constructor(connection: Connection) {
    this.#process = spawn(PYTHON, [DRIVER], { stdio: 'pipe' });
    this.#process.stderr.on('data', (text: Buffer) => (this.#stderr = (this.#stderr + text.toString()).slice(-4000)));
    // Writing to a process that ended: its end is reported below.
    this.#process.stdin.on('error', () => undefined);
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#settle(line));
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code) => {
        for (const waiting of this.#waiting.splice(0)) {
          waiting.reject(new Error(`The official client's process ended (${code}): ${this.#stderr}`));
        }
        resolve();
      });
      this.#process.once('error', () => resolve());
    });
    this.#process.stdin.write(`${JSON.stringify(connection)}\n`);
  }

  handshake(): Promise<null> {
    return this.#ask('handshake');
  }

  ping(): Promise<Record<string, string>> {
    return this.#ask('ping');
  }

  count(): Promise<number> {
    return this.#ask('count');
  }

  list(query: { maxResults?: number; workflowFilter?: string } = {}): Promise<string[]> {
    return this.#ask('list', query);
  }

  iterate(query: { maxResults?: number; workflowFilter?: string } = {}): Promise<string[]> {
    return this.#ask('iterate', query);
  }

  /** `fields`: the keyword arguments of `send_message`, e.g. workflow_id. */
  send(message: {
    to: string;
    file: string;
    compress?: boolean;
    maxChunkBytes?: number;
    fields?: Record<string, string | boolean>;
  }): Promise<string> {
    return this.#ask('send', message);
  }

  receive(messageId: string, file: string): Promise<OfficialMessage> {
    return this.#ask('receive', { messageId, file });
  }

  acknowledgeInWith(): Promise<string[]> {
    return this.#ask('acknowledgeInWith');
  }

  acknowledge(messageId: string): Promise<null> {
    return this.#ask('acknowledge', { messageId });
  }

  track(messageId: string): Promise<Record<string, unknown>> {
    return this.#ask('track', { messageId });
  }

  lookup(odsCode: string, workflowId: string): Promise<{ results: Array<Record<string, string>> }> {
    return this.#ask('lookup', { odsCode, workflowId });
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }

  #ask<T>(command: string, request: object = {}): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ command, ...request })}\n`);
    }) as Promise<T>;
  }

  #settle(line: string): void {
    const waiting = this.#waiting.shift();
    const answer = JSON.parse(line) as { ok?: unknown; error?: ConstructorParameters<typeof OfficialClientError>[0] };
    if (answer.error) waiting?.reject(new OfficialClientError(answer.error));
    else waiting?.resolve(answer.ok);
  }
}
