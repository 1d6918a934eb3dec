/** The cleaned list of the opt-out check, by its shipped profile: nothing but a part of what was sent settles it. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadProfiles, type Delivery } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';
import { assertNoNhsNumber } from '../harness/nhs-numbers';
import { sent, twoParties, type Party } from './support';

const WORKFLOW = 'SPINE_NTT_UPHOLDING';
const NUMBERS = ['9997877896', '9991742182', '9999081002', '9993390755', '9997938348'];
const list = (...numbers: string[]): string => numbers.map((number) => `${number},\n`).join('');
const LIST = list(...NUMBERS);
const [A = '', B = '', C = '', D = ''] = NUMBERS;
const NEVER_SENT = '9997017463';

async function ledger({ outbox }: Party): Promise<unknown[]> {
  const entries: unknown[] = [];
  for await (const entry of outbox.ledger({ from: 0, to: Infinity })) entries.push(entry);
  assert.ok(entries.length > 0);
  return entries;
}

async function start() {
  const { lab, practice: service } = await twoParties();
  const request = async (localId: string, payload: string | { file: string } = LIST): Promise<string> => {
    const { message } = await lab.outbox.enqueue(
      { to: 'X26ABC2', workflowId: WORKFLOW, localId, subject: localId, fileName: `${localId}.dat`, payload },
      { requestedAcknowledgements: 'automatic' },
    );
    await lab.outbox.accepted(message.id);
    return message.id;
  };
  /** The service returns a list. Returns what the flow gets. */
  const reply = async (localId: string, payload: string | Buffer): Promise<Delivery['reply']> => {
    const message = { to: 'X26ABC1', workflowId: WORKFLOW, localId, subject: 'the list', payload };
    await service.outbox.enqueue(message);
    await sent(service);
    await lab.collect();
    return lab.taken.deliveries.at(-1)?.reply;
  };
  const stage = async (id: string): Promise<string | undefined> =>
    (await lab.outbox.get(id))?.stages?.find(({ name }) => name === 'list')?.outcome;
  return { lab, request, reply, stage };
}

