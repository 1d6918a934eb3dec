/** The operation handshake. */
import { arch, release, type, version } from 'node:os';
import { AuthenticationError } from '../errors';
import { readError } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import { adviceFor } from '../protocol/error-codes';
import { readJson } from './body';
import type { Call, Exchange } from './exchange';
import { detailsOf } from './failures';
import { requireEmptyOrNaming } from './origin';

/** handshake: shows MESH that the mailbox is in use, and checks our credentials. Once every 24 hours. */
export async function handshake(exchange: Exchange, signal?: AbortSignal): Promise<void> {
  const call: Call = {
    operation: 'handshake',
    purpose: 'The handshake did not succeed',
    method: 'POST',
    path: endpoints.handshake(exchange.config.mailboxId),
    headers: {
      'Mex-ClientVersion': exchange.config.clientVersion,
      'Mex-OSName': type(),
      'Mex-OSVersion': `${release()} ${version()}`.slice(0, 200),
      'Mex-OSArchitecture': arch(),
    },
    // Few and short attempts: every other request waits for the handshake, and its callers repeat it themselves.
    attempts: 2,
    headersMs: Math.min(30_000, exchange.config.timeouts.headersMs),
    expected: [200],
  };
  await exchange.run(call, signal, async (response) => {
    // A 200 with an errorCode in its body has been seen (docs/mesh.md, Addresses and environments).
    const body = await readJson(response.body, exchange.smallBodyMs);
    requireEmptyOrNaming(body, 'mailboxId', exchange.config.mailboxId);
    const { code, event, description } = readError(body.json);
    if (code === undefined) return;
    throw new AuthenticationError(`MESH refused the handshake (MESH code ${code}).`, {
      ...detailsOf(exchange.contextOf(call, signal)),
      meshCode: code,
      ...(event ? { event } : {}),
      ...(description ? { description: description.slice(0, 300) } : {}),
      advice: adviceFor(code),
    });
  });
}
