/** Tickets for downloads, without a Node-RED: each is good once, for a while, for one path. */
import assert from 'node:assert/strict';
import { DownloadTickets, TICKET_MS } from '../../nodes/admin/download-tickets';

describe('a download ticket', () => {
  let now = 0;
  const one = { path: '/mesh/a', user: 'clerk' };

  it('is good once', () => {
    const tickets = new DownloadTickets(() => now);
    const ticket = tickets.give(one);
    assert.deepEqual(tickets.take(ticket, '/mesh/a'), one);
    assert.equal(tickets.take(ticket, '/mesh/a'), undefined);
  });

  it('is good for half a minute', () => {
    const tickets = new DownloadTickets(() => now);
    const [first, second] = [tickets.give(one), tickets.give(one)];
    now += TICKET_MS - 1;
    assert.deepEqual(tickets.take(first, '/mesh/a'), one);
    now += 1;
    assert.equal(tickets.take(second, '/mesh/a'), undefined);
  });

  it('is used up by whoever shows it for something else', () => {
    const tickets = new DownloadTickets(() => now);
    const ticket = tickets.give(one);
    assert.equal(tickets.take(ticket, '/mesh/b'), undefined);
    assert.equal(tickets.take(ticket, '/mesh/a'), undefined);
  });

  it('is guessed by nobody, and a thousand unused ones leave room for the next', () => {
    const tickets = new DownloadTickets(() => now);
    const given = Array.from({ length: 1500 }, () => tickets.give(one));
    assert.equal(new Set(given).size, 1500);
    assert.equal(Buffer.from(given[0] ?? '', 'base64url').length, 32);
    assert.equal(tickets.take(given[0] ?? '', '/mesh/a'), undefined);
    assert.deepEqual(tickets.take(given[1499] ?? '', '/mesh/a'), one);
    assert.equal(tickets.take('', '/mesh/a'), undefined);
  });
});
