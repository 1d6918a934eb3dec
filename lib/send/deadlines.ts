/**
 * By when what was sent has to be collected and answered, counted from its acceptance by MESH. There is no "never": what
 * nobody collects or answers is told, late at the latest.
 */
import type { WorkflowProfiles } from '../acks/profiles';
import { ConfigurationError, InvalidMessageError } from '../errors';
import { workflowMatcher } from '../protocol/workflow-filter';
import type { Outgoing, OutgoingChange } from '../store/store';

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

/** How long a message may take. Each is told as overdue once, and settles all the same when it comes late. */
export interface Deadlines {
  /** Until the recipient has collected it (milliseconds). Default 12 hours. */
  collectWithinMs: number;
  /** Until its infrastructure acknowledgement has come, where one is asked for (milliseconds). Default 24 hours. */
  infrastructureWithinMs: number;
  /**
   * Until its business acknowledgement has come, where one is asked for (working days, Monday to Friday; a half is allowed).
   * Default 2. Bank holidays are not known here: over Christmas and Easter it may be told early.
   */
  businessWithinWorkingDays: number;
}

/** The deadlines of a workflow. What is left out is that of a pattern that fits, or the default. */
export interface WorkflowDeadlines extends Partial<Deadlines> {
  /**
   * Its id, or a pattern: `W*`, `*W`, `*W*`, or `!` before any of them; empty for all. An exact id goes before patterns, and
   * of two patterns the first.
   */
  workflow: string;
}

const DEFAULTS: Deadlines = {
  collectWithinMs: 12 * HOUR,
  infrastructureWithinMs: 24 * HOUR,
  businessWithinWorkingDays: 2,
};
const FIELDS = ['collectWithinMs', 'infrastructureWithinMs', 'businessWithinWorkingDays'] as const;

/** Finds a message's deadlines. */
export type DeadlineRules = (workflowId: string, own: Partial<Deadlines>) => Deadlines;

/**
 * The rules of a mailbox: a message's own deadlines first, then those of its workflow, then the defaults. Throws
 * ConfigurationError for a deadline that is not a positive number; the rules throw InvalidMessageError for a message's own.
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

/** Those of the workflow profiles that say how long an answer may take. */
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

/** Not a number would be stored as no deadline at all, in silence. */
function wrongField(deadlines: Partial<Deadlines>): string | undefined {
  return FIELDS.find((field) => {
    const value: unknown = deadlines[field];
    return value !== undefined && !(typeof value === 'number' && value > 0 && Number.isFinite(value));
  });
}

/** The limits of a row that MESH accepts now (milliseconds since 1970). */
export function limitsFrom(
  row: Outgoing,
  now: number,
): Required<Pick<OutgoingChange, 'collectBy' | 'infrastructureBy' | 'businessBy'>> {
  const { collectWithinMs, infrastructureWithinMs, businessWithinWorkingDays } = {
    ...DEFAULTS,
    ...(row.envelope as Partial<Deadlines>),
  };
  return {
    collectBy: now + collectWithinMs,
    infrastructureBy: row.infrastructure === 'awaited' ? now + infrastructureWithinMs : null,
    businessBy: row.business === 'awaited' ? afterWorkingDays(now, businessWithinWorkingDays) : null,
  };
}

/**
 * The time after so many working days: all hours of Monday to Friday count, those of Saturday and Sunday do not. Friday
 * 15:00 and two days are Tuesday 15:00; from a Saturday it is the end of Tuesday. Days are those of UTC.
 */
export function afterWorkingDays(from: number, days: number): number {
  let left = days * DAY;
  for (let at = from; ;) {
    const midnight = (Math.floor(at / DAY) + 1) * DAY;
    const weekday = new Date(at).getUTCDay();
    const isWorking = weekday !== 0 && weekday !== 6;
    if (isWorking && left <= midnight - at) return at + left;
    if (isWorking) left -= midnight - at;
    at = midnight;
  }
}
