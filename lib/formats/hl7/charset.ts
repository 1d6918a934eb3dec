/**
 * The character set of an HL7 v2 message: what MSH-18 names (HL7 table 0211, and what senders write instead), or the
 * setting of whoever reads it. One table for files and MLLP.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { InvalidMessageError, UnreadableError } from '../../errors';
import { CHARSETS, decode, encode, firstMisfit, isPartOfIso8859, type Charset, type DeclaredCharset } from '../charset';
import { ToleratedList, type Tolerated } from '../tolerated';

/**
 * When the setting counts instead of MSH-18. `empty`: when MSH-18 names none. `misfit`: also when the bytes do not fit
 * what it names. `always`.
 */
export const CHARSET_RULES = ['empty', 'misfit', 'always'] as const;
export type CharsetRule = (typeof CHARSET_RULES)[number];

/** Names, of which letters and digits count, in upper case. Parts of ISO 8859 are matched by {@link ISO_8859}. */
const NAMES: Readonly<Record<string, DeclaredCharset>> = {
  ASCII: 'ascii',
  USASCII: 'ascii',
  ISOIR6: 'ascii',
  ANSI: 'windows-1252',
  WINDOWS1252: 'windows-1252',
  MSWINDOWS1252: 'windows-1252',
  CP1252: 'windows-1252',
  WIN1252: 'windows-1252',
  LATIN1: 'iso-8859-1',
  ISOLATIN1: 'iso-8859-1',
  // DICOM's names, from imaging systems.
  ISOIR100: 'iso-8859-1',
  ISOIR192: 'utf-8',
  UNICODE: 'utf-8',
  UNICODEUTF8: 'utf-8',
  UTF8: 'utf-8',
};

const ISO_8859 = /^(?:ISO)?(?:IEC)?8859([0-9]{1,2})$/;

/**
 * The character set that MSH-18 names. Undefined when it is empty, or `""` (HL7's null); `unknown` when the name is not
 * known here.
 * @param msh18 the field as it stands there; its first repetition counts
 */
export function declaredCharset(msh18: string, repetition = '~'): DeclaredCharset | 'unknown' | undefined {
  const name = (msh18.split(repetition)[0] ?? '').trim().toUpperCase();
  if (name === '' || name === '""') return undefined;
  const letters = name.replaceAll(/[\s_/():.-]+/g, '');
  const part = ISO_8859.exec(letters)?.[1];
  if (part === undefined) return (Object.hasOwn(NAMES, letters) ? NAMES[letters] : undefined) ?? 'unknown';
  const iso = `iso-8859-${Number(part)}`;
  return isPartOfIso8859(iso) ? iso : 'unknown';
}

/** How a message is decoded. */
export interface Hl7CharsetOptions {
  /** The setting. */
  charset: Charset;
  /** When the setting counts. */
  rule: CharsetRule;
}

/** A decoded message. */
export interface DecodedHl7 {
  text: string;
  /** The character set in which it was read. */
  charset: DeclaredCharset;
  /** `hl7-charset-misfit`: read in the setting, against MSH-18. `hl7-charset-doubtful`: read by MSH-18, wrongly perhaps. */
  tolerated: Tolerated[];
}

/**
 * Decodes a message.
 * @param declared what MSH-18 names, see {@link declaredCharset}
 * @throws UnreadableError when the bytes are not text in the character set, or MSH-18 names one that is not known
 */
export function decodeHl7(
  bytes: Buffer,
  declared: DeclaredCharset | 'unknown' | undefined,
  { charset: setting, rule }: Hl7CharsetOptions,
): DecodedHl7 {
  // ASCII is the same in every character set.
  const certain = rule === 'always' ? setting : (declared ?? setting);
  if (certain !== 'unknown' && isAscii(bytes)) {
    return { text: bytes.toString('latin1'), charset: certain, tolerated: [] };
  }
  // A byte order mark says more than MSH-18: no other character set begins with these bytes and MSH.
  if (rule !== 'always' && declared !== 'utf-8' && startsWithBom(bytes) && isUtf8(bytes)) {
    return decodeHl7(bytes, 'utf-8', { charset: setting, rule });
  }
  if (declared === undefined || rule === 'always') {
    return { text: decodeOr(bytes, setting, 'the setting'), charset: setting, tolerated: [] };
  }
  const tolerated = new ToleratedList();
  // ASCII is part of every setting, and senders name it without a thought.
  const canYield = rule === 'misfit' || declared === 'ascii';
  if (canYield && (declared === 'unknown' || !fits(bytes, declared, setting))) {
    tolerated.add(
      'hl7-charset-misfit',
      `${found(bytes, declared)} It was read as ${setting}, the character set of the setting.`,
    );
    return { text: decodeOr(bytes, setting, 'the setting'), charset: setting, tolerated: tolerated.all ?? [] };
  }
  if (declared === 'unknown') {
    throw new UnreadableError('MSH-18 names a character set that is not supported here.', {
      advice: `Have the sender correct MSH-18, or let the setting count when the bytes do not fit. ${fitting(bytes)}`,
    });
  }
  if (!fits(bytes, declared, 'utf-8') && firstMisfit(bytes, declared) === undefined) {
    tolerated.add('hl7-charset-doubtful', `${found(bytes, declared)} It was read as MSH-18 says.`);
  }
  return { text: decodeOr(bytes, declared, 'MSH-18'), charset: declared, tolerated: tolerated.all ?? [] };
}

