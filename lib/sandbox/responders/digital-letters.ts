/** NHS Notify's digital letters: one FHIR DocumentReference a message, answered with 202 or 400, and a daily report. */
import { z } from 'zod';
import type { Responder } from './responder';

/** What the service needs of the letter. */
const letterSchema = z.object({
  resourceType: z.literal('DocumentReference'),
  status: z.literal('current'),
  subject: z.object({ identifier: z.object({ value: z.string().regex(/^\d{10}$/) }) }),
  content: z
    .array(z.object({ attachment: z.object({ contentType: z.literal('application/pdf'), data: z.string().min(1) }) }))
    .min(1),
});

/** Makes the service. */
export function digitalLetters(): Responder {
  const references = new Set<string>();
  return {
    service: 'digital-letters',
    mailboxIds: ['X26LETTERS'],
    // The service checks neither workflow nor subject; its live workflow id is not known, and one is the sandbox's own.
    workflowIds: ['SANDBOX_DIGITAL_LETTER', 'NHS_NOTIFY_SEND_REQUEST'],
    answer(request, { answer }) {
      const { from, localId, messageId, receivedAt } = request;
      const requestId = `${from}_${localId}`;
      const reference = `${from} ${localId}`;
      const failure =
        localId === ''
          ? { failureCode: 'DL_CLIV_006', message: 'Missing message reference' }
          : references.has(reference)
            ? { failureCode: 'DL_CLIV_004', message: 'Duplicate request' }
            : answer === 'rejected' || !isLetter(request.body)
              ? { failureCode: 'DL_CLIV_005', message: 'Invalid FHIR resource' }
              : undefined;
      references.add(reference);
      const receipt = {
        stage: 'receipt' as const,
        workflowId: 'NHS_NOTIFY_FHIR_ACK',
        localId,
        contentType: 'application/json',
        fileName: 'acknowledgement.json',
        subject: failure === undefined ? '202' : '400',
        body: JSON.stringify({ meshMessageId: messageId, requestId, ...failure }),
      };
      if (failure !== undefined) return { replies: [receipt], note: `Refused with ${failure.failureCode}.` };
      const date = receivedAt.toISOString().slice(0, 10);
      const report = {
        stage: 'report' as const,
        workflowId: 'NHS_NOTIFY_DIGITAL_LETTERS_DAILY_REPORT',
        subject: date,
        localId: `${date}-report`,
        contentType: 'text/csv',
        fileName: `${date}.csv`,
        body:
          'Message Reference,Time,Communication Type,Status,Reason Code,Reason\r\n' +
          `${localId},${receivedAt.toISOString()},Digital,Unread,,\r\n`,
      };
      return { replies: [receipt, report], note: 'Accepted. The service is a draft of 2026.' };
    },
  };
}

function isLetter(body: Buffer): boolean {
  try {
    return letterSchema.safeParse(JSON.parse(body.toString('utf8'))).success;
  } catch {
    return false;
  }
}
