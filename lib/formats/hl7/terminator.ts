/**
 * Splits HL7 v2 text into segments. HL7 ends a segment with CR, files have LF or CR LF instead, and senders write line
 * breaks of the other kinds into their texts. So what follows a message's header decides what ends its segments, once
 * (HL7 v2, 2.5 "Message delimiters").
 */
import type { ValueBudget } from '../limits';
import type { ToleratedList } from '../tolerated';
import { AROUND, HEADERS, separatorsOf, type Separators } from './separators';

/** CR alone, as HL7 prescribes; or what files have. */
type Terminator = '\r' | '\n' | '\r\n';

/**
 * Segments that HL7 v2 defines, in any version. Abbreviations of people's own, such as NIL or MRI, are not among them;
 * PCR and PAF are.
 */
const NAMES: ReadonlySet<string> = new Set(
  (
    'ABS ACC ADD ADJ AFF AIG AIL AIP AIS AL1 APR ARQ ARV AUT BHS BLC BLG BPO BPX BTS BTX BUI CDM CDO CER CM0 CM1 CM2 ' +
    'CNS CON CSP CSR CSS CTD CTI CTR DB1 DEV DG1 DMI DON DPS DRG DSC DSP DST ECD ECR EDU EQL EQP EQU ERQ ERR EVN FAC ' +
    'FHS FT1 FTS GOL GP1 GP2 GT1 IAM IAR ICH IIM ILT IN1 IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL ' +
    'MCP MFA MFE MFI MRG MSA MSH NCK NDS NK1 NPU NSC NST NTE OBR OBX ODS ODT OH1 OH2 OH3 OH4 OM1 OM2 OM3 OM4 OM5 OM6 ' +
    'OM7 OM8 OMC ORC ORG OVR PAC PAF PCE PCR PD1 PDA PDC PEO PES PID PKG PM1 PMT PR1 PRA PRB PRC PRD PRO PRT PSG PSH ' +
    'PSL PSS PTH PV1 PV2 PYE QAK QID QPD QRD QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI RQ1 RQD RXA RXC RXD RXE RXG RXO ' +
    'RXR RXV SAC SCD SCH SCP SDD SFT SGH SGT SHP SID SLT SPM SPR STF STZ TCC TCD TQ1 TQ2 TXA UAC UB1 UB2 URD URS VAR ' +
    'VND VTQ'
  ).split(' '),
);

/** What can follow a line break, up to the next text. */
const WHITE_SPACE = new RegExp(`[${AROUND}]*`, 'y');

/**
 * Finds line breaks (CR, LF or FS) from left to right. It looks for each of the three alone: that takes a tenth of a
 * regular expression's time (measured), and an embedded document is long.
 */
class LineBreaks {
  readonly #text: string;
  /** Where each comes next; the text's length where none does. */
  #cr = -1;
  #lf = -1;
  #fs = -1;

  constructor(text: string) {
    this.#text = text;
  }

