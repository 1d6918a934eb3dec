import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Sandbox, ServiceSettings } from '../../lib/sandbox';
import { VACCINATION_COLUMNS, vaccinationRow } from '../harness/file-flows/cases';
import { call, inbox, postChunk, sandboxFor, send } from './support';

/** An answer as its recipient sees it. */
interface Answer {
  workflowId: string;
  subject: string;
  localId: string;
  fileName: string;
  from: string;
  body: Buffer;
}

interface Request {
  to: string;
  workflowId: string;
  body: Uint8Array | string;
  subject?: string;
  localId?: string;
  fileName?: string;
  headers?: Record<string, string>;
}

/** Sends a request, lets six seconds pass for the sandbox and returns the answers in their order. */
async function answersTo(sandbox: Sandbox, request: Request): Promise<Answer[]> {
  const before = sandbox.serviceNotes().length;
  await send(sandbox, {
    to: request.to,
    workflowId: request.workflowId,
    body: request.body,
    headers: {
      ...(request.subject === undefined ? {} : { 'Mex-Subject': request.subject }),
      ...(request.localId === undefined ? {} : { 'Mex-LocalID': request.localId }),
      ...(request.fileName === undefined ? {} : { 'Mex-FileName': request.fileName }),
      ...request.headers,
    },
  });
  for (let tries = 0; sandbox.serviceNotes().length === before; tries += 1) {
    assert.ok(tries < 500, 'the service has not taken the request');
    await wait(10);
  }
  sandbox.clock.pass(6000);
  const answers: Answer[] = [];
  for (const id of await inbox(sandbox, 'X26ABC1')) {
    const { headers, body } = await call(sandbox, `/messageexchange/X26ABC1/inbox/${id}`, { as: 'X26ABC1' });
    const value = (name: string): string => String(headers[`mex-${name}`] ?? '');
    answers.push({
      workflowId: value('workflowid'),
      subject: value('subject'),
      localId: value('localid'),
      fileName: value('filename'),
      from: value('from'),
      body,
    });
    const path = `/messageexchange/X26ABC1/inbox/${id}/status/acknowledged`;
    await call(sandbox, path, { method: 'PUT', as: 'X26ABC1' });
  }
  return answers;
}

const withServices = (): Promise<Sandbox> => sandboxFor({ nationalServices: true, strict: true });

const NUMBERS = '9997877896,\n9991742182,\n9999081002,\n';
const optOut = (localId: string, body: Uint8Array | string = NUMBERS): Request => ({
  to: 'X26HC065',
  workflowId: 'SPINE_NTT_UPHOLDING',
  subject: localId,
  localId,
  fileName: `${localId}.dat`,
  body,
});

const VACCINATION_HEADER = VACCINATION_COLUMNS.join('|');
const vaccination = (id: string, birth = '19800229'): string =>
  vaccinationRow(id, { PERSON_DOB: birth, UNIQUE_ID_URI: 'urn:example', ACTION_FLAG: 'new' });
const batch = (fileName: string, rows: string[]): Request => ({
  to: 'X26IMMS',
  workflowId: 'SANDBOX_VACCINATION_BATCH',
  fileName,
  body: [VACCINATION_HEADER, ...rows].map((row) => `${row}\n`).join(''),
});

const PLAN = '33ead2f4-7e51-4cdb-9c1c-2d2e0f1a8b01';
const notify = (localId: string, rows: string): Request => ({
  to: 'X26NOTIFY',
  workflowId: 'NHS_NOTIFY_SEND_REQUEST',
  subject: PLAN,
  localId,
  body: `messageReference,nhsNumber,personalisation_appointmentDate\n${rows}`,
});

