/**
 * `nhs-mesh conformance`, as a supplier runs it, against the official sandbox: which items of the assurance catalogue
 * pass, and why the others cannot. The sandbox has no disabled mailbox and no clock to move; its admin endpoints stand
 * in for what MESH does after five days.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Findings, PendingMessage } from '../../lib/conformance/types';
import { ROOT } from '../harness/node-red';
import { officialSandbox, PASSWORD, SHARED_KEY, workFolder, type Server } from './support/servers';

const [BOB, ALICE, WORKFLOW] = ['X26ABC1', 'X26ABC2', 'TEST_WORKFLOW'];
const DAY_MS = 24 * 60 * 60 * 1000;

/** Returns each item and its verdict, with the first clause of the reason if it did not pass. */
const verdicts = ({ items }: Findings): string[][] =>
  items.map(({ id, verdict, reason }) => [
    id,
    verdict,
    ...(reason === undefined ? [] : [/^[^:.]+/.exec(reason)?.[0] ?? '']),
  ]);

describe('The conformance run on the official sandbox', function () {
  // 210 MB and 630 messages.
  this.timeout(180_000);
  this.slow(60_000);
  let server: Server;
  let pending: PendingMessage | undefined;

  before(async () => {
    server = await officialSandbox();
    await server.reset();
  });
  after(() => server.reset());

  /** Runs the program that users install, and returns its exit code and its evidence pack. */
  async function conformance(name: string, ...args: string[]): Promise<{ code: number | null; findings: Findings }> {
    const out = join(await workFolder(), name);
    await mkdir(out);
    const { ca, cert, key } = server.tls.files;
    const program = join(ROOT, 'dist', 'lib', 'cli', 'main.js');
    const where = ['--environment', server.url, '--ca', ca, '--cert', cert, '--key', key, '--workflow', WORKFLOW];
    const child = spawn(
      process.execPath,
      [
        program,
        'conformance',
        ...where,
        '--mailbox',
        BOB,
        '--mailbox',
        ALICE,
        '--no-list-limit',
        '--out',
        out,
        ...args,
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, MESH_SHARED_KEY: SHARED_KEY, MESH_PASSWORD: PASSWORD },
      },
    );
    let errors = '';
    child.stderr.on('data', (piece: Buffer) => (errors += piece.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    const text = await readFile(join(out, 'conformance-evidence.json'), 'utf8').catch(() => {
      throw new Error(`No evidence pack was written: ${errors}`);
    });
    assert.match(await readFile(join(out, 'conformance-evidence.html'), 'utf8'), /^<!doctype html>/i);
    return { code, findings: JSON.parse(text) as Findings };
  }

  async function admin(path: string, body: object): Promise<void> {
    const headers = { 'Content-Type': 'application/json' };
    const request = { method: 'POST', path: `/messageexchange/admin${path}`, headers, body: JSON.stringify(body) };
    assert.equal((await server.raw(request)).status, 200);
  }

  it('passes 201 to 802 except 701 (no disabled mailbox), 703 and 705 (five days); 803 needs a witness', async () => {
    const { code, findings } = await conformance('first-run');
    assert.deepEqual(verdicts(findings), [
      ...['201', '202', '401', '402', '501', '502', '601'].map((id) => [id, 'passed']),
      ['701', 'not possible here', 'No disabled mailbox was specified'],
      ['702', 'passed'],
      ['703', 'needs a person', 'MESH must first keep the message for five days'],
      ['704', 'passed'],
      ['705', 'needs a person', 'MESH must first keep the message for five days'],
      ['801', 'passed'],
      ['802', 'passed'],
      [
        '803',
        'needs a person',
        'Show a witness how your flow handles an undelivered message (status, Catch, mesh-track, the sidebar)',
      ],
    ]);
    assert.equal(code, 0);
    ({ pending } = findings);
    // Only the message that must stay uncollected is left.
    assert.deepEqual(await server.official(ALICE).list(), [pending?.messageId]);
    assert.deepEqual(await server.official(BOB).list(), []);
  });

  it('passes 703 and 705 when continued after five days, which the sandbox’s admin endpoints simulate', async () => {
    assert.ok(pending, 'the first run has left a message');
    const { messageId } = pending;
    const code = '14';
    await admin(`/message/${messageId}/event`, {
      status: 'undeliverable',
      code,
      event: 'SEND',
      description: 'expired',
    });
    const report = { code, description: 'Message not collected by recipient after 5 days', workflow_id: WORKFLOW };
    await admin('/report', { mailbox_id: BOB, linked_message_id: messageId, ...report });
    const acceptedAt = new Date(Date.now() - 6 * DAY_MS).toISOString();
    const earlier = join(await workFolder(), 'earlier.json');
    await writeFile(earlier, JSON.stringify({ pending: { ...pending, acceptedAt } }));

    const { code: exit, findings } = await conformance('second-run', '--continue', earlier, '--items', '703,705');
    assert.deepEqual(verdicts(findings), [
      ['703', 'passed'],
      ['705', 'passed'],
    ]);
    assert.equal(exit, 0);
    assert.equal(findings.pending, undefined);
    assert.deepEqual(await server.official(BOB).list(), []);
  });
});
