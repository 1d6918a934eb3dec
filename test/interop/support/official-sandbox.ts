/** NHS England's own `mesh-sandbox` below uvicorn: HTTPS with a required client certificate, and tokens checked in full. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { PYTHON } from './python';

/** What it needs. The values are files, but for the key. */
export interface OfficialSandboxOptions {
  sharedKey: string;
  cert: string;
  key: string;
  clientCa: string;
}

/** A running official sandbox. */
export interface OfficialSandbox {
  url: string;
  /** The last of what it wrote to its log. */
  log(): string;
  stop(): Promise<void>;
}

const UVICORN = (
  '-m uvicorn mesh_sandbox.api:app --host 127.0.0.1 --port 0 --no-access-log ' +
  // 2: ssl.CERT_REQUIRED.
  '--ssl-cert-reqs 2'
).split(' ');
const START_TIMEOUT_MS = 30_000;

/** Starts it on a free port of 127.0.0.1, and resolves when it listens. */
export async function startOfficialSandbox(options: OfficialSandboxOptions): Promise<OfficialSandbox> {
  const server = spawn(
    PYTHON,
    [...UVICORN, '--ssl-certfile', options.cert, '--ssl-keyfile', options.key, '--ssl-ca-certs', options.clientCa],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, AUTH_MODE: 'full', STORE_MODE: 'memory', SHARED_KEY: options.sharedKey, NO_COLOR: '1' },
    },
  );
  // For a test run that ends without its hooks.
  const endWithUs = (): void => void server.kill();
  process.once('exit', endWithUs);
  server.once('exit', () => process.off('exit', endWithUs));
  let log = '';
  const listening = new Promise<string>((resolve, reject) => {
    const read = (text: Buffer): void => {
      log = (log + text.toString()).slice(-20_000);
      const address = /running on (https:\/\/127\.0\.0\.1:\d+)/.exec(log)?.[1];
      if (address !== undefined) resolve(address);
    };
    server.stdout.on('data', read);
    server.stderr.on('data', read);
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`The official sandbox ended at its start:\n${log}`)));
    setTimeout(() => reject(new Error(`The official sandbox did not start:\n${log}`)), START_TIMEOUT_MS).unref();
  });
  try {
    return { url: await listening, log: () => log, stop: () => end(server) };
  } catch (error) {
    await end(server);
    throw error;
  }
}

/** Ends this process and no other. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const impatient = setTimeout(() => server.kill('SIGKILL'), 5000).unref();
  await ended;
  clearTimeout(impatient);
}
