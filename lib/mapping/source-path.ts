/**
 * Paths into HL7 v2 messages, as people write them: `PID-5.1`, `OBX[2]-5`, `PID-3[2].4.1`, `OBX/NTE-3` (an NTE that
 * follows an OBX). Parsed once; read by position from the object that lib/formats/hl7 makes of a message.
 */
import { ConfigurationError } from '../errors';

/** A field's repeat, a component or a subcomponent, as lib/formats/hl7 has it. */
export type Part = string | Record<string, unknown>;

/** A parsed path. Numbers count from 1. */
export interface SourcePath {
  text: string;
  /** The segment that it follows: `OBX` in `OBX/NTE-3`. */
  owner?: string | undefined;
  segment: string;
  /** Which segment of its name; undefined: each. */
  occurrence?: number | undefined;
  /** Undefined: the segment itself. */
  field?: number | undefined;
  /** Which repeat of the field; undefined: each. */
  repeat?: number | undefined;
  component?: number | undefined;
  subcomponent?: number | undefined;
}

const PATH =
  /^(?:([A-Z][A-Z0-9]{2})\/)?([A-Z][A-Z0-9]{2})(?:\[(\d{1,5})\])?(?:-(\d{1,3})(?:\[(\d{1,5})\])?(?:\.(\d{1,5})(?:\.(\d{1,5}))?)?)?$/;

/** @throws ConfigurationError when the text is no path into an HL7 v2 message */
export function parseSourcePath(text: string): SourcePath {
  const found = PATH.exec(text.trim());
  if (!found) {
    throw new ConfigurationError(`“${text}” is no path into an HL7 v2 message.`, {
      advice: 'Write it as PID-5.1, PID-3[2].4, OBX[2]-5 or OBX/NTE-3.',
    });
  }
  const [, owner, segment = '', ...numbers] = found;
  const [occurrence, field, repeat, component, subcomponent] = numbers.map((each) =>
    each === undefined ? undefined : Number(each),
  );
  return { text: text.trim(), owner, segment, occurrence, field, repeat, component, subcomponent };
}

/** HL7's null, which says that a value was deleted. */
export const HL7_NULL = '""';

const NO_REPEATS: readonly unknown[] = [];

/** Returns the repeats of a field; a single one that a flow has not put into an array is one too. */
export function repeatsOf(segment: Record<string, unknown>, field: number): readonly unknown[] {
  const value = segment[`f${field}`];
  if (Array.isArray(value)) return value as readonly unknown[];
  return value === undefined || value === null || value === '' ? NO_REPEATS : [value];
}

/** Returns the n-th component of a repeat, or the n-th subcomponent of a component; undefined if it is empty. */
export function partOf(part: unknown, number: number): Part | undefined {
  if (typeof part === 'string') return number === 1 && part !== '' ? part : undefined;
  if (typeof part !== 'object' || part === null) return undefined;
  const parts = part as Record<string, unknown>;
  const found = parts[`c${number}`] ?? parts[`s${number}`];
  if (typeof found === 'string') return found === '' ? undefined : found;
  if (typeof found === 'number' || typeof found === 'boolean') return String(found);
  return typeof found === 'object' && found !== null ? (found as Part) : undefined;
}

/** Returns the part of a repeat that a path means: the repeat itself where it names no component. */
export function partAt(repeat: unknown, { component, subcomponent }: SourcePath): Part | undefined {
  if (component === undefined) {
    if (typeof repeat === 'string') return repeat === '' ? undefined : repeat;
    return typeof repeat === 'object' && repeat !== null ? (repeat as Part) : undefined;
  }
  const part = partOf(repeat, component);
  return subcomponent === undefined ? part : partOf(part, subcomponent);
}

/** Returns the text of a part: of its first component and first subcomponent; empty if there is none, or HL7's null. */
export function textOf(part: unknown): string {
  let at = part;
  for (let depth = 0; depth < 2 && typeof at === 'object'; depth += 1) at = partOf(at, 1);
  return typeof at === 'string' && at !== HL7_NULL ? at : '';
}

/** Returns the text of a component, empty if there is none: `textIn(repeat, 4, 2)` is the second part of the fourth. */
export function textIn(part: unknown, component: number, subcomponent?: number): string {
  const found = partOf(part, component);
  return textOf(subcomponent === undefined ? found : partOf(found, subcomponent));
}
