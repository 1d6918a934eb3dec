/**
 * What is wrong with a connection's client certificate. Checked by the sandbox and not by the TLS handshake: a handshake
 * that fails tells nobody why, and clients see it as a broken connection.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** See SandboxOptions.clientCertificate. */
export type ClientCertificateMode = 'none' | 'optional' | 'required';

const problems = new WeakMap<Socket, { text: string | undefined }>();

/** The reason to answer 403, or undefined if the certificate is good or not needed. Remembered for the connection. */
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
  // Typed as an Error, and a text in fact.
  return `The client certificate was refused: ${String(socket.authorizationError)}`;
}
