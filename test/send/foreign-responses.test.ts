/** The outbox behind something that responds in MESH's place: nothing is rejected, parked or sent twice by that. */
import assert from 'node:assert/strict';
import { steppedClock } from '../harness/clocks';
import { interceptingProxy, type Interference } from '../harness/mesh-gate';
import { letter, outboxAt, storageIn, tlsSandbox, type TestOutbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
const STATUSES = [200, 202, 204, 302, 304, 403, 404, 408, 409, 413, 417, 421, 423];

/** Lets minutes pass until the message has had an event. */
async function reaches(
  mailbox: TestOutbox,
  clock: { advance(ms: number): void },
  id: string,
  event: string,
): Promise<void> {
  await eventually(`a message that is ${event}`, async () => {
    if (mailbox.eventsOf(id).includes(event)) return true;
    clock.advance(MINUTE);
    return false;
  });
}

describe('outbox: a response that is not MESH’s', () => {
  for (const status of STATUSES) {
    it(`${status} to the POST of a whole message is looked up: adopted if MESH has it, never sent twice`, async () => {
      for (const instead of [true, false]) {
        const server = await tlsSandbox();
        let pages = 1;
        const proxy = await interceptingProxy(server, ({ method, url }): Interference => {
          if (method !== 'POST' || !url?.endsWith('/outbox') || pages === 0) return 'pass';
          pages -= 1;
          return { status, instead };
        });
        const clock = steppedClock();
        const mailbox = outboxAt(proxy, { storage: await storageIn(), clock });
        const { message } = await mailbox.outbox.enqueue(letter());
        mailbox.start();
        await reaches(mailbox, clock, message.id, 'unknown');
        if (instead) await reaches(mailbox, clock, message.id, 'adopted');
        else
          await eventually('a decision needed', async () => {
            clock.advance(MINUTE);
            return (await mailbox.outbox.get(message.id))?.needsDecision;
          });
        assert.equal(server.messages().length, instead ? 1 : 0);
        const events = mailbox.eventsOf(message.id);
        assert.ok(!events.some((event) => event === 'rejected' || event === 'parked'), events.join());
        await mailbox.close();
      }
    });

    it(`${status} to a chunk sends that chunk again, and the message arrives once`, async () => {
      for (const chunk of ['/outbox', '/2', '/3']) {
        const server = await tlsSandbox();
        let pages = 2;
        const proxy = await interceptingProxy(server, ({ method, url }): Interference => {
          if (method !== 'POST' || !url?.endsWith(chunk) || pages === 0) return 'pass';
          pages -= 1;
          return { status, instead: pages === 0 };
        });
        const clock = steppedClock();
        const options = { maxRequestBytes: 100, chunkBytes: 100, compression: 'never' } as const;
        const mailbox = outboxAt(proxy, { storage: await storageIn(), clock, ...options });
        const { message } = await mailbox.outbox.enqueue(letter('x'.repeat(250)));
        mailbox.start();
        await reaches(mailbox, clock, message.id, 'accepted');
        const arrived = server.messages().filter((one) => one.status === 'accepted');
        assert.deepEqual(
          arrived.map(({ bytes }) => bytes),
          [250],
          chunk,
        );
        await mailbox.close();
      }
    });
  }

  it('pauses the sending, keeps the order, and the pause names the page', async () => {
    const server = await tlsSandbox();
    let isDown = true;
    const proxy = await interceptingProxy(server, () => (isDown ? { status: 302 } : 'pass'));
    const clock = steppedClock();
    const mailbox = outboxAt(proxy, { storage: await storageIn(), clock });
    // The first of them is unknown: nobody can say what became of it. It is the only one.
    const sent = await Promise.all(Array.from({ length: 5 }, () => mailbox.outbox.enqueue(letter())));
    mailbox.start();
    await eventually('a pause', () => mailbox.states.at(-1)?.paused?.error.code === 'MESH_UNKNOWN_OUTCOME');
    clock.advance(2 * MINUTE);
    await eventually('the page as the reason', () => mailbox.states.at(-1)?.paused?.error.code === 'MESH_PROTOCOL');
    for (let minute = 0; minute < 20; minute += 1) {
      clock.advance(MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const states = await Promise.all(sent.map(async ({ message }) => (await mailbox.outbox.get(message.id))?.state));
    assert.deepEqual(states, ['unknown', 'queued', 'queued', 'queued', 'queued']);
    isDown = false;
    for (const { message } of sent.slice(1)) await reaches(mailbox, clock, message.id, 'accepted');
    assert.deepEqual(
      server.messages().map(({ localId }) => localId),
      sent.slice(1).map(({ message }) => message.id),
    );
  });

  it('to a lookup or tracking settles nothing: a page that does not know a message is not MESH', async () => {
    const server = await tlsSandbox();
    // MESH's own 404 to six look-ups makes a message need a decision.
    const statuses = [...STATUSES, 404, 404, 404, 404, 404, 404];
    let isLost = true;
    const proxy = await interceptingProxy(server, ({ method, url }): Interference => {
      if (method === 'POST' && url?.endsWith('/outbox') && isLost) {
        isLost = false;
        return 'swallow';
      }
      const status = url?.includes('/tracking') ? statuses.shift() : undefined;
      return status === undefined ? 'pass' : { status };
    });
    const clock = steppedClock();
    const mailbox = outboxAt(proxy, { storage: await storageIn(), clock, timeouts: { headersMs: 500 } });
    const { message } = await mailbox.outbox.enqueue(letter());
    mailbox.start();
    await reaches(mailbox, clock, message.id, 'unknown');
    await reaches(mailbox, clock, message.id, 'adopted');
    assert.equal(statuses.length, 0);
    assert.ok(!mailbox.eventsOf(message.id).includes('held'));
    assert.equal(server.messages().length, 1);
  });
});
