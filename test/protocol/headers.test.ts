import assert from 'node:assert/strict';
import { InvalidMessageError } from '../../lib/errors';
import { HEADER_RULES, headerProblem, type HeaderField, type HeaderRule } from '../../lib/protocol/header-rules';
import {
  checkedHeader,
  outgoingHeaders,
  readMessageHeaders,
  type HeaderValues,
} from '../../lib/protocol/message-headers';
import { fullErrorText, thrown } from '../harness/failure';

// docs/mesh.md, Limits and mesh-api.yaml, send_message.
const LIMITS: Record<HeaderField, number> = {
  to: 100,
  workflowId: 300,
  subject: 500,
  localId: 300,
  fileName: 300,
  partnerId: 500,
  checksum: 100,
  contentType: 100,
  chunkRange: 20,
};
const NO_URL = new Set<HeaderField>(['to', 'workflowId', 'checksum']);
const SECRET = 'MARK9434765919';

describe('the rules of headers', () => {
  for (const [field, limit] of Object.entries(LIMITS) as Array<[HeaderField, number]>) {
    const rule: HeaderRule = HEADER_RULES[field];

    it(`${rule.header} allows ${limit} characters and not one more`, () => {
      assert.equal(headerProblem(rule, 'a'.repeat(limit)), undefined);
      assert.match(headerProblem(rule, 'a'.repeat(limit + 1)) ?? '', new RegExp(`${limit + 1}.*at most ${limit}`));
    });

    for (const [name, character] of [
      ['carriage return', '\r'],
      ['line feed', '\n'],
      ['tab', '\t'],
      ['U+0000', '\0'],
      ['U+001F', '\x1f'],
      ['U+007F', '\x7f'],
      ['U+0085', '\x85'],
    ] as const) {
      it(`${rule.header} refuses ${name}, and says where it is`, () => {
        const problem = headerProblem(rule, `ab${character}c`) ?? '';
        assert.match(problem, new RegExp(`${name.replace('+', '\\+')}.*position 3`));
      });
    }

    it(`${rule.header} refuses half a character`, () => {
      assert.match(headerProblem(rule, 'a\ud83db') ?? '', /half a character at position 2/);
    });

    it(`${rule.header} counts the bytes of UTF-8 where it needs it`, () => {
      if (field === 'checksum') return;
      assert.equal(headerProblem(rule, `Ł${'a'.repeat(limit - 2)}`), undefined);
      assert.match(headerProblem(rule, `Ł${'a'.repeat(limit - 1)}`) ?? '', new RegExp(`${limit + 1} bytes in UTF-8`));
      assert.equal(headerProblem(rule, 'ë'.repeat(limit)), undefined, 'Latin-1');
    });

    it(`${rule.header} ${NO_URL.has(field) ? 'refuses a URL' : 'may be a URL'}`, () => {
      const problems = ['http://x', 'HTTPS://x', '  https://x'].map((url) => headerProblem(rule, url));
      assert.deepEqual(
        problems.map((problem) => problem?.includes('URL') ?? false),
        problems.map(() => NO_URL.has(field)),
      );
    });
  }

  it('a subject may have any letters and signs', () => {
    for (const text of ['Zoë Müller £ §', 'Łukasz', 'O’Brien – 50 €', '名前 😀']) {
      assert.equal(headerProblem(HEADER_RULES.subject, text), undefined, text);
    }
  });

  it('a checksum may only have letters, digits, space, colon, hyphen and slash', () => {
    assert.equal(headerProblem(HEADER_RULES.checksum, 'SHA-256: aZ09 -/'), undefined);
    for (const value of ['a+b', 'a=', 'a_b', 'é', 'a.b']) {
      assert.match(headerProblem(HEADER_RULES.checksum, value) ?? '', /other than letters, digits/, value);
    }
  });
});

