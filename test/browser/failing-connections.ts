/**
 * Settings that a user may type into a mailbox's dialog and that fail at one step each, with a real server for each.
 */
import { createServer } from 'node:net';
import type { CheckStepName } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox';
import { authority } from '../harness/certificates';
import { connectProxy } from '../harness/connect-proxy';
import { hostileMesh } from '../harness/hostile-mesh';
import { listening } from '../harness/listening';
import { sandbox as plainSandbox } from '../harness/mailboxes';

const DAY = 24 * 60 * 60 * 1000;
const HOUR = DAY / 24;

/** Typed settings, none of them deployed. */
export interface Typed {
  url: string;
  /** Credentials of the tls-config. */
  tls: { cadata: string; certdata?: string; keydata?: string };
  /** Settings of the `http proxy` node; no proxy if left out. */
  proxy?: { url: string; credentials: { username: string; password: string } };
  /** Default: the sandbox's own. */
  sharedKey?: string;
  /** Workflow id to look up. */
  workflow?: string;
}

/** A connection that fails, or works with a warning. */
export interface Failing {
  what: string;
  /** Steps that fail. */
  failed?: CheckStepName[];
  /** Steps with a warning. */
  warned?: CheckStepName[];
  /** Starts the servers that it needs, which are closed after the test. */
  make: (good: Sandbox) => Promise<Typed>;
}

/** Returns the values of the dialog's fields. */
export const at = ({ url, sharedKey = 'TestKey' }: Typed): Record<string, string> => ({
  environment: url,
  password: 'password',
  sharedKey,
});

async function client(good: Sandbox, wanted: { commonName?: string; notAfter?: Date } = {}): Promise<Typed> {
  const { cert, key } = await good.clientCertificate(wanted);
  return { url: good.url, tls: { cadata: good.ca ?? '', certdata: cert, keydata: key } };
}

/** Starts a server whose certificate has these names or this end. */
async function server(wanted: { names?: string[]; notAfter?: Date }): Promise<Typed> {
  const ca = await authority('CA');
  const { url } = await hostileMesh(() => ({}), await ca.issue(wanted));
  return { url, tls: { cadata: ca.cert } };
}

async function answering(...how: Parameters<typeof hostileMesh>): Promise<Typed> {
  const { url, ca } = await hostileMesh(...how);
  return { url, tls: { cadata: ca } };
}

export const FAILING: Failing[] = [
  {
    what: 'a client certificate that has expired',
    failed: ['certificate'],
    make: (good) => client(good, { notAfter: new Date(Date.now() - DAY) }),
  },
  {
    what: 'a client certificate of another organisation',
    warned: ['certificate'],
    make: (good) => client(good, { commonName: 'x.RA9.api.mesh-client.nhs.uk' }),
  },
  {
    what: 'a proxy that refuses the password',
    failed: ['proxy'],
    make: async (good) => {
      const { url } = await connectProxy('user:right');
      return { ...(await client(good)), proxy: { url, credentials: { username: 'user', password: 'wrong' } } };
    },
  },
  {
    what: 'a server without TLS',
    failed: ['tls'],
    make: async (good) => ({ ...(await client(good)), url: (await plainSandbox()).url.replace('http:', 'https:') }),
  },
  {
    what: 'a server that sends nothing',
    failed: ['tls'],
    make: async (good) => ({
      ...(await client(good)),
      url: `https://127.0.0.1:${await listening(createServer(() => undefined))}`,
    }),
  },
  {
    what: 'an untrusted CA',
    failed: ['authority'],
    make: async (good) => ({ url: good.url, tls: { cadata: (await authority('Another CA')).cert } }),
  },
  {
    what: 'a server’s certificate that has expired',
    failed: ['server-certificate'],
    make: () => server({ notAfter: new Date(Date.now() - DAY) }),
  },
  {
    what: 'a certificate for another host name',
    failed: ['host-name'],
    make: () => server({ names: ['elsewhere.example'] }),
  },
  {
    what: 'a clock three hours off',
    failed: ['clock', 'handshake'],
    make: () => answering(() => ({ status: 403, headers: { date: new Date(Date.now() - 3 * HOUR).toUTCString() } })),
  },
  { what: 'a server that hangs', failed: ['handshake'], make: () => answering(() => 'hang') },
  {
    what: 'a refused lookup',
    failed: ['workflow'],
    make: async () => ({
      ...(await answering(({ path }) => ({ status: path.includes('workflow') ? 403 : 200, body: Buffer.from('{}') }))),
      workflow: 'W',
    }),
  },
  {
    what: 'a workflow without receivers',
    warned: ['workflow'],
    make: async (good) => ({ ...(await client(good)), sharedKey: good.sharedKey, workflow: 'NO_SUCH' }),
  },
];
