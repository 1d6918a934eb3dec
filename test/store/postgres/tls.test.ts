/** TLS to the database: a real PostgreSQL with ssl = on and a certificate of a private authority. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../../../lib/errors';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { authority, type Authority } from '../../harness/certificates';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { postgresUrl } from '../../harness/postgres';
import { startPostgres, type TestPostgres } from '../../harness/postgres-server';

describe('TLS to PostgreSQL', function () {
  this.timeout(60_000);
  let ca: Authority;
  let server: TestPostgres;

  before(async () => {
    ca = await authority('Trust CA');
    // Not valid for 127.0.0.1.
    server = await startPostgres({ tls: await ca.issue({ names: ['localhost'] }) });
  });
  after(() => server.remove());

  const pem = async (text: string): Promise<string> => {
    const file = join(await emptyFolder(), 'ca.pem');
    await writeFile(file, text);
    return encodeURIComponent(file);
  };
  const at = (host: string, query: string): string => `${server.url.replace('127.0.0.1', host)}?${query}`;
  const refusal = async (url: string): Promise<ConfigurationError> => {
    const error = await failure(ConfigurationError, openPostgresStore({ url, patienceMs: 0 }));
    assert.doesNotMatch(`${error.message} ${error.advice}`, /postgres:\/\//);
    return error;
  };

  it('is verified in full against the authority that sslrootcert names', async () => {
    const seen: string[] = [];
    const store = await openPostgresStore({
      url: at('localhost', `sslmode=verify-full&sslrootcert=${await pem(ca.cert)}`),
      watch: (sql) => seen.push(sql),
    });
    afterThisTest(() => store.close());
    assert.deepEqual(await store.mailboxes(), []);
    assert.ok(seen.length > 0);
    const { Client } = await import('pg');
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const { rows } = await client.query(
      `SELECT DISTINCT s.ssl FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
        WHERE a.application_name = 'nhs-mesh'`,
    );
    await client.end();
    assert.deepEqual(rows, [{ ssl: true }], 'every connection of the store is encrypted');
  });

  it('is refused with advice when another authority is named, or none', async () => {
    const other = await authority('Other CA');
    for (const query of [`sslmode=verify-full&sslrootcert=${await pem(other.cert)}`, 'sslmode=verify-full']) {
      const { message, advice } = await refusal(at('localhost', query));
      assert.match(message, /does not prove its identity/);
      assert.match(advice ?? '', /sslrootcert/);
    }
  });

  it('is refused when the certificate is for another name, in every mode', async () => {
    const rootcert = await pem(ca.cert);
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      const { message } = await refusal(at('127.0.0.1', `sslmode=${mode}&sslrootcert=${rootcert}`));
      assert.match(message, /does not prove its identity/);
    }
  });

  it('is refused when the server has no certificate', async () => {
    const { message, advice } = await refusal(`${await postgresUrl()}?sslmode=verify-full`);
    assert.match(message, /does not prove its identity/);
    assert.match(advice ?? '', /ssl = on/);
  });

  it('is refused when the file of authorities cannot be read', async () => {
    const { message } = await refusal(at('localhost', 'sslmode=verify-full&sslrootcert=/no/such/file.pem'));
    assert.match(message, /sslrootcert .* cannot be read/);
  });
});
