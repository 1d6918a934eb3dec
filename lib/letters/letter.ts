/** What a letter says, whatever form it comes in or goes out in: plain JSON, in a flow `msg.letter`. */
import { z } from 'zod';
import { InvalidMessageError } from '../errors';
import { findHeading, type Heading } from './headings';

const text = z.string().trim().min(1).max(1000);
const identifier = z.strictObject({ system: text, value: text });
/** A SNOMED CT concept. */
const concept = z.strictObject({ code: text, display: text });

const patient = z.strictObject({
  nhsNumber: text.optional(),
  /** The NHS number's verification status, `01` (present and verified) to `08`. */
  numberStatus: z.enum(['01', '02', '03', '04', '05', '06', '07', '08']).optional(),
  family: text.optional(),
  given: z.array(text).max(20).optional(),
  prefix: text.optional(),
  /** `YYYY-MM-DD`. */
  birthDate: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d$/)
    .optional(),
  gender: z.enum(['male', 'female', 'other', 'unknown']).optional(),
  address: z
    .strictObject({ lines: z.array(text).max(10).optional(), city: text.optional(), postalCode: text.optional() })
    .optional(),
  phone: text.optional(),
});

const author = z.strictObject({
  family: text.optional(),
  given: z.array(text).max(20).optional(),
  prefix: text.optional(),
  phone: text.optional(),
  /** With its system: a consultant's code is no SDS user id. */
  identifier: identifier.optional(),
});

const organisation = z.strictObject({ odsCode: text.optional(), name: text.optional(), phone: text.optional() });

/** A file of the letter. `content` is base64. */
const file = z.strictObject({ contentType: text, content: z.string().min(1), title: text.optional() });

const letterSchema = z.strictObject({
  title: text.optional(),
  type: concept.optional(),
  careSetting: concept.optional(),
  /** When it was written: ISO 8601 with a time zone. */
  written: z.iso.datetime({ offset: true }).optional(),
  /** The document's number at the sender: the same number is the same letter to its receiver. */
  documentNumber: text.optional(),
  /** The number of the letter that this one replaces. */
  replaces: text.optional(),
  /** Of the document, from 1. */
  version: z.number().int().min(1).max(999).optional(),
  /** For action or for information. */
  recipientType: z.enum(['FA', 'FI']).optional(),
  /** The sender's reference, which comes back in the acknowledgements; no patient data. */
  reference: text.max(255).optional(),
  patient: patient.optional(),
  author: author.optional(),
  sender: organisation.optional(),
  /** The patient's GP practice. */
  practice: organisation.optional(),
  encounter: z
    .strictObject({
      /** ISO 8601 with a time zone, or a date. */
      start: text.optional(),
      end: text.optional(),
      ward: text.optional(),
      identifier: identifier.optional(),
    })
    .optional(),
  /** Plain text by heading (its name or code); a line feed ends a paragraph. */
  sections: z.record(z.string(), z.string().trim().min(1)).optional(),
  /** The main one first. */
  documents: z.array(file).max(100).optional(),
});

export type Letter = z.output<typeof letterSchema>;
export type LetterFile = z.output<typeof file>;
export type LetterPatient = z.output<typeof patient>;
export type LetterAuthor = z.output<typeof author>;

/**
 * Reads what a flow says of a letter.
 * @throws InvalidMessageError that names the wrong field, never its value
 */
export function readLetterFields(value: unknown): Letter {
  const parsed = letterSchema.safeParse(value ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.map(String).join('.') ?? '';
    const unknown = issue?.code === 'unrecognized_keys' ? ` There is no field ${issue.keys.join(', ')} here.` : '';
    throw new InvalidMessageError(`The letter’s ${field === '' ? 'fields' : field} cannot be used.${unknown}`, {
      advice: 'docs/letters.md, “The fields of a letter”, lists the fields and their forms.',
    });
  }
  const unknown = Object.keys(parsed.data.sections ?? {}).find((name) => findHeading(name) === undefined);
  if (unknown !== undefined) throw new InvalidMessageError(`There is no heading “${printableHeading(unknown)}”.`);
  return parsed.data;
}

/** A heading comes from a flow or a sender: it is shown short, and only if it looks like one. */
const printableHeading = (name: string): string => (/^[\w ,()-]{1,80}$/.test(name) ? name : '…');

/** Returns the sections by their headings' names. */
export function sectionsOf({ sections = {} }: Letter): Partial<Record<Heading, string>> {
  return Object.fromEntries(
    Object.entries(sections).flatMap(([name, content]) => {
      const heading = findHeading(name);
      return heading === undefined ? [] : [[heading, content]];
    }),
  );
}

/** Returns one letter of two: the fields of `more` count before those of `first`, also within patient, author and others. */
export function mergeLetters(first: Letter, more: Letter): Letter {
  const merged: Record<string, unknown> = { ...first };
  for (const [field, value] of Object.entries(more)) {
    const before = merged[field];
    const isGroup = isPlainObject(before) && isPlainObject(value);
    merged[field] = isGroup ? { ...before, ...value } : value;
  }
  if (first.sections !== undefined && more.sections !== undefined) {
    merged['sections'] = { ...sectionsOf(first), ...sectionsOf(more) };
  }
  return merged;
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A name as people read it: prefix, given names, family name. */
export const fullName = ({ prefix, given = [], family }: LetterPatient | LetterAuthor): string =>
  [prefix, ...given, family].filter(Boolean).join(' ');