const letter = (localId: string | undefined, more: object = {}): Request => ({
  to: 'X26LETTERS',
  workflowId: 'NHS_NOTIFY_SEND_REQUEST',
  subject: '201',
  ...(localId === undefined ? {} : { localId }),
  body: JSON.stringify({
    resourceType: 'DocumentReference',
    status: 'current',
    docStatus: 'final',
    subject: { identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9997877896' } },
    content: [{ attachment: { contentType: 'application/pdf', title: 'Letter', data: 'JVBERi0=' } }],
    ...more,
  }),
});

const SPECIFICATION = 'b2ac0000000000000000000000000cf5';
const submission = (body: Uint8Array | string, more: Partial<Request> = {}): Request => ({
  to: 'X26HC010',
  workflowId: 'DSP_EXTRACT',
  subject: SPECIFICATION,
  localId: 'activity_1.csv',
  body,
  ...more,
});

describe('sandbox: the opt-out service', () => {
  it('answers with a receipt, then with the list of those who did not opt out, both with the local id', async () => {
    const sandbox = await withServices();
    const [receipt, list, ...more] = await answersTo(sandbox, optOut('X99-270226-0001'));
    assert.deepEqual(
      [receipt?.subject, receipt?.localId, receipt?.workflowId, receipt?.from],
      ['SUCCESS', 'X99-270226-0001', 'SPINE_NTT_UPHOLDING', 'X26HC065'],
    );
    const json = JSON.parse(String(receipt?.body)) as Record<string, unknown>;
    assert.deepEqual([json['status'], json['dataset_id'], json['sender_id']], ['pending', 'mesh_to_pos', 'X26ABC1']);
    assert.match(String(receipt?.body), /"ts": \d{20},/);
    assert.deepEqual(
      [list?.subject, list?.fileName, String(list?.body)],
      ['X99-270226-0001', 'X99-270226-0001.dat', '9997877896,\n9999081002,\n'],
    );
    assert.deepEqual(more, []);
  });

  it('says in the receipt which message it took', async () => {
    const sandbox = await withServices();
    const [receipt] = await answersTo(sandbox, optOut('ref-1'));
    const sent = sandbox.messages().find(({ to }) => to === 'X26HC065');
    const { metadata } = JSON.parse(String(receipt?.body)) as {
      metadata: { request: { extra: { message_id: string; local_id: string } } };
    };
    assert.equal(metadata.request.extra.message_id, sent?.messageId);
    assert.equal(sent?.status, 'acknowledged');
  });

  it('refuses a file with one wrong number as a whole, without naming the number', async () => {
    const sandbox = await withServices();
    const answers = await answersTo(sandbox, optOut('ref-2', `${NUMBERS}9997877897,\n`));
    assert.equal(String(answers[1]?.body), 'The file contains one or more invalid NHS Numbers. ');
  });

  it('says nothing to a subject with a colon, an empty one, or a local id that is missing', async () => {
    const sandbox = await withServices();
    assert.deepEqual(await answersTo(sandbox, { ...optOut('ref-3'), subject: 'list: March' }), []);
    assert.deepEqual(await answersTo(sandbox, { ...optOut('ref-4'), subject: '' }), []);
    const { localId: _localId, ...without } = optOut('ref-5');
    assert.deepEqual(await answersTo(sandbox, without), []);
  });

  it('refuses an empty file and a repeated upload with a receipt that says which check failed', async () => {
    const sandbox = await withServices();
    await answersTo(sandbox, optOut('ref-6'));
    for (const [request, stage] of [
      [optOut('ref-6'), 'validate_is_unique_upload'],
      [optOut('ref-7', '\n'), 'validate_non_empty_file'],
    ] as const) {
      const answers = await answersTo(sandbox, request);
      assert.equal(answers.length, 1);
      assert.match(String(answers[0]?.body), new RegExp(`"stage": "${stage}", "ts": \\d{20}, "passed": false`));
    }
  });

  it('reads a compressed list, and one that came in chunks', async () => {
    const sandbox = await withServices();
    const packed = { ...optOut('ref-8', gzipSync(NUMBERS)), headers: { 'Content-Encoding': 'gzip' } };
    assert.equal((await answersTo(sandbox, packed)).length, 2);
    const id = await send(sandbox, {
      to: 'X26HC065',
      workflowId: 'SPINE_NTT_UPHOLDING',
      body: NUMBERS.slice(0, 12),
      headers: { 'Mex-Subject': 'ref-9', 'Mex-LocalID': 'ref-9', 'Mex-Chunk-Range': '1:2' },
    });
    await postChunk(sandbox, id, 2, 2, { body: NUMBERS.slice(12) });
    await wait(100);
    sandbox.clock.pass(6000);
    assert.equal((await inbox(sandbox, 'X26ABC1')).length, 2);
  });
});

describe('sandbox: the vaccination store', () => {
  it('answers for the file, then for the rows that failed, both named after the file', async () => {
    const sandbox = await withServices();
    const name = 'FLU_Vaccinations_v5_X99999_20260227T14101500';
    const [forFile, forRows] = await answersTo(
      sandbox,
      batch(`${name}.csv`, [vaccination('a1'), vaccination('a2', '1980-02-29')]),
    );
    assert.match(forFile?.fileName ?? '', new RegExp(`^${name}_InfAck_\\d{8}T\\d{8}\\.csv$`));
    assert.match(String(forFile?.body), /\|Success\|Information\|OK\|20013\|Technical\|20013\|Success\|.*\|True\r\n$/);
    assert.match(forRows?.fileName ?? '', new RegExp(`^${name}_BusAck_\\d{8}T\\d{8}\\.csv$`));
    const [, ...rows] = String(forRows?.body).trimEnd().split('\n');
    assert.equal(rows.length, 1);
    assert.match(
      rows[0] ?? '',
      /\^2\|Fatal Error\|Fatal\|Fatal Error\|30002\|Business\|30002\|.*\|\|a2\^urn:example\|\|/,
    );
  });

  it('answers a file without rows once only', async () => {
    const sandbox = await withServices();
    const answers = await answersTo(sandbox, batch('FLU_Vaccinations_v5_X99999_20260227T14101500.csv', []));
    assert.equal(answers.length, 1);
  });

  it('refuses a wrong name, a header that is not exact and a name that was processed, without a reason', async () => {
    const sandbox = await withServices();
    const name = 'FLU_Vaccinations_v5_X99999_20260227T14101500.csv';
    await answersTo(sandbox, batch(name, [vaccination('b1')]));
    const header = batch('RSV_Vaccinations_v5_X99999_20260227T14101500.csv', [vaccination('b1')]);
    for (const request of [
      batch(name, [vaccination('b1')]),
      batch('FLU_v5.csv', [vaccination('b1')]),
      { ...header, body: `NHS_NUMBER|${String(header.body)}` },
    ]) {
      const answers = await answersTo(sandbox, request);
      assert.equal(answers.length, 1);
      assert.match(String(answers[0]?.body), /\|Failure\|Fatal\|Fatal Error\|10001\|Technical\|10002\|.*\|False\r\n$/);
    }
  });
});

describe('sandbox: NHS Notify', () => {
  it('confirms a request, reports on its messages, and sends the report of the day', async () => {
    const sandbox = await withServices();
    const answers = await answersTo(
      sandbox,
      notify('clinic7', 'c-1,9997877896,3 March 2026\nc-2,9999081002,4 March\n'),
    );
    assert.deepEqual(
      answers.map(({ workflowId }) => workflowId),
      ['NHS_NOTIFY_SEND_REQUEST_ACK', 'NHS_NOTIFY_BATCH_REPORT', 'NHS_NOTIFY_DAILY_REPORT'],
    );
    const [receipt, report, daily] = answers;
    assert.deepEqual([receipt?.subject, receipt?.localId, report?.localId], ['202', 'clinic7', '']);
    assert.match(String(report?.body), /^completedDate,sendingGroupId,requestRefId,requestId,/);
    assert.match(String(report?.body), new RegExp(`,${PLAN},clinic7,`));
    assert.match(daily?.subject ?? '', /^\d{4}-\d\d-\d\d$/);
  });

  it('refuses a request without a routing plan, a column, a valid number or a reference of its own for each row', async () => {
    const sandbox = await withServices();
    for (const request of [
      { ...notify('n-1', 'c-1,9997877896,x\n'), subject: 'letters' },
      { ...notify('n-2', ''), body: 'messageReference,number\nc-1,9997877896\n' },
      notify('n-3', 'c-1,9997877897,x\n'),
      notify('n-4', 'c-1,9997877896,x\nc-1,9999081002,x\n'),
    ]) {
      const answers = await answersTo(sandbox, request);
      assert.deepEqual(
        answers.map(({ subject }) => subject),
        ['400'],
      );
      assert.ok(!String(answers[0]?.body).includes('999787789'), 'no number in the refusal');
    }
  });
});

describe('sandbox: digital letters', () => {
  it('accepts a letter with 202 and reports on it later', async () => {
    const sandbox = await withServices();
    const [receipt, report] = await answersTo(sandbox, letter('letter-1'));
    assert.deepEqual(
      [receipt?.workflowId, receipt?.subject, receipt?.localId],
      ['NHS_NOTIFY_FHIR_ACK', '202', 'letter-1'],
    );
    assert.equal((JSON.parse(String(receipt?.body)) as Record<string, unknown>)['requestId'], 'X26ABC1_letter-1');
    assert.match(
      String(report?.body),
      /^Message Reference,Time,Communication Type,Status,Reason Code,Reason\r\nletter-1,/,
    );
  });

  it('refuses with 400: a letter that is not valid, a second one of the same reference, one without a reference', async () => {
    const sandbox = await withServices();
    await answersTo(sandbox, letter('letter-2'));
    for (const [request, code] of [
      [letter('letter-3', { content: [] }), 'DL_CLIV_005'],
      [letter('letter-2'), 'DL_CLIV_004'],
      [letter(undefined), 'DL_CLIV_006'],
    ] as const) {
      const answers = await answersTo(sandbox, request);
      assert.deepEqual(
        answers.map(({ subject }) => subject),
        ['400'],
      );
      assert.equal((JSON.parse(String(answers[0]?.body)) as Record<string, unknown>)['failureCode'], code);
    }
  });
});

describe('sandbox: the Data Landing Portal', () => {
  /** Returns the names of the files in an archive, by its headers of 512 bytes. */
  const names = (archive: Buffer): string[] => {
    const bytes = gunzipSync(archive);
    const found: string[] = [];
    for (let at = 0; bytes[at] !== 0;) {
      const header = bytes.subarray(at, at + 512);
      found.push(header.toString('latin1', 0, 100).replace(/\0.*$/, ''));
      at += 512 + Math.ceil(parseInt(header.toString('latin1', 124, 135), 8) / 512) * 512;
    }
    return found;
  };

  it('answers a good submission with an archive that has it', async () => {
    const sandbox = await withServices();
    const [answer] = await answersTo(sandbox, submission('code,amount\r\nA1,-5\r\n'));
    assert.deepEqual([answer?.subject, answer?.localId], ['DLPv3', 'activity_1.tar.gz']);
    assert.deepEqual(names(answer?.body ?? Buffer.alloc(0)), ['activity_1.csv', 'submission.json']);
  });

  it('answers a refused one with an archive that has a report in its place', async () => {
    const sandbox = await withServices();
    for (const body of ['code,amount\r\nA1,=1+1\r\n', '\uFEFFcode,amount\r\nA1,5\r\n']) {
      const [answer] = await answersTo(sandbox, submission(body));
      assert.deepEqual(names(answer?.body ?? Buffer.alloc(0)), ['validation_report.csv', 'submission.json']);
    }
  });

  it('reads a submission that is a gzip file, and a workflow id in small letters', async () => {
    const sandbox = await withServices();
    const packed = submission(gzipSync('code\r\nA1\r\n'), { localId: 'b.csv.gz' });
    const [answer] = await answersTo(sandbox, packed);
    assert.deepEqual([answer?.localId, names(answer?.body ?? Buffer.alloc(0))[0]], ['b.tar.gz', 'b.csv']);
  });

  it('says nothing to a subject that is no specification, or a local id that is no file name', async () => {
    const sandbox = await withServices();
    assert.deepEqual(await answersTo(sandbox, submission('a\r\n1\r\n', { subject: 'activity' })), []);
    assert.deepEqual(await answersTo(sandbox, submission('a\r\n1\r\n', { localId: 'activity_1.txt' })), []);
  });
});

describe('sandbox: the PDS batch trace', () => {
  const mpt = (rows: string[], announced = rows.length): Request => ({
    to: 'X26PDS',
    workflowId: 'SPINE_MPTPHASE4_TRACE',
    fileName: 'MPTREQ_20260227141000.csv',
    body: [`MPTREQ_20260227141000,SPINE_MPTPHASE4_TRACE,20260227141000,${announced}`, ...rows].join('\r\n'),
  });
  const row = (reference: string, number: string, birth: string): string =>
    [reference, number, 'PATIENT', 'TESTA', '', '2', birth, ...Array<string>(16).fill('')].join(',');

  it('answers row by row, with its sentinel for a person who was not found', async () => {
    const sandbox = await withServices();
    const [answer] = await answersTo(
      sandbox,
      mpt([row('r-1', '9997877896', '19800229'), row('r-2', '9999081002', '20000101'), row('r-3', '', '')]),
    );
    assert.match(answer?.fileName ?? '', /^RESP_MPTREQ_20260227141000_\d{14}\.csv$/);
    const [first, names, ...rows] = String(answer?.body).trimEnd().split('\r\n');
    assert.equal(first, 'MPTREQ_20260227141000,SPINE_MPT_RESPONSE,3,00');
    const columns = (names ?? '').split(',');
    const outcome = rows.map((each) => {
      const cells = each.split(',');
      return ['UNIQUE REFERENCE', 'ERROR/SUCCESS_CODE', 'MATCHED_NHS_NO'].map((name) => cells[columns.indexOf(name)]);
    });
    assert.deepEqual(outcome, [
      ['r-1', '00', '9997877896'],
      ['r-2', '98', '0000000000'],
      ['r-3', '96', ''],
    ]);
  });

  it('refuses a file whose first row counts other rows, with the code for it', async () => {
    const sandbox = await withServices();
    const [answer] = await answersTo(sandbox, mpt([row('r-1', '9997877896', '19800229')], 2));
    assert.match(String(answer?.body), /^MPTREQ_20260227141000,SPINE_MPT_RESPONSE,0,04\r\n/);
  });
});

describe('sandbox: NHAIS', () => {
  it('answers an interchange with a RECEP that names each of its messages', async () => {
    const sandbox = await withServices();
    const [answer] = await answersTo(sandbox, {
      to: 'X26NHAIS',
      workflowId: 'NHAIS_REG',
      body:
        "UNB+UNOA:2+GP05+FHS1+260227:1410+00000100++FHSREG'\nUNH+00000101+FHSREG:0:1:FH:FHS001'\nUNT+2+00000101'\n" +
        "UNH+00000102+FHSREG:0:1:FH:FHS001'\nUNT+2+00000102'\nUNZ+2+00000100'\n",
    });
    assert.deepEqual([answer?.workflowId, answer?.fileName], ['NHAIS_RECEP', 'edifact.dat']);
    const segments = String(answer?.body).trimEnd().split('\n');
    assert.match(segments[0] ?? '', /^UNB\+UNOA:2\+FHS1\+GP05\+\d{6}:\d{4}\+\d{8}\+\+RECEP\+\+\+EDIFACT TRANSFER'$/);
    assert.deepEqual(segments.slice(5, 8), ["RFF+MIS:00000101 CP'", "RFF+MIS:00000102 CP'", "RFF+RIS:00000100 OK:2'"]);
    assert.match(segments[8] ?? '', /^UNT\+8\+/);
  });
});

describe('sandbox: national services', () => {
  it('are there only when asked for', async () => {
    const sandbox = await sandboxFor({ strict: true });
    assert.deepEqual(
      sandbox.mailboxes.map(({ mailboxId }) => mailboxId),
      ['X26ABC1', 'X26ABC2', 'X26ABC3'],
    );
  });

  it('answer by their settings: silent, rejected, twice, later, without one of the stages', async () => {
    const sandbox = await withServices();
    let count = 0;
    const answers = async (settings: ServiceSettings): Promise<number> => {
      sandbox.setService('opt-out', settings);
      count += 1;
      return (await answersTo(sandbox, optOut(`set-${count}`))).length;
    };
    assert.equal(await answers({ answer: 'silent' }), 0);
    assert.equal(await answers({ copies: 2 }), 4);
    assert.equal(await answers({ missing: ['result'] }), 1);
    assert.equal(await answers({ delaysMs: { result: 3_600_000 } }), 1);
    sandbox.clock.pass(3_600_000);
    assert.equal((await inbox(sandbox, 'X26ABC1')).length, 1);
  });

  it('refuse an unknown service and a wrong setting', async () => {
    const sandbox = await withServices();
    assert.throws(() => sandbox.setService('opt-in' as 'opt-out', {}), /has no service opt-in/);
    assert.throws(() => sandbox.setService('opt-out', { copies: 0 }), /settings of opt-out are not valid: copies/);
  });

  it('can be set by another process', async () => {
    const sandbox = await sandboxFor({ nationalServices: true, strict: true, admin: true });
    const set = { method: 'PUT', body: JSON.stringify({ answer: 'silent' }) };
    assert.equal((await call(sandbox, '/admin/services/opt-out', set)).status, 200);
    assert.equal((await call(sandbox, '/admin/services/opt-in', set)).status, 400);
    assert.deepEqual(await answersTo(sandbox, optOut('ref-20')), []);
  });

  it('end where a user plays the service by hand', async () => {
    const sandbox = await withServices();
    sandbox.addMailbox({ mailboxId: 'X26HC065', password: 'password' });
    const id = await send(sandbox, { to: 'X26HC065', workflowId: 'SPINE_NTT_UPHOLDING' });
    await wait(50);
    assert.deepEqual(await inbox(sandbox, 'X26HC065'), [id]);
  });

  it('do not answer another workflow, and say so in their notes', async () => {
    const sandbox = await withServices();
    const request = { ...optOut('ref-30'), workflowId: 'TEST_WORKFLOW' };
    assert.deepEqual(await answersTo(sandbox, request), []);
    assert.match(String(sandbox.serviceNotes().at(-1)?.note), /does not read this workflow/);
  });

  it('forget the answers to come on reset', async () => {
    const sandbox = await withServices();
    sandbox.setService('opt-out', { delaysMs: { receipt: 60_000, result: 60_000 } });
    await answersTo(sandbox, optOut('ref-31'));
    await sandbox.reset();
    sandbox.clock.pass(120_000);
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), []);
  });
});
