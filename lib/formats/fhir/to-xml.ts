/** Converts FHIR JSON to XML without loss, with the elements in XML's order. */
import { isUtf8 } from 'node:buffer';
import { UnreadableError } from '../../errors';
import { toCharacterReferences } from '../html-entities';
import { checkSize, MAX_DEPTH, ValueBudget } from '../limits';
import { isObject } from '../segments';
import { escapeXml, isXmlText, parseXml, XHTML } from '../xml';
import { definitionsOf, type Definitions, type ElementDefinition, type FhirRelease } from './definitions';
import { ToleratedList } from '../tolerated';
import { EMPTY, FHIR_NAMESPACE, isPrimitiveText, safe, type FhirOptions } from './from-xml';

/** Unknown keys of one element that an error names. */
const NAMED = 5;

/** A number with its digits in the JSON text. */
class Digits {
  constructor(readonly digits: string) {}
}

/**
 * Returns the XML text of a FHIR resource, with an XML declaration.
 * @param json its JSON text, or the object
 * @throws UnreadableError when it is not FHIR JSON of the release
 */
export function fhirJsonToXml(json: string | Buffer | Record<string, unknown>, options: FhirOptions = {}): string {
  const resource = typeof json === 'string' || Buffer.isBuffer(json) ? fhirJson(json) : json;
  return `<?xml version="1.0" encoding="UTF-8"?>${new Writer(options).document(resource)}`;
}

/**
 * Parses a JSON object; numbers keep their digits.
 * @param isLoose looks into a payload that is not converted: whoever sent it has to be told that it is wrong
 * @throws UnreadableError when it is not a JSON object; unless `isLoose`, also when it is not UTF-8, or has a key twice in
 *   one object: JSON.parse would keep the last value and lose the others in silence
 */
export function fhirJson(json: string | Buffer, isLoose = false): Record<string, unknown> {
  checkSize(json, 'FHIR');
  if (!isLoose && Buffer.isBuffer(json) && !isUtf8(json)) {
    throw new UnreadableError('The payload has bytes that are not UTF-8, the character set of FHIR JSON.', {
      advice: 'Have the sender write UTF-8, or decode the payload before it is converted.',
    });
  }
  const text = (typeof json === 'string' ? json : json.toString('utf8')).replace(/^\uFEFF/, '');
  const { depth, keys } = jsonShape(text);
  if (depth > MAX_DEPTH) throw tooDeep();
  let value: unknown;
  // JSON.parse calls its reviver for the whole as for the value of a key.
  let kept = -1;
  /** The third argument has a value's source text: in V8 since 11.4, not yet in TypeScript's library. */
  function revive(this: unknown, _key: string, item: unknown, context?: { source?: string }): unknown {
    if (!Array.isArray(this)) kept += 1;
    return typeof item === 'number' && context?.source !== undefined && context.source !== String(item)
      ? new Digits(context.source)
      : item;
  }
  try {
    value = JSON.parse(text, revive);
  } catch {
    throw new UnreadableError('The payload is not JSON.');
  }
  if (!isLoose && kept !== keys)
    throw new UnreadableError('The FHIR JSON has a key twice in one object. No value may be lost.');
  if (!isObject(value) || Array.isArray(value))
    throw new UnreadableError('The payload is not FHIR JSON: it is not an object.');
  return value;
}

/**
 * How deep JSON is nested, and how many keys its objects have as they stand there. The depth is checked before parsing:
 * JSON.parse takes ten seconds and gigabytes for 60 MB of opening brackets (measured). Ends where it is too deep.
 */
function jsonShape(text: string): { depth: number; keys: number } {
  let [depth, deepest, keys, inString] = [0, 0, 0, false];
  for (let index = 0; index < text.length && deepest <= MAX_DEPTH; index += 1) {
    const char = text.charCodeAt(index);
    if (inString) {
      if (char === 0x5c) index += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x5b || char === 0x7b) deepest = Math.max(deepest, (depth += 1));
    else if (char === 0x5d || char === 0x7d) depth -= 1;
    else if (char === 0x3a) keys += 1;
  }
  return { depth: deepest, keys };
}

const tooDeep = (): UnreadableError => new UnreadableError(`The FHIR JSON is nested deeper than ${MAX_DEPTH} levels.`);

class Writer {
  readonly #release: FhirRelease;
  readonly #definitions: Definitions;
  readonly #budget = new ValueBudget();
  #depth = 0;
  readonly #tolerated = new ToleratedList();
  readonly #onTolerated: FhirOptions['onTolerated'];

  constructor({ release = 'STU3', onTolerated }: FhirOptions) {
    this.#onTolerated = onTolerated;
    this.#release = release;
    this.#definitions = definitionsOf(release);
  }

  document(resource: Record<string, unknown>): string {
    const xml = this.#resource(resource, ` xmlns="${FHIR_NAMESPACE}"`);
    if (this.#tolerated.all) this.#onTolerated?.(this.#tolerated.all);
    return xml;
  }

  #resource(resource: unknown, declaration = ''): string {
    const type = isObject(resource) ? resource['resourceType'] : undefined;
    if (typeof type !== 'string' || !isObject(resource)) {
      throw new UnreadableError('The payload is not FHIR JSON: a resource has no resourceType.');
    }
    if (!this.#definitions.isResource(type)) {
      throw new UnreadableError(`FHIR ${this.#release} has no resource ${safe(type)}.`);
    }
    const { resourceType: _type, ...content } = resource;
    return this.#element(type, content, type, declaration);
  }

