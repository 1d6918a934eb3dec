/**
 * Reads a received message as a reply, by the profiles whose replies come on its workflow: of which stage it is, what it
 * says, and what names its request. Which request that is, the store knows (lib/send/settle-reply.ts).
 */
import { hash } from 'node:crypto';
import type { MessageHeaders } from '../../types';
import { replyWorkflowOf, type WorkflowProfile, type WorkflowProfiles } from '../profiles';
import type { Settled } from '../types';
import { columnIndex, type ReplyContent } from './content';
import { compiled } from './patterns';
import {
  MATCH,
  type ReplyCondition,
  type ReplyMatcher,
  type ReplyStage,
  type RequestKey,
  type RequestValue,
  type RowComparison,
} from './stages';

/** What a reply says if it is one of this stage. Plain JSON: a row keeps it until the reply has settled its request. */
export interface ReplyReading {
  /** The workflow of the request. */
  requestWorkflowId: string;
  stage: string;
  kind: ReplyStage['kind'];
  /** Whose request it can be: only one that was sent to the reply's sender, or any. */
  from: 'recipient' | 'any';
  outcome: ReplyStage['otherwise'];
  code?: string;
  /** What the reply has that names its request. */
  values: Array<{ request: RequestValue; value: string }>;
  /** What its rows have: each value names a request of its own. */
  rows?: Array<{ request: RequestValue; value: string }>;
  /** There were more of them than are kept. */
  hasMoreRows?: true;
  /** Its rows have to be compared with those of the request. */
  compare?: RowComparison;
  /** How many rows the request and the reply have, once they were compared. */
  compared?: ComparedRows;
}

/** Rows of a request, and those of them that a reply has. */
export interface ComparedRows {
  sent: number;
  returned: number;
}

/** Why a reply has settled nothing, or not all that it names. */
export type ReplyProblem = 'unmatched' | 'ambiguous' | 'differs' | 'unclear' | 'too-many-rows';

/** A request that a reply has settled a stage of. `isDuplicate`: the stage had this answer already. */
export type SettledRequest = Settled & { isDuplicate?: true };

/** A received reply. `settled` undefined: not tried yet. */
export interface KeptReply {
  kind: 'reply';
  /** One for each profile of which it can be a reply. Without names once it has settled. */
  readings: ReplyReading[];
  settled?: SettledRequest[];
  problem?: ReplyProblem;
}

/** Requests that the rows of one reply may name. */
const MAX_ROW_VALUES = 500;
/** Longest value that is compared: no header is longer. */
const MAX_VALUE = 500;

type Named = Pick<MessageHeaders, 'workflowId' | 'from' | 'subject' | 'localId' | 'fileName'>;

/** Returns what a received message says as a reply; undefined if no profile has a stage for it. */
export async function readReply(
  headers: Named,
  content: ReplyContent,
  profiles: WorkflowProfiles,
): Promise<KeptReply | undefined> {
  const readings: ReplyReading[] = [];
  for (const profile of profiles.forReplyWorkflow(headers.workflowId)) {
    const stage = await stageOf(profile, headers, content);
    if (stage) readings.push(await reading(profile, stage, headers, content));
  }
  return readings.length > 0 ? { kind: 'reply', readings } : undefined;
}

/** Returns the first stage of which a message is a reply. */
async function stageOf(
  profile: WorkflowProfile,
  headers: Named,
  content: ReplyContent,
): Promise<ReplyStage | undefined> {
  for (const stage of profile.replies ?? []) {
    const isFromOther = !isFromNamed(stage, headers.from) && ![stage.from].flat().includes('recipient');
    if (isFromOther || !isSame(replyWorkflowOf(profile, stage), headers.workflowId)) continue;
    if (await isMet(stage.when, headers, content)) return stage;
  }
  return undefined;
}

/** Whether a stage names the sender, so that it need not be the request's recipient. */
const isFromNamed = ({ from }: ReplyStage, sender: string): boolean =>
  [from].flat().some((each) => each === 'any' || isSame(each, sender));
