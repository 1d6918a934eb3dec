/**
 * The shipped profiles of file flows: whole files that get an answer (docs/file-flows.md has the sources, and how sure
 * each is). They are read exactly as a user's table is, so whatever they say a user can say, and change. Times are ours
 * where the service promises none.
 */

/** Codes for a whole file that was refused. */
const FILE_CODES = ['01', '02', '03', '04', '05', '06', '07', '08', '09'];

/** The opt-out check answers on the workflow of the request: the receipt first, then the list. */
const OPT_OUT = {
  workflowId: 'SPINE_NTT_UPHOLDING',
  ackWorkflowId: null,
  form: 'none',
  about: 'National data opt-out check: sends a list of NHS numbers, gets back those that may be used.',
  certainty: 'reported',
  replies: [
    {
      name: 'receipt',
      kind: 'receipt',
      // One hour at most, says the service.
      dueWithin: { hours: 2 },
      when: { json: { path: 'dataset_id', equals: 'mesh_to_pos' } },
      match: [
        { in: 'json', path: 'metadata.request.extra.message_id', request: 'messageId' },
        { in: 'localId', request: 'localId' },
      ],
      outcomes: [{ outcome: 'positive', when: { subject: 'SUCCESS' } }],
      otherwise: 'negative',
    },
    {
      name: 'list',
      kind: 'result',
      dueWithin: { hours: 24 },
      // The subject SUCCESS is the receipt's: it says nothing about the list.
      when: { subjectPattern: '^(?!SUCCESS$)' },
      match: [{ in: 'localId', request: 'localId' }],
      outcomes: [
        { outcome: 'positive', when: { firstLine: String.raw`^\d{10},?\r?$` } },
        // Nobody may be used? Or was it cut short? A person decides.
        { outcome: 'unclear', when: { firstLine: String.raw`^\s*$` }, code: 'empty' },
        // Numbers behind something else, such as a row of names: neither a list nor a refusal.
        { outcome: 'unclear', when: { beginning: String.raw`[\r\n]"?\d{10}\b` }, code: 'no list' },
      ],
      // Whatever is no list is a refusal, and not a list of nobody.
      otherwise: 'negative',
      // One person in twenty has opted out: where less than half remains, the list was cut short. The limit is ours.
      compare: { column: 1, minimumPercent: 50 },
    },
  ],
};

/** A batch of vaccinations. Workflow ids and mailbox are not public: the sandbox's own stand here, to be changed. */
const VACCINATIONS = {
  workflowId: 'SANDBOX_VACCINATION_BATCH',
  ackWorkflowId: 'SANDBOX_VACCINATION_BATCH_ACK',
  form: 'none',
  about: 'Vaccination batch: sends vaccination events, gets an answer for the file and one for the rows that failed.',
  certainty: 'code',
  replies: [
    {
      name: 'file',
      kind: 'receipt',
      dueWithin: { hours: 2 },
      when: { fileNamePattern: String.raw`_InfAck_\d{8}T\d{6,8}\.csv$` },
      match: [{ in: 'fileName', pattern: '^(.+)_InfAck_', request: 'fileNameStem' }],
      outcomes: [{ outcome: 'positive', when: { row: { column: 'HEADER_RESPONSE_CODE', equals: 'Success' } } }],
      otherwise: 'negative',
    },
    {
      name: 'rows',
      kind: 'result',
      // A file without rows, and an unexpected failure, get none: it is missed then, and a person asks.
      dueWithin: { hours: 24 },
      when: { fileNamePattern: String.raw`_BusAck_\d{8}T\d{6,8}\.csv$` },
      match: [{ in: 'fileName', pattern: '^(.+)_BusAck_', request: 'fileNameStem' }],
      outcomes: [
        { outcome: 'partial', when: { row: { column: 'HEADER_RESPONSE_CODE', equals: 'Fatal Error' } } },
        // Only rows that failed are listed: the column names alone are a success.
        { outcome: 'positive', when: { columns: ['HEADER_RESPONSE_CODE', 'LOCAL_ID', 'OPERATION_OUTCOME'] } },
      ],
      otherwise: 'unclear',
    },
  ],
};

/** Reports name the request in their rows, and come on workflows of their own. */
const NOTIFY = {
  workflowId: 'NHS_NOTIFY_SEND_REQUEST',
  ackWorkflowId: 'NHS_NOTIFY_SEND_REQUEST_ACK',
  form: 'none',
  about: 'NHS Notify: sends a list of people to be told something, gets a confirmation and reports.',
  certainty: 'specified',
  replies: [
    {
      name: 'confirmation',
      kind: 'receipt',
      dueWithin: { hours: 24 },
      match: [
        { in: 'localId', request: 'localId' },
        { in: 'json', path: 'meshMessageId', request: 'messageId' },
      ],
      // As an older component sent it: the published form was not seen.
      outcomes: [
        { outcome: 'positive', when: { subject: '202' } },
        { outcome: 'negative', when: { subjectPattern: String.raw`^[45]\d\d$` } },
      ],
      otherwise: 'unclear',
    },
    report('batch report', 'NHS_NOTIFY_BATCH_REPORT', 'requestRefId'),
    report('daily report', 'NHS_NOTIFY_DAILY_REPORT', 'requestRefId'),
  ],
};

