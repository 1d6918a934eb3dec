/**
 * Unwraps an ITK2 distribution envelope (docs/mesh.md, ITK2): what it says of the message, and its payloads, of which
 * the first is usually an HL7 CDA document. It is read only, and never acknowledged here.
 */
import { isUtf8 } from 'node:buffer';
import { unzipSync } from 'node:zlib';
import { UnreadableError } from '../../errors';
import { MAX_CONVERTED_BYTES } from '../limits';
import { ToleratedList, type Tolerated } from '../tolerated';
import { decodeXml, isDeclaredWrongly, WRONG_DECLARATION, parseXml, type XmlElement } from '../xml';

const ITK2_NAMESPACE = 'urn:nhs-itk:ns:201005';
const ROOT = 'DistributionEnvelope';
/** ITK2's web services put the envelope into SOAP, and some middleware leaves it there. */
const SOAP = new Set(['http://schemas.xmlsoap.org/soap/envelope/', 'http://www.w3.org/2003/05/soap-envelope']);
/** Keys of the handling specification, without their common beginning. */
const HANDLING = /^urn:nhs-itk:ns:201005:/;

/** What an envelope says of its message. Addresses and ids of organisations; no patient data. Plain JSON. */
export interface Itk2Envelope {
  /** e.g. `urn:nhs-itk:services:201005:SendCDADocument-v2-0`. */
  service?: string;
  trackingId?: string;
  /** The address of the sender. */
  sender?: string;
  /** The addresses of the recipients. */
  recipients: string[];
  auditIdentities: string[];
  /** `interaction`, `ackrequested`, `infackrequested` and others, by their keys without `urn:nhs-itk:ns:201005:`. */
  handling: Record<string, string>;
  /** One for each payload, in the order of the manifest. */
  items: Itk2Item[];
}

/** What the manifest says of one payload. */
export interface Itk2Item {
  id?: string;
  mimeType?: string;
  /** e.g. `urn:nhs-en:profile:eDischargeInpatientDischargeSummary-v1-0`. */
  profileId?: string;
  /** Still encrypted: it is not decrypted here. */
  isEncrypted: boolean;
}

export interface Itk2Payload extends Itk2Item {
  /** Texts, XML among them, as a string; others as bytes. An encrypted one as it stands in the envelope. */
  content: string | Buffer;
}

export interface UnwrappedItk2 {
  envelope: Itk2Envelope;
  payloads: Itk2Payload[];
  tolerated: Tolerated[];
}

/** Bytes in which the root element is looked for: comments may stand before it. */
const HEAD = 64 * 1024;

/**
 * Whether a payload begins as an ITK2 envelope does, or as SOAP that has one, whatever its prefix and character set. It is
 * not parsed.
 */
export function isItk2(payload: string | Buffer): boolean {
  const head = typeof payload === 'string' ? payload.slice(0, HEAD) : payload.subarray(0, HEAD).toString('latin1');
  // Without a byte order mark, and the other halves of UTF-16.
  const text = head.replaceAll('\0', '').replace(/^(?:\xEF\xBB\xBF|\uFEFF|\xFF\xFE|\xFE\xFF)/, '');
  const before = /^(?:<\?[^>]*>|<!--(?:(?!-->)[^])*-->|\s)*/.exec(text)?.[0] ?? '';
  const root = /^<(?:[\w.-]+:)?(DistributionEnvelope|Envelope)[\s/>]/.exec(
    text.slice(before.length, before.length + 200),
  )?.[1];
  return root === ROOT || (root === 'Envelope' && /<(?:[\w.-]+:)?DistributionEnvelope[\s/>]/.test(text));
}

/**
 * Unwraps an envelope.
 * @throws UnreadableError when it is none, when a payload is not what the manifest says, or when a limit is exceeded
 */
export function unwrapItk2(payload: string | Buffer): UnwrappedItk2 {
  const document = parseXml(payload, { keepContentOf: { name: 'payload', namespace: ITK2_NAMESPACE } });
  const root = document.name === 'Envelope' && SOAP.has(document.namespace) ? inSoap(document) : document;
  if (root?.name !== ROOT || root.namespace !== ITK2_NAMESPACE) {
    throw new UnreadableError('The payload is not an ITK2 distribution envelope.');
  }
  const header = child(root, 'header');
  const manifest = all(header, 'manifest', 'manifestitem');
  const wrapped = all(root, 'payloads', 'payload');
  if (wrapped.length === 0) throw new UnreadableError('The ITK2 envelope has no payload.');
  const tolerated = new ToleratedList();
  if (isDeclaredWrongly(payload)) tolerated.add(...WRONG_DECLARATION);
  if (root !== document) tolerated.add('itk2-soap', 'The envelope stands in a SOAP message, which was left out.');
  if (manifest.length !== wrapped.length) {
    tolerated.add(
      'itk2-manifest',
      `The manifest has ${manifest.length} items, and the envelope ${wrapped.length} payloads.`,
    );
  }
  const payloads = wrapped.map((each, index) => {
    const id = each.attributes['id'];
    const item = manifest.find(({ attributes }) => id !== undefined && attributes['id'] === id);
    if (item === undefined) {
      tolerated.add('itk2-manifest', `The manifest has no item for payload ${index + 1}. Its place counted.`);
    }
    return unwrapped(each, (item ?? manifest[index])?.attributes ?? {}, index + 1);
  });
  const { service, trackingid: trackingId } = header?.attributes ?? {};
  const sender = child(header, 'senderAddress')?.attributes['uri'];
  return {
    envelope: {
      ...defined({ service, trackingId, sender }),
      recipients: urisOf(all(header, 'addresslist', 'address')),
      auditIdentities: urisOf(all(header, 'auditIdentity', 'id')),
      handling: handlingOf(all(header, 'handlingSpecification', 'spec')),
      items: payloads.map(({ content: _content, ...item }) => item),
    },
    payloads,
    tolerated: tolerated.all ?? [],
  };
}

