/** Senders and receivers for the tests: bare sockets, so that they can misbehave. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { buildHl7Ack } from '../../lib/formats/hl7/acknowledge';
import { readHl7Header, readMsa } from '../../lib/formats/hl7/header';
import { frame, FrameReader } from '../../lib/mllp/framing';
import { MllpServer, type MllpServerOptions } from '../../lib/mllp/server';
import type { MllpRequest, Remote } from '../../lib/mllp/server-connection';
import { afterThisTest } from '../harness/cleanup';

/** An ADT message with this control id. */
export function adt(controlId: string, more = ''): Buffer {
  return Buffer.from(
    `MSH|^~\\&|PAS|X26|MESH|X26|20260115093000||ADT^A01^ADT_A01|${controlId}|P|2.4\r` +
      `PID|1||9990000018^^^NHS^NH||TESTPATIENT^EXAMPLE\r${more}`,
  );
}

export function ack(message: Buffer, code: 'AA' | 'AE' | 'AR' = 'AA'): Buffer {
  return buildHl7Ack(readHl7Header(message), { code });
}

/** Waits for a condition; the test's own time-out ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** A sender that writes what the test says, and keeps the responses. */
export class Sender {
  /** `AA 1`, in the order of arrival. */
  readonly responses: string[] = [];
  readonly texts: string[] = [];
  readonly messages: Buffer[] = [];
  /** True when the connection has ended. */
  isClosed = false;
  readonly #reader = new FrameReader(10_000_000);

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      for (const { bytes } of this.#reader.push(chunk)) {
        const msa = readMsa(bytes);
        this.messages.push(bytes);
        this.responses.push(`${msa?.code} ${msa?.controlId}`);
        this.texts.push(msa?.text ?? '');
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isClosed = true));
    afterThisTest(() => socket.destroy());
  }

  static async connect(port: number, tls?: ConnectionOptions): Promise<Sender> {
    const where = { port, host: '127.0.0.1' };
    const socket = tls ? connectTls({ ...where, ...tls }) : connect(where);
    const sender = new Sender(socket);
    await once(socket, tls ? 'secureConnect' : 'connect');
    return sender;
  }

  send(...messages: Buffer[]): void {
    this.socket.write(Buffer.concat(messages.map(frame)));
  }

  /** Waits for this many responses. */
  async received(count: number): Promise<string[]> {
    await until(() => this.responses.length >= count);
    return this.responses;
  }

  async closed(): Promise<void> {
    await until(() => this.isClosed);
  }
}

/** A server on a free port, with the requests and the problems that it reported. */
export async function listening(
  options: Partial<MllpServerOptions> = {},
): Promise<{ server: MllpServer; requests: MllpRequest[]; problems: Array<{ error: Error; remote?: Remote }> }> {
  const requests: MllpRequest[] = [];
  const problems: Array<{ error: Error; remote?: Remote }> = [];
  const server = await MllpServer.listen({
    port: 0,
    onRequest: (request) => requests.push(request),
    onProblem: (error, remote) => problems.push(remote ? { error, remote } : { error }),
    ...options,
  });
  afterThisTest(() => server.close());
  return { server, requests, problems };
}

/** Accepts each message at once. */
export const acceptAll = { onRequest: (request: MllpRequest) => void request.respond(ack(request.bytes)) };

/** A receiver made of a bare socket: the test decides how it reacts to each message. */
export class Receiver {
  readonly messages: Buffer[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #server = createServer((socket) => this.#accept(socket));

  private constructor(readonly react: (message: Buffer, socket: Socket, count: number) => void) {}

  static async listen(react: Receiver['react'], port = 0): Promise<Receiver> {
    const receiver = new Receiver(react);
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    afterThisTest(() => receiver.close());
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get controlIds(): string[] {
    return this.messages.map((message) => readHl7Header(message)?.controlId ?? '');
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    const reader = new FrameReader(10_000_000);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      for (const { bytes } of reader.push(chunk)) {
        this.messages.push(bytes);
        this.react(bytes, socket, this.messages.length);
      }
    });
  }
}

/** The usual reaction of a receiver. */
export const accepts = (message: Buffer, socket: Socket): void => void socket.write(frame(ack(message)));