/** Digital letters. The service checks no workflow id, and its live one is not known: the sandbox's own stands here. */
const DIGITAL_LETTERS = {
  workflowId: 'SANDBOX_DIGITAL_LETTER',
  ackWorkflowId: 'NHS_NOTIFY_FHIR_ACK',
  form: 'none',
  about: 'Digital letter: sends a letter for the NHS App and for print, gets 202 or 400 and a daily report.',
  certainty: 'code',
  replies: [
    {
      name: 'answer',
      kind: 'receipt',
      // The service polls every five minutes. A sender whom it does not know hears nothing.
      dueWithin: { hours: 2 },
      match: [
        { in: 'json', path: 'meshMessageId', request: 'messageId' },
        { in: 'localId', request: 'localId' },
      ],
      outcomes: [
        { outcome: 'positive', when: { subject: '202' } },
        { outcome: 'negative', when: { subject: '400' } },
      ],
      otherwise: 'unclear',
    },
    report('daily report', 'NHS_NOTIFY_DIGITAL_LETTERS_DAILY_REPORT', 'Message Reference'),
  ],
};

/** What the archive has in it tells the outcome; and silence is a failure. */
const LANDING_PORTAL = {
  workflowId: 'DSP_EXTRACT',
  ackWorkflowId: null,
  form: 'none',
  about: 'Data Landing Portal: sends a CSV file, gets an archive with it or with a report of what was wrong.',
  certainty: 'specified',
  replies: [
    {
      name: 'outcome',
      kind: 'result',
      dueWithin: { hours: 24 },
      when: { subject: 'DLPv3' },
      match: [{ in: 'localId', pattern: String.raw`^(.+)\.tar\.gz$`, request: 'localIdStem' }],
      outcomes: [
        { outcome: 'positive', when: { archive: { has: String.raw`(?:^|/){match}\.csv` } } },
        { outcome: 'negative', when: { archive: { lacks: String.raw`(?:^|/){match}\.csv` } } },
      ],
      otherwise: 'unclear',
    },
  ],
};

const PDS_TRACE = {
  workflowId: 'SPINE_PDS_MESH_V1',
  ackWorkflowId: null,
  form: 'none',
  about: 'PDS trace: sends rows of demographics, gets NHS numbers. Officially for the MESH user interface only.',
  certainty: 'code',
  replies: [trace()],
};

const MASTER_PATIENT_TRACE = {
  ...PDS_TRACE,
  workflowId: 'SPINE_MPTPHASE4_TRACE',
  ackWorkflowId: 'SPINE_MPT_RESPONSE',
  about: 'The older trace (MPT), closed to new users: sends rows of demographics, gets NHS numbers.',
};

/** SUS: neither the workflow id nor what comes back is public. Nothing is awaited that nobody has promised. */
const SUS_CDS = {
  workflowId: 'SANDBOX_SUS_CDS',
  ackWorkflowId: null,
  form: 'none',
  about: 'SUS commissioning data set (CDS): sends an XML file. Id and replies are not public, and nothing is awaited.',
  certainty: 'guessed',
};

/** A report that names its requests row by row. Its columns may grow: they are found by name. */
function report(name: string, workflowId: string, column: string): object {
  return {
    name,
    kind: 'report',
    occurs: 'any',
    // It may come to, and from, another mailbox than the request's.
    from: 'any',
    when: { workflowId },
    match: [{ in: 'rows', column, request: 'localId' }],
    outcomes: [{ outcome: 'positive', when: { columns: [column] } }],
    otherwise: 'unclear',
  };
}

/** The answer to a trace: a code for the file in a first row of four values, or the column names at once. */
function trace(): object {
  return {
    name: 'trace',
    kind: 'result',
    dueWithin: { hours: 24 },
    when: { fileNamePattern: '^RESP_' },
    match: [{ in: 'fileName', pattern: String.raw`^RESP_(.+)_\d{14}\.csv$`, request: 'fileNameStem' }],
    outcomes: [
      { outcome: 'positive', when: { firstRow: { column: 4, equals: '00' } } },
      { outcome: 'negative', when: { firstRow: { column: 4, equals: FILE_CODES } } },
      { outcome: 'positive', when: { columns: ['UNIQUE REFERENCE', 'ERROR/SUCCESS_CODE'] } },
    ],
    otherwise: 'unclear',
  };
}

/** The profiles, to be checked as a user's are. */
export const FILE_FLOWS: readonly object[] = [
  OPT_OUT,
  VACCINATIONS,
  NOTIFY,
  DIGITAL_LETTERS,
  LANDING_PORTAL,
  PDS_TRACE,
  MASTER_PATIENT_TRACE,
  SUS_CDS,
];
