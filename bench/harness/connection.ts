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
export const AUTHORIZATION = {
  authorization: `NHSMESH X26ABC1:00000000-0000-4000-8000-000000000000:0:202601010000:${'0'.repeat(64)}`,
  'mex-from': 'X26ABC1',
};

/** Returns an agent with one kept-alive connection, as the library uses. */
export function bareAgent({ ca, cert, key }: Address): Agent {
  return new Agent({ connections: 1, pipelining: 1, connect: { ca, cert, key } });
}
