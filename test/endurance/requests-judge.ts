/**
 * Judges a run of the requests test by what the sandbox and its services know, not by the mailbox's own books: which
 * message answers which request, and what the published form of that answer says.
 */
import type { SandboxMessage, SentServiceReply, ServiceSettings, Stage } from '../../lib/sandbox';
import type { GivenReply, KnownRequest } from './requests-mailbox';

/** A request as it was made. */
export interface MadeRequest {
  flow: string;
  /** Good, rejected …: see test/harness/file-flows/cases.ts. */
  what: string;
  localId: string;
  /** How its service was set when it was sent. */
  settings: ServiceSettings;
  /** Milliseconds of the mailbox's clock between which MESH accepted it. */
  from: number;
  until: number;
  /** The outbox's id. */
  id: string;
}

/** An alarm that the flow was told. */
export interface RaisedAlarm {
  messageId: string;
  stage: string;
  /** Of the mailbox's clock, when it was told. */
  at: number;
}

/** Everything that is known at the end of a run. */
export interface EndOfRequests {
  made: readonly MadeRequest[];
  messages: readonly SandboxMessage[];
  sent: readonly SentServiceReply[];
  given: readonly GivenReply[];
  alarms: readonly RaisedAlarm[];
  /** By the outbox's id. */
  known: ReadonlyMap<string, KnownRequest>;
  /** Milliseconds by which an alarm may come after its time: the clock jumps. */
  slackMs: number;
  kills: number;
}

type Outcome = 'positive' | 'partial' | 'negative' | 'unclear';

interface ExpectedStage {
  name: string;
  /** Hours after MESH has accepted the request; undefined: it need not come. `most`: where weekends count. */
  due?: { hours: number; most?: number };
  meaning?: (request: MadeRequest) => Outcome;
}

const isRefused = ({ what, settings }: MadeRequest): boolean => what === 'rejected' || settings.answer === 'rejected';
const refusedOrPositive = (request: MadeRequest): Outcome => (isRefused(request) ? 'negative' : 'positive');

/** What each answer of each service means to its request, and by when it is due (docs/file-flows.md). */
const FLOWS: Record<string, Partial<Record<Stage, ExpectedStage>>> = {
  'opt-out': {
    receipt: { name: 'receipt', due: { hours: 2 } },
    result: {
      name: 'list',
      due: { hours: 24 },
      meaning: (request) => {
        if (isRefused(request)) return 'negative';
        return (request.settings.optedOut?.length ?? 0) > 1 ? 'unclear' : 'positive';
      },
    },
  },
  vaccination: {
    receipt: {
      name: 'file',
      due: { hours: 2 },
      meaning: ({ settings }) => (settings.answer === 'rejected' ? 'negative' : 'positive'),
    },
    result: {
      name: 'rows',
      due: { hours: 24 },
      meaning: ({ what }) => (what === 'rejected' ? 'partial' : 'positive'),
    },
  },
  notify: {
    receipt: { name: 'confirmation', due: { hours: 24 }, meaning: refusedOrPositive },
    result: { name: 'batch report' },
    report: { name: 'daily report' },
  },
  'digital-letter': {
    receipt: { name: 'answer', due: { hours: 2 }, meaning: refusedOrPositive },
    report: { name: 'daily report' },
  },
  dlp: { result: { name: 'outcome', due: { hours: 24 }, meaning: refusedOrPositive } },
  'pds-trace': { result: { name: 'trace', due: { hours: 24 }, meaning: refusedOrPositive } },
  nhais: { receipt: { name: 'business', due: { hours: 24, most: 96 } } },
};
const HOUR = 60 * 60 * 1000;