/**
 * Encodes a message.
 * @param setting what counts instead of MSH-18: always, or where the text has a character that `declared` lacks
 * @throws InvalidMessageError when the character set lacks a character of the text
 */
export function encodeHl7(text: string, declared: DeclaredCharset, setting?: Hl7CharsetOptions): Buffer {
  if (setting?.rule === 'always') return encode(text, setting.charset);
  try {
    return encode(text, declared);
  } catch (error) {
    if (setting?.rule === 'misfit' && error instanceof InvalidMessageError) return encode(text, setting.charset);
    throw error;
  }
}

/**
 * Whether bytes are text in a character set. Every byte is a character of ISO 8859; but no text has its control
 * characters 0x80 to 0x9F, and what is well-formed UTF-8 beyond ASCII was hardly ever meant as anything else.
 */
function fits(bytes: Buffer, charset: DeclaredCharset, setting: Charset): boolean {
  if (firstMisfit(bytes, charset) !== undefined) return false;
  if (charset === 'utf-8' || charset === 'ascii' || isAscii(bytes)) return true;
  if (charset !== 'windows-1252' && bytes.some((byte) => byte >= 0x80 && byte <= 0x9f)) return false;
  return setting !== 'utf-8' || !isUtf8(bytes);
}

function decodeOr(bytes: Buffer, charset: DeclaredCharset, source: string): string {
  const at = firstMisfit(bytes, charset);
  if (at === undefined) return decode(bytes, charset);
  throw new UnreadableError(
    `The message is not text in ${charset}, the character set of ${source}: ${placeOf(bytes, at)} is not.`,
    { advice: `${fitting(bytes)} Set the character set that the sender uses, and when it counts.` },
  );
}

const BOM = Buffer.from('\uFEFF');
const startsWithBom = (bytes: Buffer): boolean => bytes.subarray(0, BOM.length).equals(BOM);

/** What does not fit MSH-18, and where. */
function found(bytes: Buffer, declared: DeclaredCharset | 'unknown'): string {
  if (declared === 'unknown') return 'MSH-18 names a character set that is not known here.';
  const misfit = firstMisfit(bytes, declared);
  if (misfit !== undefined) return `MSH-18 says ${declared}, and ${placeOf(bytes, misfit)} is not in it.`;
  const first = bytes.findIndex((byte) => byte > 0x7f);
  if (isUtf8(bytes)) return `MSH-18 says ${declared}, and the bytes are UTF-8 (the first is ${placeOf(bytes, first)}).`;
  const control = bytes.findIndex((byte) => byte >= 0x80 && byte <= 0x9f);
  return `MSH-18 says ${declared}, and ${placeOf(bytes, control)} is a control character there.`;
}

/** Says which of the settings would fit. */
function fitting(bytes: Buffer): string {
  const names = CHARSETS.filter((charset) => fits(bytes, charset, 'utf-8'));
  return names.length === 0 ? 'No character set of the setting fits.' : `The bytes fit ${names.join(' and ')}.`;
}

/** The place of a byte, by segment: the name tells more than the number. */
function placeOf(bytes: Buffer, at: number): string {
  const before = bytes.subarray(0, at).toString('latin1');
  const segments = before.split(/[\r\n]+/);
  const name = /^[A-Z][A-Z0-9]{2}(?=\W)/.exec(segments.at(-1) ?? '')?.[0];
  return `byte ${at + 1}${name === undefined ? '' : ` (segment ${segments.length}, ${name})`}`;
}
