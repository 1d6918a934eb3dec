import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { controlText, LETTER } from '../folders/letters';
import { fastClock } from '../harness/clocks';
import { dataFor, exampleOn, expireAll } from '../harness/examples';
import { MAJORS, startNodeRed } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

/** A control file from the example's mailbox to the other side. */
const control = (fields: Record<string, string> = {}): string =>
  controlText({ From_DTS: 'X26ABC20', To_DTS: 'X26ABC21', ...fields });

for (const major of MAJORS) {
  describe(`the drop-in for the MESH Client in a real Node-RED ${major}`, function () {
    this.timeout(180_000);
    let sandbox: Sandbox;
    let nodeRed: RealNodeRed;
    let userDir = '';
    let root: string;
    const clock = fastClock();
    const ended: Array<() => Promise<void>> = [];

    const start = async (): Promise<void> => {
      const env = { MESH_CLIENT_FOLDER: root };
      const started = await startNodeRed({ major, ...(userDir && { userDir }), env, clock });
      ({ nodeRed, userDir } = started);
      ended.push(started.done);
      const quick = { 'mf-read': { interval: 0.2, settledFor: 0.3, patience: 1.5 } };
      await nodeRed.deploy(await exampleOn(sandbox, 'mesh-client-folders', quick));
    };

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      root = await mkdtemp(join(tmpdir(), 'mesh-drop-in-'));
      await mkdir(join(root, 'out'));
      await start();
    });
    after(async () => {
      for (const done of ended) await done();
      await sandbox?.close();
      await rm(root, { recursive: true, force: true });
    });
    beforeEach(async () => {
      sandbox.clearFaults();
      await sandbox.reset();
      for (const folder of ['out', 'sent', 'failed', 'in']) {
        for (const name of await names(folder)) await rm(join(root, folder, name));
      }
    });

    const names = async (folder: string): Promise<string[]> =>
      (await readdir(join(root, folder)).catch((): string[] => [])).toSorted();
    const text = (...path: string[]): Promise<string> => readFile(join(root, ...path), 'utf8');
    const isIn = (folder: string, name: string): Promise<boolean> =>
      untilInNodeRed(`${name} in ${folder}`, async () => (await names(folder)).includes(name));
    /** Returns the control files in sent and failed. A pair's `.ctl` is moved after its `.dat`. */
    const movedControls = async (): Promise<string[]> =>
      [...(await names('sent')), ...(await names('failed'))].filter((name) => name.endsWith('.ctl'));
    async function drop(name: string, text = control(), content = LETTER): Promise<void> {
      await writeFile(join(root, 'out', `${name}.dat`), content);
      await writeFile(join(root, 'out', `${name}.ctl`), text);
    }
    const alert = (fits: RegExp): Promise<unknown> =>
      nodeRed.debug('mf-told', 30_000, (value) => fits.test(JSON.stringify(value)));

    it('sends a dropped file and moves it to sent, with its message id', async () => {
      await drop('letter');
      await isIn('sent', 'letter.ctl');
      const [message, ...others] = dataFor(sandbox, 'X26ABC21');
      assert.deepEqual(others, []);
      assert.equal(message?.localId, 'PAS-1');
      assert.equal(message?.workflowId, 'TEST_WORKFLOW');
      assert.ok((await text('sent', 'letter.ctl')).includes(`<DTSId>${message?.messageId}</DTSId>`));
      assert.equal(await text('sent', 'letter.dat'), LETTER);
      assert.deepEqual(await names('out'), []);
    });

    it('writes a received message to in, and acknowledges it', async () => {
      await nodeRed.inject('mf-reply');
      const { messageId } = await untilInNodeRed('the letter at MESH', () => dataFor(sandbox, 'X26ABC20')[0]);
      await nodeRed.inject('mf-pollnow');
      await isIn('in', `${messageId}.ctl`);
      assert.equal(await text('in', `${messageId}.dat`), 'A letter for you');
      assert.match(await text('in', `${messageId}.ctl`), /<MessageType>Data<[\s\S]*<StatusCode>00</);
      assert.equal(await nodeRed.debug('mf-acked', 30_000, (value) => value === messageId), messageId);
    });

    it('moves a file that MESH rejects to failed with its code, and raises an alert', async () => {
      await drop('letter', control({ To_DTS: 'X26NONE' }));
      await isIn('failed', 'letter.ctl');
      assert.match(await text('failed', 'letter.ctl'), /<Status>ERROR<[\s\S]*<StatusCode>12</);
      assert.equal(await text('failed', 'letter.dat'), LETTER);
      await alert(/code 12/);
    });

    it('moves an unreadable .ctl, and one of another mailbox, to failed, and raises alerts', async () => {
      await drop('broken', '<DTSControl><To_DTS>X26ABC21');
      await drop('foreign', control({ From_DTS: 'X26ABC9' }));
      await isIn('failed', 'broken.ctl.original');
      await isIn('failed', 'foreign.dat');
      await alert(/cannot be read/);
      await alert(/another mailbox/);
      assert.deepEqual(dataFor(sandbox, 'X26ABC21'), []);
    });

    it('raises an alert for a .ctl without its .dat, and sends the message when the .dat arrives', async () => {
      await writeFile(join(root, 'out', 'late.ctl'), control());
      await alert(/has no \.dat/);
      assert.deepEqual(await names('out'), ['late.ctl']);
      await writeFile(join(root, 'out', 'late.dat'), LETTER);
      await isIn('sent', 'late.ctl');
      assert.equal(dataFor(sandbox, 'X26ABC21').length, 1);
    });

    it('waits for a file that is still being written, and sends all of it', async () => {
      await drop('slow', control(), '');
      for (let piece = 0; piece < 12; piece += 1) {
        await appendFile(join(root, 'out', 'slow.dat'), `${piece},`);
        await sleep(100);
        assert.deepEqual(dataFor(sandbox, 'X26ABC21'), []);
      }
      await isIn('sent', 'slow.ctl');
      assert.equal(await text('sent', 'slow.dat'), '0,1,2,3,4,5,6,7,8,9,10,11,');
      assert.equal(dataFor(sandbox, 'X26ABC21').length, 1);
    });

    it('while MESH is offline and Node-RED is killed: sends no file twice, and moves every file', async () => {
      sandbox.fault({ operation: 'send_message', times: Infinity, effect: { kind: 'status', status: 503 } });
      for (let number = 0; number < 5; number += 1) await drop(`file${number}`, control({ LocalId: `PAS-${number}` }));
      await untilInNodeRed('an empty out folder', async () => (await names('out')).length === 0);
      await nodeRed.stop('SIGKILL');
      await drop('meanwhile', control({ LocalId: 'PAS-5' }));
      sandbox.clearFaults();
      await start();
      const dats = async (folder: string): Promise<string[]> =>
        (await names(folder)).filter((name) => name.endsWith('.dat'));
      await untilInNodeRed('all moved', async () => (await movedControls()).length === 6);
      const localIds = dataFor(sandbox, 'X26ABC21').map(({ localId }) => localId);
      assert.equal(new Set(localIds).size, localIds.length, 'sent twice');
      assert.equal(localIds.length, (await dats('sent')).length);
      assert.ok(localIds.includes('PAS-5'));
      // A kill while a message is on the wire leaves at most two messages unknown, and they raise alerts.
      const unknown = (await names('failed')).filter((name) => name.endsWith('.ctl'));
      assert.ok(unknown.length <= 2);
      for (const name of unknown) assert.match(await text('failed', name), /MESH may have it/);
      if (unknown.length > 0) await alert(/MESH_UNKNOWN_OUTCOME/);
    });

    it('killed three times while it sends: loses no file, and sends none twice', async () => {
      const all: string[] = [];
      for (let kill = 0; kill < 3; kill += 1) {
        for (let number = 0; number < 6; number += 1) {
          all.push(`PAS-${kill}-${number}`);
          await drop(`k${kill}${number}`, control({ LocalId: `PAS-${kill}-${number}` }));
        }
        await untilInNodeRed('one on its way', () => dataFor(sandbox, 'X26ABC21').length > kill * 6);
        await nodeRed.stop('SIGKILL');
        await start();
      }
      await untilInNodeRed('all moved', async () => (await movedControls()).length === all.length);
      const moved = [...(await names('sent')), ...(await names('failed'))].filter((name) => name.endsWith('.dat'));
      assert.equal(moved.length, all.length);
      const localIds = dataFor(sandbox, 'X26ABC21').map(({ localId }) => localId ?? '');
      assert.deepEqual(
        localIds.filter((id, index) => localIds.indexOf(id) !== index),
        [],
        'sent twice',
      );
      // After a kill between a request and its response the message is unknown: its file is in failed and says so.
      const unknown = await Promise.all(
        (await names('failed')).filter((name) => name.endsWith('.ctl')).map((name) => text('failed', name)),
      );
      for (const control of unknown) assert.match(control, /MESH may have it/);
      const sent = await Promise.all(
        (await names('sent')).filter((name) => name.endsWith('.ctl')).map((name) => text('sent', name)),
      );
      const accountedFor = [...sent, ...unknown].map((control) => /<LocalId>(.*)<\/LocalId>/.exec(control)?.[1] ?? '');
      assert.deepEqual(accountedFor.toSorted(), all.toSorted());
      for (const id of sent.map((control) => /<LocalId>(.*)<\/LocalId>/.exec(control)?.[1] ?? '')) {
        assert.ok(localIds.includes(id), `${id} is in sent, but MESH does not have it`);
      }
    });

    it('killed after a message is written: writes it to in only once', async () => {
      await nodeRed.inject('mf-reply');
      const { messageId } = await untilInNodeRed('the letter at MESH', () => dataFor(sandbox, 'X26ABC20')[0]);
      await nodeRed.inject('mf-pollnow');
      await isIn('in', `${messageId}.ctl`);
      await nodeRed.stop('SIGKILL');
      await rm(join(root, 'in', `${messageId}.ctl`));
      await rm(join(root, 'in', `${messageId}.dat`));
      await start();
      await nodeRed.inject('mf-reply');
      const second = await untilInNodeRed('a second letter', () =>
        dataFor(sandbox, 'X26ABC20').find((one) => one.messageId !== messageId),
      );
      await nodeRed.inject('mf-pollnow');
      await isIn('in', `${second.messageId}.ctl`);
      assert.deepEqual(await names('in'), [`${second.messageId}.ctl`, `${second.messageId}.dat`]);
    });

    it('writes a report to in as a .ctl only', async () => {
      await drop('letter');
      await isIn('sent', 'letter.ctl');
      const [message] = dataFor(sandbox, 'X26ABC21');
      expireAll(sandbox);
      const report = await untilInNodeRed('the report', () =>
        sandbox.messages().find(({ to, messageType }) => to === 'X26ABC20' && messageType === 'REPORT'),
      );
      await nodeRed.inject('mf-pollnow');
      await isIn('in', `${report.messageId}.ctl`);
      const control = await text('in', `${report.messageId}.ctl`);
      assert.match(control, /<MessageType>Report<[\s\S]*<Status>ERROR<[\s\S]*<StatusCode>14</);
      assert.ok(control.includes(`<DTSId>${message?.messageId}</DTSId>`));
      await alert(/undelivered/);
    });
  });
}
