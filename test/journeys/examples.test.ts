import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFlows, type RealNodeRed } from '../harness/node-red';
import { MAJORS, startNodeRed } from '../harness/flows';

interface Mesh {
  messageId: string;
  sha256: string;
  bytes: number;
  workflowId: string;
  file?: string;
}

for (const major of MAJORS) {
  describe(`the introductory examples in a real Node-RED ${major}`, function () {
    this.timeout(120_000);
    let nodeRed: RealNodeRed;
    let done: () => Promise<void>;
    let files: string;

    before(async () => {
      files = await mkdtemp(join(tmpdir(), 'mesh-examples-'));
      await writeFile(join(files, 'letter ä.txt'), 'A letter as a file'.repeat(10_000));
      ({ nodeRed, done } = await startNodeRed({
        major,
        flows: exampleFlows('first-message', 'file-transfer'),
        env: { MESH_EXAMPLE_FILE: join(files, 'letter ä.txt'), MESH_EXAMPLE_FOLDER: join(files, 'received') },
      }));
    });

    after(async () => {
      await done?.();
      await rm(files, { recursive: true, force: true });
    });

    it('load without errors, and their mailboxes connect', async () => {
      for (const id of ['fm-send', 'fm-poll', 'ft-send', 'ft-poll']) {
        await nodeRed.status(id, (status) => status.fill === 'green');
      }
      assert.doesNotMatch(nodeRed.log(), /\[error\]|Waiting for missing types/);
    });

    for (const [button, what] of [
      ['fm-hl7', 'an HL7 v2 message'],
      ['fm-fhir', 'a FHIR bundle'],
      ['fm-pdf', 'a PDF'],
    ] as const) {
      it(`carry ${what} from one mailbox to the other, acknowledge it and track it`, async () => {
        await nodeRed.inject(button);
        const { messageId, bytes } = (await nodeRed.debug('fm-sent')) as Mesh;
        const received = (await nodeRed.debug('fm-received')) as Mesh;
        assert.equal(received.messageId, messageId);
        assert.equal(received.bytes, bytes);
        assert.equal(received.sha256, createHash('sha256').update(injectedPayload(button)).digest('hex'));
        assert.equal(await nodeRed.debug('fm-acked'), messageId);
        await nodeRed.inject('fm-tracknow');
        const tracking = (await nodeRed.debug('fm-tracked')) as { status: string; messageId: string };
        assert.deepEqual([tracking.messageId, tracking.status], [messageId, 'acknowledged']);
      });
    }

    it('save a file in a folder under the message id and its own name', async () => {
      await nodeRed.inject('ft-file');
      const { messageId } = (await nodeRed.debug('ft-sent')) as Mesh;
      const received = (await nodeRed.debug('ft-received')) as Mesh;
      assert.equal(received.file, join(files, 'received', `${messageId}_letter ä.txt`));
      assert.deepEqual(await readFile(received.file), await readFile(join(files, 'letter ä.txt')));
    });

    it('show a rejection at Catch with MESH’s code and advice', async () => {
      await nodeRed.inject('fm-wrong');
      assert.match(String(await nodeRed.debug('fm-error')), /code 12\b.*mailbox id/s);
    });

    it('find the mailboxes for a workflow', async () => {
      await nodeRed.inject('fm-looknobody');
      const found = (await nodeRed.debug('fm-found')) as Array<{ mailboxId: string }>;
      assert.deepEqual(
        found.map((mailbox) => mailbox.mailboxId),
        ['X26ABC2'],
      );
    });

    it('continue after a deploy, and the sandbox keeps its messages', async () => {
      await nodeRed.inject('fm-nocollect');
      const { messageId } = (await nodeRed.debug('fm-sent2')) as Mesh;
      const flows = (await (await fetch(`${nodeRed.url}/flows`)).json()) as unknown[];
      await nodeRed.deploy(flows);
      await nodeRed.inject('fm-hl7');
      await nodeRed.debug('fm-sent');
      await nodeRed.debug('fm-acked');
      await nodeRed.inject('fm-tracknow', [{ p: 'messageId', v: messageId, vt: 'str' }]);
      assert.equal(((await nodeRed.debug('fm-tracked')) as { status: string }).status, 'accepted');
    });
  });
}

function injectedPayload(button: string): Buffer {
  const props = exampleFlows('first-message').find((node) => node.id === button)?.['props'] as Array<{
    p: string;
    v: string;
    vt: string;
  }>;
  const { v, vt } = props.find((prop) => prop.p === 'payload') ?? { v: '', vt: '' };
  return vt === 'bin' ? Buffer.from(JSON.parse(v) as number[]) : Buffer.from(v);
}
