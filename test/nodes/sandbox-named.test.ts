/** A mailbox of a sandbox is named as one: in the editor it would look as healthy as one at MESH. */
import assert from 'node:assert/strict';
import { checkConnection, environmentKind } from '../../lib/index';
import { startSandbox } from '../../lib/sandbox';
import { environmentLabel } from '../../nodes/monitor/measure';

describe('a sandbox', () => {
  it('is the built-in one, and a server on this machine, however its address is written', () => {
    for (const sandbox of [
      'sandbox',
      ' Sandbox',
      'https://localhost:8700',
      'http://localhost:8700/x',
      'https://LOCALHOST.:1',
      'https://mesh.localhost',
      'https://127.0.0.1',
      'https://127.1:8700',
      'https://0x7f000001',
      'https://2130706433',
      'https://[::1]:8700',
      'https://[::ffff:127.0.0.1]',
      'https://0.0.0.0:8700',
      'https://[::]:8700',
    ]) {
      assert.equal(environmentKind(sandbox), 'sandbox', sandbox);
      assert.equal(environmentLabel(sandbox), 'sandbox', sandbox);
    }
    for (const [environment, kind, label] of [
      ['live', 'live', 'live'],
      ['Integration', 'integration', 'integration'],
      ['https://mesh-sync.spineservices.nhs.uk/', 'live', 'live'],
      ['https://msg.intspineservices.nhs.uk', 'integration', 'integration'],
      ['https://proxy.trust.nhs.uk:8443/mesh', 'other', 'proxy.trust.nhs.uk:8443'],
      ['https://localhost.trust.nhs.uk', 'other', 'localhost.trust.nhs.uk'],
      ['https://128.0.0.1', 'other', '128.0.0.1'],
      ['', 'other', ''],
    ] as const) {
      assert.deepEqual([environmentKind(environment), environmentLabel(environment)], [kind, label], environment);
    }
  });

  it('is named by the connection test', async () => {
    const sandbox = await startSandbox();
    const { url, ca, sharedKey } = sandbox;
    try {
      const tls = ca === undefined ? {} : { ca };
      const [settings] = await checkConnection({
        environment: url,
        mailboxId: 'X26ABC1',
        password: 'password',
        sharedKey,
        tls,
      });
      assert.match(settings?.text ?? '', /a sandbox on this machine/);
    } finally {
      await sandbox.close();
    }
  });
});
