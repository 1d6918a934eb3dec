/** Servers on this machine's loopback address, and free ports for them. */
import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';

/**
 * Starts a server on 127.0.0.1 and returns its port: `port`, or a free one.
 * @throws Error with code EADDRINUSE when the port is taken
 */
export async function listenOn(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Stops a server; an HTTP server's open connections are closed. */
export async function stopServer(server: Server & Partial<Pick<HttpServer, 'closeAllConnections'>>): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections?.();
  await closed;
}

/**
 * Returns a port on which nothing listens now: any, or `port`.
 * @throws Error with code EADDRINUSE when `port` is taken
 */
export async function freePort(port = 0): Promise<number> {
  const server = createServer();
  const found = await listenOn(server, port);
  await stopServer(server);
  return found;
}