  /** Returns an element with its attributes and children. */
  #element(name: string, content: Record<string, unknown>, type: string, attributes: string): string {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw tooDeep();
    const definitions = this.#definitions.elementsOf(type) ?? new Map<string, ElementDefinition>();
    if ('fhir_comments' in content) {
      this.#tolerated.add('fhir-comments', 'The JSON has fhir_comments of an early FHIR. They were left out.');
    }
    const unknown = Object.keys(content).filter((key) => {
      if (key === 'fhir_comments') return false;
      const definition = definitions.get(key.replace(/^_/, ''));
      return !definition || (key.startsWith('_') && !this.#definitions.isPrimitive(definition.type));
    });
    if (unknown.length > 0) {
      const names = unknown.slice(0, NAMED).map(safe).join(', ');
      throw new UnreadableError(`FHIR ${this.#release} has no ${names} in ${type}.`, {
        advice: 'Check the release (STU3 or R4) of the resource, or have it detected.',
      });
    }
    let head = attributes;
    let body = '';
    for (const definition of definitions.values()) {
      if (definition.attribute) head += this.#attribute(definition.name, content[definition.name]);
      else body += this.#children(definition, content);
    }
    this.#depth -= 1;
    return body === '' ? `<${name}${head}/>` : `<${name}${head}>${body}</${name}>`;
  }

  #attribute(name: string, value: unknown): string {
    if (value === undefined || value === null) return '';
    return ` ${name}="${this.#text(value, name)}"`;
  }

  #children({ name, type, repeats }: ElementDefinition, content: Record<string, unknown>): string {
    const [value, extra] = [content[name], content[`_${name}`]];
    if (value === undefined && extra === undefined) return '';
    for (const list of [value, extra]) {
      if (list !== undefined && list !== null && Array.isArray(list) !== repeats) {
        throw new UnreadableError(`The FHIR element ${safe(name)} ${repeats ? 'must' : 'must not'} be an array.`);
      }
    }
    if (!repeats) return this.#child(name, type, value, extra);
    if (value === null || extra === null) this.#tolerated.add(...EMPTY);
    const [values, extras] = [(value ?? []) as unknown[], (extra ?? []) as unknown[]];
    const count = Math.max(values.length, extras.length);
    let out = '';
    // What is empty in both arrays is left out of both, so that values and extensions keep their places.
    for (let index = 0; index < count; index += 1) out += this.#child(name, type, values[index], extras[index]);
    return out;
  }

  #child(name: string, type: string, value: unknown, extra: unknown): string {
    this.#budget.spend(1, 'FHIR');
    if (this.#definitions.isPrimitive(type)) {
      const attribute = this.#attribute('value', value);
      // What from-xml would not read again. A number or boolean in quotes is read, as senders write it.
      const isTyped = attribute === '' || isPrimitiveText(attribute.slice(' value="'.length, -1), type);
      if (!isTyped) throw this.#wrong(name);
      if (extra !== undefined && extra !== null && !isObject(extra)) throw this.#wrong(name);
      if (attribute !== '' && isObject(extra) && Object.keys(extra).length === 0) this.#tolerated.add(...EMPTY);
      return this.#filled(name, this.#element(name, extra ?? {}, 'Element', attribute));
    }
    if (value === null) return this.#filled(name, `<${name}/>`);
    if (type === 'xhtml') return this.#narrative(value);
    if (type === 'ResourceContainer') return `<${name}>${this.#resource(value)}</${name}>`;
    if (!isObject(value) || Array.isArray(value) || value instanceof Digits) throw this.#wrong(name);
    return this.#filled(name, this.#element(name, value, type, ''));
  }

  /** Leaves an element out that says nothing, see {@link EMPTY}. */
  #filled(name: string, xml: string): string {
    if (xml !== `<${name}/>`) return xml;
    this.#tolerated.add(...EMPTY);
    return '';
  }

  /** Returns the narrative unchanged, except for HTML's named entities, which XML does not define. */
  #narrative(value: unknown): string {
    if (typeof value !== 'string') throw this.#wrong('div');
    const text = toCharacterReferences(value.trim());
    const namespaced = /^<div(?=[\s/>])(?![^>]*\sxmlns\s*=)/.test(text)
      ? `<div xmlns="${XHTML}"${text.slice(4)}`
      : text;
    let root;
    try {
      root = parseXml(namespaced);
    } catch {
      throw new UnreadableError('The narrative (text.div) is not well-formed XHTML.');
    }
    if (root.name !== 'div' || root.namespace !== XHTML || root.xhtml !== namespaced) {
      throw new UnreadableError('The narrative (text.div) is not an XHTML div.');
    }
    return namespaced;
  }

  #text(value: unknown, name: string): string {
    const text = value instanceof Digits ? value.digits : value;
    if ((typeof text === 'number' && Number.isFinite(text)) || typeof text === 'boolean') return String(text);
    if (typeof text !== 'string') throw this.#wrong(name);
    if (!isXmlText(text))
      throw new UnreadableError(`The FHIR element ${safe(name)} has a character that XML does not allow.`);
    return escapeXml(text);
  }

  #wrong(name: string): UnreadableError {
    return new UnreadableError(
      `The FHIR element ${safe(name)} does not have the type that FHIR ${this.#release} defines.`,
    );
  }
}
