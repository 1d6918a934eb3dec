/**
 * A FHIR resource as lines that a person reads, for messages that have only coded content: GP Connect Update Record has
 * no narrative at all. Everything with a value is in it, whatever its type: what is left out could be what matters.
 */
import { UnreadableError } from '../errors';
import { narrativeText } from './narrative-text';

type Json = Record<string, unknown>;

const MAX_DEPTH = 20;
/** Lines of one resource; real ones have fewer than 50. */
const MAX_LINES = 2000;
/** Of the resource itself, not of the patient's care. */
const TECHNICAL = new Set(['resourceType', 'id', 'meta', 'implicitRules', 'language']);
/** The type at the end of the name of a choice: `valueQuantity`. */
const TYPE_OF_CHOICE =
  /(?<=[a-z])(?:CodeableConcept|Quantity|DateTime|Period|String|Boolean|Reference|Coding|Code|Integer|Decimal|Range|Ratio|Age|Date|Time)$/;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;

/** `medicationCodeableConcept` as `medication`, `assertedDate` as `asserted date`. */
const wordsOf = (name: string): string =>
  (name.replace(TYPE_OF_CHOICE, '') || name).replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();

/**
 * Returns the resource's type and, below it, a line `name: value` for each element.
 * @throws UnreadableError when it is nested too deep, or has too many elements
 */
export function resourceText(resource: Json): string {
  const lines: string[] = [];
  const add = (name: string, value: unknown, depth: number): void => {
    if (depth > MAX_DEPTH) throw new UnreadableError('A resource of the letter is nested too deep.');
    if (lines.length > MAX_LINES) throw new UnreadableError('A resource of the letter has too many elements.');
    if (Array.isArray(value)) {
      for (const each of value as unknown[]) add(name, each, depth + 1);
      return;
    }
    const whole = asOneLine(value);
    if (whole !== undefined) {
      if (whole !== '') lines.push(name === '' ? whole : `${name}: ${whole}`);
      return;
    }
    if (!isObject(value)) return;
    for (const [key, each] of Object.entries(value)) {
      if (TECHNICAL.has(key) || key.startsWith('_') || key === 'url') continue;
      const isExtension = key === 'extension' || key === 'modifierExtension';
      add(isExtension ? name : joined(name, key, value), each, depth + 1);
    }
  };
  add('', { ...resource, resourceType: undefined }, 0);
  return [wordsOf(text(resource['resourceType']) ?? ''), ...lines].filter((line) => line !== '').join('\n');
}

/** The name of a part: of an extension's value, the last part of its address. */
function joined(name: string, key: string, owner: Json): string {
  const url = text(owner['url']);
  const own = url !== undefined && /^value[A-Z]/.test(key) ? (url.split('/').at(-1) ?? '') : wordsOf(key);
  return name === '' ? own : `${name} ${own}`;
}

/** A value of a data type that reads as one; undefined for one with parts of its own, empty for one that says nothing. */
function asOneLine(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (!isObject(value) || 'resourceType' in value || Array.isArray(value['extension'])) return undefined;
  const keys = new Set(Object.keys(value).filter((key) => key !== 'id'));
  const isOf = (...names: string[]): boolean => keys.size > 0 && [...keys].every((key) => names.includes(key));
  if (Array.isArray(value['coding']) || isOf('text')) return conceptText(value);
  if (isOf('system', 'version', 'code', 'display', 'userSelected') && !keys.has('value')) return codingText(value);
  if (
    isOf('value', 'comparator', 'unit', 'system', 'code') &&
    keys.has('value') &&
    (keys.has('unit') || keys.has('code'))
  ) {
    const parts = [value['comparator'], value['value'], value['unit'] ?? value['code']];
    return parts
      .filter((part) => part !== undefined)
      .map(String)
      .join(' ');
  }
  if (isOf('start', 'end')) return `${text(value['start']) ?? ''} to ${text(value['end']) ?? ''}`.trim();
  if (isOf('status', 'div')) return narrativeText(text(value['div']));
  // A reference says something to a person only by its display.
  if (isOf('reference', 'display', 'type', 'identifier') && keys.has('reference')) return text(value['display']) ?? '';
  if (isOf('use', 'system', 'value') && keys.has('system')) return text(value['value']) ?? '';
  return undefined;
}

function conceptText(concept: Json): string {
  const codings = (Array.isArray(concept['coding']) ? (concept['coding'] as unknown[]) : []).filter(isObject);
  const own = text(concept['text']);
  const coded = codings.map(codingText).filter((each) => each !== '');
  return own === undefined ? coded.join('; ') : [own, ...coded.filter((each) => !each.startsWith(own))].join('; ');
}

function codingText({ code, display }: Json): string {
  const [name, number] = [text(display), text(code)];
  if (name === undefined) return number ?? '';
  return number === undefined ? name : `${name} (${number})`;
}
