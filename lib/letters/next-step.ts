/**
 * What a person does next about a letter that did not arrive: by MESH's code in a REPORT, or by the practice's ITK3
 * code in an acknowledgement. `advice` says it in a sentence; `step` is for a flow's switch.
 */

/**
 * - `ask-practice`: the practice's mailbox is the matter; its details or its supplier's are wanted
 * - `check-patient`: NHS number, birth date and surname do not agree with PDS
 * - `patient-moved`: the patient is registered elsewhere, or nowhere
 * - `correct-letter`: the letter's form or type was refused
 * - `make-smaller`: the letter is too large
 * - `already-there`: the practice has had it before
 */
export const NEXT_STEPS = [
  'ask-practice',
  'check-patient',
  'patient-moved',
  'correct-letter',
  'make-smaller',
  'already-there',
] as const;
export type NextStepName = (typeof NEXT_STEPS)[number];

export interface NextStep {
  step: NextStepName;
  advice: string;
}

const CHECK_PATIENT =
  'Trace the patient in PDS. Correct NHS number, birth date and surname at the source, and send the letter again; do not ' +
  'change them by hand in the flow.';
const MOVED =
  'Trace the patient in PDS. Send the letter to the practice where the patient is registered now; if there is none, hand ' +
  'it to the patient or post it, and tell the author.';
const CORRECT = 'Validate the letter, correct its source or the flow, and send it again as a new message.';

const STEPS: ReadonlyArray<[codes: string[], NextStep]> = [
  [
    ['EPL-150'],
    {
      step: 'ask-practice',
      advice: 'Several mailboxes match. Ask the practice which one it reads, and send it to that mailbox by its id.',
    },
  ],
  [
    ['EPL-151'],
    {
      step: 'ask-practice',
      advice:
        'No mailbox takes this workflow for the patient. Ask the practice, or its system’s supplier, to enable the ' +
        'workflow; send this letter another way until then.',
    },
  ],
  [['EPL-152', 'EPL-153', 'EPL-154'], { step: 'check-patient', advice: CHECK_PATIENT }],
  [
    ['12', '14'],
    {
      step: 'ask-practice',
      advice: 'The practice’s mailbox does not exist, or nobody collects from it. Ask the practice.',
    },
  ],
  [
    ['20002', '20003', '20010', '20012'],
    {
      step: 'ask-practice',
      advice:
        'The practice’s system does not take this letter from you, or not for this organisation. Ask the practice.',
    },
  ],
  [
    ['20014'],
    {
      step: 'ask-practice',
      advice: 'The practice could not put this letter in place of the earlier one. Tell it which of the two counts.',
    },
  ],
  [['20001', '20011'], { step: 'check-patient', advice: CHECK_PATIENT }],
  [['30002', '30003'], { step: 'patient-moved', advice: MOVED }],
  [
    ['20004', '20005'],
    { step: 'correct-letter', advice: 'The practice’s system does not take this type of file. Send it as a PDF.' },
  ],
  [
    ['10001', '10002', '10003', '10004', '10005', '10007', '10008', '10009', '10010', '20006', '20009'],
    { step: 'correct-letter', advice: CORRECT },
  ],
  [
    ['20007', '20008'],
    {
      step: 'already-there',
      advice:
        'The practice has this letter already. If it was to replace an earlier one, send it with an id of its own.',
    },
  ],
  [
    ['20015'],
    {
      step: 'make-smaller',
      advice: 'Make the PDF smaller, or leave attachments out and list them (name, time, size) in the letter.',
    },
  ],
];

const BY_CODE = new Map(STEPS.flatMap(([codes, next]) => codes.map((code) => [code, next] as const)));

/** Returns what to do next about a code of MESH's report or of an ITK3 acknowledgement; undefined if nothing is known. */
export const nextStep = (code: string): NextStep | undefined => BY_CODE.get(code.toUpperCase());
