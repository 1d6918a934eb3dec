/**
 * The limit of large transfers: undici alone. Sends the same ranges of the same file with Content-Length; downloads the
 * same chunks one after the other to a file, with checksum and fsync.
 */
import { createReadStream } from 'node:fs';
import type { Agent } from 'undici';
import { AUTHORIZATION, bareAgent, MAILBOX, type Address } from '../harness/connection';
import { measured, serve } from '../harness/serve';
import { openTarget } from './target';

let agent: Agent;
let url: string;

serve({
  connect(address: Address) {
    agent = bareAgent(address);
    ({ url } = address);
  },
  send: ({ file, ranges }: { file: string; ranges: Array<{ start: number; end: number }> }) =>
    measured(async () => {
      let messageId = '';
      for (const [index, { start, end }] of ranges.entries()) {
        const { body } = await agent.request({
          origin: url,
          path: `${MAILBOX}/outbox${index === 0 ? '' : `/${messageId}/${index + 1}`}`,
          method: 'POST',
          headers: {
            ...AUTHORIZATION,
            'mex-chunk-range': `${index + 1}:${ranges.length}`,
            'content-length': String(end - start),
          },
          body: createReadStream(file, { start, end: end - 1, highWaterMark: 1024 * 1024 }),
        });
        const response = (await body.json()) as { message_id: string };
        messageId ||= response.message_id;
      }
      return { bytes: ranges.at(-1)?.end ?? 0, messages: 1 };
    }),
  receive: ({ messageId, chunks, file }: { messageId: string; chunks: number; file: string }) =>
    measured(async () => {
      const target = openTarget(file);
      for (let chunk = 1; chunk <= chunks; chunk += 1) {
        const path = `${MAILBOX}/inbox/${messageId}${chunk === 1 ? '' : `/${chunk}`}`;
        const { body } = await agent.request({ origin: url, path, method: 'GET', headers: AUTHORIZATION });
        for await (const piece of body as AsyncIterable<Buffer>) await target.write(piece);
      }
      return { ...(await target.finish()), messages: 1 };
    }),
});
