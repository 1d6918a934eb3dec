/** The dialog of a code table: by keyboard, with search, import and export, unknown codes, and what is wrong with a file. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { Editor, MAJORS, needsChromium, THEMES } from '../harness/browser';

const ROWS = [
  { source: 'NA', target: '2951-2', display: 'Sodium' },
  { source: 'K', target: '2823-3', display: 'Potassium' },
];
const HOSTILE = '<img src=x onerror=alert(1)>';

/** Look-ups in a table, and what is looked up as soon as the flow starts. */
const lookUps = (table: string, index: number): object[] => [
  {
    id: `look-${table}`,
    type: 'mesh-code-lookup',
    z: 'tab',
    table,
    version: 1,
    code: 'payload',
    codeType: 'msg',
    x: 400,
    y: 100 + 100 * index,
    wires: [[], [`end-${table}`]],
  },
  {
    id: `end-${table}`,
    type: 'debug',
    z: 'tab',
    active: true,
    tosidebar: false,
    x: 700,
    y: 100 + 100 * index,
    wires: [],
  },
  ...['GLU', 'GLU', '=cmd()', HOSTILE].map((payload, number) => ({
    id: `give-${table}-${number}`,
    type: 'inject',
    z: 'tab',
    props: [{ p: 'payload' }],
    payload,
    payloadType: 'str',
    once: true,
    onceDelay: 0.5,
    x: 100,
    y: 60 + 40 * (number + 4 * index),
    wires: [[`look-${table}`]],
  })),
];

const flowOf = (file: string): object[] => [
  { id: 'tab', type: 'tab', label: 'codes' },
  {
    id: 'typed',
    type: 'mesh-codes',
    name: 'lab',
    version: 1,
    from: 'rows',
    rows: JSON.stringify(ROWS),
    targetSystem: 'LN',
  },
  { id: 'filed', type: 'mesh-codes', name: 'drugs', version: 1, from: 'file', file, header: true },
  ...lookUps('typed', 0),
  ...lookUps('filed', 1),
];

const codesIn = (tray: Locator): Promise<string[]> =>
  tray
    .locator('#mesh-codes-table tbody tr')
    .evaluateAll((rows) => rows.map((row) => row.querySelector('input')?.value ?? ''));

