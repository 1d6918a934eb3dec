/** handshake. */
import { arch, release, type, version } from 'node:os';
import { AuthenticationError } from '../errors';
import { readError } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import { adviceFor } from '../protocol/error-codes';
import { readJson } from './body';
import type { Call, Exchange } from './exchange';
import { detailsOf } from './failures';

/** Tells MESH that the mailbox is alive, and finds out whether it lets us in. handshake: once every 24 hours. */
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
    // It waits in the way of everything else, and is repeated by whoever wants it.
    attempts: 2,
    headersMs: Math.min(30_000, exchange.config.timeouts.headersMs),
    expected: [200],
  };
  await exchange.run(call, signal, async (response) => {
    // A 200 with an errorCode in its body has been seen (DOMAIN.md 1.3).
    const answer = readError(await readJson(response.body, exchange.answerMs));
    if (answer.code === undefined) return;
    throw new AuthenticationError(`MESH answered the handshake with its error code ${answer.code}.`, {
      ...detailsOf(exchange.contextOf(call, signal)),
      meshCode: answer.code,
      ...(answer.event ? { event: answer.event } : {}),
      ...(answer.description ? { description: answer.description.slice(0, 300) } : {}),
      advice: adviceFor('api', answer.event, answer.code),
    });
  });
}
