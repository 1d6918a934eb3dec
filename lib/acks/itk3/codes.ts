/** ITK3's response codes (CodeSystem ITK-ResponseCodes-1; docs/mesh.md, ITK3 acknowledgements). */
import type { AckLevel, AckResult } from '../types';

export interface Itk3Code {
  code: string;
  result: Exclude<AckResult, 'partial'>;
  /** `display` of the coding. */
  name: string;
}

const positive = (code: string, name: string): Itk3Code => ({ code, result: 'positive', name });
const negative = (code: string, name: string): Itk3Code => ({ code, result: 'negative', name });

/** Every published code. */
export const ITK3_CODES: readonly Itk3Code[] = [
  negative('10001', 'Handling Specification Error'),
  negative('10002', 'Infrastructure Level Response Value - Processing Error'),
  negative('10003', 'Business Level Response Value - Processing Error'),
  negative('10004', 'Message Definition Value - Processing Error'),
  negative('10005', 'Message Definition Version Value - Processing Error'),
  negative('10007', 'Sender Reference Value - Processing Error'),
  negative('10008', 'Handling Specification Business Rule Error'),
  negative('10009', 'Unreadable message received'),
  negative('10010', 'Recipient Type - Processing Error'),
  negative('20001', 'Unrecognised Recipient Person'),
  negative('20002', 'Unrecognised Recipient Organisation'),
  negative('20003', 'Unrecognised Sender'),
  negative('20004', 'Non-Approved file type received as an attachment'),
  negative('20005', 'Unsupported file type received as an attachment'),
  negative('20006', 'ITK3 Header validation failure'),
  negative('20007', 'Duplicate Message received'),
  negative('20008', 'Duplicate Document received'),
  negative('20009', 'Payload validation failure'),
  negative('20010', 'Unrecognised Payload Recipient Organisation'),
  negative('20011', 'Unrecognised Payload Recipient Person'),
  negative('20012', 'Unauthorised Sender'),
  positive('20013', 'Success'),
  negative('20014', 'Unable to Process Replacement Document'),
  negative('20015', 'Message too large'),
  positive('30001', 'Patient known here. (e.g. Patient is registered here)'),
  negative('30002', "Patient not known here. (aka 'patient record not present in system')"),
  negative('30003', 'Patient no longer at this clinical setting'),
  positive('30004', 'Patient known here and recently deceased'),
  positive('30005', 'Referral open'),
  positive('30006', 'Referral completed'),
  negative('30007', 'Referral escalated back to GP'),
  positive('30008', 'Signposting to GP (non-urgent)'),
  positive('30009', 'Clinical escalation to UTC/111/GPOOH'),
  positive('30010', 'Clinical escalation to A&E or 999'),
  positive('30011', 'Advised to go elsewhere/self-referral'),
  negative('30012', 'Unable to contact the patient'),
  positive('30013', 'Closure (service not needed)'),
  negative('30014', 'Closure (service not accepted)'),
  negative('30015', 'Closure (duplicate referral)'),
  positive('30016', 'Referral accepted'),
  negative('30017', 'Referral rejected'),
  negative('30018', 'Did Not Attend'),
  positive('30019', 'GP Registration - Application accepted'),
  negative('30020', 'GP Registration - Application pending (contact practice)'),
  negative('30021', 'GP Registration - Application rejected (patient already registered)'),
  negative('30022', 'GP Registration - Application rejected (at capacity)'),
  negative('30023', 'GP Registration - Application rejected (out of boundary)'),
  negative('30024', 'GP Registration - Application rejected (Previously removed from this practice)'),
  negative('30025', 'GP Registration - Application rejected (Previously removed from another practice)'),
];

const byCode = new Map(ITK3_CODES.map((row) => [row.code, row]));
export const findItk3Code = (code: string): Itk3Code | undefined => byCode.get(code);

/** 1xxxx and 2xxxx are infrastructure acknowledgements (InfAckRequested), 3xxxx business ones (BusAckRequested). */
export const levelOf = (code: string): AckLevel => (code.startsWith('3') ? 'business' : 'infrastructure');

const ISSUES: ReadonlyArray<[issue: string, codes: string[]]> = [
  ['not-found', ['20001', '20002', '20003', '20010', '20011', '30002']],
  ['security', ['20004', '20005', '20012']],
  ['invalid', ['20006', '20009']],
  ['duplicate', ['20007', '20008']],
];

/**
 * Returns `issue.code` of the OperationOutcome (docs/mesh.md, ITK3 acknowledgements); for codes that the specification
 * does not list, `processing`, or `business-rule` for 3xxxx.
 */
export function issueOf({ code, result }: Itk3Code): string {
  if (result === 'positive') return 'informational';
  const listed = ISSUES.find(([, codes]) => codes.includes(code))?.[0];
  return listed ?? (levelOf(code) === 'business' ? 'business-rule' : 'processing');
}
