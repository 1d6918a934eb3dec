/** Runs the catalogue, from the first handshake to the findings. */
import { release, type as systemType } from 'node:os';
import { ConfigurationError, MeshError } from '../index';
import { CATALOGUE } from './catalogue';
import { NeedsPerson, Evidence, NotPossibleHere, type Item } from './item';
import { openRunContext, type RunContext } from './run-context';
import type { ConformanceOptions, Findings, ItemResult, Verdict } from './types';

/** The number of exchanges shown for an item; of more, the first and the last ones. */
const SHOWN = 12;

/**
 * Runs the requested items, each on messages of its own. No other message of a mailbox is downloaded or
 * acknowledged, except REPORTs about these. After the first handshake every error becomes a finding.
 * @throws ConfigurationError for invalid options, and MeshError when the first handshake fails
 */
export async function runConformance(options: ConformanceOptions, version: string): Promise<Findings> {
  const items = selectItems(options.items);
  const startedAt = new Date().toISOString();
  const context = await openRunContext(options);
  try {
    for (const mailbox of context.mailboxes) await mailbox.handshake();
    const handshakes = context.wire.all.length;
    const results: ItemResult[] = [];
    for (const item of items) {
      options.signal?.throwIfAborted();
      options.onProgress?.(`${item.id}  ${item.title}`);
      const result = await runItem(item, context, item.id === '802' ? handshakes : 0);
      options.onProgress?.(`     ${result.verdict}${result.reason === undefined ? '' : `: ${result.reason}`}`);
      results.push(result);
    }
    const pending = await context.pendingNow?.catch(() => undefined);
    return {
      product: 'NHS MESH for Node-RED (@mesh-flows/node-red-nhs-mesh)',
      version,
      node: process.version,
      system: `${systemType()} ${release()} ${process.arch}`,
      environment: options.environmentName,
      url: context.sender.url,
      mailboxIds: [
        ...context.mailboxes.map(({ mailboxId }) => mailboxId),
        ...(options.disabled ? [options.disabled.mailboxId] : []),
      ],
      workflowId: options.workflowId,
      startedAt,
      finishedAt: new Date().toISOString(),
      items: results.sort((one, other) => one.id.localeCompare(other.id)),
      ...(pending && !context.isDue(pending) ? { pending } : {}),
    };
  } finally {
    await context.close();
  }
}

function selectItems(ids: readonly string[] | undefined): readonly Item[] {
  if (!ids) return CATALOGUE;
  const unknown = ids.filter((id) => !CATALOGUE.some((item) => item.id === id));
  if (unknown.length === 0) return CATALOGUE.filter(({ id }) => ids.includes(id));
  const all = CATALOGUE.map(({ id }) => id).sort();
  throw new ConfigurationError(`--items: the catalogue has no item ${unknown.join(', ')}.`, {
    advice: `The items are ${all.join(', ')}.`,
  });
}

/** Runs one item. `before` is the number of exchanges at the start of the run that belong to it as well. */
async function runItem(item: Item, context: RunContext, before: number): Promise<ItemResult> {
  const startedAt = new Date().toISOString();
  const first = context.wire.all.length;
  const evidence = new Evidence();
  const { verdict, reason } = await item.run(context, evidence).then(
    () => assess(evidence),
    (error: unknown) => assessError(evidence, error),
  );
  const own = [...context.wire.all.slice(0, before), ...context.wire.all.slice(first)];
  const sample = own.length <= SHOWN ? own : [...own.slice(0, SHOWN / 2), ...own.slice(-SHOWN / 2)];
  return {
    id: item.id,
    title: item.title,
    verdict,
    ...(reason === undefined ? {} : { reason }),
    startedAt,
    finishedAt: new Date().toISOString(),
    messageIds: evidence.messageIds,
    checks: evidence.checks,
    exchanges: context.wire.shown(sample),
    exchangeCount: own.length,
  };
}

interface Assessment {
  verdict: Verdict;
  reason?: string;
}

function assess({ checks, shortfall }: Evidence): Assessment {
  const failed = checks.filter(({ ok }) => !ok);
  if (failed.length > 0) return { verdict: 'failed', reason: `Not met: ${failed.map(({ what }) => what).join('; ')}.` };
  if (checks.length === 0) return { verdict: 'failed', reason: 'No check was made.' };
  return shortfall === undefined ? { verdict: 'passed' } : { verdict: 'not possible here', reason: shortfall };
}

/** Assesses an item that ended with an error. Only this library's errors keep their text: others may quote anything. */
function assessError(evidence: Evidence, error: unknown): Assessment {
  if (evidence.checks.some(({ ok }) => !ok)) return assess(evidence);
  if (error instanceof NotPossibleHere) return { verdict: 'not possible here', reason: error.message };
  if (error instanceof NeedsPerson) return { verdict: 'needs a person', reason: error.message };
  if (error instanceof MeshError) return { verdict: 'failed', reason: [error.message, error.advice].join(' ').trim() };
  return {
    verdict: 'failed',
    reason: error instanceof Error ? `The run itself failed (${error.name}).` : 'The run itself failed.',
  };
}
