import assert from 'node:assert/strict';
import { acknowledge, call, inbox, sandboxFor, send, V2 } from './support';
import type { Sandbox } from '../../lib/sandbox';

const PATH = '/messageexchange/X26ABC2/inbox';

async function fill(sandbox: Sandbox, count: number): Promise<string[]> {
  const ids = [];
  for (let index = 0; index < count; index += 1) ids.push(await send(sandbox, { workflowId: `W${index % 2}` }));
  return ids;
}

interface Page {
  messages: string[];
  links: { self: string; next?: string };
  approx_inbox_count: number;
}

async function page(sandbox: Sandbox, path = PATH): Promise<Page> {
  const response = await call(sandbox, path, { as: 'X26ABC2' });
  assert.equal(response.status, 200, response.body.toString());
  return response.json() as unknown as Page;
}

describe('sandbox: inbox', () => {
  it('lists messages with links and a count in version 2, and messages alone in version 1', async () => {
    const sandbox = await sandboxFor();
    const ids = await fill(sandbox, 3);
    assert.deepEqual(await page(sandbox), { messages: ids, links: { self: PATH }, approx_inbox_count: 3 });
    const first = await call(sandbox, PATH, { as: 'X26ABC2', version: 1 });
    assert.deepEqual(first.json(), { messages: ids });
  });

  it('is empty at first, and closed to other mailboxes', async () => {
    const sandbox = await sandboxFor();
    await send(sandbox);
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), []);
    assert.deepEqual(await inbox(sandbox, 'X26ABC3'), []);
  });

  it('pages through the inbox by links.next, oldest first', async () => {
    const sandbox = await sandboxFor();
    const ids = await fill(sandbox, 25);
    const seen: string[][] = [];
    let path: string | undefined = `${PATH}?max_results=10`;
    while (path !== undefined) {
      const { messages, links, approx_inbox_count: count }: Page = await page(sandbox, path);
      assert.equal(links.self, `${PATH}?max_results=10`);
      assert.equal(count, 25);
      seen.push(messages);
      path = links.next;
      const token = path && new URL(path, 'http://x').searchParams.get('continue_from');
      if (token) assert.ok(token.length >= 24 && !token.includes('_'), token);
    }
    assert.deepEqual(seen, [ids.slice(0, 10), ids.slice(10, 20), ids.slice(20)]);
  });

  it('has no links.next when the last page is exactly full', async () => {
    const sandbox = await sandboxFor();
    await fill(sandbox, 10);
    assert.equal((await page(sandbox, `${PATH}?max_results=10`)).links.next, undefined);
  });

  it('continues at its position although the messages of the last page were acknowledged', async () => {
    const sandbox = await sandboxFor();
    const ids = await fill(sandbox, 12);
    const { messages, links } = await page(sandbox, `${PATH}?max_results=10`);
    for (const id of messages) await acknowledge(sandbox, id);
    assert.deepEqual((await page(sandbox, links.next)).messages, ids.slice(10));
  });

  it('continues in version 1 from a message id', async () => {
    const sandbox = await sandboxFor();
    const ids = await fill(sandbox, 12);
    const query = `?max_results=10&continue_from=${ids[9]}`;
    const response = await call(sandbox, PATH + query, { as: 'X26ABC2', version: 1 });
    assert.deepEqual(response.json(), { messages: ids.slice(10) });
  });

  it('lists 500 messages without max_results, in both versions', async function () {
    const sandbox = await sandboxFor();
    await Promise.all(Array.from({ length: 501 }, () => send(sandbox)));
    const { messages, links } = await page(sandbox);
    assert.equal(messages.length, 500);
    assert.match(links.next ?? '', /^\/messageexchange\/X26ABC2\/inbox\?continue_from=/);
    assert.equal((await page(sandbox, links.next)).messages.length, 1);
    const first = await call(sandbox, PATH, { as: 'X26ABC2', version: 1 });
    assert.equal((first.json()['messages'] as string[]).length, 500);
  });

  it('accepts max_results from 10 to 5000', async () => {
    const sandbox = await sandboxFor();
    const statuses = [];
    for (const max of ['9', '10', '5000', '5001', 'x', '', '-10', '1e3']) {
      statuses.push((await call(sandbox, `${PATH}?max_results=${max}`, { as: 'X26ABC2' })).status);
    }
    assert.deepEqual(statuses, [400, 200, 200, 400, 400, 400, 400, 400]);
  });

  it('refuses a continue_from that it did not return to this mailbox', async () => {
    const sandbox = await sandboxFor();
    await fill(sandbox, 11);
    const { links } = await page(sandbox, `${PATH}?max_results=10`);
    const ofAnotherMailbox = links.next?.replace('X26ABC2', 'X26ABC3') ?? '';
    assert.equal((await call(sandbox, ofAnotherMailbox, { as: 'X26ABC3' })).status, 400);
    for (const value of [
      'short',
      'x'.repeat(23),
      'x'.repeat(24),
      'x'.repeat(1001),
      Buffer.from('{"a":1}'.repeat(9)).toString('base64'),
    ]) {
      assert.equal((await call(sandbox, `${PATH}?continue_from=${value}`, { as: 'X26ABC2' })).status, 400, value);
    }
  });

  it('filters by workflow in all six forms', async () => {
    const sandbox = await sandboxFor();
    const workflows = ['TOC_A', 'TOC_A_ACK', 'PATH_B', 'PATH_B_ACK'];
    const byId = new Map<string, string>();
    for (const workflowId of workflows) byId.set(await send(sandbox, { workflowId }), workflowId);
    const fitting = async (filter: string): Promise<unknown[]> =>
      (await inbox(sandbox, 'X26ABC2', `?workflow_filter=${encodeURIComponent(filter)}`)).map((id) => byId.get(id));
    assert.deepEqual(await fitting('TOC_A'), ['TOC_A']);
    assert.deepEqual(await fitting('!TOC_A'), ['TOC_A_ACK', 'PATH_B', 'PATH_B_ACK']);
    assert.deepEqual(await fitting('TOC*'), ['TOC_A', 'TOC_A_ACK']);
    assert.deepEqual(await fitting('!TOC*'), ['PATH_B', 'PATH_B_ACK']);
    assert.deepEqual(await fitting('*_ACK*'), ['TOC_A_ACK', 'PATH_B_ACK']);
    assert.deepEqual(await fitting('!*_ACK*'), ['TOC_A', 'PATH_B']);
  });

  it('reads other forms of a filter as the NHS’s sandbox does', async () => {
    const sandbox = await sandboxFor();
    const workflows = ['TOC_A', 'TOC_B', 'TOC', '_A'];
    const byId = new Map<string, string>();
    for (const workflowId of workflows) byId.set(await send(sandbox, { workflowId }), workflowId);
    const fitting = async (filter: string): Promise<unknown[]> =>
      (await inbox(sandbox, 'X26ABC2', `?workflow_filter=${encodeURIComponent(filter)}`)).map((id) => byId.get(id));
    // Behind an asterisk the last character is dropped: "contains _".
    assert.deepEqual(await fitting('*_A'), ['TOC_A', 'TOC_B', '_A']);
    assert.deepEqual(await fitting('!*_A'), ['TOC']);
    assert.deepEqual(await fitting('*A'), workflows);
    assert.deepEqual(await fitting('!*A'), []);
    assert.deepEqual(await fitting('**'), workflows);
    assert.deepEqual(await fitting('!*'), []);
    assert.deepEqual(await fitting('*TOC**'), ['TOC_A', 'TOC_B', 'TOC']);
    assert.deepEqual(await fitting('!!TOC'), workflows);
    assert.deepEqual(await fitting(' TOC '), ['TOC']);
    assert.deepEqual(await fitting('toc'), []);
  });

  it('keeps the filter in its links and the whole inbox in its count', async () => {
    const sandbox = await sandboxFor();
    const ids = await fill(sandbox, 24);
    const first = await page(sandbox, `${PATH}?max_results=10&workflow_filter=!W1*`);
    assert.equal(first.approx_inbox_count, 24);
    assert.equal(first.links.self, `${PATH}?max_results=10&workflow_filter=%21W1*`);
    const second = await page(sandbox, first.links.next);
    assert.deepEqual(
      [...first.messages, ...second.messages],
      ids.filter((_, index) => index % 2 === 0),
    );
  });

  it('accepts a workflow filter of 2 to 255 characters', async () => {
    const sandbox = await sandboxFor();
    const status = async (length: number): Promise<number> =>
      (await call(sandbox, `${PATH}?workflow_filter=${'W'.repeat(length)}`, { as: 'X26ABC2' })).status;
    assert.deepEqual([await status(1), await status(2), await status(255), await status(256)], [400, 200, 200, 400]);
  });

  it('counts the messages in the inbox', async () => {
    const sandbox = await sandboxFor();
    await fill(sandbox, 2);
    const path = '/messageexchange/X26ABC2/count';
    const second = await call(sandbox, path, { as: 'X26ABC2' });
    assert.deepEqual([second.json(), second.headers['content-type']], [{ count: 2 }, V2]);
    const { count, internalID, allResultsIncluded } = (await call(sandbox, path, { as: 'X26ABC2', version: 1 })).json();
    assert.deepEqual([count, typeof internalID, allResultsIncluded], [2, 'string', true]);
  });
});
