/** Check for National Data Opt-outs: a receipt, then the list without those who opted out. */
import { createHash } from 'node:crypto';
import { compactTime, hasCheckDigit, OPTED_OUT, rows, silence, type Responder, type ServiceRequest } from './responder';

const WORKFLOW = 'SPINE_NTT_UPHOLDING';
/** With any other character the message is taken and nothing comes back (UK Renal Registry). */
const PLAIN = /^[A-Za-z0-9_-]+$/;

/** Makes the service. */
export function optOut(): Responder {
  const uploads = new Set<string>();
  let submissions = 16_220_000;
  return {
    service: 'opt-out',
    // Live, and Path to Live.
    mailboxIds: ['X26HC065', 'X26OT154'],
    workflowIds: [WORKFLOW],
    answer(request, { answer, optedOut = OPTED_OUT }) {
      const { subject, localId, body } = request;
      if (!PLAIN.test(subject) || !PLAIN.test(localId)) {
        return silence('the subject or the local id is empty or has other characters than letters, digits, - and _');
      }
      const lines = rows(body.toString('latin1')).filter((line) => line !== '');
      const failed = lines.length === 0 ? 'validate_non_empty_file' : uploads.has(localId) ? UNIQUE : undefined;
      uploads.add(localId);
      const receipt = {
        stage: 'receipt' as const,
        workflowId: request.workflowId,
        subject: failed === undefined ? 'SUCCESS' : 'FAILURE',
        localId,
        contentType: 'application/json',
        body: receiptBody(request, (submissions += 1), failed),
      };
      if (failed !== undefined) {
        return { replies: [receipt], note: `Refused by ${failed}. The subject of such a receipt is a guess.` };
      }
      const numbers = lines.map((line) => line.replace(/,$/, ''));
      const reply = { stage: 'result' as const, workflowId: request.workflowId, subject, localId };
      const file = { fileName: `${localId}.dat`, contentType: 'text/csv' };
      if (answer === 'rejected' || !numbers.every(hasCheckDigit)) {
        const refusal = { ...reply, ...file, body: 'The file contains one or more invalid NHS Numbers. ' };
        return { replies: [receipt, refusal], note: 'Refused whole. The subject of a refusal is a guess.' };
      }
      const kept = numbers.filter((number) => !optedOut.includes(number));
      const cleaned = { ...reply, ...file, body: kept.map((number) => `${number},\n`).join('') };
      return { replies: [receipt, cleaned], note: `${kept.length} of ${numbers.length} numbers may be used.` };
    },
  };
}

const UNIQUE = 'validate_is_unique_upload';
const CHECKS = ['validate_non_empty_file', UNIQUE, 'validate_in_order'];

/** Returns the receipt's JSON by hand: its times are integers of 20 digits, which JavaScript cannot hold. */
function receiptBody(request: ServiceRequest, submission: number, failed: string | undefined): string {
  const { from, to, messageId, localId, subject, fileName, body, receivedAt } = request;
  const time = `${compactTime(receivedAt)}${String(receivedAt.getUTCMilliseconds()).padStart(3, '0')}393`;
  const local = receivedAt.toISOString().replace('Z', '509');
  const stages = CHECKS.map(
    (stage) => `{"stage": "${stage}", "ts": ${time}, "passed": ${String(stage !== failed)}, "details": null}`,
  );
  const extra = JSON.stringify({
    sending_mailbox: from,
    landing_mailbox: to,
    transfer_id: createHash('sha1').update(messageId).digest('hex'),
    message_id: messageId,
    filename: fileName,
    local_id: localId,
    message_type: 'DATA',
    subject,
    encrypted: null,
    compressed: null,
  });
  const hash = createHash('sha256').update(body).digest('hex');
  return (
    `{"version": 10, "id": ${submission}, "status": "${failed === undefined ? 'pending' : 'failed'}", ` +
    `"received": "${local}", "submitted": "${local}", "finished": null, "stages": [${stages.join(', ')}], "runs": [], ` +
    `"sender_id": ${JSON.stringify(from)}, "agent_id": 1, "dataset_id": "mesh_to_pos", "dataset_version": null, ` +
    `"workspace": null, "metadata": {"submission_id": ${submission}, "dataset_version": null, ` +
    `"sender_id": ${JSON.stringify(from)}, "test_submission": false, ` +
    `"received_timestamp": ${Math.floor(receivedAt.getTime() / 1000)}, "submitted_timestamp": ${time}, ` +
    `"file_type": "csv", "request": {"dataset_id": "mesh_to_pos", "dataset_version": null, ` +
    `"submitted_timestamp": ${time}, "expected_file": null, "expected_failure": false, "extra": ${extra}}, ` +
    `"filename": ${JSON.stringify(fileName)}, "filesize": ${body.length}, "file_hash": "${hash}", ` +
    `"working_folder": null}, "pipeline_result": null, "test_scope": null}`
  );
}
