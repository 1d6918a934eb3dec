/** A test's own server on a free port of this machine. */
import type { Server, Socket } from 'node:net';
import { afterThisTest } from './cleanup';
import { listenOn } from './ports';

/**
 * Starts a server and returns its port. After the test the server is closed, and every socket in `sockets` is
 * destroyed: this function adds the server's clients, and the caller may add others.
 */
export async function listening(server: Server, sockets: Set<Socket> = new Set()): Promise<number> {
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  const port = await listenOn(server);
  afterThisTest(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  );
  return port;
}
