/** Collects issues: each once, up to a limit. */
import { LimitReached } from './budget';
import { type Frame, pathOf } from './frame';
import type { Severity, ValidationIssue } from './types';

export interface Finding {
  severity?: Severity;
  rule: string;
  element?: string;
  profile?: string;
  text: string;
  advice: string;
}

export class Issues {
  readonly list: ValidationIssue[] = [];
  readonly #seen = new Set<string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws LimitReached when there are too many */
  add(at: Frame | string, { severity = 'error', rule, element = '', profile = '', text, advice }: Finding): void {
    const path = typeof at === 'string' ? at : pathOf(at);
    const key = `${severity}|${path}|${rule}|${text}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push({ severity, path, element, rule, profile, text, advice });
    if (this.list.length >= this.#limit) throw new LimitReached('issues');
  }

  get hasError(): boolean {
    return this.list.some(({ severity }) => severity === 'error');
  }
}
