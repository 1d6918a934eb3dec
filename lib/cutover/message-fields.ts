/**
 * A message's content as fields with names that a person knows (`PID-5.1`, `BGM-1.1`, `entry[2].resource.status`), for a
 * comparison field by field. What is no message of a known form has no fields, and is compared as bytes.
 */
import { hash } from 'node:crypto';
import { InvalidMessageError, UnreadableError } from '../errors';
import { readEdifact } from '../formats/edifact/interchange';
import { fhirXmlToObject } from '../formats/fhir/from-xml';
import { readHl7 } from '../formats/hl7/message';

export type MessageForm = 'hl7' | 'edifact' | 'fhir' | 'bytes';

/** The content of a message. */
export interface MessageFields {
  form: MessageForm;
  /** Values by name; for `bytes` the digest of all bytes under `content`. */
  fields: Map<string, string>;
}

/** Messages of the same content made at another time differ in these: times and ids of the message itself. */
const MADE_ANEW: Record<MessageForm, readonly string[]> = {
  hl7: ['MSH-7', 'MSH-10'],
  edifact: ['UNB-4', 'UNB-5', 'UNZ-2'],
  fhir: ['id', '*.id', '*.fullUrl', '*.timestamp', '*.lastUpdated', '*.reference', 'identifier', 'timestamp'],
  bytes: [],
};

/** What readers add to a segment or message, and is not in it. */
const ADDED = new Set(['raw', 'at', 'charset', 'tolerated', 'una']);

/** Returns the fields of a content. */
export function fieldsOf(bytes: Buffer): MessageFields {
  const form = formOf(bytes);
  try {
    if (form === 'hl7') return segments(form, readHl7(bytes));
    if (form === 'edifact') return segments(form, readEdifact(bytes));
    if (form === 'fhir') {
      const isXml = bytes.toString('latin1').trimStart().startsWith('<');
      const resource: unknown = isXml ? fhirXmlToObject(bytes) : JSON.parse(bytes.toString('utf8'));
      return { form, fields: flat(resource) };
    }
  } catch (error) {
    const isUnreadable =
      error instanceof UnreadableError || error instanceof InvalidMessageError || error instanceof SyntaxError;
    if (!isUnreadable) throw error;
  }
  return { form: 'bytes', fields: new Map([['content', hash('sha256', bytes, 'hex')]]) };
}

function formOf(bytes: Buffer): MessageForm {
  const head = bytes
    .subarray(0, 200)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  if (/^(?:MSH|BHS|FHS)\W/.test(head)) return 'hl7';
  if (/^(?:UNA|UNB|UNH)/.test(head)) return 'edifact';
  return /^[<{]/.test(head) ? 'fhir' : 'bytes';
}

function segments(form: 'hl7' | 'edifact', message: object): MessageFields {
  const fields = new Map<string, string>();
  for (const [path, value] of flat(message)) fields.set(segmentName(path), value);
  fields.set('order of segments', orderOf(message).join(' '));
  return { form, fields };
}

/** Returns `PID-5[2].1` for `PID[0].f5[1].c1`. */
function segmentName(path: string): string {
  return path
    .replaceAll(/\[(\d+)\]/g, (_all, index: string) => (index === '0' ? '' : `[${Number(index) + 1}]`))
    .replaceAll(/\.[ef](\d+)/g, '-$1')
    .replaceAll(/\.[cs](\d+)/g, '.$1');
}

/** Returns the names of the segments as they follow each other. */
function orderOf(message: object): string[] {
  const found: Array<{ name: string; at: number }> = [];
  const look = (value: unknown, name: string): void => {
    if (Array.isArray(value)) for (const each of value) look(each, name);
    else if (typeof value === 'object' && value !== null) {
      if ('at' in value && typeof value.at === 'number') found.push({ name, at: value.at });
      else for (const [key, each] of Object.entries(value)) look(each, key);
    }
  };
  look(message, '');
  return found.toSorted((one, other) => one.at - other.at).map(({ name }) => name);
}

/** Returns every value of an object by its path. */
function flat(value: unknown, path = '', fields = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value)) for (const [n, each] of value.entries()) flat(each, `${path}[${n}]`, fields);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      if (!ADDED.has(key)) flat(each, path === '' ? key : `${path}.${key}`, fields);
    }
  } else if (typeof value === 'string') fields.set(path, value);
  else if (value !== undefined) fields.set(path, JSON.stringify(value));
  return fields;
}

/**
 * Returns a function that says whether a field of a form is ignored: by the rules for what is made anew each time, and by
 * those of the caller. A rule is a field's name without numbers in brackets, and covers what is below it: `OBR-7`,
 * `entry.resource.meta`, `EVN`. One that begins with `*.` is at any depth: `*.lastUpdated`.
 */
export function ignoring(own: readonly string[]): (form: MessageForm, name: string) => boolean {
  return (form, name) => {
    const plain = name.replaceAll(/\[\d+\]/g, '');
    return [...MADE_ANEW[form], ...own].some((rule) => {
      if (rule.startsWith('*.')) return `.${plain}.`.includes(`${rule.slice(1)}.`);
      return plain === rule || (plain.startsWith(rule) && /^[.-]/.test(plain.slice(rule.length)));
    });
  };
}
