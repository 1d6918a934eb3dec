/** Alerts on their way to real receivers: an HTTP server and an SMTP server on 127.0.0.1. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AlertQueue, type AlertEvents, type Receiver } from '../../lib/alerts/alert-queue';
import { openEmail } from '../../lib/alerts/email';
import { describeAlert, type OutgoingAlert } from '../../lib/alerts/outgoing-alert';
import { openWebhook } from '../../lib/alerts/webhook';
import { systemClock } from '../../lib/clock';
import { startWebhook, type Webhook } from '../harness/examples';
import { freePort } from '../harness/ports';
import { startMailServer, type MailServer } from '../harness/mail-server';
import { until } from '../harness/until';
import { ROOT } from '../harness/node-red';

const ALERT = { title: 'Undelivered', text: 'The message was not collected.', messageId: 'M1' };

describe('what an alert says', () => {
  const standard = { title: '', text: '' };

  it('is the text and the advice of a condition', () => {
    const payload = {
      event: 'raised',
      kind: 'disk',
      severity: 'critical',
      text: 'The disk is full.',
      advice: 'Free it.',
    };
    assert.deepEqual(describeAlert({ payload }, standard), {
      title: 'The disk is full.',
      text: 'The disk is full. Free it.',
      severity: 'critical',
      event: 'disk',
    });
  });

  it('is the error of a Catch node, with the ids of its message', () => {
    const msg = {
      error: { message: 'Refused (code 12). Check the id.', code: 'MESH_REJECTED' },
      mesh: { messageId: 'M1' },
    };
    assert.deepEqual(describeAlert(msg, standard), {
      title: 'Refused (code 12).',
      text: 'Refused (code 12). Check the id.',
      code: 'MESH_REJECTED',
      messageId: 'M1',
    });
  });

  it('is the state of a message, with the text for the service desk', () => {
    const payload = { state: 'undelivered', messageId: 'M1', workflowId: 'W', serviceDesk: 'Please restore M1.' };
    assert.equal(
      describeAlert({ payload }, standard)?.text,
      'A message is undelivered. For the service desk: Please restore M1.',
    );
  });

  it('has nothing of a subject, a recipient or a payload', () => {
    const secret = 'NHS 9990000018';
    const payload = { event: 'rejected', messageId: 'M1', to: secret, subject: secret, localId: secret, body: secret };
    assert.doesNotMatch(JSON.stringify(describeAlert({ payload, subject: secret }, standard)), /9990000018/);
  });

  it('is nothing for a message without an error, a condition, a state or a text', () => {
    assert.equal(describeAlert({ payload: Buffer.from('bytes') }, standard), undefined);
  });
});

describe('the alert queue', () => {
  let folder: string;
  const open: AlertQueue[] = [];
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'mesh-alerts-'))));
  afterEach(async () => {
    for (const queue of open.splice(0)) await queue.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function openQueue(receiver: Receiver, events: Partial<AlertEvents> = {}): Promise<AlertQueue> {
    const all = { taken: () => undefined, failed: () => undefined, fault: () => undefined, ...events };
    const queue = await AlertQueue.open(folder, receiver, all, { clock: systemClock, retryMs: 50 });
    open.push(queue);
    return queue;
  }
  const refusing: Receiver = async () => {
    throw new Error('not now');
  };

  it('repeats an alert under the same id until the receiver has taken it, and then never', async () => {
    const ids: string[] = [];
    const taken: OutgoingAlert[] = [];
    const queue = await openQueue(
      async ({ id }) => {
        ids.push(id);
        if (ids.length < 3) throw new Error('not now');
      },
      { taken: (alert) => taken.push(alert) },
    );
    await queue.add(ALERT, '');
    await until('taken', () => taken.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(ids.length, 3);
    assert.equal(new Set(ids).size, 1);
    assert.equal(queue.waiting, 0);
    assert.deepEqual(await readdir(folder), []);
  });

  it('sends what waits when its folder is opened again', async () => {
    const first = await openQueue(refusing);
    const kept = await first.add(ALERT, 'key');
    await first.close();
    const received: OutgoingAlert[] = [];
    await openQueue(async (alert) => void received.push(alert));
    await until('received', () => received.length === 1);
    assert.deepEqual(received[0], kept);
  });

  it('keeps one alert for each key, also after it was taken and after a restart', async () => {
    const received: OutgoingAlert[] = [];
    const receiver: Receiver = async (alert) => void received.push(alert);
    const first = await openQueue(receiver);
    assert.ok(await first.add(ALERT, 'one'));
    await until('received', () => received.length === 1);
    assert.equal(await first.add(ALERT, 'one'), undefined);
    await first.close();
    const second = await openQueue(receiver);
    assert.equal(await second.add(ALERT, 'one'), undefined);
    assert.ok(await second.add(ALERT, 'two'));
    assert.ok(await second.add(ALERT, ''));
    assert.ok(await second.add(ALERT, ''));
    await until('received', () => received.length === 4);
  });

  it('sends the alerts after one that is refused, and after a damaged file', async () => {
    await writeFile(join(folder, '00000000-0000-7000-8000-000000000000.none.waiting'), '{');
    const received: string[] = [];
    const faults: unknown[] = [];
    const queue = await openQueue(
      async ({ title }) => {
        if (title === 'refused') throw new Error('no');
        received.push(title);
      },
      { fault: (error) => faults.push(error) },
    );
    await queue.add({ ...ALERT, title: 'refused' }, '');
    await queue.add({ ...ALERT, title: 'wanted' }, '');
    await until('received', () => received.includes('wanted'));
    assert.ok(faults.length > 0);
  });
});

describe('alerts to a webhook', () => {
  let webhook: Webhook;
  before(async () => (webhook = await startWebhook()));
  after(() => webhook.close());
  const at = (url: string, form: 'json' | 'teams' = 'json') =>
    openWebhook({ url, form, token: 'token', proxy: 'environment', timeoutMs: 2000 });
  const alert = { id: 'a', time: '2026-01-15T09:30:00.000Z', ...ALERT };
  const signal = new AbortController().signal;

  it('are the alert as JSON', async () => {
    const receiver = at(webhook.url);
    await receiver.send(alert, signal);
    await receiver.close();
    assert.deepEqual(webhook.received.at(-1), alert);
  });

  it('are a card for Teams, without links or marks that a text could contain', async () => {
    const receiver = at(webhook.url, 'teams');
    await receiver.send({ ...alert, text: '[click](https://evil.example) *now*' }, signal);
    await receiver.close();
    const { attachments } = webhook.received.at(-1) as {
      attachments: Array<{ content: { body: Array<{ text: string }> } }>;
    };
    const [attachment] = attachments;
    assert.equal(attachment?.content.body[0]?.text, 'Undelivered');
    assert.equal(attachment?.content.body[1]?.text, '\\[click\\](https://evil.example) \\*now\\*');
  });

  it('are not taken when it answers 503, and the error has its host only', async () => {
    webhook.refuse = true;
    const receiver = at(`${webhook.url}?sig=secret`);
    await assert.rejects(receiver.send(alert, signal), (error: Error) => {
      assert.match(error.message, /127\.0\.0\.1:\d+ answered an alert with 503/);
      assert.doesNotMatch(error.message, /secret|alerts\?/);
      return true;
    });
    await receiver.close();
    webhook.refuse = false;
  });

  it('are not taken when nobody is there', async () => {
    const receiver = at(`http://127.0.0.1:${await freePort()}/x`);
    await assert.rejects(receiver.send(alert, signal), /cannot be reached for alerts \(ECONNREFUSED\)/);
    await receiver.close();
  });
});

describe('alerts by e-mail', () => {
  let server: MailServer;
  before(async () => (server = await startMailServer()));
  after(() => server.close());
  const options = () => ({
    host: '127.0.0.1',
    port: server.port,
    security: 'none' as const,
    user: 'alerts',
    password: 'password',
    from: 'mesh@example.nhs.uk',
    to: ['on.call@example.nhs.uk', 'desk@example.nhs.uk'],
    timeoutMs: 2000,
    folders: [ROOT],
  });
  const alert = { id: 'a-b', time: '2026-01-15T09:30:00.000Z', ...ALERT };
  const signal = new AbortController().signal;

  it('arrive at every recipient, with the same Message-ID at every attempt', async () => {
    const receiver = openEmail(options());
    await receiver.send(alert, signal);
    await receiver.send(alert, signal);
    await receiver.close();
    const [first, second] = server.received;
    assert.deepEqual(first?.to, ['on.call@example.nhs.uk', 'desk@example.nhs.uk']);
    assert.match(first?.text ?? '', /Subject: Undelivered[\s\S]*The message was not collected\.[\s\S]*Message: M1/);
    const idOf = (text = ''): string | undefined => /^Message-ID: (.*)$/im.exec(text)?.[1];
    assert.match(idOf(first?.text) ?? '', /^<a-b@/);
    assert.equal(idOf(first?.text), idOf(second?.text));
  });

  it('are not taken when the server refuses one recipient, the user, or a plain connection', async () => {
    const refused = openEmail({ ...options(), to: ['nobody@example.nhs.uk', 'desk@example.nhs.uk'] });
    await assert.rejects(refused.send(alert, signal), /refused 1 of the recipients/);
    const wrong = openEmail({ ...options(), password: 'wrong-secret' });
    await assert.rejects(wrong.send(alert, signal), (error: Error) => {
      assert.match(error.message, /did not take an alert \(535\)/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      return true;
    });
    const plain = openEmail({ ...options(), security: 'starttls' });
    await assert.rejects(plain.send(alert, signal), /did not take an alert/);
    for (const receiver of [refused, wrong, plain]) await receiver.close();
  });

  it('need nodemailer, and say how to install it', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'mesh-no-mailer-'));
    assert.throws(
      () => openEmail({ ...options(), folders: [empty] }),
      (error: Error & { advice?: string }) => {
        assert.match(error.message, /nodemailer, which is not installed/);
        assert.match(error.advice ?? '', /npm install nodemailer/);
        return true;
      },
    );
    await rm(empty, { recursive: true });
  });
});
