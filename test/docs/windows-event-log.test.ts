/** The log handler of docs/windows.md, with a program in the place of Windows' eventcreate. */
import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { ROOT } from '../harness/node-red';
import { until } from '../harness/until';

interface Handler {
  logging: { eventLog: { handler: () => (entry: { msg: unknown }) => void } };
}

describe('the handler for the Windows Event Log', () => {
  it('passes alerts and audit on as they are, without a shell, and nothing else', async () => {
    const page = await readFile(join(ROOT, 'docs/windows.md'), 'utf8');
    const code = /```js\n(logging: [^]*?)```/.exec(page)?.[1] ?? '';
    const folder = await emptyFolder();
    const [program, written] = [join(folder, 'eventcreate'), join(folder, 'written')];
    await writeFile(program, `#!/bin/sh\nprintf '%s\\n' "$@" >> ${written}\necho --- >> ${written}\n`);
    await chmod(program, 0o755);
    const path = process.env['PATH'] ?? '';
    process.env['PATH'] = `${folder}:${path}`;
    afterThisTest(() => (process.env['PATH'] = path));
    const { logging } = runInNewContext(`({ ${code} })`, { require }) as Handler;
    const log = logging.eventLog.handler();
    const line = 'ALERT critical disk mailbox=X26ABC1: $(touch x) & "quoted"';
    for (const msg of ['Started flows', { message: 'an object' }, line]) log({ msg });
    const events = async (): Promise<string> => readFile(written, 'utf8').catch(() => '');
    let found = '';
    await until('the event', () => {
      void events().then((text) => (found = text));
      return found.includes('---');
    });
    const expected = ['/L', 'APPLICATION', '/SO', 'NHS MESH', '/ID', '1', '/T', 'ERROR', '/D', line, '---', ''];
    assert.deepEqual(found.split('\n'), expected);
  });
});