  /** The place of the next one; the text's length if there is none. Places have to ascend. */
  at(from: number): number {
    if (this.#cr < from) this.#cr = this.#placeOf('\r', from);
    if (this.#lf < from) this.#lf = this.#placeOf('\n', from);
    if (this.#fs < from) this.#fs = this.#placeOf('\x1c', from);
    return Math.min(this.#cr, this.#lf, this.#fs);
  }

  #placeOf(char: string, from: number): number {
    const place = this.#text.indexOf(char, from);
    return place < 0 ? this.#text.length : place;
  }
}

/** The place of the text that follows at or after a place. */
function afterWhiteSpace(text: string, at: number): number {
  WHITE_SPACE.lastIndex = at;
  WHITE_SPACE.test(text);
  return WHITE_SPACE.lastIndex;
}

/**
 * Returns the segments, each with its terminator and the blank lines after it. Joined, they are the text.
 *
 * A line break that is not the message's terminator is part of a text. It ends a segment all the same where a name that
 * HL7 knows (or Z..) and the field separator follow. A terminator of LF or CR LF, which texts have too, ends a segment
 * only where some name and the field separator follow. Whatever could have been meant otherwise is reported.
 * @param tolerated gets `hl7-mixed-terminators`, `hl7-continued-line` and `hl7-unknown-segment`
 */
export function splitSegments(text: string, budget: ValueBudget, tolerated: ToleratedList): string[] {
  const found: string[] = [];
  const start = afterWhiteSpace(text, 0);
  let from = 0;
  let separators = headerAt(text, start);
  let terminator: Terminator | undefined;
  const breaks = new LineBreaks(text);
  let next = start;
  for (let index = breaks.at(start); ; index = breaks.at(next)) {
    next = afterWhiteSpace(text, index);
    // White space after the last segment.
    if (next === text.length) return [...found, text.slice(from)];
    const lineBreak = text.slice(index, next);
    const header = headerAt(text, next);
    const isAfterHeader = terminator === undefined;
    terminator ??= terminatorIn(lineBreak);
    const isOwn = isTerminator(lineBreak, terminator);
    const isFirm = isAfterHeader || (isOwn && terminator === '\r');
    if (!isFirm) {
      const name = header === undefined ? nameAt(text, next, separators) : text.slice(next, next + 3);
      const isKnown = name !== undefined && (NAMES.has(name) || name.startsWith('Z'));
      if (!(isOwn ? name !== undefined : isKnown)) {
        if (lineBreak.includes(terminator)) {
          tolerated.add(
            'hl7-continued-line',
            `A line after segment ${found.length + 1} is not a segment. It was read as part of that segment’s text.`,
          );
        }
        continue;
      }
      if (!isKnown) {
        tolerated.add(
          'hl7-unknown-segment',
          `HL7 does not define segment ${found.length + 2}. If it is a line of the text before it, ` +
            'that text has the line end that ends the segments.',
        );
      }
    }
    if (!isOwn) {
      tolerated.add(
        'hl7-mixed-terminators',
        `Segment ${found.length + 1} ends otherwise than the message’s header. ` +
          'It was taken for the end of a segment, because a segment follows.',
      );
    }
    budget.spend(1, 'HL7 v2');
    found.push(text.slice(from, next));
    from = next;
    if (header !== undefined) {
      separators = header;
      terminator = undefined;
    }
  }
}

/** The terminator that stands in the first line break after a header. */
function terminatorIn(lineBreak: string): Terminator {
  if (lineBreak.includes('\r\n')) return '\r\n';
  return /^[\x1c]*\n/.test(lineBreak) ? '\n' : '\r'; // oxlint-disable-line no-control-regex -- as above
}

/**
 * Whether a line break has the terminator. CR LF is not CR: many a text in a message with CR has it. LF CR is: the LF
 * ends a text's last line.
 */
const isTerminator = (lineBreak: string, terminator: Terminator): boolean =>
  terminator === '\r' ? lineBreak.lastIndexOf('\r') > lineBreak.lastIndexOf('\n') : lineBreak.includes(terminator);

/** The name that stands before a field separator at this place, if one does; a header without its separators is none. */
function nameAt(text: string, at: number, separators: Separators | undefined): string | undefined {
  if (text.charAt(at + 3) !== separators?.field) return undefined;
  const name = text.slice(at, at + 3);
  return /^[A-Z][A-Z0-9]{2}$/.test(name) && !HEADERS.has(name) ? name : undefined;
}

/** The separators of the header that stands at this place; undefined if none does: a text may begin with `MSH-7`. */
function headerAt(text: string, at: number): Separators | undefined {
  if (!HEADERS.has(text.slice(at, at + 3))) return undefined;
  const field = text.charAt(at + 3);
  // MSH-2 has five characters at most, and a line break ends a header without further fields.
  const encoding = text.slice(at + 4, at + 10).split(field, 1)[0] ?? '';
  try {
    return separatorsOf(field, encoding.replace(/[\r\n][^]*$/, ''));
  } catch {
    return undefined;
  }
}