describe('the cleaned list of the opt-out check', () => {
  it('settles its request when every number in it was sent, and says how many of how many', async () => {
    const { request, reply, stage } = await start();
    const id = await request('REF-1');
    const said = await reply('REF-1', list(D, A, C));
    assert.deepEqual([said?.outcome, said?.rows, said?.sentId], ['positive', { sent: 5, returned: 3 }, id]);
    assert.equal(await stage(id), 'positive');
    const copy = await reply('REF-1', list(D, A, C));
    assert.deepEqual([copy?.outcome, copy?.isDuplicate], ['positive', true]);
  });

  const hostile: Array<[string, string | Buffer, RegExp | undefined]> = [
    ['with a number that was never sent', list(A, B, NEVER_SENT), /^not sent: 1 rows, the first in line 3$/],
    ['with a number twice', list(A, B, C, A), /^repeated: 1 rows, the first in line 4$/],
    ['that is longer than what was sent', LIST + LIST, /^repeated: 5 rows, the first in line 6$/],
    ['with less than half of what was sent', list(A, B), /^too few: 2 of 5 rows$/],
    ['that was cut within a number', list(A, B, C).slice(0, -5), /^not sent: 1 rows, the first in line 3$/],
    ['without a byte in it', '\n', /^empty$/],
    ['with a row of names before its numbers', `NHS_NUMBER,\n${list(A, B, C)}`, /^no list$/],
    [
      'with a second number in a row',
      `${A},\n${B},\n${C},${NEVER_SENT},\n`,
      /^the reply has another form from line 3 on$/,
    ],
    ['in UTF-16', Buffer.from(`\uFEFF${list(A, B, C)}`, 'utf16le'), undefined],
    ['that says it was refused', 'The file contains one or more invalid NHS Numbers. ', undefined],
  ];
  for (const [what, payload, code] of hostile) {
    it(`${what} settles nothing as good, and no number is in what is raised`, async () => {
      const { lab, request, reply, stage } = await start();
      const id = await request('REF-1');
      const said = await reply('REF-1', payload);
      assert.equal(said?.outcome, code === undefined ? 'negative' : 'unclear');
      if (code !== undefined) assert.match(said?.code ?? '', code);
      assert.equal(await stage(id), code === undefined ? 'negative' : 'awaited');
      const errors = lab.taken.failures.map(({ error }) => JSON.stringify([error, error.message]));
      assert.equal(errors.length, code === undefined ? 0 : 1);
      assertNoNhsNumber(JSON.stringify([errors, said, await ledger(lab)]));
      // The right list may still come.
      if (code === undefined) return;
      assert.equal((await reply('REF-1', list(C, B, A)))?.outcome, 'positive');
      assert.equal(await stage(id), 'positive');
    });
  }

  it('of another form is good all the same: CR LF, a byte order mark, no comma, Windows-1252', async () => {
    const { request, reply, stage } = await start();
    const forms = [
      list(A, B, C).replaceAll('\n', '\r\n'),
      `\uFEFF${list(A, B, C)}`,
      `${A}\n${B}\n${C}\n`,
      Buffer.from(list(A, B, C), 'latin1'),
    ];
    for (const [n, payload] of forms.entries()) {
      const id = await request(`REF-${n}`);
      assert.equal((await reply(`REF-${n}`, payload))?.outcome, 'positive');
      assert.equal(await stage(id), 'positive');
    }
  });

  it('of another request does not agree; one that names no request is compared with none, and not believed', async () => {
    const { lab, request, reply, stage } = await start();
    const [one, other] = [await request('REF-1', list(A, B)), await request('REF-2', list(C, D))];
    assert.match((await reply('REF-1', list(C, D)))?.code ?? '', /^not sent: 2 rows/);
    assert.deepEqual([await stage(one), await stage(other)], ['awaited', 'awaited']);
    const unknown = await reply('REF-3', list(A, B));
    assert.deepEqual([unknown?.outcome, unknown?.code, unknown?.problem], ['unclear', 'not compared', 'unmatched']);
    assert.equal(lab.taken.failures.length, 2);
  });

  it('cannot be compared when the file that was sent by its path has changed or gone, and is then not believed', async () => {
    const { lab, request, reply, stage } = await start();
    const folder = await emptyFolder();
    const numbers = Array.from({ length: 7000 }, (_, n) => String(9_000_000_000 + n));
    for (const [n, spoil] of [
      (path: string) => writeFile(path, list(...numbers, NEVER_SENT)),
      (path: string) => rm(path),
    ].entries()) {
      const path = join(folder, `${n}.dat`);
      await writeFile(path, list(...numbers));
      const id = await request(`REF-${n}`, { file: path });
      await spoil(path);
      const said = await reply(`REF-${n}`, list(...numbers));
      assert.deepEqual([said?.outcome, said?.code], ['unclear', 'the request or the reply cannot be read']);
      assert.equal(await stage(id), 'awaited');
      assert.equal(lab.taken.failures.length, n + 1);
    }
  });

  it('of more rows than a row of the store holds is compared from the spool', async () => {
    const { request, reply, stage } = await start();
    const numbers = Array.from({ length: 20_000 }, (_, n) => String(9_000_000_000 + n));
    const id = await request('REF-1', list(...numbers));
    assert.equal((await reply('REF-1', list(...numbers.slice(0, 19_000), NEVER_SENT)))?.outcome, 'unclear');
    const said = await reply('REF-1', list(...numbers.slice(1000)));
    assert.deepEqual([said?.outcome, said?.rows], ['positive', { sent: 20_000, returned: 19_000 }]);
    assert.equal(await stage(id), 'positive');
  });

  it('is compared by what a profile of one’s own says, which is refused where each row has a request of its own', () => {
    const profile = (match: object, compare: object) =>
      loadProfiles(
        JSON.stringify({
          profiles: [
            { workflowId: 'OWN', replies: [{ name: 'a', kind: 'result', occurs: 'any', match: [match], compare }] },
          ],
        }),
      );
    const byId = { in: 'localId', request: 'localId' };
    const [stage] = profile(byId, { column: 'id' }).find('OWN')?.replies ?? [];
    assert.deepEqual(stage?.compare, { column: 'id', minimumPercent: 0 });
    assert.throws(() => profile({ in: 'rows', column: 'id', request: 'localId' }, { column: 'id' }), /row by row/);
    assert.throws(() => profile(byId, { column: 'id', minimumPercent: 101 }), /minimumPercent/);
    assert.throws(() => profile(byId, {}), /compare/);
  });
});
