/**
 * Workflow profiles: how messages of a workflow are addressed, answered and limited. Shipped ones: docs/mesh.md,
 * Workflow ids.
 */
import { z } from 'zod';
import { ConfigurationError } from '../errors';
import { isTemplate } from './template';
import { ACK_FORMS } from './types';

const workflowId = z.string().trim().min(1).max(300);
const template = z.string().refine(isTemplate, 'may have {odsCode}, {mailboxId}, {workflowId} and {msg.…} in it');

/** How a recipient is named. */
const ROUTINGS = ['mailbox', 'GPPROVIDER', 'lookup'] as const;

/** One workflow. What is not given is not known, and nothing is assumed. */
const profileSchema = z.strictObject({
  workflowId,
  /** The workflow that answers come on; null where there is no answer. */
  ackWorkflowId: workflowId.nullable(),
  form: z.enum(ACK_FORMS),
  /** What its requests ask for (ITK3's InfAckRequested and BusAckRequested; for the other forms, business). */
  infAck: z.boolean().default(false),
  busAck: z.boolean().default(false),
  /** Hours within which the recipient must have collected it; after them it is overdue. */
  collectHours: z.number().positive().max(120).optional(),
  /** Hours within which the infrastructure answer must be there; after them it is overdue. */
  infrastructureHours: z.number().positive().max(10_000).optional(),
  /** Working days (Monday to Friday) within which the business answer must be there. */
  businessWorkingDays: z.number().positive().max(1000).optional(),
  /** `Mex-Subject` of what is sent, where the flow gives none: a template, see fillTemplate. */
  subject: template.max(500).optional(),
  /** `Mex-LocalID`, likewise; what is prescribed is not unique. */
  localId: template.max(300).optional(),
  /**
   * What `to` is: a mailbox; `GPPROVIDER`: MESH finds the practice by the patient's demographics in `Mex-To`, which is then
   * patient data; `lookup`: an ODS code, whose mailbox for the workflow MESH's directory tells.
   */
  routing: z.enum(ROUTINGS).default('mailbox'),
  /** Whether receivers take chunked messages: MESH UI and old clients do not. */
  chunks: z.boolean().optional(),
  /** Size in MB that receivers should not be sent more than. */
  recommendedMb: z.number().positive().optional(),
});

export type WorkflowProfile = z.output<typeof profileSchema>;

const itk3 = (id: string, more: Partial<WorkflowProfile> = {}): WorkflowProfile => ({
  workflowId: id,
  ackWorkflowId: `${id}_ACK`,
  form: 'itk3',
  infAck: true,
  busAck: true,
  routing: 'GPPROVIDER',
  // Code 20015: above it a receiver may refuse.
  recommendedMb: 5,
  ...more,
});
const nhsAck = (id: string): WorkflowProfile => ({
  workflowId: id,
  ackWorkflowId: `${id}_ACK`,
  form: 'nhsack',
  infAck: false,
  busAck: true,
  routing: 'mailbox',
});
const unanswered = (id: string): WorkflowProfile => ({
  workflowId: id,
  ackWorkflowId: null,
  form: 'none',
  infAck: false,
  busAck: false,
  routing: 'mailbox',
});

/** The workflows seen in public specifications and code. */
export const SHIPPED_PROFILES: readonly WorkflowProfile[] = [
  itk3('TOC_FHIR_IP_DISCH'),
  itk3('TOC_FHIR_EC_DISCH'),
  itk3('TOC_FHIR_MH_DISCH'),
  itk3('TOC_FHIR_OP_ATTEN'),
  // GP Connect, requirement GPCM-SD-OC-175: the sender's ODS code on every message.
  itk3('GPFED_CONSULT_REPORT', { localId: '{odsCode}' }),
  itk3('GPCONNECT_SEND_DOCUMENT', { localId: '{odsCode}' }),
  itk3('GPCONNECT_UPDATE_RECORD', { localId: '{odsCode}' }),
  nhsAck('PATH_MEDRPT_V2'),
  nhsAck('PATH_MEDRPT_V3'),
  nhsAck('SCRN_BCS_MEDRPT_V4'),
  { ...unanswered('NHAIS_REG'), ackWorkflowId: 'NHAIS_RECEP', form: 'custom', busAck: true },
  unanswered('DIGIMED_FLU_VAC'),
  unanswered('DIGMED_FLU_VAC'),
  unanswered('PDSRECORDCHANGE_1'),
  unanswered('CHANGEOFGP_1'),
  unanswered('BIRTHNOTIFICATION_1'),
  unanswered('DEATHNOTIFICATION_1'),
  unanswered('VACCINATIONS_1'),
];

/** A user's row: a shipped workflow's with some fields changed, or a new one with at least its answer and form. */
const overrideSchema = profileSchema.partial().extend({
  workflowId,
  infAck: z.boolean().optional(),
  busAck: z.boolean().optional(),
  routing: z.enum(ROUTINGS).optional(),
});
const fileSchema = z.strictObject({ profiles: z.array(overrideSchema).max(10_000) });

