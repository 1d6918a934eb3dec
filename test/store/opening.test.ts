/** Which failures at the opening of a storage pass by themselves, and which need a person. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, StorageError, openingMayPass, openStorage } from '../../lib/index';
import { fileErrorPasses } from '../../lib/store/rules/opening';
import { asMeshError as ofPostgres } from '../../lib/store/postgres/failures';
import { asMeshError as ofSqlite } from '../../lib/store/sqlite/failures';

const server = (code: string): Error => Object.assign(new Error('said the server'), { code, severity: 'ERROR' });
const system = (code: string): Error => Object.assign(new Error(`${code}: said the system`), { code });
const sqlite = (errcode: number): Error => Object.assign(new Error('said SQLite'), { errcode });

describe('the opening of a storage', () => {
  for (const [what, error, passes] of [
    ['PostgreSQL that is not started yet', system('ECONNREFUSED'), true],
    ['PostgreSQL whose name is not known yet', system('ENOTFOUND'), true],
    ['PostgreSQL that is starting (57P03)', server('57P03'), true],
    ['PostgreSQL that shuts down (57P01)', server('57P01'), true],
    ['PostgreSQL that has crashed (57P02)', server('57P02'), true],
    ['PostgreSQL with too many connections (53300)', server('53300'), true],
    ['PostgreSQL with a full disk (53100)', server('53100'), true],
    ['a read-only PostgreSQL (25006)', server('25006'), true],
    ['a broken connection (08006)', server('08006'), true],
    ['a lock that is held (55P03)', server('55P03'), true],
    ['a collision (40001)', server('40001'), true],
    ['a wrong password (28P01)', server('28P01'), false],
    ['a database that does not exist (3D000)', server('3D000'), false],
    ['a missing right (42501)', server('42501'), false],
    ['a damaged database (XX001)', server('XX001'), false],
    ['a certificate that is not trusted', system('SELF_SIGNED_CERT_IN_CHAIN'), false],
  ] as const) {
    it(`${passes ? 'is tried again' : 'needs a person'} after ${what}`, () => {
      assert.equal(openingMayPass(ofPostgres(error)), passes);
    });
  }

  for (const [what, errcode, passes] of [
    ['a full disk', 13, true],
    ['a disk that fails', 10 | (3 << 8), true],
    ['a file that is damaged', 11, false],
    ['a file that is no database', 26, false],
    ['a file that must not be written', 8, false],
  ] as const) {
    it(`${passes ? 'is tried again' : 'needs a person'} after ${what} (SQLite)`, () => {
      assert.equal(openingMayPass(ofSqlite(sqlite(errcode))), passes);
    });
  }

  it('is tried again after a volume that is not mounted, full or failing; not after a missing right', () => {
    for (const code of ['ENOENT', 'ENOTCONN', 'ESTALE', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EBUSY', 'EMFILE']) {
      assert.ok(fileErrorPasses(code) && openingMayPass(system(code)), code);
    }
    for (const code of ['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST']) assert.ok(!fileErrorPasses(code), code);
    assert.equal(openingMayPass(new TypeError('a fault of ours')), false);
    assert.equal(openingMayPass(new ConfigurationError('a wrong setting')), false);
    assert.equal(openingMayPass(new StorageError('for now')), true);
  });

  it('of a SQLite store that another process is just leaving is tried again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-opening-'));
    try {
      const first = await openStorage({ folder });
      const refused = await openStorage({ folder }).catch((error: unknown) => error);
      assert.ok(openingMayPass(refused), String(refused));
      await first.close();
      await (await openStorage({ folder })).close();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
