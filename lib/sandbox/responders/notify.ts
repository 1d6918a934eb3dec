/** NHS Notify: the confirmation of a request, a report on its messages and the report of the day. */
import { randomBytes } from 'node:crypto';
import { hasCheckDigit, rows, values, type Responder } from './responder';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Makes the service. */
export function notify(): Responder {
  return {
    service: 'notify',
    mailboxIds: ['X26NOTIFY'],
    workflowIds: ['NHS_NOTIFY_SEND_REQUEST'],
    answer(request, { answer }) {
      const { subject, localId, messageId, from, receivedAt } = request;
      const [headings = '', ...items] = rows(request.body.toString('utf8'));
      const columns = values(headings, ',');
      const refusal = answer === 'rejected' ? 'by the setting' : fault(subject, localId, columns, items);
      const receipt = { stage: 'receipt' as const, workflowId: 'NHS_NOTIFY_SEND_REQUEST_ACK', localId };
      const json = { contentType: 'application/json', fileName: 'acknowledgement.json' };
      if (refusal !== undefined) {
        const body = JSON.stringify({ meshMessageId: messageId, message: refusal });
        return {
          replies: [{ ...receipt, ...json, subject: '400', body }],
          note: `Refused: ${refusal}. The form of a refusal is a guess.`,
        };
      }
      const requestId = randomBytes(20).toString('base64url').slice(0, 27);
      const body = JSON.stringify({ meshMessageId: messageId, requestId: `${from}_${localId}` });
      const report = csv([
        // The first four are published; more follow that are not, and columns may be added.
        ['completedDate', 'sendingGroupId', 'requestRefId', 'requestId', 'requestItemRefId', 'requestItemStatus'],
        ...items.map((item) => [
          receivedAt.toISOString(),
          subject,
          localId,
          requestId,
          values(item, ',')[columns.indexOf('messageReference')] ?? '',
          'delivered',
        ]),
      ]);
      const date = receivedAt.toISOString().slice(0, 10);
      const file = { contentType: 'text/csv' };
      return {
        replies: [
          { ...receipt, ...json, subject: '202', body },
          {
            ...file,
            stage: 'result',
            workflowId: 'NHS_NOTIFY_BATCH_REPORT',
            fileName: `${date}-batch.csv`,
            body: report,
          },
          {
            ...file,
            stage: 'report',
            workflowId: 'NHS_NOTIFY_DAILY_REPORT',
            subject: date,
            fileName: `${date}.csv`,
            body: report,
          },
        ],
        note: `${items.length} messages. The form of the confirmation and the columns after requestId are guesses.`,
      };
    },
  };
}

function fault(
  subject: string,
  localId: string,
  columns: readonly string[],
  items: readonly string[],
): string | undefined {
  if (!UUID.test(subject)) return 'the subject is not the UUID of a routing plan';
  if (localId === '') return 'the local id is empty';
  for (const name of ['messageReference', 'nhsNumber']) {
    if (!columns.includes(name)) return `the column ${name} is missing`;
  }
  const cell = (item: string, name: string): string => values(item, ',')[columns.indexOf(name)] ?? '';
  if (items.length === 0) return 'the file has no rows';
  if (!items.every((item) => hasCheckDigit(cell(item, 'nhsNumber')))) return 'an NHS number is not valid';
  const references = new Set(items.map((item) => cell(item, 'messageReference')));
  return references.size < items.length ? 'a messageReference occurs twice' : undefined;
}

function csv(table: readonly string[][]): string {
  const quoted = (value: string): string => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return table.map((row) => `${row.map(quoted).join(',')}\r\n`).join('');
}
