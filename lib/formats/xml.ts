/**
 * Parses XML from untrusted senders into a tree: well-formed, with namespaces, without a DTD. saxes knows only XML's
 * five entities, so there are none to expand; a document type declaration is refused all the same.
 */
import { isUtf8 } from 'node:buffer';
import { SaxesParser, type SaxesTagNS } from 'saxes';
import { UnreadableError } from '../errors';
import { decode, isPartOfIso8859, type DeclaredCharset } from './charset';
import { HTML_ENTITIES } from './html-entities';
import { checkSize, countUpTo, MAX_DEPTH, ValueBudget } from './limits';

export const XHTML = 'http://www.w3.org/1999/xhtml';

/** An element, without its text: FHIR has its values in attributes. */
export interface XmlElement {
  /** Without its prefix. */
  name: string;
  namespace: string;
  /** Without namespace declarations and `xsi:` hints; others with their prefix. */
  attributes: Record<string, string>;
  children: XmlElement[];
  /** An XHTML element as text, as read. Its children are not parsed. */
  xhtml?: string;
  /** Whether it contains text other than white space. */
  hasText: boolean;
  /** Of an element that was asked for ({@link XmlOptions}): what stands within it. Its children are not parsed. */
  content?: XmlContent;
}

/** What stands within an element. */
interface XmlContent {
  /** As read; each element in it declares the namespaces that it inherits, so that it stands alone. */
  source: string;
  /** Its own text, without that of elements, with references resolved. */
  text: string;
}

export interface XmlOptions {
  /** The elements whose content is kept as it was read. */
  keepContentOf?: { name: string; namespace: string };
}

/**
 * Parses a document.
 * @throws UnreadableError when it is not well-formed, too large or too deep
 */
export function parseXml(payload: string | Buffer, options: XmlOptions = {}): XmlElement {
  checkSize(payload, 'XML');
  const text = typeof payload === 'string' ? payload : decodeXml(payload);
  // saxes takes half of a character at the end for one to come, and fails when none does.
  if (!text.isWellFormed()) throw new UnreadableError('The XML has half of a character (a lone surrogate).');
  checkBrackets(text);
  const builder = new TreeBuilder(text, options);
  const parser = new SaxesParser({ xmlns: true });
  parser.on('doctype', () => {
    throw new UnreadableError('The XML has a document type declaration; it is refused.');
  });
  parser.on('error', () => {
    throw new UnreadableError(`The payload is not well-formed XML (line ${parser.line}).`);
  });
  parser.on('opentag', (tag) => builder.open(tag, parser.position));
  parser.on('closetag', (tag) => builder.close(tag, parser.position));
  parser.on('text', (value) => builder.text(value));
  parser.on('cdata', (value) => builder.text(value));
  // A narrative may use HTML's named entities (FHIR, Narrative.div), which XML does not define.
  Object.assign(parser.ENTITIES, HTML_ENTITIES);
  parser.write(text).close();
  if (!builder.root) throw new UnreadableError('The payload is not XML.');
  return builder.root;
}

/** A start tag, as {@link scanXml} reports it. */
export interface XmlTag {
  /** Without its prefix. */
  name: string;
  namespace: string;
  /** Names of its attributes, with their prefixes; namespace declarations among them. */
  attributes: readonly string[];
}

/**
 * Reads an XML text piece by piece and keeps nothing of it: for texts within a payload, as FHIR's narratives.
 * @returns whether it is well-formed, and without a document type declaration
 */
export function scanXml(text: string, handlers: { open(tag: XmlTag): void; text(content: string): void }): boolean {
  if (!text.isWellFormed()) return false;
  if (text.includes('<![CDATA[') && countUpTo(text, ']', MAX_BRACKETS + 1) > MAX_BRACKETS) return false;
  const parser = new SaxesParser({ xmlns: true });
  let isWellFormed = true;
  const refuse = (): void => {
    isWellFormed = false;
  };
  parser.on('doctype', refuse);
  parser.on('error', refuse);
  parser.on('opentag', ({ local, uri, attributes }) =>
    handlers.open({ name: local, namespace: uri, attributes: Object.keys(attributes) }),
  );
  parser.on('text', (content) => handlers.text(content));
  parser.on('cdata', (content) => handlers.text(content));
  Object.assign(parser.ENTITIES, HTML_ENTITIES);
  parser.write(text).close();
  return isWellFormed;
}

/**
 * saxes adds each `]` of a CDATA section to a text of its own: 8 MiB of them took 3.3 s of the event loop, and four times
 * as many took 13 times as long.
 */
const MAX_BRACKETS = 100_000;

/** @throws UnreadableError when a document with CDATA sections has more brackets than saxes can take */
function checkBrackets(text: string): void {
  if (!text.includes('<![CDATA[') || countUpTo(text, ']', MAX_BRACKETS + 1) <= MAX_BRACKETS) return;
  throw new UnreadableError(`The XML has CDATA sections and more than ${MAX_BRACKETS} closing brackets.`);
}