const isSame = (one: string, other: string): boolean => normal(one) === normal(other);

async function reading(
  profile: WorkflowProfile,
  stage: ReplyStage,
  headers: Named,
  content: ReplyContent,
): Promise<ReplyReading> {
  const values: ReplyReading['values'] = [];
  const rows: ReplyReading['values'] = [];
  let hasMoreRows = false;
  for (const matcher of stage.match) {
    const { request } = matcher;
    if (matcher.in !== 'rows') {
      const value = await valueIn(matcher, headers, content);
      if (value !== undefined) values.push({ request, value });
      continue;
    }
    const found = new Set<string>();
    for await (const text of content.column(matcher.column ?? 1)) {
      const value = taken(text, matcher.pattern);
      if (value !== undefined) found.add(value);
      hasMoreRows ||= found.size > MAX_ROW_VALUES;
      if (hasMoreRows) break;
    }
    rows.push(...[...found].slice(0, MAX_ROW_VALUES).map((value) => ({ request, value })));
  }
  const { outcome, code } = await outcomeOf(stage, headers, content, values[0]?.value ?? '');
  return {
    requestWorkflowId: profile.workflowId,
    stage: stage.name,
    kind: stage.kind,
    from: isFromNamed(stage, headers.from) ? 'any' : 'recipient',
    outcome,
    ...(code === undefined ? {} : { code }),
    values,
    ...(rows.length > 0 ? { rows } : {}),
    ...(hasMoreRows ? { hasMoreRows } : {}),
    ...(stage.compare === undefined ? {} : { compare: stage.compare }),
  };
}

/** Rows that cannot be read may say anything: a failure among them must not read as success. */
const UNCLEAR = { outcome: 'unclear', code: 'unreadable rows' } as const;

async function outcomeOf(
  { outcomes, otherwise }: ReplyStage,
  headers: Named,
  content: ReplyContent,
  match: string,
): Promise<{ outcome: ReplyStage['otherwise']; code?: string | undefined }> {
  for (const { outcome, when, code } of outcomes) {
    if (await isMet(when, headers, content, match)) return content.isCutShort ? UNCLEAR : { outcome, code };
  }
  return content.isCutShort ? UNCLEAR : { outcome: otherwise };
}

/** Whether all fields of a condition are met. Headers first: they cost nothing. */
async function isMet(when: ReplyCondition, headers: Named, content: ReplyContent, match = ''): Promise<boolean> {
  const fits = (pattern: string | undefined, text: string | undefined): boolean =>
    pattern === undefined || compiled(pattern).test(text ?? '');
  if (when.workflowId !== undefined && !isSame(when.workflowId, headers.workflowId)) return false;
  if (when.subject !== undefined && when.subject !== (headers.subject ?? '')) return false;
  if (!fits(when.subjectPattern, headers.subject) || !fits(when.localIdPattern, headers.localId)) return false;
  if (!fits(when.fileNamePattern, headers.fileName)) return false;
  if (when.firstLine !== undefined && !fits(when.firstLine, await content.firstLine())) return false;
  if (when.beginning !== undefined && !fits(when.beginning, await content.beginning())) return false;
  if (when.edifact !== undefined && when.edifact !== (await content.edifactType())) return false;
  if (when.columns !== undefined) {
    const first = await content.firstRow();
    if (when.columns.some((name) => columnIndex(first, name) < 0)) return false;
  }
  if (when.firstRow !== undefined) {
    const value = (await content.firstRow())[when.firstRow.column - 1];
    if (value === undefined || !isOneOf(value, when.firstRow.equals)) return false;
  }
  if (when.json !== undefined) {
    const value = await content.jsonValue(when.json.path);
    if (value === undefined || (when.json.equals !== undefined && !isOneOf(value, when.json.equals))) return false;
  }
  if (when.row !== undefined && !(await hasRow(when.row, content))) return false;
  return when.archive === undefined || isArchiveMet(when.archive, await content.archiveNames(), match);
}

