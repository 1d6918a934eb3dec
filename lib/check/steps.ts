/** What the test of a connection tells: one step after the other, each in words that a person can act on. */
import { MeshError } from '../errors';

/** In the order in which they are tried. */
export const CHECK_STEPS = [
  /** The options can be read. */
  'settings',
  /** Our own client certificate: dates, its key, its name. */
  'certificate',
  /** The name of the server, or of the proxy where there is one. */
  'name',
  /** A TCP connection to the server, or to the proxy. */
  'tcp',
  /** The proxy opens a tunnel to the server. */
  'proxy',
  /** TLS 1.2 or later is spoken, and our certificate not refused. */
  'tls',
  /** A CA that we trust has signed the server's certificate. */
  'authority',
  /** The server's certificate is within its dates. */
  'server-certificate',
  /** It is for this host name. */
  'host-name',
  /** Our clock and the server's agree (mesh-api.yaml, "MESH Authorization header": two hours). */
  'clock',
  /** MESH takes the token: mailbox id, password and shared key fit. */
  'handshake',
  /** Who receives the workflow. */
  'workflow',
] as const;

export type CheckStepName = (typeof CHECK_STEPS)[number];

/** `warned`: it works, and somebody should look at it. `skipped`: not needed, or not tried because an earlier one failed. */
export type CheckOutcome = 'passed' | 'warned' | 'failed' | 'skipped';

/** One step. No secret in it, and nothing of what a server said but names in its certificate. */
export interface CheckStep {
  step: CheckStepName;
  outcome: CheckOutcome;
  /** What was found, a sentence. */
  text: string;
  /** What to do about it, a sentence; where there is something to do. */
  advice?: string;
}

/** What a step found. */
export type Finding = Omit<CheckStep, 'step'>;

export const passed = (text: string): Finding => ({ outcome: 'passed', text });
export const skipped = (text: string): Finding => ({ outcome: 'skipped', text });
export const warned = (text: string, advice: string): Finding => ({ outcome: 'warned', text, advice });

/** An error of this library in its own words. Any other is told by its kind only: its text may quote anything. */
export function failed(error: unknown): Finding {
  if (!(error instanceof MeshError)) {
    const kind = error instanceof Error ? error.name : typeof error;
    return { outcome: 'failed', text: `This went wrong unexpectedly (${kind}).`, advice: 'Please report it.' };
  }
  const { message, advice } = error;
  return { outcome: 'failed', text: message, ...(advice === undefined ? {} : { advice }) };
}

const NOT_TRIED = 'Not tried: an earlier step failed.';

/** Collects the steps; each is told as soon as it is known. */
export class Checklist {
  readonly #steps: CheckStep[] = [];
  readonly #told: (step: CheckStep) => void;

  constructor(told: (step: CheckStep) => void) {
    this.#told = told;
  }

  /** Gives whether the next step is worth trying. */
  add(step: CheckStepName, finding: Finding): boolean {
    const one: CheckStep = { step, ...finding };
    this.#steps.push(one);
    this.#told(one);
    return finding.outcome !== 'failed';
  }

  /** The step that was being tried ended with this. */
  break(error: unknown): void {
    const known = new Set(this.#steps.map(({ step }) => step));
    const next = CHECK_STEPS.find((step) => !known.has(step));
    if (next) this.add(next, failed(error));
  }

  /** All steps in their order; what was not tried says so. */
  end(): CheckStep[] {
    const known = new Set(this.#steps.map(({ step }) => step));
    for (const step of CHECK_STEPS) if (!known.has(step)) this.add(step, skipped(NOT_TRIED));
    return this.#steps.toSorted((one, other) => CHECK_STEPS.indexOf(one.step) - CHECK_STEPS.indexOf(other.step));
  }
}
