/**
 * Checks the client certificate of a connection. The sandbox checks it after the TLS handshake: a handshake that fails
 * gives no reason, and clients see a broken connection.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** See {@link SandboxOptions.clientCertificate}. */
export type ClientCertificateMode = 'none' | 'optional' | 'required';

const problems = new WeakMap<Socket, { text: string | undefined }>();

/**
 * Returns the reason for a 403; undefined if the certificate is valid or not needed. Remembered for each connection.
 */
export function clientCertificateProblem(socket: Socket, mode: ClientCertificateMode): string | undefined {
  if (mode === 'none' || !(socket instanceof TLSSocket)) return undefined;
  const known = problems.get(socket);
  if (known) return known.text;
  const text = problem(socket, mode);
  problems.set(socket, { text });
  return text;
}

function problem(socket: TLSSocket, mode: ClientCertificateMode): string | undefined {
  const presented = Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
  if (!presented) return mode === 'required' ? 'A client certificate is required and none was presented' : undefined;
  if (socket.authorized) return undefined;
  // Typed as an Error, but in fact a string.
  return `The client certificate was refused: ${String(socket.authorizationError)}`;
}
