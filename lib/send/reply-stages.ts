/** The stages of a sent message's replies: what is expected at first, by when each is due, and what all say together. */
import { ReplyContent } from '../acks/replies/content';
import { replyKeysOf, valueIn } from '../acks/replies/read';
import type { ReadablePayload } from '../acks/parse-source';
import type { WorkflowProfile } from '../acks/profiles';
import type { NewOutgoing, Outcome, Outgoing, OutgoingChange, StageState } from '../store/store';
import { afterWorkingDays } from './working-days';

const MINUTE = 60_000;

/** What a message is enqueued with, where its workflow's profile says which replies it has. */
export interface ExpectedReplies {
  stages: StageState[];
  replies: Outcome;
  replyKeys: string[];
  /** What the profile's `requestKey` has found in the message. */
  replyKey?: string;
}

/** Returns the replies to expect to a message, and what they may name it by. */
export async function expectedReplies(
  profile: WorkflowProfile | undefined,
  source: ReadablePayload,
  message: { localId: string; fileName?: string | undefined; subject?: string | undefined },
): Promise<ExpectedReplies | undefined> {
  if (profile?.replies === undefined) return undefined;
  const { requestKey } = profile;
  const { localId, fileName, subject } = message;
  const names = { localId, fileName, subject };
  const key = requestKey && (await valueIn(requestKey, names, new ReplyContent(source)));
  const stages = profile.replies.map(({ name, kind, occurs, dueWithin }): StageState => {
    const outcome = occurs === 'expected' ? 'awaited' : 'not-asked';
    return { name, kind, occurs, ...(dueWithin === undefined ? {} : { dueWithin }), outcome, replies: [] };
  });
  return {
    stages,
    replies: overallOutcome(stages),
    replyKeys: replyKeysOf(profile, { ...names, key }),
    ...(key === undefined ? {} : { replyKey: key }),
  };
}

/** What the stages say together: the first of these that one of them says. */
const WORST_FIRST: readonly Outcome[] = ['overdue', 'negative', 'partial', 'awaited', 'positive'];

function overallOutcome(stages: readonly StageState[]): Outcome {
  return WORST_FIRST.find((outcome) => stages.some((stage) => stage.outcome === outcome)) ?? 'not-asked';
}

/**
 * Returns when a stage becomes overdue (milliseconds since 1970); undefined before MESH has accepted the message, and
 * for a stage without a time.
 */
export function dueTimeOf(stage: StageState, acceptedAt: number | null): number | undefined {
  if (stage.dueWithin === undefined || acceptedAt === null) return undefined;
  return Math.min(stage.by ?? Infinity, dueAfter(stage.dueWithin, acceptedAt));
}

function dueAfter(within: NonNullable<StageState['dueWithin']>, from: number): number {
  if ('minutes' in within) return from + within.minutes * MINUTE;
  return 'hours' in within ? from + within.hours * 60 * MINUTE : afterWorkingDays(from, within.workingDays);
}

/** Returns the earliest time of a stage that is awaited; null if none is. */
export function earliestDue(stages: readonly StageState[] | null, acceptedAt: number | null): number | null {
  const times = (stages ?? [])
    .filter(({ outcome }) => outcome === 'awaited')
    .flatMap((stage) => dueTimeOf(stage, acceptedAt) ?? []);
  return times.length > 0 ? Math.min(...times) : null;
}

/**
 * Returns the stages of a message that MESH accepted at `acceptedAt`, as they are expected from now on: one whose time
 * has passed is not expected any more, and still settles when its reply comes.
 */
export function withoutPassed(
  stages: readonly StageState[],
  acceptedAt: number,
  now: number,
): Pick<ExpectedReplies, 'stages' | 'replies'> {
  const open = stages.map((stage): StageState => {
    const due = dueTimeOf(stage, acceptedAt);
    return stage.outcome === 'awaited' && due !== undefined && due <= now ? { ...stage, outcome: 'not-asked' } : stage;
  });
  return { stages: open, replies: overallOutcome(open) };
}

/** Returns the change of a message whose stages become these. It requires the revision that `row` has. */
export function stagesChange(
  row: Pick<Outgoing, 'acceptedAt' | 'repliesRevision'>,
  stages: StageState[],
): Required<Pick<OutgoingChange, 'stages' | 'replies' | 'repliesRevision' | 'repliesBy'>> {
  return {
    stages,
    replies: overallOutcome(stages),
    repliesRevision: row.repliesRevision + 1,
    repliesBy: earliestDue(stages, row.acceptedAt),
  };
}

const dueBy = (stage: StageState, by: number): StageState => ({ ...stage, by });

/** Returns the stages with every time set earlier that lies further ahead than if MESH accepted the message at `now`. */
export function earlierStages(row: Outgoing, now: number): StageState[] | undefined {
  const stages = (row.stages ?? []).map((stage) => {
    const due = dueTimeOf(stage, row.acceptedAt);
    const latest = dueTimeOf(stage, now);
    const isTooLate = stage.outcome === 'awaited' && due !== undefined && latest !== undefined && due > latest;
    return isTooLate ? dueBy(stage, latest) : stage;
  });
  return stages.some((stage, n) => stage !== row.stages?.[n]) ? stages : undefined;
}

/** The fields of a new row. */
export const rowOfReplies = (
  expected: ExpectedReplies | undefined,
): Partial<Pick<NewOutgoing, 'stages' | 'replies' | 'replyKeys'>> =>
  expected === undefined ? {} : { stages: expected.stages, replies: expected.replies, replyKeys: expected.replyKeys };
