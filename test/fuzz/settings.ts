/**
 * Settings: valid ones are read as written; for a wrong one, the error names the field and quotes nothing of its value.
 */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NodeAPI } from 'node-red';
import { ENVIRONMENTS, MAX_REQUEST_BYTES, readMailboxOptions, type MailboxOptions } from '../../lib/config';
import { ConfigurationError } from '../../lib/errors';
import { deadlineSettings } from '../../nodes/send/acknowledgement-settings';
import { readMailboxSettings } from '../../nodes/mailbox/mailbox-settings';
import { readPollSettings } from '../../nodes/receive/poll-settings';
import { POISON } from '../harness/arbitraries';
import { MARK, target, thrownBy, type Target } from './target';

const whole = (minimum: number, maximum: number): fc.Arbitrary<number> => fc.integer({ min: minimum, max: maximum });
const ms = whole(1, 86_400_000);
const bytes = whole(1, MAX_REQUEST_BYTES);
const blank = fc.constantFrom('', ' ', '  ');
const some = <Fields extends object>(fields: { [K in keyof Fields]: fc.Arbitrary<Fields[K]> }) =>
  fc.record(fields, { requiredKeys: [] });
const pem = fc.oneof(fc.constant(MARK), fc.constant(Buffer.from(MARK)));

const url = fc
  .tuple(fc.constantFrom('http', 'https'), fc.domain(), fc.option(whole(1, 65_535)), fc.constantFrom('', '/', '/mesh'))
  .map(([scheme, host, port, path]) => `${scheme}://${host}${port === null ? '' : `:${port}`}${path}`);
