/** A test's own server on a free port of this machine. */
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterThisTest } from './cleanup';

/**
 * Starts to listen, and gives the port. After the test the server is closed, and every socket that it knows of is destroyed: what
 * is in `sockets` by then (others than its own clients may be), and its clients.
 */
export async function listening(server: Server, sockets: Set<Socket> = new Set()): Promise<number> {
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterThisTest(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  );
  return (server.address() as AddressInfo).port;
}
