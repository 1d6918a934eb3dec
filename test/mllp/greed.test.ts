/** Senders that never finish, never speak or send too much: they hold neither memory nor connections for good. */
import assert from 'node:assert/strict';
import { ByteBudget } from '../../lib/mllp/byte-budget';
import { MllpFrameError } from '../../lib/mllp/errors';
import { frame } from '../../lib/mllp/framing';
import { acceptAll, ack, adt, listening, Sender, until } from './support';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The beginning of a message without an end. */
const begun = (bytes: number): Buffer => Buffer.concat([Buffer.from('\u000bMSH|^~\\&|'), Buffer.alloc(bytes, 'x')]);

describe('an MLLP server and a greedy sender', function () {
  this.timeout(30_000);

  it('disconnects a sender whose message is not whole in time, drip or not, and says so', async () => {
    const { server, problems } = await listening({ messageTimeoutMs: 300 });
    const silent = await Sender.connect(server.port);
    silent.socket.write(begun(100));
    const dripping = await Sender.connect(server.port);
    dripping.socket.write(begun(1));
    const drip = setInterval(() => dripping.socket.write('x'), 20);
    try {
      await silent.closed();
      await dripping.closed();
    } finally {
      clearInterval(drip);
    }
    assert.equal(problems.filter(({ error }) => error instanceof MllpFrameError).length, 2);
    assert.match(problems[0]?.error.message ?? '', /not whole/);
    assert.doesNotMatch(problems[0]?.error.message ?? '', /MSH|xxx/);
    assert.equal(server.heldBytes, 0);
  });

  it('gives each message its own deadline, and none to the time that the flow takes', async () => {
    const { server, requests } = await listening({ messageTimeoutMs: 300 });
    const sender = await Sender.connect(server.port);
    for (const id of ['1', '2', '3']) {
      const whole = frame(adt(id));
      sender.socket.write(whole.subarray(0, 20));
      await new Promise((resolve) => setTimeout(resolve, 150));
      sender.socket.write(whole.subarray(20));
      await until(() => requests.length === Number(id));
      await new Promise((resolve) => setTimeout(resolve, 400));
      requests[Number(id) - 1]?.respond(ack(adt(id)));
    }
    assert.deepEqual(await sender.received(3), ['AA 1', 'AA 2', 'AA 3']);
  });

  it('disconnects a sender without a message, also one that sends only bytes outside frames, not one that waits', async () => {
    const { server, requests } = await listening({ idleTimeoutMs: 300 });
    const idle = await Sender.connect(server.port);
    const junk = await Sender.connect(server.port);
    const waiting = await Sender.connect(server.port);
    waiting.send(adt('1'));
    const writing = setInterval(() => junk.socket.write('junk'), 20);
    try {
      await idle.closed();
      await junk.closed();
    } finally {
      clearInterval(writing);
    }
    assert.equal(waiting.isClosed, false);
    requests[0]?.respond(ack(adt('1')));
    assert.deepEqual(await waiting.received(1), ['AA 1']);
    await waiting.closed();
  });

  it('holds one budget for 60 senders that never finish, then serves the others', async () => {
    const budget = 4 * MIB;
    const options = { maxBytes: MIB, maxTotalBytes: budget, messageTimeoutMs: 1500, maxConnections: 70 };
    const { server } = await listening({ ...options, ...acceptAll });
    const greedy = await Promise.all(Array.from({ length: 60 }, () => Sender.connect(server.port)));
    let most = 0;
    const watching = setInterval(() => (most = Math.max(most, server.heldBytes)), 5);
    for (const { socket } of greedy) socket.write(begun(MIB - 100));
    try {
      await Promise.all(greedy.map((one) => one.closed()));
    } finally {
      clearInterval(watching);
    }
    assert.ok(most > MIB, `${most}`);
    // What the sockets had read when the limit was reached comes on top.
    assert.ok(most <= budget + 2 * MIB, `${most} bytes held`);
    assert.equal(server.heldBytes, 0);
    const honest = await Sender.connect(server.port);
    honest.send(adt('1'));
    assert.deepEqual(await honest.received(1), ['AA 1']);
  });

  it('makes senders wait while messages in flight take the budget, and reads on when they are settled', async () => {
    const note = `NTE|1||${'x'.repeat(600 * KIB)}\r`;
    const { server, requests } = await listening({ maxBytes: MIB, maxTotalBytes: MIB });
    const senders = await Promise.all(Array.from({ length: 6 }, () => Sender.connect(server.port)));
    for (const [index, sender] of senders.entries()) sender.send(adt(String(index), note));
    for (let settled = 0; settled < 6; settled += 1) {
      await until(() => requests.length > settled);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(server.heldBytes <= 2 * MIB + 6 * 64 * KIB, `${server.heldBytes} bytes held`);
      assert.ok(requests.length - settled <= 2, `${requests.length - settled} messages in flight`);
      const request = requests[settled];
      request?.respond(ack(request.bytes));
    }
    for (const sender of senders) await sender.received(1);
    assert.equal(server.heldBytes, 0);
  });

  it('counts the messages of senders that have gone until the flow is done with them', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.send(adt('1'));
    await until(() => requests.length === 1);
    sender.socket.resetAndDestroy();
    await until(() => server.connections === 0);
    assert.equal(server.heldBytes, adt('1').length);
    requests[0]?.respond(ack(adt('1')));
    assert.equal(server.heldBytes, 0);
  });
});

describe('the byte budget', () => {
  it('lets the first message that began be read on, if nothing is in flight', () => {
    const budget = new ByteBudget(10);
    const [one, two] = [{}, {}];
    const noop = (): void => undefined;
    budget.record(one, { bytes: 6, inFlight: 0, isInMessage: true }, noop);
    assert.deepEqual([budget.mustWait(one), budget.mustWait(two)], [false, false]);
    budget.record(two, { bytes: 6, inFlight: 0, isInMessage: true }, noop);
    assert.deepEqual([budget.mustWait(one), budget.mustWait(two)], [false, true]);
    budget.record({}, { bytes: 1, inFlight: 1, isInMessage: false }, noop);
    assert.deepEqual([budget.mustWait(one), budget.mustWait(two)], [true, true]);
    budget.release(one);
    assert.deepEqual([budget.bytes, budget.mustWait(two)], [7, false]);
  });
});
