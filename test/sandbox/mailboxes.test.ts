import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DEFAULT_MAILBOXES,
  DEFAULT_WORKFLOWS,
  readMailboxFile,
  readWorkflowFile,
  startSandbox,
} from '../../lib/sandbox';

describe('sandbox: mailbox and workflow files', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-sandbox-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function file(...lines: string[]): Promise<string> {
    const path = join(folder, 'lines.jsonl');
    await writeFile(path, lines.join('\n'));
    return path;
  }

  it('has the NHS sandbox’s mailboxes and workflows by default', () => {
    assert.deepEqual(
      DEFAULT_MAILBOXES.map(({ mailboxId, password, odsCode }) => [mailboxId, password, odsCode]),
      [
        ['X26ABC1', 'password', 'X26'],
        ['X26ABC2', 'password', 'X26'],
        ['X26ABC3', 'password', 'X27'],
      ],
    );
    assert.deepEqual(
      DEFAULT_WORKFLOWS.map(({ workflowId }) => workflowId),
      ['TEST_WORKFLOW', 'TEST_WORKFLOW_ACK', 'TEST_WORKFLOW2'],
    );
  });

  it('reads the field names of the NHS’s sandbox, and skips empty lines', async () => {
    const path = await file(
      '\uFEFF{"mailbox_id": "A1", "mailbox_name": "Name", "billing_entity": "England", "ods_code": "O", ' +
        '"org_code": "G", "org_name": "N", "password": "p", "active": false}\r',
      '',
      '{"mailbox_id": "A2", "password": "p", "ods_code": null, "unknown": 1}',
      '',
    );
    assert.deepEqual(await readMailboxFile(path), [
      {
        mailboxId: 'A1',
        name: 'Name',
        billingEntity: 'England',
        odsCode: 'O',
        orgCode: 'G',
        orgName: 'N',
        password: 'p',
        active: false,
      },
      { mailboxId: 'A2', password: 'p' },
    ]);
  });

  it('names an invalid line, and never repeats it', async () => {
    const good = '{"mailbox_id": "A1", "password": "secret"}';
    const wrong: Array<[string, RegExp]> = [
      ['{"mailbox_id": "A1", "password": secret}', /line 3: not a JSON/],
      ['["secret"]', /line 3: .*expected object/],
      ['{"mailbox_id": "A1"}', /line 3: password: /],
      ['{"mailbox_id": "", "password": "secret"}', /line 3: mailbox_id: /],
      ['{"mailbox_id": "A1", "password": "secret", "active": "yes"}', /line 3: active: /],
    ];
    for (const [line, message] of wrong) {
      const path = await file(good, '', line);
      await assert.rejects(readMailboxFile(path), (error: Error & { code: string }) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes('secret'), error.message);
        return error.code === 'MESH_CONFIGURATION' && error.message.startsWith(path);
      });
    }
  });

  it('reads workflows', async () => {
    const path = await file('{"workflow_id": "W", "senders": ["A1"], "receivers": ["A2", "A3"]}');
    assert.deepEqual(await readWorkflowFile(path), [{ workflowId: 'W', senders: ['A1'], receivers: ['A2', 'A3'] }]);
    await assert.rejects(readWorkflowFile(await file('{"workflow_id": "W", "senders": "A1"}')), /line 1: senders/);
  });

  it('names a file that cannot be read', async () => {
    await assert.rejects(readMailboxFile(join(folder, 'none')), /none cannot be read \(ENOENT\)/);
  });

  it('does not start with a mailbox that is listed twice, malformed or without a password', async () => {
    const start = (...mailboxes: Array<{ mailboxId: string; password: string }>): Promise<unknown> =>
      startSandbox({ protocol: 'http', mailboxes });
    await assert.rejects(start({ mailboxId: 'A1', password: 'p' }, { mailboxId: 'a1', password: 'p' }), /twice/);
    await assert.rejects(start({ mailboxId: 'A:1', password: 'p' }), /malformed/);
    await assert.rejects(start({ mailboxId: 'A1', password: '' }), /empty password/);
  });
});
