/**
 * Takes out what keeps an alert until it was taken, and what says why it was not, one at a time, and sees its test fail.
 * `npx tsx test/alerts/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Guard extends Mutation {
  /** Words from the title of the test. */
  case: string;
  /** Default: alerts.test.ts. */
  test?: string;
}

const SYSLOG = 'test/alerts/syslog.test.ts';

const MUTATIONS: Guard[] = [
  {
    case: 'sends what waits when its folder is opened again',
    file: 'lib/alerts/alert-queue.ts',
    check: "if (state === 'waiting') this.#waiting.push({ file: name, attempts: 0, dueAt: -Infinity });",
    without: '',
  },
  {
    case: 'keeps one alert for each key, also after it was taken and after a restart',
    file: 'lib/alerts/alert-queue.ts',
    check: "if (digest !== '' && digest !== 'none') this.#known.set(digest, name);",
    without: '',
  },
  {
    case: 'repeats an alert under the same id until the receiver has taken it, and then never',
    file: 'lib/alerts/alert-queue.ts',
    check: 'this.#waiting = this.#waiting.filter((each) => each !== waiting);',
    without: '',
  },
  {
    case: 'sends the alerts after one that is refused, and after a damaged file',
    file: 'lib/alerts/alert-queue.ts',
    check: `      this.#postpone(waiting);
      this.#events.fault(error);`,
    without: '      this.#events.fault(error);',
  },
  {
    case: 'are not taken when it answers 503',
    file: 'lib/alerts/webhook.ts',
    check: 'if (response.status >= 200 && response.status < 300) return;',
    without: 'if (response.status >= 200) return;',
  },
  {
    case: 'are a card for Teams, without links or marks that a text could contain',
    file: 'lib/alerts/webhook.ts',
    check: 'return text.replaceAll(/[\\\\`*_[\\]<>#]/g, (character) => `\\\\${character}`);',
    without: 'return text;',
  },
  {
    case: 'are not taken when the server refuses one recipient',
    file: 'lib/alerts/email.ts',
    check: 'if (rejected.length > 0) {',
    without: 'if (rejected.length < 0) {',
  },
  {
    case: 'arrive at every recipient, with the same Message-ID at every attempt',
    file: 'lib/alerts/email.ts',
    check: ', messageId: `<${id}@${hostname()}>` };',
    without: ' };',
  },
  {
    case: 'keeps every value in its own field',
    test: SYSLOG,
    file: 'lib/alerts/syslog-message.ts',
    check: '.replaceAll(/["\\\\\\]]/g, (special) => `\\\\${special}`)',
    without: '',
  },
  {
    case: 'is a CEF event on request, with every value in its own field',
    test: SYSLOG,
    file: 'lib/alerts/syslog-message.ts',
    check: '.replaceAll(/[\\\\=]/g, (special) => `\\\\${special}`)',
    without: '',
  },
  {
    case: 'is one line in a log, whatever is in it',
    test: SYSLOG,
    file: 'lib/alerts/syslog-message.ts',
    check: "return value.replaceAll(/[\\u0000-\\u001F\\u007F-\\u009F\\u2028\\u2029]+/g, ' ');",
    without: 'return value;',
  },
  {
    case: 'arrives by UDP, TCP and TLS as one message of RFC 5424 each',
    test: SYSLOG,
    file: 'lib/alerts/syslog.ts',
    check: 'Buffer.from(`${message.length} `)',
    without: 'Buffer.from(`${message.length + 1} `)',
  },
  {
    case: 'is cut to the size that every receiver of UDP accepts, between two characters',
    test: SYSLOG,
    file: 'lib/alerts/syslog.ts',
    check: 'while (end > 0 && ((message[end] ?? 0) & 0xc0) === 0x80) end -= 1;',
    without: '',
  },
  {
    case: 'is an audit message with the user',
    test: SYSLOG,
    file: 'lib/alerts/syslog-message.ts',
    check: 'alert.audit === true ? AUDIT_FACILITY : ALERT_FACILITY',
    without: 'ALERT_FACILITY',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test = 'test/alerts/alerts.test.ts' }) => mochaArgs(title, test),
);