/** The table in force: look-ups by workflow, and by the workflow that answers come on. */
export interface WorkflowProfiles {
  all(): readonly WorkflowProfile[];
  find(workflowId: string): WorkflowProfile | undefined;
  /** The workflows whose answers come on this one. */
  answeredOn(ackWorkflowId: string): readonly WorkflowProfile[];
}

/** MESH's convention: what comes on such a workflow is an acknowledgement, whatever the table says. */
export const ACK_SUFFIX = '_ACK';

/** Whether what comes on this workflow is an acknowledgement: then it is never answered. */
export function isAckWorkflow(profiles: WorkflowProfiles, workflowId: string): boolean {
  return workflowId.toUpperCase().endsWith(ACK_SUFFIX) || profiles.answeredOn(workflowId).length > 0;
}

/** The workflow that the answer to a message of this one goes on; undefined where there is no answer. */
export function ackWorkflowOf(profiles: WorkflowProfiles, workflowId: string): string | undefined {
  const profile = profiles.find(workflowId);
  return profile ? (profile.ackWorkflowId ?? undefined) : `${workflowId}${ACK_SUFFIX}`;
}

/** The patterns of all workflows that acknowledgements come on. */
export function ackWorkflows(profiles: WorkflowProfiles): string[] {
  const ids = profiles.all().flatMap(({ ackWorkflowId }) => ackWorkflowId ?? []);
  return [`*${ACK_SUFFIX}`, ...new Set(ids.filter((id) => !id.endsWith(ACK_SUFFIX)))];
}

/**
 * The shipped profiles, extended and overridden by the texts of a user's tables, each `{"profiles": [{"workflowId": …}, …]}`; of
 * two that name a workflow the later one counts, field by field.
 * @throws ConfigurationError that tells which row and field is wrong
 */
export function loadProfiles(...tables: readonly string[]): WorkflowProfiles {
  const rows = new Map(SHIPPED_PROFILES.map((profile) => [profile.workflowId, profile]));
  for (const table of tables) {
    for (const [index, change] of parseTable(table).entries()) {
      const merged = profileSchema.safeParse({ ...rows.get(change.workflowId), ...change });
      if (!merged.success) throw wrong(['profiles', index, ...(merged.error.issues[0]?.path ?? [])], merged.error);
      rows.set(change.workflowId, consistent(merged.data, index));
    }
  }
  const all = [...rows.values()];
  const profiles: WorkflowProfiles = {
    all: () => all,
    find: (id) => rows.get(id),
    answeredOn: (id) => all.filter(({ ackWorkflowId }) => ackWorkflowId === id),
  };
  checkNoLoop(profiles);
  return profiles;
}

/** What comes on a workflow of acknowledgements is never answered: a profile that wants it to be would be kept in silence. */
function checkNoLoop(profiles: WorkflowProfiles): void {
  const loop = profiles.all().find((each) => each.ackWorkflowId !== null && isAckWorkflow(profiles, each.workflowId));
  if (!loop) return;
  throw new ConfigurationError(
    `Workflow profiles: ${loop.workflowId} is a workflow of acknowledgements, and an acknowledgement has no answer.`,
    { advice: 'Set its ackWorkflowId to null and its form to none, or give the other workflow another ackWorkflowId.' },
  );
}

function parseTable(table: string): Array<z.output<typeof overrideSchema>> {
  let json: unknown;
  try {
    json = JSON.parse(table.replace(/^\uFEFF/, ''));
  } catch {
    throw new ConfigurationError('The table of workflow profiles is not JSON.', {
      advice:
        'Write {"profiles": [{"workflowId": "MY_WORKFLOW", "ackWorkflowId": "MY_WORKFLOW_ACK", "form": "custom"}]}.',
    });
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw wrong(parsed.error.issues[0]?.path ?? [], parsed.error);
  const seen = new Set<string>();
  parsed.data.profiles.forEach(({ workflowId: id }, index) => {
    if (seen.has(id)) throw wrong(['profiles', index, 'workflowId'], 'is there twice');
    seen.add(id);
  });
  return parsed.data.profiles;
}

/** An answer that is asked for must have a form and a workflow; it may not come on the workflow itself, or it would be answered. */
function consistent(profile: WorkflowProfile, index: number): WorkflowProfile {
  const asked = profile.infAck || profile.busAck;
  if (asked && (profile.form === 'none' || profile.ackWorkflowId === null)) {
    throw wrong(['profiles', index], 'asks for an answer (infAck, busAck) without a form and an ackWorkflowId');
  }
  if (profile.ackWorkflowId === profile.workflowId) {
    throw wrong(['profiles', index, 'ackWorkflowId'], 'is the workflow itself');
  }
  return profile;
}

function wrong(path: readonly PropertyKey[], what: z.ZodError | string): ConfigurationError {
  const where = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  const why = typeof what === 'string' ? what : (what.issues[0]?.message ?? 'is wrong');
  return new ConfigurationError(`Workflow profiles: ${where === '' ? 'the table' : where}: ${why}.`);
}
