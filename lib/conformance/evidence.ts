/** The evidence that an item collects while it runs, and the errors that end an item without a result. */
import type { Check } from './types';

/** The evidence of one item. */
export class Evidence {
  readonly checks: Check[] = [];
  readonly messageIds: string[] = [];
  /** Why the evidence is not sufficient although every check is met. */
  shortfall: string | undefined;

  /** Records a check. `seen` is published: it must not have secrets or personal data. */
  check(what: string, ok: boolean, seen?: string | number): void {
    this.checks.push({ what, ok, ...(seen === undefined ? {} : { seen: String(seen) }) });
  }

  message(messageId: string): void {
    if (!this.messageIds.includes(messageId)) this.messageIds.push(messageId);
  }
}

/** Thrown by an item that is not possible in this environment. */
export class NotPossibleHere extends Error {}

/** Thrown by an item that needs a person to act first. */
export class NeedsPerson extends Error {}
