/**
 * The codes that were looked up in vain, counted, so that a person can add them to a table. Only what has the form of a
 * code is listed: at most 64 characters that can be shown, and no NHS number, which a flow may look up by mistake. The
 * rest is counted alone. So is what comes after {@link MAX_LISTED} codes: a hostile sender cannot fill the memory.
 */
import * as z from 'zod';
import { printable } from '../../errors';
import { brokenNhsNumberRule } from '../../formats/nhs-number';

/** Maximum number of codes in the list. */
export const MAX_LISTED = 1000;
const MAX_CODE = 64;
const MAX_SYSTEM = 255;

const unknownCode = z.object({
  system: z.string().max(MAX_SYSTEM).optional(),
  code: z.string().min(1).max(MAX_CODE),
  count: z.int().min(1),
  /** Milliseconds since 1970. */
  first: z.number(),
  last: z.number(),
});

/** A code that a table does not have. Plain JSON. */
export type UnknownCode = z.output<typeof unknownCode>;

const storedList = z.object({ codes: z.array(unknownCode).max(MAX_LISTED), notListed: z.int().min(0) });

/** The list of one table. */
export class UnknownCodes {
  readonly #codes = new Map<string, UnknownCode>();
  #notListed = 0;

  /** @param stored what {@link toJSON} returned once; anything else is an empty list */
  constructor(stored?: unknown) {
    const read = storedList.safeParse(stored);
    if (!read.success) return;
    for (const code of read.data.codes) this.#codes.set(keyOf(code.system, code.code), code);
    this.#notListed = read.data.notListed;
  }

  /** How often a code was looked up in vain that is not in the list: it is none by its form, or the list was full. */
  get notListed(): number {
    return this.#notListed;
  }

  /** @param now milliseconds since 1970 */
  add(system: string | undefined, code: string, now: number): void {
    const own = code.trim();
    const of = system?.trim() ?? '';
    if (!mayBeListed(own) || of.length > MAX_SYSTEM || printable(of) !== of) {
      this.#notListed += 1;
      return;
    }
    const key = keyOf(of === '' ? undefined : of, own);
    const known = this.#codes.get(key);
    if (known) this.#codes.set(key, { ...known, count: known.count + 1, last: now });
    else if (this.#codes.size >= MAX_LISTED) this.#notListed += 1;
    else this.#codes.set(key, { ...(of !== '' && { system: of }), code: own, count: 1, first: now, last: now });
  }

  /** Takes the codes out of the list that a table has now, or that a person dismissed. */
  forget(isKnown: (code: UnknownCode) => boolean): void {
    for (const [key, code] of this.#codes) if (isKnown(code)) this.#codes.delete(key);
  }

  /** Forgets all. */
  clear(): void {
    this.#codes.clear();
    this.#notListed = 0;
  }

  /** The most frequent first. */
  list(): UnknownCode[] {
    return [...this.#codes.values()].sort((one, other) => other.count - one.count || other.last - one.last);
  }

  toJSON(): z.output<typeof storedList> {
    return { codes: [...this.#codes.values()], notListed: this.#notListed };
  }
}

const keyOf = (system: string | undefined, code: string): string => JSON.stringify([system ?? '', code]);

function mayBeListed(code: string): boolean {
  if (code === '' || code.length > MAX_CODE || printable(code) !== code) return false;
  return !/^\d{3}[ -]?\d{3}[ -]?\d{4}$/.test(code) || brokenNhsNumberRule(code, { separators: 'allow' }) !== undefined;
}
