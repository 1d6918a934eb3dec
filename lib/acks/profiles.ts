/**
 * Workflow profiles: how messages of a workflow are addressed, acknowledged and limited. Shipped ones: docs/mesh.md,
 * Workflow ids.
 */
import { z } from 'zod';
import { ConfigurationError } from '../errors';
import { BIRTH_DATE_ORDERS } from '../letters/practice-address';
import { FILE_FLOWS } from './file-flows';
import { requestKeySchema, stageSchema, type ReplyStage } from './replies/stages';
import { isTemplate } from './template';
import { ACK_FORMS } from './types';

const workflowId = z.string().trim().min(1).max(300);
const template = z.string().refine(isTemplate, 'may contain {odsCode}, {mailboxId}, {workflowId} and {msg.…}');

/** How a recipient is named. */
const ROUTINGS = ['mailbox', 'GPPROVIDER', 'lookup'] as const;

/**
 * Who says what a profile says. `specified`: a specification of the service. `code`: seen in public code. `reported`:
 * said by others who use it. `guessed`: assumed here, to be confirmed with the service.
 */
const CERTAINTIES = ['specified', 'code', 'reported', 'guessed'] as const;

/** One workflow. A field that is left out is not known, and nothing is assumed. */
const profileSchema = z.strictObject({
  workflowId,
  /** The workflow of the acknowledgements; null if there are none. */
  ackWorkflowId: workflowId.nullable(),
  form: z.enum(ACK_FORMS),
  /**
   * Which acknowledgements its messages request (ITK3's InfAckRequested and BusAckRequested; for other forms,
   * business).
   */
  infAck: z.boolean().default(false),
  busAck: z.boolean().default(false),
  /** Overdue if not collected within this many hours. */
  collectHours: z.number().positive().max(120).optional(),
  /** Overdue if there is no infrastructure acknowledgement within this many hours. */
  infrastructureHours: z.number().positive().max(10_000).optional(),
  /** Overdue if there is no business acknowledgement within this many working days in England. */
  businessWorkingDays: z.number().positive().max(1000).optional(),
  /** `Mex-Subject` of a message whose flow sets none: a template, see fillTemplate. */
  subject: template.max(500).optional(),
  /** Whether a message without any of the values that only a flow can bring goes without the prescribed subject. */
  subjectOptional: z.boolean().optional(),
  /** `Mex-LocalID`, likewise. A prescribed one is not unique. */
  localId: template.max(300).optional(),
  /**
   * What `to` is. `mailbox`: a mailbox id. `GPPROVIDER`: MESH finds the practice by the patient's demographics in
   * `Mex-To`, which is then patient data. `lookup`: an ODS code; MESH's directory has its mailbox for the workflow.
   */
  routing: z.enum(ROUTINGS).default('mailbox'),
  /** The order of the birth date's digits in an address by the patient; default `yyyymmdd`. */
  birthDateOrder: z.enum(BIRTH_DATE_ORDERS).optional(),
  /** Whether receivers accept chunked messages: MESH UI and old clients do not. */
  chunks: z.boolean().optional(),
  /** Largest size that receivers should be sent (MB). */
  recommendedMb: z.number().positive().optional(),
  /** What the workflow is for, in one line, for whoever chooses it. */
  about: z.string().trim().min(1).max(200).optional(),
  /** How sure its rules are: who says so. Left out: nobody is named. */
  certainty: z.enum(CERTAINTIES).optional(),
  /**
   * The replies to its messages, stage by stage, in the order in which they are looked for. They may come on the
   * workflow itself, on its `ackWorkflowId`, or on any other; nothing acknowledges them.
   */
  replies: z.array(stageSchema).min(1).max(10).optional(),
  /** Where a message of this workflow has the id that its replies name. */
  requestKey: requestKeySchema.optional(),
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
/**
 * GP Connect and vaccinations: the prescribed subject, and the sender's ODS code on every message as local id
 * (requirement GPCM-SD-OC-175; docs/mesh.md, Workflow ids). The subject's parts come from the flow.
 */
const gpConnect = (id: string, subject = GP_CONNECT_SUBJECT): WorkflowProfile =>
  itk3(id, { localId: '{odsCode}', subject, subjectOptional: true });
const GP_CONNECT_SUBJECT =
  '{msg.gpConnect.title} for {msg.gpConnect.patientName}, NHS Number: {msg.gpConnect.nhsNumber}, ' +
  'seen at {msg.gpConnect.practiceName}, ODS code: {odsCode}, version {msg.gpConnect.version}';
const ONLINE_CONSULTATION_SUBJECT =
  '{msg.gpConnect.title} for {msg.gpConnect.patientName}, NHS Number: {msg.gpConnect.nhsNumber}, ODS code: {odsCode}';
const nhsAck = (id: string): WorkflowProfile => ({
  workflowId: id,
  ackWorkflowId: `${id}_ACK`,
  form: 'nhsack',
  infAck: false,
  busAck: true,
  routing: 'mailbox',
});
const unacknowledged = (id: string): WorkflowProfile => ({
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
  gpConnect('GPFED_CONSULT_REPORT'),
  gpConnect('GPCONNECT_SEND_DOCUMENT'),
  gpConnect('GPCONNECT_UPDATE_RECORD'),
  gpConnect('DF_ONLINE_CONSULTATION', ONLINE_CONSULTATION_SUBJECT),
  // Vaccinations, also by the spelling of NHS Digital's own platform.
  gpConnect('DIGIMED_FLU_VAC'),
  gpConnect('DIGMED_FLU_VAC'),
  gpConnect('DIGMED_EMG_MED'),
  gpConnect('DIGMED_MINOR_ILLNESS_PEM'),
  nhsAck('PATH_MEDRPT_V2'),
  nhsAck('PATH_MEDRPT_V3'),
  nhsAck('SCRN_BCS_MEDRPT_V4'),
  {
    ...unacknowledged('NHAIS_REG'),
    ackWorkflowId: 'NHAIS_RECEP',
    form: 'custom',
    busAck: true,
    // Negative receipts are no longer sent: a failure shows as a receipt that is missing.
    businessWorkingDays: 1,
    about: 'NHAIS GP Links: sends registrations, gets a receipt. The business answer is a message of its own.',
    certainty: 'specified',
  },
  // ITK2: HL7 CDA in a distribution envelope. Only the flow can write its acknowledgements.
  { ...unacknowledged('TOC_DISCH_DMS'), ackWorkflowId: 'TOC_DISCH_DMS_ACK', form: 'custom' },
  // NEMS.
  unacknowledged('PDSRECORDCHANGE_1'),
  unacknowledged('CHANGEOFGP_1'),
  unacknowledged('CHANGEOFADDRESS_1'),
  unacknowledged('BIRTHNOTIFICATION_1'),
  unacknowledged('DEATHNOTIFICATION_1'),
  unacknowledged('BLOODSPOTTESTOUTCOME_1'),
  unacknowledged('NEWBORNHEARING_1'),
  unacknowledged('NIPEOUTCOME_1'),
  unacknowledged('PROFESSIONALCONTACTS_1'),
  unacknowledged('VACCINATIONS_1'),
  ...FILE_FLOWS.map((flow) => profileSchema.parse(flow)),
];

/**
 * A user's row: changes some fields of a shipped workflow, or adds one with at least ackWorkflowId and form, or with
 * replies.
 */
const overrideSchema = profileSchema.partial().extend({
  workflowId,
  infAck: z.boolean().optional(),
  busAck: z.boolean().optional(),
  routing: z.enum(ROUTINGS).optional(),
});
const fileSchema = z.strictObject({ profiles: z.array(overrideSchema).max(10_000) });

/** The table in force. */
export interface WorkflowProfiles {
  all(): readonly WorkflowProfile[];
  find(workflowId: string): WorkflowProfile | undefined;
  /** Returns the profiles whose acknowledgements come on this workflow. */
  forAckWorkflow(ackWorkflowId: string): readonly WorkflowProfile[];
  /** Returns the profiles with a stage whose replies come on this workflow, without regard to case. */
  forReplyWorkflow(workflowId: string): readonly WorkflowProfile[];
}

/** Returns the workflow on which the replies of a stage come. */
export const replyWorkflowOf = (profile: WorkflowProfile, stage: ReplyStage): string =>
  stage.when.workflowId ?? profile.ackWorkflowId ?? profile.workflowId;

const isSameWorkflow = (one: string, other: string): boolean => one.toUpperCase() === other.toUpperCase();

/** By MESH's convention a message on a workflow with this suffix is an acknowledgement, whatever the table says. */
const ACK_SUFFIX = '_ACK';

/** Whether all messages on this workflow are acknowledgements or replies, which get none. */
export function isAckWorkflow(profiles: WorkflowProfiles, workflowId: string): boolean {
  return (
    workflowId.toUpperCase().endsWith(ACK_SUFFIX) ||
    profiles.forAckWorkflow(workflowId).length > 0 ||
    // Of a workflow that has its own replies, each message is looked at.
    profiles.forReplyWorkflow(workflowId).some((profile) => !isSameWorkflow(profile.workflowId, workflowId))
  );
}

/** Returns the workflow of the acknowledgements of a workflow's messages; undefined if there are none. */
export function ackWorkflowOf(profiles: WorkflowProfiles, workflowId: string): string | undefined {
  const profile = profiles.find(workflowId);
  return profile ? (profile.ackWorkflowId ?? undefined) : `${workflowId}${ACK_SUFFIX}`;
}

/** Returns the patterns of all workflows of acknowledgements. */
export function ackWorkflows(profiles: WorkflowProfiles): string[] {
  const ids: string[] = [];
  for (const profile of profiles.all()) {
    if (profile.ackWorkflowId !== null) ids.push(profile.ackWorkflowId);
    const replyWorkflows = (profile.replies ?? []).map((stage) => replyWorkflowOf(profile, stage));
    ids.push(...replyWorkflows.filter((id) => !isSameWorkflow(id, profile.workflowId)));
  }
  return [`*${ACK_SUFFIX}`, ...new Set(ids.filter((id) => !id.endsWith(ACK_SUFFIX)))];
}

/**
 * Returns the shipped profiles, extended and overridden field by field by the texts of a user's tables, each
 * `{"profiles": [{"workflowId": …}, …]}`. If two tables name a workflow, the later one wins.
 * @throws ConfigurationError that names the wrong row and field
 */
export function loadProfiles(...tables: readonly string[]): WorkflowProfiles {
  const rows = new Map(SHIPPED_PROFILES.map((profile) => [profile.workflowId, profile]));
  for (const table of tables) {
    for (const [index, change] of parseTable(table).entries()) {
      // A subject of the user's own is prescribed, as any other is.
      const own = change.subject === undefined ? {} : { subjectOptional: undefined };
      // Replies alone make a workflow of its own: it has no acknowledgement beside them.
      const bare = change.replies === undefined ? {} : { ackWorkflowId: null, form: 'none' };
      const merged = profileSchema.safeParse({ ...bare, ...rows.get(change.workflowId), ...own, ...change });
      if (!merged.success) throw wrong(['profiles', index, ...(merged.error.issues[0]?.path ?? [])], merged.error);
      rows.set(change.workflowId, consistent(merged.data, index));
    }
  }
  const all = [...rows.values()];
  const byReplyWorkflow = new Map<string, WorkflowProfile[]>();
  for (const profile of all) {
    const ids = new Set((profile.replies ?? []).map((stage) => replyWorkflowOf(profile, stage).toUpperCase()));
    for (const id of ids) byReplyWorkflow.set(id, [...(byReplyWorkflow.get(id) ?? []), profile]);
  }
  const profiles: WorkflowProfiles = {
    all: () => all,
    find: (id) => rows.get(id),
    forAckWorkflow: (id) => all.filter(({ ackWorkflowId }) => ackWorkflowId === id),
    forReplyWorkflow: (id) => byReplyWorkflow.get(id.toUpperCase()) ?? [],
  };
  checkNoLoop(profiles);
  return profiles;
}

/**
 * Messages on a workflow of acknowledgements or replies get none: a profile that requests them would be ignored
 * silently.
 */
function checkNoLoop(profiles: WorkflowProfiles): void {
  const isAnswered = ({ ackWorkflowId, replies }: WorkflowProfile): boolean =>
    ackWorkflowId !== null || replies !== undefined;
  const loop = profiles.all().find((each) => isAnswered(each) && isAckWorkflow(profiles, each.workflowId));
  if (!loop) return;
  throw new ConfigurationError(
    `Workflow profiles: ${loop.workflowId} is a workflow of acknowledgements, and an acknowledgement gets none.`,
    {
      advice:
        'Set its ackWorkflowId to null and its form to none, and leave its replies out; or let the other workflow be ' +
        'answered on another one.',
    },
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
    if (seen.has(id)) throw wrong(['profiles', index, 'workflowId'], 'appears twice');
    seen.add(id);
  });
  return parsed.data.profiles;
}

/**
 * Checks that a requested acknowledgement has a form and a workflow. It may not come on the workflow itself, or it
 * would get an acknowledgement.
 */
function consistent(profile: WorkflowProfile, index: number): WorkflowProfile {
  const isRequested = profile.infAck || profile.busAck;
  if (isRequested && (profile.form === 'none' || profile.ackWorkflowId === null)) {
    throw wrong(
      ['profiles', index],
      'requests an acknowledgement (infAck, busAck) without a form and an ackWorkflowId',
    );
  }
  if (profile.ackWorkflowId === profile.workflowId) {
    throw wrong(['profiles', index, 'ackWorkflowId'], 'is the workflow itself');
  }
  checkStages(profile, ['profiles', index, 'replies']);
  return profile;
}

/** Checks that the stages have names of their own, and that the request has what their replies name. */
function checkStages({ replies = [], requestKey }: WorkflowProfile, path: readonly PropertyKey[]): void {
  for (const [n, { name, match }] of replies.entries()) {
    const isTaken = replies.slice(0, n).some((other) => other.name.toLowerCase() === name.toLowerCase());
    if (isTaken) throw wrong([...path, n, 'name'], 'is the name of an earlier stage too');
    const byKey = match.findIndex(({ request }) => request === 'key');
    if (byKey >= 0 && requestKey === undefined) {
      throw wrong([...path, n, 'match', byKey, 'request'], 'is key, and the profile has no requestKey');
    }
  }
}

function wrong(path: readonly PropertyKey[], what: z.ZodError | string): ConfigurationError {
  const where = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  const why = typeof what === 'string' ? what : (what.issues[0]?.message ?? 'is wrong');
  return new ConfigurationError(`Workflow profiles: ${where === '' ? 'the table' : where}: ${why}.`);
}
