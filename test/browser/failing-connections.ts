/** What a person may type into a mailbox's dialog that fails at one step each, with a real server for it. */
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

/** What is typed; nothing of it is deployed. */
export interface Typed {
  url: string;
  /** The credentials of the tls-config. */
  tls: { cadata: string; certdata?: string; keydata?: string };
  /** Of the `http proxy` node; none if left out. */
  proxy?: { url: string; credentials: { username: string; password: string } };
  /** Default: the sandbox's own. */
  sharedKey?: string;
  /** To look up. */
  workflow?: string;
}

/** One connection that does not work, or works with a warning. */
export interface Failing {
  what: string;
  /** The steps in red. */
  failed?: CheckStepName[];
  /** The steps in amber. */
  warned?: CheckStepName[];
  /** Starts what it needs; it is closed after the test. */
  make: (good: Sandbox) => Promise<Typed>;
}

/** The fields of the dialog. */
export const at = ({ url, sharedKey = 'TestKey' }: Typed): Record<string, string> => ({
  environment: url,
  password: 'password',
  sharedKey,
});

async function client(good: Sandbox, wanted: { commonName?: string; notAfter?: Date } = {}): Promise<Typed> {
  const { cert, key } = await good.clientCertificate(wanted);
  return { url: good.url, tls: { cadata: good.ca ?? '', certdata: cert, keydata: key } };
}

/** A server whose certificate says this. */
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
    what: 'a server that speaks no TLS',
    failed: ['tls'],
    make: async (good) => ({ ...(await client(good)), url: (await plainSandbox()).url.replace('http:', 'https:') }),
  },
  {
    what: 'a server that says nothing',
    failed: ['tls'],
    make: async (good) => ({
      ...(await client(good)),
      url: `https://127.0.0.1:${await listening(createServer(() => undefined))}`,
    }),
  },
  {
    what: 'a CA that is not trusted',
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
    what: 'a lookup that is refused',
    failed: ['workflow'],
    make: async () => ({
      ...(await answering(({ path }) => ({ status: path.includes('workflow') ? 403 : 200, body: Buffer.from('{}') }))),
      workflow: 'W',
    }),
  },
  {
    what: 'a workflow that nobody receives',
    warned: ['workflow'],
    make: async (good) => ({ ...(await client(good)), sharedKey: good.sharedKey, workflow: 'NO_SUCH' }),
  },
];
