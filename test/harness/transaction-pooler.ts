/**
 * A pooler in front of PostgreSQL that lends a server session for one transaction only, like pgbouncer with
 * `pool_mode = transaction`: enough of the protocol for tests, so that they need no pgbouncer.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterThisTest } from './cleanup';

const SSL_REQUEST = 80_877_103;
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const AUTHENTICATED = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);

/** Cuts a stream into messages of the protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
class Messages {
  #bytes = Buffer.alloc(0);

  /** `hasType` is false for the first message of a client. */
  take(piece: Buffer, hasType: () => boolean, onMessage: (message: Buffer) => void): void {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    for (;;) {
      const head = hasType() ? 1 : 0;
      if (this.#bytes.length < head + 4) return;
      const length = head + this.#bytes.readInt32BE(head);
      if (this.#bytes.length < length) return;
      const message = this.#bytes.subarray(0, length);
      this.#bytes = this.#bytes.subarray(length);
      onMessage(message);
    }
  }
}

/** A server session; `client` is the one that has it for a transaction. */
interface Session {
  socket: Socket;
  client: Client | undefined;
}

interface Client {
  socket: Socket;
  session: Session | undefined;
  /** Responses (ReadyForQuery) that are still to come. */
  awaited: number;
}

/** Starts the pooler in front of a server that trusts its users; ended after the test. Returns the URL. */
export async function transactionPooler(url: string): Promise<string> {
  const target = new URL(url);
  const idle: Session[] = [];
  const open = new Set<Socket>();

  const session = async (): Promise<Session> => {
    const known = idle.pop();
    if (known) return known;
    const socket = connect(Number(target.port), target.hostname);
    open.add(socket);
    const made: Session = { socket, client: undefined };
    const words = ['user', target.username, 'database', target.pathname.slice(1), ''].map((word) => `${word}\0`);
    const body = Buffer.from(words.join(''));
    const head = Buffer.alloc(8);
    head.writeInt32BE(body.length + 8, 0);
    head.writeInt32BE(196_608, 4);
    socket.write(Buffer.concat([head, body]));
    const messages = new Messages();
    const ready = Promise.withResolvers<void>();
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) =>
      messages.take(
        piece,
        () => true,
        (message) => {
          const { client } = made;
          const isReady = message[0] === READY[0];
          if (isReady) ready.resolve();
          client?.socket.write(message);
          if (!client || !isReady) return;
          client.awaited -= 1;
          if (client.awaited > 0 || message[5] !== READY[5]) return;
          // The transaction is over: the session goes to whoever is next.
          client.session = undefined;
          made.client = undefined;
          idle.push(made);
        },
      ),
    );
    await ready.promise;
    return made;
  };

  const serve = (socket: Socket): void => {
    open.add(socket);
    const client: Client = { socket, session: undefined, awaited: 0 };
    const messages = new Messages();
    let isStarted = false;
    let turn = Promise.resolve();
    const forward = async (message: Buffer): Promise<void> => {
      const type = String.fromCharCode(message[0] ?? 0);
      if (type === 'X') return void socket.end();
      if (!client.session) {
        client.session = await session();
        client.session.client = client;
      }
      if (type === 'Q' || type === 'S') client.awaited += 1;
      client.session.socket.write(message);
    };
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) =>
      messages.take(
        piece,
        () => isStarted,
        (message) => {
          if (isStarted) turn = turn.then(() => forward(message));
          else if (message.readInt32BE(4) === SSL_REQUEST) socket.write('N');
          else {
            isStarted = true;
            socket.write(Buffer.concat([AUTHENTICATED, READY]));
          }
        },
      ),
    );
  };

  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterThisTest(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const pooled = new URL(url);
  pooled.port = String((server.address() as { port: number }).port);
  return pooled.href;
}
