/** mesh-alert by its settings, its secrets and its end; how an alert reaches its receiver is in test/alerts. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startWebhook, type Webhook } from '../harness/examples';
import { freePort } from '../harness/ports';
import {
  deploy,
  logText,
  pause,
  receive,
  Recorder,
  redeploy,
  statusTextsOf,
  stop,
  until,
  useUserDir,
  type Flow,
} from './support';

const ALERT = { payload: 'The message was not collected.' };
/** Marks in every credential: none of them may be seen. */
const SECRETS = { token: 'MARKED-TOKEN', user: 'MARKED-USER', password: 'MARKED-PASSWORD' };

const NOBODY_LISTENS = /ECONNREFUSED|did not take an alert/;

const flowOf = (settings: object): Flow => [
  { id: 'alert', type: 'mesh-alert', name: 'Tell the team', ...settings, wires: [['kept'], ['taken'], ['not-taken']] },
  ...['kept', 'taken', 'not-taken'].map((id) => ({ id, type: 'debug', active: false })),
];

describe('mesh-alert', () => {
  const userDir = useUserDir();
  const open: Webhook[] = [];
  afterEach(async () => {
    for (const webhook of open.splice(0)) await webhook.close();
  });

  async function webhookOf(changes: Partial<Webhook> = {}): Promise<Webhook> {
    const webhook = Object.assign(await startWebhook(), changes);
    open.push(webhook);
    return webhook;
  }

  const EMAIL = { to: 'email', host: 'localhost', sender: 'mesh@example.org', recipients: 'on.call@example.org' };
  const blanks = [
    { field: 'Address', settings: {}, credentials: { url: ' ' } },
    { field: 'Mail server', settings: { ...EMAIL, host: ' ' }, credentials: {} },
    { field: 'From', settings: { ...EMAIL, sender: '' }, credentials: {} },
    { field: 'To', settings: { ...EMAIL, recipients: '' }, credentials: {} },
  ];
  for (const { field, settings, credentials } of blanks) {
    it(`names the blank field ${field}, and skips each alert with that reason instead of keeping it`, async () => {
      await deploy(flowOf(settings), { alert: credentials as Record<string, string> });
      const [kept, notTaken] = [new Recorder('kept'), new Recorder('not-taken')];
      receive('alert', ALERT);
      const { error } = await notTaken.get(1);
      assert.match(error.message, new RegExp(`“Tell the team” skipped an alert\\. “${field}” is blank`));
      await until(() => logText().includes(`“${field}” is blank`), 'the log');
      assert.deepEqual(kept.messages, []);
      assert.deepEqual(await readdir(userDir()), []);
    });
  }

  it('sends nothing without a credential when the variable that should hold it is empty', async () => {
    process.env['MESH_TEST_SETTING'] = ' ';
    try {
      const webhook = await webhookOf();
      for (const credential of ['url', 'token', 'user', 'password']) {
        const settings = credential === 'url' || credential === 'token' ? {} : EMAIL;
        const credentials = { url: webhook.url, ...SECRETS, [credential]: '${MESH_TEST_SETTING}' };
        await deploy(flowOf(settings), { alert: credentials });
        const notTaken = new Recorder('not-taken');
        receive('alert', ALERT);
        const { error } = await notTaken.get(1);
        assert.match(error.message, /variable MESH_TEST_SETTING is not set or is empty/, credential);
        assert.deepEqual(webhook.received, []);
        await stop();
      }
    } finally {
      delete process.env['MESH_TEST_SETTING'];
    }
  });

  it('keeps its credentials out of errors, statuses, messages and the log', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/MARKED-PATH?sig=MARKED-SIGNATURE`;
    for (const settings of [{}, { to: 'teams' }, { ...EMAIL, host: '127.0.0.1', port, security: 'none' }]) {
      await deploy(flowOf(settings), { alert: { url, ...SECRETS } });
      const statuses = statusTextsOf('alert');
      const notTaken = new Recorder('not-taken');
      receive('alert', ALERT);
      const message = await notTaken.get(1);
      assert.match(message.error.message, NOBODY_LISTENS);
      await until(() => NOBODY_LISTENS.test(logText()), 'the log');
      assert.doesNotMatch(JSON.stringify([message, statuses]) + logText(), /MARKED/);
      await stop();
    }
  });

  it('sends what waits when it was only deployed again', async () => {
    const webhook = await webhookOf({ refuse: true });
    const credentials = { alert: { url: webhook.url } };
    await deploy(flowOf({}), credentials);
    receive('alert', ALERT);
    await until(() => webhook.refused > 0, 'the first attempt');
    webhook.refuse = false;
    await redeploy(flowOf({}), 'full', credentials);
    await until(() => webhook.received.length > 0, 'the alert');
    assert.equal(webhook.received[0]?.['text'], ALERT.payload);
  });

  it('sends nothing more once it is removed, and says how many alerts wait, and where they are', async () => {
    const webhook = await webhookOf({ refuse: true });
    await deploy(flowOf({ retrySeconds: 1 }), { alert: { url: webhook.url } });
    receive('alert', ALERT);
    await until(() => webhook.refused > 0, 'the first attempt');
    await redeploy(flowOf({}).filter(({ id }) => id !== 'alert'));
    await until(() => /removed while 1 of its alerts had not been taken/.test(logText()), 'the warning');
    assert.equal((await readdir(join(userDir(), 'mesh', 'alerts', 'alert'))).length, 1);
    webhook.refuse = false;
    const { refused } = webhook;
    await pause(1500);
    assert.deepEqual([webhook.received, webhook.refused], [[], refused]);
  });
});
