/** The steps of the connection test and their outcomes, in words that a person can act on. */
import { MeshError } from '../errors';

/** The steps, in the order of the test. */
export const CHECK_STEPS = [
  /** The options are valid. */
  'settings',
  /** Our own client certificate: dates, key and name. */
  'certificate',
  /** The name of the server, or of the proxy where there is one. */
  'name',
  /** A TCP connection to the server, or to the proxy. */
  'tcp',
  /** The proxy opens a tunnel to the server. */
  'proxy',
  /** The server speaks TLS 1.2 or later and accepts our certificate. */
  'tls',
  /** A CA that is trusted here has signed the server's certificate. */
  'authority',
  /** The server's certificate is within its dates. */
  'server-certificate',
  /** The server's certificate is for this host name. */
  'host-name',
  /** Our clock and the server's agree (mesh-api.yaml, "MESH Authorization header": two hours). */
  'clock',
  /** MESH accepts the token: mailbox id, password and shared key are right. */
  'handshake',
  /** The mailboxes that receive the workflow. */
  'workflow',
] as const;

export type CheckStepName = (typeof CHECK_STEPS)[number];

/** `warned`: it works, but needs attention. `skipped`: not needed, or not tried because an earlier step failed. */
export type CheckOutcome = 'passed' | 'warned' | 'failed' | 'skipped';

/** The result of one step. It has no secret, and nothing that a server sent except the names in its certificate. */
export interface CheckStep {
  step: CheckStepName;
  outcome: CheckOutcome;
  /** The finding, a sentence. */
  text: string;
  /** What to do, a sentence; missing if nothing needs to be done. */
  advice?: string;
}

/** The result of a step, without its name. */
export type Finding = Omit<CheckStep, 'step'>;

export const passed = (text: string): Finding => ({ outcome: 'passed', text });
export const skipped = (text: string): Finding => ({ outcome: 'skipped', text });
export const warned = (text: string, advice: string): Finding => ({ outcome: 'warned', text, advice });

/** Makes a finding of an error. Only an error of this library keeps its text: any other may quote anything. */
export function failed(error: unknown): Finding {
  if (!(error instanceof MeshError)) {
    const kind = error instanceof Error ? error.name : typeof error;
    return { outcome: 'failed', text: `An unexpected error occurred (${kind}).`, advice: 'Please report it.' };
  }
  const { message, advice } = error;
  return { outcome: 'failed', text: message, ...(advice === undefined ? {} : { advice }) };
}

const NOT_TRIED = 'Not tried: an earlier step failed.';

/** Collects the steps and reports each one as it is added. */
export class Checklist {
  readonly #steps: CheckStep[] = [];
  readonly #onStep: (step: CheckStep) => void;

  constructor(onStep: (step: CheckStep) => void) {
    this.#onStep = onStep;
  }

  /** Adds a step; returns whether the next one is worth trying. */
  add(step: CheckStepName, finding: Finding): boolean {
    const added: CheckStep = { step, ...finding };
    this.#steps.push(added);
    this.#onStep(added);
    return finding.outcome !== 'failed';
  }

  /** Adds an error as the finding of the first missing step. */
  addFailure(error: unknown): void {
    const known = new Set(this.#steps.map(({ step }) => step));
    const next = CHECK_STEPS.find((step) => !known.has(step));
    if (next) this.add(next, failed(error));
  }

  /** Adds the missing steps as not tried, and returns all steps in order. */
  finish(): CheckStep[] {
    const known = new Set(this.#steps.map(({ step }) => step));
    for (const step of CHECK_STEPS) if (!known.has(step)) this.add(step, skipped(NOT_TRIED));
    return this.#steps.toSorted((one, other) => CHECK_STEPS.indexOf(one.step) - CHECK_STEPS.indexOf(other.step));
  }
}
