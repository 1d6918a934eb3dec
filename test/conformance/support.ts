/** A sandbox for the conformance run, and a run with small amounts. */
import { runConformance } from '../../lib/conformance/run';
import type { ConformanceOptions, Findings, ItemResult } from '../../lib/conformance/types';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';

export const MARK = 'MARK5551212';

/** Starts a sandbox with marked secrets and a third mailbox that is disabled. */
export async function conformanceSandbox(): Promise<Sandbox> {
  const mailboxes = ['X26ABC1', 'X26ABC2', 'X26ABC3'].map((mailboxId) => ({
    mailboxId,
    password: `${MARK}-${mailboxId}`,
    active: mailboxId !== 'X26ABC3',
  }));
  const sandbox = await startSandbox({ sharedKey: `${MARK}-key`, mailboxes });
  afterThisTest(() => sandbox.close());
  return sandbox;
}

/** Returns options for the sandbox with small amounts, so that a test is quick. */
export function optionsFor(sandbox: Sandbox, more: Partial<ConformanceOptions> = {}): ConformanceOptions {
  const [one, two, three] = sandbox.mailboxes.map(({ mailboxId, password }) => ({ mailboxId, password }));
  if (!one || !two || !three) throw new Error('three mailboxes');
  return {
    connection: {
      environment: sandbox.url,
      sharedKey: sandbox.sharedKey,
      tls: sandbox.ca === undefined ? {} : { ca: sandbox.ca },
      retry: { attempts: 1 },
    },
    mailboxes: [one, two],
    disabled: three,
    workflowId: 'TEST_WORKFLOW',
    minimumListMs: 0,
    largeBytes: 300_000,
    drainMessages: 12,
    timeTravel: sandbox.clock,
    environmentName: 'a test',
    ...more,
  };
}

export async function run(sandbox: Sandbox, more: Partial<ConformanceOptions> = {}): Promise<Findings> {
  return runConformance(optionsFor(sandbox, more), '0.0.0');
}

export function itemOf(findings: Findings, id: string): ItemResult {
  const item = findings.items.find((each) => each.id === id);
  if (!item) throw new Error(`no item ${id}`);
  return item;
}
