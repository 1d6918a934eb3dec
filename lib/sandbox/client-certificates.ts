/**
 * Checks the client certificate of a connection. The sandbox checks it after the TLS handshake: a handshake that fails
 * gives no reason, and clients see a broken connection.
 */
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ConfigurationError } from '../errors';

/** The rules for client certificates: see {@link SandboxOptions.clientCertificate} and `clientCa`. */
export interface ClientCertificateRules {
  mode: 'none' | 'optional' | 'required';
  /** False: any certificate is accepted. */
  checked: boolean;
}

const problems = new WeakMap<Socket, { text: string | undefined }>();

/**
 * Returns the reason for a 403; undefined if the certificate is valid or not needed. Remembered for each connection.
 */
export function clientCertificateProblem(socket: Socket, rules: ClientCertificateRules): string | undefined {
  if (rules.mode === 'none' || !(socket instanceof TLSSocket)) return undefined;
  const known = problems.get(socket);
  if (known) return known.text;
  const text = problem(socket, rules);
  problems.set(socket, { text });
  return text;
}

function problem(socket: TLSSocket, { mode, checked }: ClientCertificateRules): string | undefined {
  const presented = Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
  if (!presented) return mode === 'required' ? 'A client certificate is required and none was presented' : undefined;
  if (!checked || socket.authorized) return undefined;
  // Typed as an Error, but in fact a string.
  return `The client certificate was refused: ${String(socket.authorizationError)}`;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/**
 * Checks the CA certificates for clients: Node skips what it cannot read, and would then refuse every certificate.
 * @throws ConfigurationError when the text has no certificate, or one that cannot be read
 */
export function checkClientCa(pem: string): void {
  const certificates = (pem.match(CERTIFICATE) ?? []).map(readCertificate);
  if (certificates.length === 0) throw new ConfigurationError('The client CA has no certificate in PEM.');
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new ConfigurationError('A certificate of the client CA is not valid PEM.', { cause });
  }
}
