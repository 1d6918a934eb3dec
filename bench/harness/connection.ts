/** Where the server is, and what a client shows it. */
import { Agent } from 'undici';

/** As the server's `listen` gives it; PEM texts. */
export interface Address {
  url: string;
  ca: string;
  cert: string;
  key: string;
}

export const MAILBOX = '/messageexchange/X26ABC1';
/** The limits show a constant one, as long as a real one: computing it is part of what the library does. */
export const AUTHORIZATION = {
  authorization: `NHSMESH X26ABC1:00000000-0000-4000-8000-000000000000:0:202601010000:${'0'.repeat(64)}`,
  'mex-from': 'X26ABC1',
};

/** One connection, kept alive: what the library uses. */
export function bareAgent({ ca, cert, key }: Address): Agent {
  return new Agent({ connections: 1, pipelining: 1, connect: { ca, cert, key } });
}
