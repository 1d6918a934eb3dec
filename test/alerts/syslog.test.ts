/** Alerts and audit on their way to a syslog server, read by a reader of RFC 5424 and CEF that is not ours. */
import assert from 'node:assert/strict';
import { CertificateFiles } from '../../lib/client/certificate-files';
import { AlertError } from '../../lib/alerts/alert-queue';
import { describeAlert, describeUse, type OutgoingAlert } from '../../lib/alerts/outgoing-alert';
import { openSyslog, type SyslogOptions } from '../../lib/alerts/syslog';
import { alertLine, syslogMessage } from '../../lib/alerts/syslog-message';
import { authority, serverCertificate } from '../harness/certificates';
import { afterThisTest } from '../harness/cleanup';
import { freePort } from '../harness/ports';
import { readCef, readSyslog, startSyslog, type SyslogServer } from '../harness/syslog-server';
import { until } from '../harness/until';

const ALERT: OutgoingAlert = {
  id: '0190-a',
  time: '2026-12-01T00:00:00.000Z',
  title: 'Handshakes with MESH have stopped.',
  text: 'Handshakes with MESH have stopped. Test the connection.',
  severity: 'critical',
  event: 'handshake',
  mailboxId: 'X26ABC1',
};
/** Everything that could end a field, a message or a line. */
const HOSTILE = 'a"b\\c]d|e=f\r\n<13>1 - forged - - - - g\u2028h\u0000i';
const NEVER = new AbortController().signal;

async function serverOf(...parameters: Parameters<typeof startSyslog>): Promise<SyslogServer> {
  const server = await startSyslog(...parameters);
  afterThisTest(() => server.close());
  return server;
}

const optionsOf = (port: number, changes: Partial<SyslogOptions> = {}): SyslogOptions => ({
  host: '127.0.0.1',
  port,
  transport: 'tcp',
  form: 'rfc5424',
  timeoutMs: 5000,
  ...changes,
});

