/** Runs the catalogue: the straight line from the first handshake to the findings. */
import { release, type as systemType } from 'node:os';
import { ConfigurationError, MeshError } from '../index';
import { CATALOGUE } from './catalogue';
import { NeedsPerson, Note, NotPossibleHere, type Item } from './item';
import { openStage, type Stage } from './stage';
import type { ConformanceOptions, Findings, ItemResult, Verdict } from './types';

/** Of more exchanges than this in one item the first and last are shown. */
const SHOWN = 12;

/**
 * Runs the items that are asked for, each on messages of its own making; no other message of a mailbox is downloaded or
 * acknowledged, but for REPORTs about them. Throws ConfigurationError for options that cannot work, and what the first handshake
 * throws; after that everything that goes wrong is a finding.
 */
export async function runConformance(options: ConformanceOptions, version: string): Promise<Findings> {
  const items = wantedItems(options.items);
  const startedAt = new Date().toISOString();
  const stage = await openStage(options);
  try {
    for (const mailbox of stage.mailboxes) await mailbox.handshake();
    const handshakes = stage.wire.all.length;
    const results: ItemResult[] = [];
    for (const item of items) {
      options.signal?.throwIfAborted();
      options.say?.(`${item.id}  ${item.title}`);
      const result = await runItem(item, stage, item.id === '802' ? handshakes : 0);
      options.say?.(`     ${result.verdict}${result.reason === undefined ? '' : `: ${result.reason}`}`);
      results.push(result);
    }
    const pending = await stage.pendingNow?.catch(() => undefined);
    return {
      product: 'NHS MESH for Node-RED (@mesh-flows/node-red-nhs-mesh)',
      version,
      node: process.version,
      system: `${systemType()} ${release()} ${process.arch}`,
      environment: options.environmentName,
      url: stage.sender.url,
      mailboxIds: [
        ...stage.mailboxes.map(({ mailboxId }) => mailboxId),
        ...(options.disabled ? [options.disabled.mailboxId] : []),
      ],
      workflowId: options.workflowId,
      startedAt,
      finishedAt: new Date().toISOString(),
      items: results.sort((one, other) => one.id.localeCompare(other.id)),
      ...(pending && !stage.isDue(pending) ? { pending } : {}),
    };
  } finally {
    await stage.close();
  }
}

function wantedItems(ids: readonly string[] | undefined): readonly Item[] {
  if (!ids) return CATALOGUE;
  const unknown = ids.find((id) => !CATALOGUE.some((item) => item.id === id));
  if (unknown === undefined) return CATALOGUE.filter(({ id }) => ids.includes(id));
  const all = CATALOGUE.map(({ id }) => id).sort();
  throw new ConfigurationError('The catalogue has no such item.', { advice: `There are: ${all.join(', ')}.` });
}

/** `before`: so many exchanges of the run's beginning are this item's as well. */
async function runItem(item: Item, stage: Stage, before: number): Promise<ItemResult> {
  const startedAt = new Date().toISOString();
  const first = stage.wire.all.length;
  const note = new Note();
  const { verdict, reason } = await item.run(stage, note).then(
    () => judged(note),
    (error: unknown) => thrown(note, error),
  );
  const own = [...stage.wire.all.slice(0, before), ...stage.wire.all.slice(first)];
  const sample = own.length <= SHOWN ? own : [...own.slice(0, SHOWN / 2), ...own.slice(-SHOWN / 2)];
  return {
    id: item.id,
    title: item.title,
    verdict,
    ...(reason === undefined ? {} : { reason }),
    startedAt,
    finishedAt: new Date().toISOString(),
    messageIds: note.messageIds,
    checks: note.checks,
    exchanges: stage.wire.shown(sample),
    exchangeCount: own.length,
  };
}

interface Judgement {
  verdict: Verdict;
  reason?: string;
}

function judged({ checks, short }: Note): Judgement {
  const wrong = checks.filter(({ ok }) => !ok);
  if (wrong.length > 0) return { verdict: 'failed', reason: `Not so: ${wrong.map(({ what }) => what).join('; ')}.` };
  if (checks.length === 0) return { verdict: 'failed', reason: 'Nothing was looked at.' };
  return short === undefined ? { verdict: 'passed' } : { verdict: 'not possible here', reason: short };
}

/** The library's errors say what happened without secrets or patient data; of others only the name is kept. */
function thrown(note: Note, error: unknown): Judgement {
  if (note.checks.some(({ ok }) => !ok)) return judged(note);
  if (error instanceof NotPossibleHere) return { verdict: 'not possible here', reason: error.message };
  if (error instanceof NeedsPerson) return { verdict: 'needs a person', reason: error.message };
  if (error instanceof MeshError) return { verdict: 'failed', reason: [error.message, error.advice].join(' ').trim() };
  return { verdict: 'failed', reason: error instanceof Error ? `${error.name} in the run itself.` : 'It broke off.' };
}