/** An element whose content is kept, while it is open. */
interface KeptContent {
  depth: number;
  start: number;
  text: string;
  inherited: Inherited[];
}

/** Namespaces by prefix, and the place at which they can be declared. */
interface Inherited {
  at: number;
  scope: Array<[string, string]>;
}

class TreeBuilder {
  root: XmlElement | undefined;
  readonly #text: string;
  readonly #open: XmlElement[] = [];
  readonly #budget = new ValueBudget();
  #depth = 0;
  /** The namespaces that each open element declares, by their prefixes: XHTML inherits them. */
  readonly #scopes: Array<Record<string, string>> = [];
  /** Inside XHTML: where it began, and its text rebuilt without a prefix, if it has one. */
  #xhtml: { start: number; depth: number; rebuilt: string | undefined } | undefined;
  readonly #keepContentOf: XmlOptions['keepContentOf'];
  /** Set inside an element whose content is kept. */
  #kept: KeptContent | undefined;

  constructor(text: string, { keepContentOf }: XmlOptions) {
    this.#text = text;
    this.#keepContentOf = keepContentOf;
  }

  open(tag: SaxesTagNS, position: number): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new UnreadableError(`The XML is nested deeper than ${MAX_DEPTH} elements.`);
    this.#budget.spend(1 + Object.keys(tag.attributes).length, 'XML');
    if (this.#xhtml) {
      if (this.#xhtml.rebuilt !== undefined) this.#xhtml.rebuilt += startTag(tag, '');
      return;
    }
    if (this.#kept) {
      if (this.#depth === this.#kept.depth + 1) this.#kept.inherited.push(this.#inheritedBy(tag, position));
      return;
    }
    const element = asElement(tag);
    const parent = this.#open.at(-1);
    if (parent) parent.children.push(element);
    else this.root = element;
    this.#open.push(element);
    this.#scopes.push(tag.ns);
    if (tag.local === this.#keepContentOf?.name && tag.uri === this.#keepContentOf.namespace) {
      this.#kept = { depth: this.#depth, start: position, text: '', inherited: [] };
      return;
    }
    if (tag.uri !== XHTML) return;
    const isUsableAsRead = tag.prefix === '' && tag.attributes['xmlns'] !== undefined;
    this.#xhtml = {
      // Well-formed XML has no < inside a tag, so the last one begins the tag.
      start: this.#text.lastIndexOf('<', position - 1),
      depth: this.#depth,
      rebuilt: isUsableAsRead ? undefined : startTag(tag, ` xmlns="${XHTML}"`),
    };
  }

  close(tag: SaxesTagNS, position: number): void {
    const xhtml = this.#xhtml;
    if (xhtml?.rebuilt !== undefined && !tag.isSelfClosing) xhtml.rebuilt += `</${tag.local}>`;
    const kept = this.#kept;
    if (kept?.depth === this.#depth) {
      const end = tag.isSelfClosing ? kept.start : this.#text.lastIndexOf('<', position - 1);
      const element = this.#open.at(-1);
      if (element) element.content = { source: this.#declared(kept, end), text: kept.text };
      this.#kept = undefined;
    }
    if (!this.#kept && (!xhtml || xhtml.depth === this.#depth)) {
      const element = this.#open.pop();
      if (xhtml && element)
        element.xhtml = this.#selfContained(xhtml.rebuilt ?? this.#text.slice(xhtml.start, position));
      this.#scopes.pop();
      this.#xhtml = undefined;
    }
    this.#depth -= 1;
  }

  /** The namespaces that an element inherits, and the place after its name, where they can be declared. */
  #inheritedBy(tag: SaxesTagNS, position: number): Inherited {
    const inherited = Object.assign({}, ...this.#scopes) as Record<string, string>;
    return {
      at: this.#text.lastIndexOf('<', position - 1) + 1 + tag.name.length,
      scope: Object.entries(inherited).filter(([prefix, uri]) => !Object.hasOwn(tag.ns, prefix) && uri !== ''),
    };
  }

  /** Kept content with the declarations that it inherits and uses: also in values (`xsi:type="hl7:ST"`). */
  #declared({ start, inherited }: KeptContent, end: number): string {
    const isUsed = (prefix: string): boolean => prefix === '' || this.#text.slice(start, end).includes(`${prefix}:`);
    let source = '';
    let from = start;
    for (const { at, scope } of inherited) {
      const used = scope.filter(([prefix]) => isUsed(prefix));
      const declarations = used.map(([prefix, uri]) => ` xmlns${prefix && `:${prefix}`}="${escapeXml(uri)}"`);
      source += this.#text.slice(from, at) + declarations.join('');
      from = at;
    }
    return source + this.#text.slice(from, end);
  }

