import assert from 'node:assert/strict';
import { basename, win32 } from 'node:path';
import { safeFileName } from '../../lib/payload/safe-file-name';

const ID = '20260102030405000001_ABCDEF';

describe('a safe file name', () => {
  for (const [given, safe] of [
    ['letter.pdf', 'letter.pdf'],
    ['Zoë Müller.pdf', 'Zoë Müller.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['/etc/passwd', 'passwd'],
    ['..\\..\\windows\\system32\\x.dll', 'x.dll'],
    ['C:\\x.txt', 'x.txt'],
    ['C:x.txt', 'C_x.txt'],
    ['file.txt:stream', 'file.txt_stream'],
    ['a<b>c"d|e?f*g', 'a_b_c_d_e_f_g'],
    ['a\u0000b\r\nc\u009bd', 'a_b__c_d'],
    ['evil\u202egnp.exe', 'evil_gnp.exe'],
    ['a\u2066b\u200bc\ufeffd', 'a_b_c_d'],
    ['.hidden', 'hidden'],
    ['name. . .', 'name'],
    ['  name  ', 'name'],
    ['CON', '_CON'],
    ['con.txt', '_con.txt'],
    ['Aux.tar.gz', '_Aux.tar.gz'],
    ['COM1', '_COM1'],
    ['lpt¹.x', '_lpt¹.x'],
    ['CONIN$', '_CONIN$'],
    ['console.txt', 'console.txt'],
    ['e\u0301.txt', 'é.txt'],
  ] as const) {
    it(`of ${JSON.stringify(given)} is ${JSON.stringify(safe)} after the id`, () =>
      assert.equal(safeFileName(ID, given), `${ID}_${safe}`));
  }

  for (const nothing of [undefined, '', '.', '..', '...', '/', 'a/', '\\', ' . ']) {
    it(`of ${JSON.stringify(nothing)} is the id alone`, () => assert.equal(safeFileName(ID, nothing), `${ID}.dat`));
  }

  it('of 300 characters is cut and keeps its extension', () => {
    const name = safeFileName(ID, `${'x'.repeat(300)}.pdf`);
    assert.equal(Buffer.byteLength(name), ID.length + 1 + 150);
    assert.ok(name.endsWith('x.pdf'));
  });

  for (let before = 140; before <= 150; before += 1) {
    it(`an emoji at the cut, after ${before} letters, is kept or removed whole`, () => {
      const name = safeFileName(ID, `${'x'.repeat(before)}😀😀😀😀.pdf`);
      assert.ok(name.isWellFormed());
      assert.ok(name.endsWith('.pdf'));
      assert.ok(Buffer.byteLength(name) <= ID.length + 151);
    });
  }

  it('with an “extension” of 200 letters is cut too', () => {
    const name = safeFileName(ID, `a.${'x'.repeat(200)}`);
    assert.ok(Buffer.byteLength(name) <= ID.length + 151);
  });

  it('after a cut does not end in a blank or dot, which Windows would drop', () => {
    for (const given of [`${'x'.repeat(149)} y`, `${'x'.repeat(149)}. y`, `${'x'.repeat(145)} .pdf${'y'.repeat(20)}`]) {
      assert.doesNotMatch(safeFileName(ID, given), /[. ]$/);
    }
  });

  it('a hostile message id does not become a path either', () => {
    const name = safeFileName('../../x/..', '../y');
    assert.equal(name, basename(name));
    assert.equal(name, win32.basename(name));
    assert.ok(!['.', '..'].includes(name));
    assert.equal(safeFileName('a/../b', 'n'), 'a_.._b_n');
  });

  it('a message id that is a device name on Windows is not one in the file name', () => {
    assert.equal(safeFileName('CON', undefined), '_CON.dat');
    assert.equal(safeFileName('nul.x', 'n'), '_nul.x_n');
  });
});
