/** Tickets for downloads, without a Node-RED: each works once, for half a minute, for one path. */
import assert from 'node:assert/strict';
import { DownloadTickets, TICKET_MS } from '../../nodes/admin/download-tickets';

describe('a download ticket', () => {
  let now = 0;
  const one = { path: '/mesh/a', user: 'clerk' };

  it('works once', () => {
    const tickets = new DownloadTickets(() => now);
    const ticket = tickets.issue(one);
    assert.deepEqual(tickets.redeem(ticket, '/mesh/a'), one);
    assert.equal(tickets.redeem(ticket, '/mesh/a'), undefined);
  });

  it('works for half a minute', () => {
    const tickets = new DownloadTickets(() => now);
    const [first, second] = [tickets.issue(one), tickets.issue(one)];
    now += TICKET_MS - 1;
    assert.deepEqual(tickets.redeem(first, '/mesh/a'), one);
    now += 1;
    assert.equal(tickets.redeem(second, '/mesh/a'), undefined);
  });

  it('is used up by a request for another path', () => {
    const tickets = new DownloadTickets(() => now);
    const ticket = tickets.issue(one);
    assert.equal(tickets.redeem(ticket, '/mesh/b'), undefined);
    assert.equal(tickets.redeem(ticket, '/mesh/a'), undefined);
  });

  it('has 256 random bits, and the oldest of more than a thousand unused ones is dropped', () => {
    const tickets = new DownloadTickets(() => now);
    const issued = Array.from({ length: 1500 }, () => tickets.issue(one));
    assert.equal(new Set(issued).size, 1500);
    assert.equal(Buffer.from(issued[0] ?? '', 'base64url').length, 32);
    assert.equal(tickets.redeem(issued[0] ?? '', '/mesh/a'), undefined);
    assert.deepEqual(tickets.redeem(issued[1499] ?? '', '/mesh/a'), one);
    assert.equal(tickets.redeem('', '/mesh/a'), undefined);
  });
});