  /** Adds the declarations of prefixes that XHTML has inherited: in JSON it stands alone. */
  #selfContained(xhtml: string): string {
    const used = new Set([...xhtml.matchAll(/[<\s]\/?([A-Za-z_][\w.-]*):/g)].map(([, prefix = '']) => prefix));
    let declarations = '';
    for (const prefix of used) {
      const uri = this.#scopes.findLast((scope) => Object.hasOwn(scope, prefix))?.[prefix];
      const isDeclared = uri === undefined || prefix === 'xml' || prefix === 'xmlns';
      if (!isDeclared && !new RegExp(`^<[^>]*\\sxmlns:${prefix}\\s*=`).test(xhtml)) {
        declarations += ` xmlns:${prefix}="${escapeXml(uri)}"`;
      }
    }
    const name = /^<[^\s/>]+/.exec(xhtml)?.[0] ?? '';
    return declarations === '' ? xhtml : name + declarations + xhtml.slice(name.length);
  }

  text(value: string): void {
    if (this.#xhtml) {
      if (this.#xhtml.rebuilt !== undefined) this.#xhtml.rebuilt += escapeXml(value);
      return;
    }
    if (this.#kept) {
      if (this.#depth === this.#kept.depth) this.#kept.text += value;
      return;
    }
    const element = this.#open.at(-1);
    if (element && !element.hasText && value.trim() !== '') element.hasText = true;
  }
}

function asElement(tag: SaxesTagNS): XmlElement {
  const attributes: Record<string, string> = {};
  for (const { name, value, uri } of Object.values(tag.attributes)) {
    const isHint = uri === 'http://www.w3.org/2000/xmlns/' || uri === 'http://www.w3.org/2001/XMLSchema-instance';
    if (!isHint && name !== 'xmlns') attributes[name] = value;
  }
  return { name: tag.local, namespace: tag.uri, attributes, children: [], hasText: false };
}

function startTag(tag: SaxesTagNS, declaration: string): string {
  const attributes = Object.values(tag.attributes)
    .filter(({ name, prefix }) => name !== 'xmlns' && prefix !== 'xmlns')
    .map(({ name, value }) => ` ${name}="${escapeXml(value)}"`);
  return `<${tag.local}${declaration}${attributes.join('')}${tag.isSelfClosing ? '/' : ''}>`;
}

/** Character sets by their names in an XML declaration. */
const ENCODINGS: Readonly<Record<string, DeclaredCharset>> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  ascii: 'ascii',
  'us-ascii': 'ascii',
  latin1: 'iso-8859-1',
  'windows-1252': 'windows-1252',
  cp1252: 'windows-1252',
};

/** The first bytes of UTF-16: a byte order mark, or `<` without one (XML 1.0, appendix F). */
const LITTLE_ENDIAN = /^(?:\xFF\xFE|<\0)/;
const BIG_ENDIAN = /^(?:\xFE\xFF|\0<)/;

/** @throws UnreadableError when the bytes are not text in the character set that the XML declares, or it is not known here */
export function decodeXml(bytes: Buffer): string {
  const start = bytes.toString('latin1', 0, 2);
  if (LITTLE_ENDIAN.test(start)) return bytes.toString('utf16le');
  if (BIG_ENDIAN.test(start)) {
    return Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le');
  }
  const name = isDeclaredWrongly(bytes) ? 'utf-8' : (declaredEncoding(bytes) ?? 'utf-8');
  const charset = isPartOfIso8859(name) ? name : Object.hasOwn(ENCODINGS, name) ? ENCODINGS[name] : undefined;
  if (charset === undefined) throw new UnreadableError('The XML is in a character set that is not supported here.');
  return decode(bytes, charset);
}

/** What is reported for {@link isDeclaredWrongly}. */
export const WRONG_DECLARATION = ['xml-charset', 'The XML says UTF-16 and is UTF-8. It was read as that.'] as const;

/**
 * Whether XML says that it is UTF-16, and is UTF-8: .NET writes what it has in memory into the declaration of a text, and
 * the text is then encoded otherwise.
 */
export const isDeclaredWrongly = (payload: string | Buffer): boolean =>
  Buffer.isBuffer(payload) && /^utf-?16/.test(declaredEncoding(payload) ?? '') && isUtf8(payload);

/** The encoding that an XML declaration of single bytes names, in small letters. */
const declaredEncoding = (bytes: Buffer): string | undefined =>
  /^\s*(?:\xEF\xBB\xBF)?<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]{1,40})["']/
    .exec(bytes.subarray(0, 200).toString('latin1'))?.[1]
    ?.toLowerCase();

/** Whether XML 1.0 allows every character of a text. */
export function isXmlText(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- it looks for control characters
  return text.isWellFormed() && !/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text);
}

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Escapes a value for an attribute: line ends and tabs as references, or a parser would make spaces of them. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"\t\n\r]/g, (char) => REFERENCES[char] ?? char);
}