/** Optional settings within their limits, which are read unchanged. */
const kept = {
  compression: fc.constantFrom('auto', 'always', 'never'),
  compressionLevel: whole(1, 9),
  maxRequestBytes: bytes,
  chunkBytes: bytes,
  chunks: fc.constantFrom('allowed', 'never'),
  checksum: fc.constantFrom('none', 'md5', 'sha256'),
  maxBufferBytes: whole(1, Number.MAX_SAFE_INTEGER),
  maxExpandedBytes: whole(1, Number.MAX_SAFE_INTEGER),
  maxExpansionRatio: whole(0, Number.MAX_SAFE_INTEGER),
  checkChecksum: fc.boolean(),
  connections: whole(1, 100),
  timeouts: some({ connectMs: ms, headersMs: ms, bodyMs: ms }),
  retry: some({ attempts: whole(1, 100), baseMs: ms, capMs: ms }),
  tls: some({ ca: fc.oneof(pem, fc.array(pem)), cert: pem, key: pem, pfx: fc.constant(Buffer.from(MARK)) }),
  proxy: fc.record(
    {
      url: url.map((text) => text.replace(/\/mesh$/, '')),
      username: fc.string(),
      password: fc.string(),
      noProxy: fc.array(fc.domain()),
    },
    { requiredKeys: ['url'] },
  ),
};
/** A secret that is set: a blank one and the name of a variable are errors. */
const secret = fc.string({ minLength: 1 }).filter((text) => text.trim() !== '' && !/^\s*\$[({]/.test(text));
const valid = fc.record(
  {
    environment: fc.oneof(fc.constantFrom('integration', 'live', 'LIVE'), url),
    mailboxId: fc.stringMatching(/^[A-Za-z0-9_-]{1,100}$/),
    password: secret,
    sharedKey: secret,
    application: fc.stringMatching(/^[\x20-\x7e]{0,100}$/),
    ...kept,
  },
  { requiredKeys: ['environment', 'mailboxId', 'password', 'sharedKey'] },
);

const notWhole = (minimum: number, maximum: number): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.constantFrom<unknown>(
      minimum - 1,
      maximum + 1,
      minimum + 0.5,
      Number.NaN,
      Infinity,
      -Infinity,
      String(minimum),
      null,
      [],
    ),
    whole(-1_000_000, minimum - 1),
  );
const notText = fc.constantFrom<unknown>('', null, 5, true, [MARK], { [MARK]: MARK });
const notOf = fc.constantFrom<unknown>(MARK, '', 'Auto', ' md5', 'none ', true, 0, null, ['auto'], 'constructor');
/** Fields, with values that each refuses. */
const WRONG: Record<string, fc.Arbitrary<unknown>> = {
  environment: fc.oneof(notText, fc.constantFrom(MARK, `ftp://${MARK}`, `https://${MARK}:p@h`, `https://h?k=${MARK}`)),
  mailboxId: fc.oneof(
    notText,
    fc.constantFrom(`${MARK}/..`, `${MARK}:`, 'x'.repeat(101), 'é', ...POISON.filter((each) => !/^[\w-]+$/.test(each))),
  ),
  password: notText,
  sharedKey: notText,
  application: fc.constantFrom<unknown>(`${MARK}\r\nX: y`, 'é', 'x'.repeat(101), 5),
  compression: notOf,
  chunks: notOf,
  checksum: notOf.filter((value) => value !== 'none'),
  compressionLevel: notWhole(1, 9),
  maxRequestBytes: notWhole(1, MAX_REQUEST_BYTES),
  chunkBytes: notWhole(1, MAX_REQUEST_BYTES),
  maxBufferBytes: notWhole(1, Number.MAX_SAFE_INTEGER),
  maxExpandedBytes: notWhole(1, Number.MAX_SAFE_INTEGER),
  maxExpansionRatio: fc.constantFrom<unknown>('200', -1, null, NaN, Infinity, MARK),
  checkChecksum: fc.constantFrom<unknown>('true', 1, null, MARK),
  connections: notWhole(1, 100),
  'timeouts.connectMs': notWhole(1, 86_400_000),
  'timeouts.headersMs': notWhole(1, 86_400_000),
  'timeouts.bodyMs': notWhole(1, 86_400_000),
  'retry.attempts': notWhole(1, 100),
  'retry.baseMs': notWhole(1, 86_400_000),
  'retry.capMs': notWhole(1, 86_400_000),
  'proxy.url': fc.constantFrom<unknown>(MARK, `socks5://${MARK}:1`, '', null, undefined),
  'proxy.noProxy': fc.constantFrom<unknown>(MARK, [5], {}),
  'tls.ca': fc.constantFrom<unknown>(5, [5], {}),
  'tls.pfx': fc.constantFrom<unknown>(MARK, 5),
  'tls.passphrase': fc.constantFrom<unknown>(5, [MARK]),
  'tls.servername': fc.constantFrom<unknown>('', 5),
};
const wrongField = fc
  .constantFrom(...Object.keys(WRONG))
  .chain((field) => fc.tuple(fc.constant(field), WRONG[field] ?? fc.constant(undefined)));

/** Returns the options with another value at `a.b`. */
function withField(options: Record<string, unknown>, path: string, value: unknown): MailboxOptions {
  const [first = '', second] = path.split('.');
  const inner = { ...(options[first] as object | undefined) };
  return { ...options, [first]: second === undefined ? value : { ...inner, [second]: value } } as MailboxOptions &
    Record<string, unknown>;
}

/** A NodeAPI whose texts are their own keys and values. */
const RED = {
  _: (key: string, values: object) => `${key} ${JSON.stringify(values)}`,
  nodes: { getNode: () => undefined },
} as unknown as NodeAPI;

/** A number as the editor or an environment variable supplies it. */
const written = (number: fc.Arbitrary<number>): fc.Arbitrary<[given: unknown, number: number]> =>
  fc.tuple(number, fc.constantFrom('number', 'text', 'with blanks')).map(([value, how]) => {
    const text = how === 'text' ? String(value) : ` ${value}\t`;
    return [how === 'number' ? value : text, value];
  });
const orBlank = <Value>(value: fc.Arbitrary<[unknown, Value]>, fallback: Value): fc.Arbitrary<[unknown, Value]> =>
  fc.oneof({ weight: 4, arbitrary: value }, fc.constantFrom<[unknown, Value]>(['', fallback], [undefined, fallback]));
const choice = <Choice extends string>(...choices: [Choice, ...Choice[]]): fc.Arbitrary<[unknown, Choice]> =>
  orBlank(
    fc.tuple(fc.constantFrom(...choices), blank).map(([value, space]) => [`${space}${value}${space}`, value]),
    choices[0],
  );
const amount = (minimum: number, maximum: number): fc.Arbitrary<number> =>
  fc.double({ min: minimum, max: maximum, noNaN: true }).map((value) => Number(value.toFixed(3)));

const dialog = fc.record({
  compression: choice('auto', 'always', 'never'),
  checksum: choice('none', 'md5', 'sha256'),
  meshAcknowledge: choice('when-spooled', 'when-done'),
  maxDeliveries: orBlank(written(whole(1, 1000)), 5),
  leaseMinutes: orBlank(written(amount(1, 7200)), 60),
  chunkMb: orBlank(written(amount(1, 100)), 0),
});
const poll = fc.record({
  interval: orBlank(written(amount(0, 10_080)), 5),
  maxInFlight: orBlank(written(whole(1, 10_000)), 50),
  charset: choice('utf-8', 'iso-8859-1', 'windows-1252', 'utf-16le'),
  acknowledge: choice('flow', 'after-delivery'),
  multipart: choice('whole', 'parts'),
  payloadAs: choice('buffer', 'text', 'json', 'file'),
});
/** A field of a dialog with a value that it refuses. */
const wrongOfDialog = fc.oneof(
  fc.tuple(
    fc.constantFrom('maxDeliveries', 'leaseMinutes', 'maxRequestMb', 'chunkMb', 'compressionLevel'),
    fc.constantFrom('-1', 'many', '1e9', 'NaN', 'Infinity', '1,5', '5 MB', '0x1G'),
  ),
  fc.tuple(
    fc.constantFrom('compression', 'checksum', 'meshAcknowledge'),
    fc.constantFrom('Auto', 'sha-256', 'constructor', '__proto__', MARK),
  ),
);
const asGiven = (fields: Record<string, [unknown, unknown]>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, [given]]) => [name, given]));
const MAILBOX = { environment: 'sandbox', mailboxId: 'X26ABC1' } as const;
type Def = Parameters<typeof readMailboxSettings>[1];