describe('an alert by syslog', () => {
  it('arrives by UDP, TCP and TLS as one message of RFC 5424 each', async () => {
    const { ca, server: pair } = await serverCertificate();
    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      const server = await serverOf(transport, pair);
      const certificates = transport === 'tls' ? new CertificateFiles({ ca }) : undefined;
      const { send } = openSyslog(optionsOf(server.port, { transport, certificates }));
      await send(ALERT, NEVER);
      await send({ ...ALERT, text: 'Zoë – twice' }, NEVER);
      await until(`two messages by ${transport}`, () => server.received.length === 2);
      const [first, second] = server.received.map((bytes) => readSyslog(bytes));
      assert.deepEqual(
        { ...first, host: '', process: '' },
        {
          facility: 16,
          severity: 2,
          time: ALERT.time,
          host: '',
          app: 'nhs-mesh',
          process: '',
          id: 'handshake',
          data: {
            'mesh@32473': {
              id: ALERT.id,
              title: ALERT.title,
              severity: 'critical',
              event: 'handshake',
              mailbox: 'X26ABC1',
            },
          },
          text: ALERT.text,
          hasBom: false,
        },
      );
      assert.deepEqual([second?.text, second?.hasBom], ['Zoë – twice', true]);
    }
  });

  it('keeps every value in its own field, whatever characters are in it', () => {
    const values = { title: HOSTILE, text: HOSTILE, code: HOSTILE, mailboxId: HOSTILE, messageId: HOSTILE };
    const bytes = syslogMessage({ ...ALERT, ...values }, 'rfc5424');
    // oxlint-disable-next-line no-control-regex -- none of these may be on the wire.
    assert.doesNotMatch(bytes.toString(), /[\u0000-\u001F\u2028]/);
    const { data, text, id } = readSyslog(bytes);
    const shown = 'a"b\\c]d|e=f <13>1 - forged - - - - g h i';
    assert.deepEqual(Object.keys(data), ['mesh@32473']);
    const { title, code, mailbox, message } = data['mesh@32473'] ?? {};
    assert.deepEqual(
      { title, code, mailbox, message, text },
      { title: shown, code: shown, mailbox: shown, message: shown, text: shown },
    );
    assert.ok(id.length <= 32 && /^[!-~]+$/.test(id));
  });

  it('is a CEF event on request, with every value in its own field', () => {
    const values = { title: HOSTILE, text: HOSTILE, messageId: HOSTILE, workflowId: 'a=b' };
    const { text, data, hasBom } = readSyslog(syslogMessage({ ...ALERT, ...values }, 'cef'));
    assert.deepEqual([data, hasBom], [{}, false]);
    const { header, extension } = readCef(text);
    const shown = 'a"b\\c]d|e=f <13>1 - forged - - - - g h i';
    assert.deepEqual(
      [header[0], header[1], header[3], header[4], header[5]],
      ['NHS MESH for Node-RED', 'nhs-mesh', 'handshake', shown, '9'],
    );
    const { rt, externalId, msg, cs1Label, cs1, cs2Label, cs2, cs3Label, cs3 } = extension;
    assert.deepEqual([rt, externalId, msg], [String(Date.parse(ALERT.time)), ALERT.id, shown]);
    assert.deepEqual(
      [cs1Label, cs1, cs2Label, cs2, cs3Label, cs3],
      ['mailbox', 'X26ABC1', 'message', shown, 'workflow', 'a=b'],
    );
  });

  it('is an audit message with the user when a person looked at a message', () => {
    const use = { mailboxId: 'X26ABC1', direction: 'in', reference: 'M1', event: 'looked at', user: 'jane' } as const;
    const { facility, severity, data } = readSyslog(
      syslogMessage({ id: 'a', time: ALERT.time, ...describeUse(use) }, 'rfc5424'),
    );
    assert.deepEqual([facility, severity], [13, 5]);
    assert.equal(data['mesh@32473']?.['user'], 'jane');
    assert.equal(data['mesh@32473']?.['event'], 'looked at');
    assert.match(describeUse({ ...use, user: undefined }).title, /^Somebody without a login: looked at/);
  });

  it('has nothing of a subject, a recipient or a payload', () => {
    const secret = 'MARKED 9434765919';
    const payload = { event: 'rejected', messageId: 'M1', to: secret, subject: secret, localId: secret, body: secret };
    const content = describeAlert({ payload, subject: secret }, { title: '', text: '' });
    assert.ok(content);
    const alert = { id: 'a', time: ALERT.time, ...content };
    const all = [syslogMessage(alert, 'rfc5424'), syslogMessage(alert, 'cef'), alertLine(alert)].join(' ');
    assert.match(all, /M1/);
    assert.doesNotMatch(all, /MARKED|9434765919/);
  });

  it('is only noted once its condition is over', () => {
    assert.equal(readSyslog(syslogMessage({ ...ALERT, event: 'recovered' }, 'rfc5424')).severity, 5);
  });

  it('is cut to the size that every receiver of UDP accepts, between two characters', async () => {
    const server = await serverOf('udp');
    await openSyslog(optionsOf(server.port, { transport: 'udp' })).send({ ...ALERT, text: '–'.repeat(4000) }, NEVER);
    await until('the datagram', () => server.received.length === 1);
    const [bytes] = server.received;
    assert.ok(bytes && bytes.length <= 2048 && bytes.length > 2044, String(bytes?.length));
    assert.match(readSyslog(bytes).text, /^–+$/);
  });

  it('is not taken when nobody listens, or when no known CA has signed the server’s certificate', async () => {
    const unheard = openSyslog(optionsOf(await freePort()));
    await assert.rejects(unheard.send(ALERT, NEVER), (error: unknown) => {
      assert.ok(error instanceof AlertError && error.isUnreachable);
      assert.match(error.message, /did not take an alert by tcp \(ECONNREFUSED\)/);
      return true;
    });
    const stranger = await authority('Another CA');
    const server = await serverOf('tls', await stranger.issue());
    const { ca } = await serverCertificate();
    const certificates = new CertificateFiles({ ca });
    const { send } = openSyslog(optionsOf(server.port, { transport: 'tls', certificates }));
    await assert.rejects(send(ALERT, NEVER), /did not take an alert by tls/);
    assert.deepEqual(server.received, []);
  });

  it('is one line in a log, whatever is in it', () => {
    const line = alertLine({ ...ALERT, text: HOSTILE });
    assert.match(line, /^ALERT critical handshake mailbox=X26ABC1 id=0190-a: a"b/);
    // oxlint-disable-next-line no-control-regex -- none of these may be in a line.
    assert.doesNotMatch(line, /[\u0000-\u001F\u2028]/);
  });
});
