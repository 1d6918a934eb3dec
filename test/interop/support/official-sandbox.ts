/**
 * NHS England's own `mesh-sandbox` in uvicorn, over HTTPS with a required client certificate and full checks of tokens.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { PYTHON } from './python';

/** The shared key, and paths of PEM files. */
interface OfficialSandboxOptions {
  sharedKey: string;
  cert: string;
  key: string;
  clientCa: string;
}

interface OfficialSandbox {
  url: string;
  stop(): Promise<void>;
}

const UVICORN = (
  '-m uvicorn mesh_sandbox.api:app --host 127.0.0.1 --port 0 --no-access-log ' +
  // 2: ssl.CERT_REQUIRED.
  '--ssl-cert-reqs 2'
).split(' ');
const START_TIMEOUT_MS = 30_000;

/**
 * Starts the sandbox on a free port of 127.0.0.1, and resolves when it listens.
 * @throws Error with its log when it ends, or does not listen within 30 s
 */
export async function startOfficialSandbox(options: OfficialSandboxOptions): Promise<OfficialSandbox> {
  const server = spawn(
    PYTHON,
    [...UVICORN, '--ssl-certfile', options.cert, '--ssl-keyfile', options.key, '--ssl-ca-certs', options.clientCa],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, AUTH_MODE: 'full', STORE_MODE: 'memory', SHARED_KEY: options.sharedKey, NO_COLOR: '1' },
    },
  );
  // For a test run that ends without running its hooks.
  const killAtExit = (): void => void server.kill();
  process.once('exit', killAtExit);
  server.once('exit', () => process.off('exit', killAtExit));
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
    server.once('exit', () => reject(new Error(`The official sandbox ended while starting:\n${log}`)));
    setTimeout(() => reject(new Error(`The official sandbox did not start:\n${log}`)), START_TIMEOUT_MS).unref();
  });
  try {
    return { url: await listening, stop: () => stop(server) };
  } catch (error) {
    await stop(server);
    throw error;
  }
}

/** Stops the process: with SIGTERM, after 5 s with SIGKILL. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const timer = setTimeout(() => server.kill('SIGKILL'), 5000).unref();
  await ended;
  clearTimeout(timer);
}