export const SETTINGS: Target[] = [
  target('settings: a valid mailbox is read as written', valid, [], (given) => {
    const read = readMailboxOptions(given) as unknown as Record<string, unknown>;
    const named = ENVIRONMENTS[given.environment.toLowerCase() as keyof typeof ENVIRONMENTS];
    assert.equal((read['url'] as URL).href, new URL(named ?? given.environment).href);
    assert.deepEqual(
      [read['mailboxId'], read['password'], read['sharedKey']],
      [given.mailboxId.toUpperCase(), given.password, given.sharedKey],
    );
    for (const name of Object.keys(kept) as Array<keyof typeof kept>) {
      const value: unknown = given[name];
      if (value === undefined) continue;
      if (typeof value !== 'object' || value === null) assert.deepEqual(read[name], value, name);
      else assert.deepEqual({ ...(read[name] as object), ...value }, read[name], name);
    }
    assert.ok(String(read['clientVersion']).startsWith(given.application ? `${given.application};` : 'node-red-'));
    const again = readMailboxOptions(given);
    assert.deepEqual(again, read);
  }),
  target(
    'settings: one wrong field of a mailbox is named',
    fc.tuple(valid, wrongField),
    [ConfigurationError],
    ([given, [field, value]]) => {
      const error = thrownBy(ConfigurationError, () => readMailboxOptions(withField(given, field, value)));
      assert.ok(error, `${field} was accepted`);
      assert.match(error.message, new RegExp(`(^|[ ;])${field.replace('.', '\\.')}(\\.\\w+)*: `));
      const otherFields = Object.keys(WRONG).filter((name) => name.split('.')[0] !== field.split('.')[0]);
      for (const other of otherFields) assert.ok(!new RegExp(`(^|[ ;])${other}: `).test(error.message), other);
      throw error;
    },
  ),
  target(
    'settings: valid fields of mesh-config and mesh-poll are read as written',
    fc.tuple(dialog, poll),
    [],
    (both) => {
      const [config, polled] = both;
      const read = readMailboxSettings(RED, { ...MAILBOX, ...asGiven(config) } as Def, {});
      assert.deepEqual(
        [read.sending.compression, read.sending.checksum, read.meshAcknowledge, read.maxDeliveries, read.leaseMs],
        [
          config.compression[1],
          config.checksum[1],
          config.meshAcknowledge[1],
          config.maxDeliveries[1],
          config.leaseMinutes[1] * 60_000,
        ],
      );
      assert.equal(read.sending.chunkBytes ?? 0, Math.round(config.chunkMb[1] * 1_000_000));
      const settings = readPollSettings(RED, { folder: '/f', ...asGiven(polled) } as never);
      assert.deepEqual(
        [
          settings.intervalMs,
          settings.maxInFlight,
          settings.charset,
          settings.acknowledge,
          settings.payloadAs,
          settings.unwrapMultipart,
        ],
        [
          polled.interval[1] * 60_000,
          polled.maxInFlight[1],
          polled.charset[1],
          polled.acknowledge[1],
          polled.payloadAs[1],
          polled.multipart[1] === 'parts',
        ],
      );
    },
  ),
  target('settings: one wrong field of mesh-config is named', wrongOfDialog, [ConfigurationError], ([field, value]) => {
    const given = { ...MAILBOX, [field]: value } as Def;
    const error = thrownBy(ConfigurationError, () => readMailboxSettings(RED, given, {}));
    assert.ok(error, `${field} was accepted`);
    assert.ok(error.message.includes(`"field":"${field}"`), error.message);
    throw error;
  }),
  target(
    'settings: times after which a message is overdue',
    fc.tuple(
      orBlank(written(amount(0.01, 120)), -1),
      fc.constantFrom('collectWithinHours', 'infrastructureWithinHours'),
      fc.constantFrom('0', '-5', 'soon', '9e9', 'NaN'),
    ),
    [],
    ([[given, hours], field, wrong]) => {
      const name = field.replace('Hours', 'Ms') as 'collectWithinMs' | 'infrastructureWithinMs';
      const read = deadlineSettings(RED, { [field]: given })[name];
      assert.equal(read, hours === -1 ? undefined : hours * 3_600_000);
      const error = thrownBy(ConfigurationError, () => deadlineSettings(RED, { [field]: wrong }));
      assert.ok(error?.message.includes(`"field":"${field}"`), 'the field is not named');
    },
  ),
];