/** Returns what the body of a SOAP message has. */
const inSoap = (message: XmlElement): XmlElement | undefined =>
  message.children.find(({ name, namespace }) => name === 'Body' && SOAP.has(namespace))?.children[0];

const child = (of: XmlElement | undefined, name: string): XmlElement | undefined =>
  of?.children.find((each) => each.name === name && each.namespace === ITK2_NAMESPACE);

/** The elements of a name within the first element of another. */
const all = (of: XmlElement | undefined, list: string, name: string): XmlElement[] =>
  (child(of, list)?.children ?? []).filter((each) => each.name === name && each.namespace === ITK2_NAMESPACE);

const urisOf = (elements: readonly XmlElement[]): string[] =>
  elements.flatMap(({ attributes }) => attributes['uri'] ?? []);

function handlingOf(specs: readonly XmlElement[]): Record<string, string> {
  const pairs = specs.map(({ attributes: { key = '', value = '' } }) => [key.replace(HANDLING, ''), value] as const);
  return Object.fromEntries(pairs.filter(([key]) => key !== '' && key !== '__proto__'));
}

const defined = (values: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined));

const isTrue = (value: string | undefined): boolean => value?.trim() === 'true' || value?.trim() === '1';

/** @param number the payload's, from 1, for errors */
function unwrapped({ attributes, content }: XmlElement, item: Record<string, string>, number: number): Itk2Payload {
  const { source = '', text = '' } = content ?? {};
  const mimeType = item['mimetype'];
  const isEncrypted = isTrue(item['encrypted']);
  const described = {
    ...defined({ id: attributes['id'], mimeType, profileId: item['profileid'] }),
    isEncrypted,
  };
  const isCompressed = isTrue(item['compressed']);
  // Bytes can stand in XML only as base64.
  if (isEncrypted || !(isCompressed || isTrue(item['base64']))) {
    return { ...described, content: contentOf(source, text) };
  }
  const bytes = fromBase64(text, number);
  return { ...described, content: asText(isCompressed ? expanded(bytes, number) : bytes, mimeType) };
}

/** XML within the envelope as it was read. XML that was escaped or put into CDATA is checked by the same limits. */
function contentOf(source: string, text: string): string {
  if (/^\s*<(?!!\[CDATA\[)/.test(source)) return source.trim();
  if (/^\s*</.test(text)) parseXml(text.trim());
  return text.trim();
}

function fromBase64(text: string, number: number): Buffer {
  const plain = text.replaceAll(/\s+/g, '');
  if (plain === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(plain) || plain.replace(/=+$/, '').length % 4 === 1) {
    throw new UnreadableError(`Payload ${number} of the ITK2 envelope is not the base64 that its manifest says.`);
  }
  return Buffer.from(plain, 'base64');
}

function expanded(bytes: Buffer, number: number): Buffer {
  try {
    return unzipSync(bytes, { maxOutputLength: MAX_CONVERTED_BYTES });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new UnreadableError(
      isTooLarge
        ? `Payload ${number} of the ITK2 envelope is larger than ${MAX_CONVERTED_BYTES / 1024 / 1024} MiB when it is expanded.`
        : `Payload ${number} of the ITK2 envelope is not compressed as its manifest says.`,
    );
  }
}

/**
 * XML and other texts as a string; XML is checked by the limits of the envelope, as if it stood there. Text that is not
 * UTF-8 stays bytes: its character set is not known.
 */
function asText(bytes: Buffer, mimeType: string | undefined): string | Buffer {
  const isUntypedXml =
    mimeType === undefined && /^(?:\xEF\xBB\xBF)?\s*</.test(bytes.subarray(0, 100).toString('latin1'));
  if (isUntypedXml || /^(?:text|application)\/xml\b|\+xml\b/i.test(mimeType ?? '')) {
    parseXml(bytes);
    return decodeXml(bytes).replace(/^\uFEFF/, '');
  }
  return /^text\//i.test(mimeType ?? '') && isUtf8(bytes) ? bytes.toString('utf8') : bytes;
}