const isOneOf = (value: string, texts: string | readonly string[]): boolean =>
  [texts].flat().some((text) => text.trim() === value.trim());

async function hasRow({ column, equals }: NonNullable<ReplyCondition['row']>, content: ReplyContent): Promise<boolean> {
  for await (const value of content.column(column)) if (isOneOf(value, equals)) return true;
  return false;
}

/** An archive without a single entry, or one that cannot be read, meets nothing. */
function isArchiveMet(
  { has, lacks }: NonNullable<ReplyCondition['archive']>,
  names: readonly string[],
  match: string,
): boolean {
  const hasEntry = (pattern: string): boolean => {
    const escaped = match.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
    const expression = new RegExp(
      pattern.replaceAll(MATCH, () => escaped),
      'iu',
    );
    return names.some((name) => expression.test(name));
  };
  return names.length > 0 && (has === undefined || hasEntry(has)) && (lacks === undefined || !hasEntry(lacks));
}

/** Returns the value of a message that a matcher, or a profile's `requestKey`, names. */
export async function valueIn(
  rule: Pick<ReplyMatcher | RequestKey, 'in' | 'path' | 'column' | 'pattern'>,
  headers: { localId?: string | undefined; subject?: string | undefined; fileName?: string | undefined },
  content: ReplyContent,
): Promise<string | undefined> {
  switch (rule.in) {
    case 'localId':
    case 'subject':
    case 'fileName':
      return taken(headers[rule.in], rule.pattern);
    case 'json':
      return taken(await content.jsonValue(rule.path ?? ''), rule.pattern);
    case 'firstRow':
      return taken((await content.firstRow())[Number(rule.column) - 1], rule.pattern);
    case 'beginning':
      return taken(await content.beginning(), rule.pattern);
    case 'rows':
      return undefined;
  }
}

/** Returns what a pattern takes out of a text; undefined if it does not fit, or nothing is left. */
function taken(text: string | undefined, pattern: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const found = pattern === undefined ? [text] : compiled(pattern).exec(text);
  const value = (found?.[1] ?? found?.[0] ?? '').trim();
  return value === '' || value.length > MAX_VALUE ? undefined : value;
}

/** What a request has that a reply may name it by, without its message id. */
export interface RequestNames {
  localId: string;
  fileName?: string | undefined;
  subject?: string | undefined;
  /** What the profile's `requestKey` has found. */
  key?: string | undefined;
}

/** Returns what of a request is compared with a reply's value; undefined if it has no such thing. */
export function nameOf(request: RequestValue, { localId, fileName, subject, key }: RequestNames): string | undefined {
  const names = {
    localId,
    localIdStem: stemOf(localId),
    messageId: undefined,
    fileName,
    fileNameStem: fileName === undefined ? undefined : stemOf(fileName),
    subject,
    key,
  };
  return names[request] === '' ? undefined : names[request];
}

/** Returns a name without its extensions. */
const stemOf = (name: string): string => name.replace(/\.(?:gz|zip)$/i, '').replace(/\.[A-Za-z\d]{1,8}$/, '');

/** Whether a reply's value names what a request has. */
export const isNamed = (value: string, name: string): boolean => normal(value) === normal(name);
const normal = (text: string): string => text.trim().toUpperCase();

/** Returns the key under which the store finds a request by a value. A digest: names may be patient data. */
export const replyKey = (request: RequestValue, value: string): string =>
  hash('sha256', `${request} ${normal(value)}`, 'hex').slice(0, 40);

/** Returns the keys of a request: for each thing that a stage of its profile compares. */
export function replyKeysOf(profile: WorkflowProfile, names: RequestNames): string[] {
  const compared = new Set((profile.replies ?? []).flatMap(({ match }) => match.map(({ request }) => request)));
  return [...compared].flatMap((request) => {
    const name = nameOf(request, names);
    return name === undefined ? [] : [replyKey(request, name)];
  });
}
