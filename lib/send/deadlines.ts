/**
 * The deadlines of sent messages: by when each has to be collected and acknowledged, counted from its acceptance by
 * MESH. There is no "never": every message that is not collected or acknowledged is reported in the end.
 */
import type { WorkflowProfiles } from '../acks/profiles';
import { ConfigurationError, InvalidMessageError } from '../errors';
import { workflowMatcher } from '../protocol/workflow-filter';
import type { Outgoing, OutgoingChange } from '../store/store';
import { earliestDue } from './reply-stages';
import { afterWorkingDays } from './working-days';

const HOUR = 60 * 60 * 1000;

/** How long each step may take. What is missing is reported as overdue once; when it comes late, it still settles. */
export interface Deadlines {
  /** Time for the recipient to collect the message (milliseconds). Default 12 hours. */
  collectWithinMs: number;
  /** Time for the infrastructure acknowledgement, where one is requested (milliseconds). Default 24 hours. */
  infrastructureWithinMs: number;
  /**
   * Time for the business acknowledgement, where one is requested (working days, Monday to Friday; half days are
   * allowed). Default 2. Bank holidays count as working days, so over Christmas and Easter it may be reported early.
   */
  businessWithinWorkingDays: number;
}

/** The deadlines of a workflow. A missing one comes from the next pattern that matches, otherwise from the defaults. */
export interface WorkflowDeadlines extends Partial<Deadlines> {
  /**
   * The workflow's id, or a pattern: `W*`, `*W`, `*W*`, each with or without a leading `!`; empty for all. An exact id
   * takes precedence over patterns, and the first pattern over later ones.
   */
  workflow: string;
}

const DEFAULTS: Deadlines = {
  collectWithinMs: 12 * HOUR,
  infrastructureWithinMs: 24 * HOUR,
  businessWithinWorkingDays: 2,
};
const FIELDS = ['collectWithinMs', 'infrastructureWithinMs', 'businessWithinWorkingDays'] as const;

/** Returns a message's deadlines: its `own` first. */
export type DeadlineRules = (workflowId: string, own: Partial<Deadlines>) => Deadlines;

/**
 * Returns the rules of a mailbox: a message's own deadlines first, then those of its workflow, then the defaults. The
 * rules throw InvalidMessageError when a message's own deadline is not a positive number.
 * @throws ConfigurationError when a workflow's deadline is not a positive number
 */
export function deadlineRules(workflows: readonly WorkflowDeadlines[] = []): DeadlineRules {
  for (const each of workflows) {
    const wrong = wrongField(each);
    if (wrong) throw new ConfigurationError(`The deadline ${wrong} of workflow ${each.workflow} ${MUST}`);
  }
  const isExact = ({ workflow }: WorkflowDeadlines): boolean => workflow.trim() !== '' && !/[*!]/.test(workflow);
  const ordered = [...workflows.filter(isExact), ...workflows.filter((each) => !isExact(each))].map((each) => ({
    fits: workflowMatcher(each.workflow),
    deadlines: each,
  }));
  return (workflowId, own) => {
    const wrong = wrongField(own);
    if (wrong) throw new InvalidMessageError(`The deadline ${wrong} of the message ${MUST}`);
    const fitting = ordered.filter(({ fits }) => fits(workflowId)).map(({ deadlines }) => deadlines);
    const found = { ...DEFAULTS };
    for (const field of FIELDS) {
      found[field] = [own, ...fitting].find((each) => each[field] !== undefined)?.[field] ?? DEFAULTS[field];
    }
    return found;
  };
}

/** Returns the deadlines that the workflow profiles prescribe. */
export function profileDeadlines(profiles: WorkflowProfiles): WorkflowDeadlines[] {
  const found: WorkflowDeadlines[] = [];
  for (const {
    workflowId: workflow,
    collectHours,
    infrastructureHours: hours,
    businessWorkingDays: days,
  } of profiles.all()) {
    if (collectHours !== undefined) found.push({ workflow, collectWithinMs: collectHours * HOUR });
    if (hours !== undefined) found.push({ workflow, infrastructureWithinMs: hours * HOUR });
    if (days !== undefined) found.push({ workflow, businessWithinWorkingDays: days });
  }
  return found;
}

const MUST = 'must be a number greater than 0.';

/** NaN would be stored as no deadline at all, silently. */
function wrongField(deadlines: Partial<Deadlines>): string | undefined {
  return FIELDS.find((field) => {
    const value: unknown = deadlines[field];
    return value !== undefined && !(typeof value === 'number' && value > 0 && Number.isFinite(value));
  });
}

/** Returns the due times of a row that MESH accepts now (milliseconds since 1970). */
export function limitsFrom(
  row: Pick<Outgoing, 'envelope' | 'infrastructure' | 'business' | 'stages'>,
  now: number,
): Required<Pick<OutgoingChange, 'collectBy' | 'infrastructureBy' | 'businessBy' | 'repliesBy'>> {
  const { collectWithinMs, infrastructureWithinMs, businessWithinWorkingDays } = {
    ...DEFAULTS,
    ...(row.envelope as Partial<Deadlines>),
  };
  return {
    collectBy: now + collectWithinMs,
    infrastructureBy: row.infrastructure === 'awaited' ? now + infrastructureWithinMs : null,
    businessBy: row.business === 'awaited' ? afterWorkingDays(now, businessWithinWorkingDays) : null,
    repliesBy: earliestDue(row.stages, now),
  };
}

/** Returns those of a row's due times that lie further ahead than if MESH accepted it at `now`, set to that. */
export function earlierLimits(row: Outgoing, now: number): OutgoingChange {
  const latest = limitsFrom(row, now);
  const change: OutgoingChange = {};
  for (const limit of ['collectBy', 'infrastructureBy', 'businessBy'] as const) {
    const [due, last] = [row[limit], latest[limit]];
    if (due !== null && last !== null && due > last) change[limit] = last;
  }
  return change;
}