describe('the headers of an outgoing message', () => {
  const least: HeaderValues = { to: 'X26ABC2', workflowId: 'WF', localId: 'ours', contentType: 'text/plain' };

  it('are minimal without options', () => {
    assert.deepEqual(outgoingHeaders('X26ABC1', least), {
      'Mex-From': 'X26ABC1',
      'Mex-MessageType': 'DATA',
      'Mex-To': 'X26ABC2',
      'Mex-WorkflowID': 'WF',
      'Mex-LocalID': 'ours',
      'Content-Type': 'text/plain',
      'Mex-Content-Type': 'text/plain',
    });
  });

  it('have every option that is set', () => {
    const headers = outgoingHeaders('X26ABC1', {
      ...least,
      subject: 'Zoë',
      fileName: 'a.txt',
      partnerId: 'sub|tag',
      checksum: 'MD5: aa',
      compressed: true,
      encrypted: true,
    });
    assert.equal(headers['Mex-Subject'], 'Zoë');
    assert.equal(headers['Mex-FileName'], 'a.txt');
    assert.equal(headers['Mex-PartnerID'], 'sub|tag');
    assert.equal(headers['Mex-Content-Checksum'], 'MD5: aa');
    assert.equal(headers['Mex-Content-Compressed'], 'Y');
    assert.equal(headers['Mex-Content-Encrypted'], 'Y');
  });

  it('leave out options that are empty or false', () => {
    const headers = outgoingHeaders('X26ABC1', { ...least, subject: '', fileName: '', compressed: false });
    assert.deepEqual(headers, outgoingHeaders('X26ABC1', least));
  });

  for (const field of ['to', 'workflowId'] as const) {
    for (const [how, value] of [
      ['empty', ''],
      ['blank', '   '],
      ['missing', undefined],
      ['a number', 5],
    ] as const) {
      it(`${field} that is ${how} is refused by name`, () => {
        const message = { ...least, [field]: value } as HeaderValues;
        const error = thrown(InvalidMessageError, () => outgoingHeaders('X26ABC1', message));
        assert.match(error.message, new RegExp(`^${field} \\(Mex-.*is missing`));
        assert.ok(error.advice);
      });
    }
  }

  for (const field of [
    'to',
    'workflowId',
    'localId',
    'subject',
    'fileName',
    'partnerId',
    'checksum',
    'contentType',
  ] as const) {
    for (const [what, value] of [
      ['a line break', `${SECRET}\r\nMex-To: X26ABC3`],
      ['a line feed', `${SECRET}\nx`],
      ['half a character', `${SECRET}\ud83d`],
      ['too many characters', SECRET.repeat(60)],
    ] as const) {
      it(`${field} with ${what} is refused by name, without its value`, () => {
        const error = thrown(InvalidMessageError, () => outgoingHeaders('X26ABC1', { ...least, [field]: value }));
        assert.ok(error.message.startsWith(`${field} (${HEADER_RULES[field].header})`), error.message);
        assert.match(error.message, /Nothing was sent/);
        assert.equal(error.retry, 'never');
        assert.ok(!fullErrorText(error).includes(SECRET));
      });
    }
  }

  it('a URL as recipient is refused without its value', () => {
    const error = thrown(InvalidMessageError, () => checkedHeader('to', `https://${SECRET}`));
    assert.match(error.message, /is a URL/);
    assert.ok(!fullErrorText(error).includes(SECRET));
  });
});

describe('the headers of a received message', () => {
  it('of DATA are all read', () => {
    const message = readMessageHeaders(
      {
        'mex-messageid': 'MID',
        'mex-messagetype': 'DATA',
        'mex-from': 'X26ABC2',
        'mex-to': 'X26ABC1',
        'mex-workflowid': 'WF',
        'mex-localid': 'ours',
        'mex-subject': 'Zoë',
        'mex-filename': '../a.txt',
        'mex-partnerid': 'p',
        'mex-content-checksum': 'c',
        'mex-content-type': 'text/plain',
        'content-type': 'application/octet-stream',
        'mex-content-compressed': 'Y',
        'mex-content-encrypted': 'N',
        'content-encoding': 'X-GZIP',
        'mex-chunk-range': '1:3',
        'mex-statuscode': '00',
        'mex-statusevent': 'TRANSFER',
        'mex-statussuccess': 'SUCCESS',
        'mex-statusdescription': 'ok',
        'mex-statustimestamp': '20260102030405',
      },
      'X26ABC1',
      'asked',
    );
    assert.deepEqual(message, {
      mailboxId: 'X26ABC1',
      messageId: 'asked',
      messageType: 'DATA',
      from: 'X26ABC2',
      to: 'X26ABC1',
      workflowId: 'WF',
      localId: 'ours',
      subject: 'Zoë',
      fileName: '../a.txt',
      contentType: 'text/plain',
      partnerId: 'p',
      checksum: 'c',
      compressed: true,
      encrypted: false,
      contentEncoding: 'gzip',
      totalChunks: 3,
      statusCode: '00',
      statusEvent: 'TRANSFER',
      statusDescription: 'ok',
      statusSuccess: true,
      statusTimestamp: '2026-01-02T03:04:05.000Z',
    });
  });

  it('of a REPORT name the message that failed, with advice', () => {
    const report = readMessageHeaders(
      {
        'mex-messagetype': 'Report',
        'mex-linkedmsgid': 'FAILED',
        'mex-statuscode': '14',
        'mex-statusevent': 'SEND',
        'mex-statussuccess': 'ERROR',
        'mex-statustimestamp': 'soon',
      },
      'X26ABC1',
      'MID',
    );
    assert.equal(report.messageType, 'REPORT');
    assert.equal(report.messageId, 'MID');
    assert.equal(report.linkedMessageId, 'FAILED');
    assert.equal(report.statusSuccess, false);
    assert.equal(report.statusTimestamp, 'soon');
    assert.match(report.advice ?? '', /^Ring the recipient/);
  });

  it('that are missing are left out or have a default', () => {
    assert.deepEqual(readMessageHeaders({ 'mex-subject': '' }, 'X26ABC1', 'MID'), {
      mailboxId: 'X26ABC1',
      messageId: 'MID',
      messageType: 'DATA',
      from: '',
      to: 'X26ABC1',
      workflowId: '',
      totalChunks: 1,
    });
  });

  it('that occur twice are joined', () =>
    assert.equal(readMessageHeaders({ 'mex-subject': ['a', 'b'] }, 'M', 'I').subject, 'a, b'));
});