/** Counts and faults of a run. */
export function judgeRequests(end: EndOfRequests) {
  const faults: string[] = [];
  const counts = {
    requests: end.made.length,
    replies: end.sent.length,
    settled: 0,
    negative: 0,
    missing: 0,
    late: 0,
    duplicates: 0,
    redelivered: 0,
    /** Requests that a kill cut off, that MESH does not have, and that need a decision. */
    undecided: 0,
    /** Alarms that were recorded, and not told because a kill came between. */
    alarmsCutOff: 0,
  };
  const ours = Map.groupBy(
    end.messages.filter(({ from }) => from === 'X26ABC1'),
    ({ localId = '' }) => localId,
  );
  const sentFor = Map.groupBy(end.sent, ({ requestId }) => requestId);
  const givenOf = Map.groupBy(end.given, ({ messageId }) => messageId);
  const alarmsOf = Map.groupBy(end.alarms, ({ messageId, stage }) => `${messageId} ${stage}`);
  for (const request of end.made) {
    const name = `${request.flow} ${request.what} ${request.localId} (${JSON.stringify(request.settings)})`;
    const fault = (what: string): void => void faults.push(`${name}: ${what}`);
    const atMesh = (ours.get(request.localId) ?? []).filter(({ status }) => status !== 'uploading');
    const [only] = atMesh;
    if (!only && end.known.get(request.id)?.message.needsDecision === true) {
      counts.undecided += 1;
      continue;
    }
    if (!only || atMesh.length > 1) {
      fault(`is at MESH ${atMesh.length} times`);
      continue;
    }
    const known = end.known.get(request.id);
    const replies = Map.groupBy(sentFor.get(only.messageId) ?? [], ({ stage }) => stage);
    const stages = FLOWS[request.flow] ?? {};
    let isEnded = false;
    let [isMissing, isNegative, isLate] = [false, false, false];
    for (const [stage, { name: stageName, due, meaning }] of Object.entries(stages) as Array<[Stage, ExpectedStage]>) {
      const own = replies.get(stage) ?? [];
      const outcome = meaning?.(request) ?? 'positive';
      const settles = own.length > 0 && outcome !== 'unclear';
      for (const { messageId } of own) {
        const given = givenOf.get(messageId) ?? [];
        if (given.length === 0) fault(`its ${stageName} was never given to the flow`);
        if (given.length > 1) counts.redelivered += 1;
        for (const each of given) {
          const isRight = each.requests.every((id) => id === request.id) && each.requests.length === 1;
          if (settles && (!isRight || each.problem !== undefined)) {
            fault(
              `its ${stageName} settled ${each.requests.join(', ') || 'nothing'} (${each.problem ?? 'no problem'})`,
            );
          }
          if (!settles && each.problem !== 'unclear') fault(`its ${stageName} is unclear, and was not raised`);
        }
      }
      const first = own.filter(({ messageId }) => (givenOf.get(messageId) ?? []).some((each) => !each.isDuplicate));
      if (settles && stageName !== 'business' && first.length !== 1) {
        fault(`its ${stageName} was told as new ${first.length} times`);
      }
      counts.duplicates += own.length - Math.min(1, own.length);
      const lines = (known?.history ?? []).filter((line) => stageOfLine(line) === stageName).map(({ event }) => event);
      const settled = lines.filter((event) => / (positive|partial|negative)$/.test(event)).length;
      if (settled !== (settles ? 1 : 0)) fault(`its ${stageName} was settled ${settled} times: ${lines.join(', ')}`);
      const isExpected = due !== undefined && !isEnded;
      const wanted = settles ? outcome : isExpected ? 'overdue' : 'not-asked';
      const is = outcomeOf(known, stageName);
      if (is !== wanted) fault(`its ${stageName} is ${is}, and not ${wanted}`);

      // Silence, and what came after its time, was raised once, and at its time.
      const raised = lines.filter((event) => event === 'overdue').length;
      const mustRaise = isExpected && (!settles || isLateBy(request, stage));
      if (raised !== (mustRaise ? 1 : 0)) fault(`its ${stageName} was raised ${raised} times`);
      const alarms = alarmsOf.get(`${only.messageId} ${stageName}`) ?? [];
      if (alarms.length > raised) fault(`its ${stageName} was told as overdue ${alarms.length} times`);
      if (alarms.length < raised) counts.alarmsCutOff += 1;
      for (const { at } of alarms) {
        if (due === undefined) continue;
        const [early, latest] = [request.from + due.hours * HOUR, request.until + (due.most ?? due.hours) * HOUR];
        if (at < early) fault(`its ${stageName} was raised ${Math.round((early - at) / 60_000)} minutes early`);
        if (at > latest + end.slackMs) {
          fault(`its ${stageName} was raised ${Math.round((at - latest) / 60_000)} minutes late`);
        }
      }
      isMissing ||= isExpected && !settles;
      isNegative ||= settles && outcome !== 'positive';
      isLate ||= mustRaise && settles;
      isEnded ||= settles && outcome === 'negative';
    }
    if (isMissing) counts.missing += 1;
    else counts.settled += 1;
    if (isNegative) counts.negative += 1;
    if (isLate) counts.late += 1;
  }
  const sent = new Set(end.sent.map(({ messageId }) => messageId));
  const foreign = end.given.filter(({ messageId }) => !sent.has(messageId));
  if (foreign.length > 0) faults.push(`${foreign.length} replies were given that no service sent`);
  if (counts.undecided > 2 * end.kills) faults.push(`${counts.undecided} need a decision: more than kills explain`);
  if (counts.alarmsCutOff > end.kills)
    faults.push(`${counts.alarmsCutOff} alarms were not told: more than kills explain`);
  return { counts, faults };
}

/** Whether the service was set to answer this stage after every time that a profile gives it. */
function isLateBy({ settings }: MadeRequest, stage: Stage): boolean {
  return (settings.delaysMs?.[stage] ?? 0) > 24 * HOUR;
}

function stageOfLine({ event, detail }: KnownRequest['history'][number]): string | undefined {
  const { stage, what } = (detail ?? {}) as { stage?: string; what?: string };
  return stage ?? (event === 'overdue' ? what : event.split(' ')[0]);
}

function outcomeOf(known: KnownRequest | undefined, stage: string): string | undefined {
  if (stage === 'business') return known?.message.business;
  return known?.message.stages?.find(({ name }) => name === stage)?.outcome;
}
