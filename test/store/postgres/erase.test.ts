import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { ConfigurationError } from '../../../lib/errors';
import { messageTag } from '../../../lib/payload/spool-names';
import { postgresSide } from '../../../lib/store/tools/side';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { inState, MAILBOX, OUT_NAME, T } from '../contract/support';
import { erased, erasure, type Place } from '../erase';

async function place(): Promise<Place> {
  const [spool, url, schema] = [await emptyFolder(), await postgresUrl(), newSchema()];
  afterThisTest(() => dropSchema(schema));
  return { spool, open: () => openPostgresStore({ url, schema }), side: () => postgresSide(url, schema) };
}

describe('erasing a message in PostgreSQL', function () {
  this.timeout(60_000);
  erasure(place);

  it('erases a large payload from the database, and asks for the folder of one that is a file', async () => {
    const here = await place();
    const payload = { kind: 'spool', name: OUT_NAME } as const;
    const store = await here.open();
    const id = await inState(store, 'undelivered', { settledAt: T }, { payload });
    await store.close();
    const error = await failure(ConfigurationError, erased(here, id, { spool: undefined }));
    assert.match(error.advice ?? '', /--spool/);
    const side = await here.side();
    const tag = messageTag(await side.spoolKey(), MAILBOX, id);
    // One of them was written when a commit failed, and no row names it.
    const [unnamed, another] = [`out-${tag}`, `out-${'9'.repeat(32)}`];
    for (const name of [OUT_NAME, unnamed, another]) {
      await side.slices?.write(name, Readable.from([Buffer.alloc(3_000_000, 'x')]));
    }
    await side.close();
    await erased(here, id, { spool: undefined });
    const after = await here.side();
    const left = await Promise.all([OUT_NAME, unnamed, another].map(async (name) => after.slices?.has(name)));
    assert.deepEqual(left, [false, false, true]);
    await after.close();
  });

  it('is refused while a Node-RED uses the database', async () => {
    const here = await place();
    const store = await here.open();
    const id = await inState(store, 'undelivered', { settledAt: T });
    const error = await failure(ConfigurationError, erased(here, id));
    assert.match(error.message, /uses the store in the database/);
    await store.close();
  });
});
