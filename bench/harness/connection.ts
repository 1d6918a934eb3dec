/** The address of the server, and the credentials that a client shows it. */
import { Agent } from 'undici';

/** What the server's `listen` returns. Certificates and key are PEM. */
export interface Address {
  url: string;
  ca: string;
  cert: string;
  key: string;
}

export const MAILBOX = '/messageexchange/X26ABC1';
/** A constant header as long as a real one, for the limits: computing it is part of the library's work. */
const authorizationOf = (mailbox: string): { authorization: string } => ({
  authorization: `NHSMESH ${mailbox}:00000000-0000-4000-8000-000000000000:0:202601010000:${'0'.repeat(64)}`,
});
export const AUTHORIZATION = { ...authorizationOf('X26ABC1'), 'mex-from': 'X26ABC1' };

/** Returns the headers of a request without a body, as many bytes as the library's. */
export const requestHeaders = (mailbox: string): Record<string, string> => ({
  ...authorizationOf(mailbox),
  accept: 'application/vnd.mesh.v2+json',
  'user-agent': 'undici',
});

/** Returns the headers of a small message, as many bytes as the library's: what mesh-api.yaml requires, and a local id. */
export const sendHeaders = (): Record<string, string> => ({
  ...requestHeaders('X26ABC1'),
  'mex-from': 'X26ABC1',
  'content-type': 'application/octet-stream',
  'mex-content-type': 'application/octet-stream',
  'mex-messagetype': 'DATA',
  'mex-to': 'X26ABC2',
  'mex-workflowid': 'BENCH',
  'mex-localid': '01900000-0000-7000-8000-000000000000',
});

/** Returns an agent with one kept-alive connection, as the library uses. */
export function bareAgent({ ca, cert, key }: Address): Agent {
  return new Agent({ connections: 1, pipelining: 1, connect: { ca, cert, key } });
}
