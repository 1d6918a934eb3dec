/** What an item notes as it runs, and how it says that it cannot go on. */
import type { Check } from './types';

/** What an item has seen. */
export class Note {
  readonly checks: Check[] = [];
  readonly messageIds: string[] = [];
  /** Why this is no evidence although everything that was looked at is right. */
  short: string | undefined;

  /** `seen` is shown: no secret and nothing personal. */
  check(what: string, ok: boolean, seen?: string | number): void {
    this.checks.push({ what, ok, ...(seen === undefined ? {} : { seen: String(seen) }) });
  }

  message(messageId: string): void {
    if (!this.messageIds.includes(messageId)) this.messageIds.push(messageId);
  }
}

/** Thrown by an item that this environment cannot show. */
export class NotPossibleHere extends Error {}

/** Thrown by an item that goes on only when a person has done something. */
export class NeedsPerson extends Error {}
