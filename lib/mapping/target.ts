/**
 * Paths into FHIR resources to which rows write: `Patient.name`, `Encounter.participant[ATND].individual`,
 * `Patient.extension('http://…').valueString`, `Patient.identifier('https://…').extension('http://…')…` (the identifier of
 * a system), `Patient:merged.identifier`. Compiled once against FHIR's definitions, so
 * that a name which FHIR does not have is refused before the first message.
 */
import { ConfigurationError } from '../errors';
import { definitionsOf, type FhirRelease } from '../formats/fhir/definitions';
import type { NotWritten } from './report';

/** A resource or an element. */
export type FhirObject = Record<string, unknown>;

/** Finds the element of a list that belongs to a label, for the part of the message that is being mapped. */
export type ElementFinder = (list: unknown[], label: string) => FhirObject;

export interface Target {
  text: string;
  /** The resource's name in the map: its type, and a label where a message makes several (`Patient:merged`). */
  resource: string;
  resourceType: string;
  /** The type of the element that is written; the resource's own where it is only opened. */
  type: string;
  /** Whether the target is the resource itself: a row with it opens a new one. */
  isResource: boolean;
  /**
   * Writes a value; returns why it could not.
   * @param appends whether a text becomes a further line of what stands there
   */
  write(resource: FhirObject, value: unknown, find: ElementFinder, appends?: boolean): NotWritten | undefined;
}

interface Step {
  key: string;
  repeats: boolean;
  label: string;
  /** The URL of an extension; of another list the system of the element that is meant, which another row has made. */
  url: string | undefined;
  isExtension: boolean;
  /** Whether another row has to have made the element: the name ends with a question mark. */
  mustExist: boolean;
}

/** A name; a label in brackets, the URL of an extension or the system of an element in quotes, or a question mark. */
const STEP = /\.(\w+)(?:\[([\w-]+)\]|\('([^']+)'\)|(\?))?/gy;
const HEAD = /^([A-Z]\w+)(?::(\w+))?/;

/** @throws ConfigurationError when FHIR has no such element */
export function compileTarget(text: string, release: FhirRelease): Target {
  const definitions = definitionsOf(release);
  const head = HEAD.exec(text);
  const resourceType = head?.[1] ?? '';
  if (!head || !definitions.isResource(resourceType))
    throw refused(text, `${resourceType || 'its beginning'} is no resource`);
  const steps: Step[] = [];
  let type = resourceType;
  STEP.lastIndex = head[0].length;
  while (STEP.lastIndex < text.length) {
    const found = STEP.exec(text);
    if (!found) throw refused(text, 'it cannot be read');
    const [, name = '', label = '', url, mark] = found;
    const before = steps.at(-1);
    if (before && definitions.isPrimitive(type)) {
      // What belongs to a primitive stands beside it.
      if (before.repeats) throw refused(text, `${before.key} repeats and is primitive`);
      before.key = `_${before.key}`;
      type = 'Element';
    }
    const element = definitions.elementsOf(type)?.get(name);
    if (!element) throw refused(text, `${type} has no element ${name} in ${release}`);
    const isExtension = element.type === 'Extension';
    if (isExtension && url === undefined)
      throw refused(text, "an extension is named by its URL: extension('http://…')");
    if (url !== undefined && !isExtension && definitions.elementsOf(element.type)?.has('system') !== true) {
      throw refused(text, `${name} has no system to be named by`);
    }
    steps.push({ key: name, repeats: element.repeats, label, url, isExtension, mustExist: mark !== undefined });
    ({ type } = element);
  }
  const resource = head[2] === undefined ? resourceType : `${resourceType}:${head[2]}`;
  const write = steps.length === 0 ? () => undefined : writer(steps);
  return { text, resource, resourceType, type, isResource: steps.length === 0, write };
}

function refused(text: string, why: string): ConfigurationError {
  return new ConfigurationError(`The target “${text}” cannot be written: ${why}.`, {
    advice: 'Write it as Patient.name, Encounter.participant[ATND].individual or Patient.gender.',
  });
}

function writer(steps: readonly Step[]): Target['write'] {
  const [way, leaf] = [steps.slice(0, -1), steps.at(-1) as Step];
  return (resource, value, find, appends = false) => {
    let at = resource;
    for (const { key, repeats, label, url, isExtension, mustExist } of way) {
      if (mustExist && at[key] === undefined) return 'no-resource';
      if (url !== undefined && !isExtension) {
        const list = (at[key] ?? []) as FhirObject[];
        const found = list.find(({ system }) => system === url);
        if (!found) return 'no-resource';
        at = found;
      } else if (repeats) {
        at = find((at[key] ??= []) as unknown[], url ?? label);
        if (url !== undefined) at['url'] = url;
      } else at = (at[key] ??= {}) as FhirObject;
    }
    if (leaf.repeats) ((at[leaf.key] ??= []) as unknown[]).push(value);
    else if (at[leaf.key] === undefined) at[leaf.key] = value;
    else if (appends) at[leaf.key] = `${String(at[leaf.key])}\n${String(value)}`;
    else return 'written-before';
    return undefined;
  };
}