for (const major of MAJORS) {
  for (const theme of THEMES[major]) {
    describe(`the dialog of a code table in Node-RED ${major}, ${theme}`, function () {
      needsChromium(this);
      let editor: Editor;
      let folder: string;
      let file: string;
      before(async () => {
        folder = await mkdtemp(join(tmpdir(), 'mesh-codes-'));
        file = join(folder, 'codes.csv');
        await writeFile(
          file,
          'source,targetSystem,target,display\nA,SNOMED CT,73211009,Diabetes\nB,SNOMED CT,73211008,Wrong digit\n',
        );
        editor = await Editor.open({ major, theme, flows: flowOf(file) });
      });
      after(async () => {
        await editor.close();
        await rm(folder, { recursive: true });
      });
      afterEach(() => editor.cancelAll());

      const status = (tray: Locator): Locator => tray.locator('.mesh-codes-status');

      it('adds, changes, finds and removes codes by keyboard alone, and keeps them', async () => {
        const tray = await editor.editConfig('mesh-codes', 'typed');
        const { keyboard } = editor.page;
        assert.deepEqual(await codesIn(tray), ['NA', 'K']);
        await tray.locator('#mesh-codes-table').getByRole('button', { name: 'Add', exact: true }).focus();
        await keyboard.press('Enter');
        await keyboard.type('UREA');
        await keyboard.press('Tab');
        await keyboard.type('3094-0');
        await keyboard.press('Tab');
        await keyboard.type('Urea nitrogen');
        assert.deepEqual(await codesIn(tray), ['UREA', 'NA', 'K']);
        assert.equal(await status(tray).textContent(), 'Codes: 3.');
        await tray.locator('#mesh-codes-table .mesh-codes-search').focus();
        await keyboard.type('potas');
        assert.deepEqual(await codesIn(tray), ['K']);
        await tray.getByRole('button', { name: 'Remove K' }).focus();
        await keyboard.press('Enter');
        await tray.locator('#mesh-codes-table .mesh-codes-search').fill('');
        assert.deepEqual(await codesIn(tray), ['UREA', 'NA']);
        await editor.done();
        const again = await editor.editConfig('mesh-codes', 'typed');
        assert.deepEqual(await codesIn(again), ['UREA', 'NA']);
      });

      it('says that a code is there twice while it is typed', async () => {
        const tray = await editor.editConfig('mesh-codes', 'typed');
        await tray.locator('#mesh-codes-table').getByRole('button', { name: 'Add', exact: true }).click();
        await editor.page.keyboard.type(' NA ');
        assert.match((await status(tray).textContent()) ?? '', /There twice: 1,/);
      });

      it('imports CSV and Excel’s semicolons, leaves out what is there already, and exports what it can import', async () => {
        const tray = await editor.editConfig('mesh-codes', 'typed');
        const csv = Buffer.from(
          "source;target;display;priority\nNA;2951-2;Sodium;\nX;1;caf\u00e9;2\n'=1+1;2;;\n",
          'latin1',
        );
        await tray
          .locator('.mesh-codes-import')
          .setInputFiles({ name: 'codes.csv', mimeType: 'text/csv', buffer: csv });
        await status(tray).filter({ hasText: 'Imported' }).waitFor();
        assert.match((await status(tray).textContent()) ?? '', /Imported: 2, there already: 1/);
        const downloading = editor.page.waitForEvent('download');
        await tray.locator('#mesh-codes-table').getByRole('button', { name: 'Export CSV' }).click();
        const path = await (await downloading).path();
        const exported = await readFile(path, 'utf8');
        assert.match(exported, /^\ufeffsourceSystem,source,targetSystem,target,display,equivalence,priority\r\n/);
        assert.match(exported, /,X,,1,café,,2\r\n/);
        // A spreadsheet runs no formula.
        assert.match(exported, /,'=1\+1,,2,/);
        await tray.locator('.mesh-codes-import').setInputFiles(path);
        await status(tray).filter({ hasText: 'Imported: 0' }).waitFor();
        await tray
          .locator('.mesh-codes-import')
          .setInputFiles({ name: 'bad.csv', mimeType: 'text/csv', buffer: Buffer.from('code,target\na,b\n') });
        await status(tray)
          .filter({ hasText: 'Nothing was imported. Line 1: The header does not have the column source.' })
          .waitFor();
      });

      it('lists unknown codes as text, adds one with its target, and dismisses others', async () => {
        const tray = await editor.editConfig('mesh-codes', 'typed');
        const unknown = tray.locator('#mesh-codes-deployed');
        await unknown.getByText('Codes looked up in vain: 3.').waitFor();
        assert.equal(await unknown.locator('img').count(), 0);
        await unknown.getByText(HOSTILE).waitFor();
        const downloading = editor.page.waitForEvent('download');
        await unknown.getByRole('button', { name: 'Export CSV' }).click();
        assert.match(await readFile(await (await downloading).path(), 'utf8'), /,'=cmd\(\),,1\r\n/);
        await unknown.getByRole('button', { name: 'Add GLU' }).press('Enter');
        await editor.page.keyboard.type('2345-7');
        assert.deepEqual((await codesIn(tray)).slice(0, 1), ['GLU']);
        await unknown.getByRole('button', { name: 'Dismiss =cmd()' }).press('Enter');
        await unknown.getByText('Codes looked up in vain: 2.').waitFor();
      });

      it('shows what a file has and its warnings, finds a row, and says when the file is faulty', async () => {
        await writeFile(
          file,
          'source,targetSystem,target,display\nA,SNOMED CT,73211009,Diabetes\nB,SNOMED CT,73211008,Wrong digit\n',
        );
        const tray = await editor.editConfig('mesh-codes', 'filed');
        const deployed = tray.locator('#mesh-codes-deployed');
        await deployed.getByText(/^Version [0-9a-f]{12}, rows: 2, read/).waitFor();
        await deployed.getByText('Warnings: 1').click();
        await deployed.getByText(/Line 3, target: The last digit of the SNOMED CT code/).waitFor();
        await tray.getByText('Columns of the file').click();
        await deployed.locator('.mesh-codes-search').fill('diab');
        await deployed.locator('.mesh-codes-table').first().getByText('Wrong digit').waitFor({ state: 'detached' });
        if (major === '5') await editor.picture(`dialog-codes-file-${theme}`, tray);
        assert.deepEqual(await editor.seriousViolations('.red-ui-tray:last-child .mesh-dialog'), []);
        await writeFile(file, 'source,target\nA,1\nA,2\n');
        const refresh = deployed.getByRole('button', { name: 'Refresh' });
        const faulty = deployed.getByText(
          /errors \(1\), the first one in line 3, column source.*The earlier table serves on/,
        );
        for (let attempt = 0; attempt < 30 && !(await faulty.isVisible()); attempt += 1) {
          await refresh.click();
          await editor.page.waitForTimeout(300);
        }
        assert.ok(await faulty.isVisible());
        assert.deepEqual(await editor.seriousViolations('.red-ui-tray:last-child .mesh-dialog'), []);
      });

      it('stays quick with five thousand codes', async () => {
        const rows = Array.from({ length: 5000 }, (_, index) => ({ source: `CODE${index}`, target: `${index}` }));
        const csv = ['source,target', ...rows.map(({ source, target }) => `${source},${target}`)].join('\n');
        const tray = await editor.editConfig('mesh-codes', 'typed');
        await tray
          .locator('.mesh-codes-import')
          .setInputFiles({ name: 'codes.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
        await status(tray).filter({ hasText: 'Imported: 5000' }).waitFor();
        assert.equal((await codesIn(tray)).length, 100);
        const start = Date.now();
        await tray.locator('#mesh-codes-table .mesh-codes-search').fill('code4999');
        assert.deepEqual(await codesIn(tray), ['CODE4999']);
        assert.ok(Date.now() - start < 3000);
      });

      it('is accessible with its rows and unknown codes', async () => {
        const tray = await editor.editConfig('mesh-codes', 'typed');
        await tray.locator('#mesh-codes-deployed').getByText('looked up in vain').waitFor();
        await tray.getByText('All columns').click();
        if (major === '5' || theme === 'light') await editor.picture(`dialog-codes-${major}-${theme}`, tray);
        assert.deepEqual(await editor.seriousViolations('.red-ui-tray:last-child .mesh-dialog'), []);
        editor.noErrors();
      });
    });
  }
}
