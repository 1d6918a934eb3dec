/**
 * Data type maps: from a field's repeat or a component, by its HL7 v2 data type, to an element of FHIR, by its type. The
 * rules are those of HL7's v2-to-FHIR guide with British identity: NHS numbers, ODS codes, national staff numbers. Each
 * names the components that it reads; the rest of a field is reported as unmapped.
 */
import { brokenNhsNumberRule, normaliseNhsNumber } from '../formats/nhs-number';
import { parseHl7Time } from '../formats/hl7/time';
import type { CodeTable } from './codes/code-table';
import { codeSystem, contentType, ODS_SYSTEM, NHS_NUMBER_SYSTEM, STAFF_SYSTEMS } from './systems';
import { HL7_NULL, partOf, textIn, textOf, type Part } from './source-path';
import type { FhirObject } from './target';

/** What a conversion needs besides the value. */
export interface ConversionContext {
  /** The systems of assigning authorities and coding systems, by the names that messages use for them. */
  systems: Readonly<Record<string, string>>;
  /** Where local names of systems get their URI from: the name is added to it. Empty: they get none. */
  localSystem: string;
  /** The row's value table. */
  table: CodeTable | undefined;
  /** The table of a name that the maps ship: `HL70200`. */
  shipped(name: string): CodeTable | undefined;
  /** Reports a value for which a table has no code. */
  withoutCode(system: string | undefined, code: string): void;
  /** Returns a reference to a resource that values like this one share; it is made when it is first needed. */
  share(type: string, key: string, make: () => FhirObject): FhirObject;
}

export interface Conversion {
  /** The components that it reads; undefined: all. */
  reads?: readonly number[];
  /** Returns the FHIR value; undefined if the part cannot be one. */
  convert: (part: Part, context: ConversionContext) => unknown;
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)$/;

/** Returns a number; undefined if the text is none. */
function number(text: string): number | undefined {
  const trimmed = text.trim();
  return NUMBER.test(trimmed) ? Number(trimmed) : undefined;
}

/** Returns the object without its undefined and empty members; undefined if none is left. */
function compact(value: FhirObject): FhirObject | undefined {
  let isEmpty = true;
  const found: FhirObject = {};
  for (const [key, each] of Object.entries(value)) {
    if (each === undefined || each === '' || (Array.isArray(each) && each.length === 0)) continue;
    found[key] = each;
    isEmpty = false;
  }
  return isEmpty ? undefined : found;
}

/** Texts that are not empty. */
const present = (...texts: readonly string[]): string[] =>
  texts.map((text) => text.trim()).filter((text) => text !== '');

/** Returns a formatted text as lines: `\.br\` and `\.sp\` end one (HL7 v2 chapter 2, formatting commands). */
const lines = (text: string): string => text.replaceAll(/\\\.(?:br|sp|ce)\\ ?/gi, '\n').replaceAll(/\\[HN]\\/g, '');

const text = (part: Part): string | undefined => textOf(part) || undefined;
const trimmed = (part: Part): string | undefined => textOf(part).trim() || undefined;

// Times

function date(part: Part): string | undefined {
  return parseHl7Time(textOf(part))?.date;
}

function dateTime(part: Part): string | undefined {
  const time = parseHl7Time(textOf(part));
  return time?.wall === undefined ? time?.date : time.wall + time.zone;
}

/** A date without a time begins at midnight: an instant has no other precision. */
function instant(part: Part): string | undefined {
  const stated = textOf(part).trim();
  const time = parseHl7Time(/^\d{8}$/.test(stated) ? `${stated}000000` : stated);
  return time?.wall === undefined ? undefined : time.wall + time.zone;
}

function time(part: Part): string | undefined {
  const found = /^([01]\d|2[0-3])([0-5]\d)([0-5]\d(?:\.\d+)?)?/.exec(textOf(part));
  return found ? `${found[1]}:${found[2]}:${found[3] ?? '00'}` : undefined;
}

// Codes

/** Returns the code that a table has for a value; a value without one is reported. */
function tabled(system: string, value: string, context: ConversionContext): FhirObject | undefined {
  const found = context.table?.look(system || undefined, value);
  if (context.table && !found) context.withoutCode(system || undefined, value);
  return found && compact({ system: found.system, code: found.code, display: found.display });
}

function code(part: Part, context: ConversionContext): unknown {
  const value = textOf(part).trim();
  if (value === '') return undefined;
  return context.table ? tabled(textIn(part, 3), value, context)?.['code'] : value;
}

/** A code as it was sent: components 1 to 3 of CWE, or its alternative in 4 to 6. */
function sentCoding(part: Part, at: 1 | 4, context: ConversionContext): FhirObject | undefined {
  const [value, display, system] = [textIn(part, at).trim(), textIn(part, at + 1).trim(), textIn(part, at + 2).trim()];
  if (value === '' && display === '') return undefined;
  const version = textIn(part, at === 1 ? 7 : 8).trim();
  return compact({ system: codeSystem(system, context), version, code: value, display });
}

function codings(part: Part, context: ConversionContext): FhirObject[] {
  const value = textOf(part).trim();
  const mapped = context.table && value !== '' ? tabled(textIn(part, 3), value, context) : undefined;
  const sent = [sentCoding(part, 1, context), sentCoding(part, 4, context)].filter((each) => each !== undefined);
  // A code that is in the table needs no second naming of itself without a system.
  const more = mapped ? sent.filter(({ system }) => system !== undefined && system !== mapped['system']) : sent;
  return (mapped ? [mapped, ...more] : sent).filter((each) => each['code'] !== undefined);
}

function codeableConcept(part: Part, context: ConversionContext): FhirObject | undefined {
  const said = textIn(part, 9) || textIn(part, 2) || textIn(part, 5);
  return compact({ coding: codings(part, context), text: said.trim() });
}

/** A concept of which only the table's code may be sent: where FHIR or UK Core require a code of theirs. */
function tabledConcept(part: Part, context: ConversionContext): FhirObject | undefined {
  const value = textOf(part).trim();
  const mapped = value === '' ? undefined : tabled(textIn(part, 3), value, context);
  const said = (textIn(part, 9) || textIn(part, 2)).trim() || (mapped ? '' : value);
  return compact({ coding: mapped && [mapped], text: said });
}

const coding = (part: Part, context: ConversionContext): FhirObject | undefined => codings(part, context)[0];

const CODED = [1, 2, 3, 4, 5, 6, 7, 8, 9];

// Identifiers

/** Returns a URI for an assigning authority (HD): by the settings, its universal id, or its local name. */
function authoritySystem(authority: Part | undefined, context: ConversionContext): string | undefined {
  const [name, id, kind] = [textIn(authority, 1).trim(), textIn(authority, 2).trim(), textIn(authority, 3).trim()];
  const stated = context.systems[name] ?? context.systems[id];
  if (stated !== undefined) return stated;
  if (/^\d+(?:\.\d+)+$/.test(id)) return `urn:oid:${id}`;
  if (/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) return `urn:uuid:${id.toLowerCase()}`;
  if (/^(?:https?:\/\/|urn:)\S+$/i.test(id)) return id;
  if (/^(?:https?:\/\/|urn:)\S+$/i.test(name)) return name;
  if (name === '' || context.localSystem === '' || (id !== '' && kind === '')) return undefined;
  return context.localSystem + encodeURIComponent(name);
}

const identifierType = (type: string): FhirObject | undefined =>
  type === '' ? undefined : { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: type }] };

/** The OID and the names under which NHS numbers come. */
const isNhsAuthority = (authority: Part | undefined, type: string): boolean =>
  ['NH', 'NHS'].includes(type) ||
  ['NHS', 'NHSNBR', 'NHSNMBR', 'NHS NUMBER'].includes(textIn(authority, 1).trim().toUpperCase()) ||
  textIn(authority, 2).trim() === '2.16.840.1.113883.2.1.4.1';

function cxIdentifier(part: Part, context: ConversionContext): FhirObject | undefined {
  const [value, authority, type] = [textIn(part, 1).trim(), partOf(part, 4), textIn(part, 5).trim()];
  if (value === '') return undefined;
  const number = normaliseNhsNumber(value);
  if (isNhsAuthority(authority, type) && brokenNhsNumberRule(number) === undefined) {
    return { system: NHS_NUMBER_SYSTEM, value: number };
  }
  const system = authoritySystem(authority, context);
  const period = compact({ start: date(partOf(part, 7) ?? ''), end: date(partOf(part, 8) ?? '') });
  const name = textIn(authority, 1).trim();
  return compact({
    type: identifierType(type),
    system,
    value,
    period,
    assigner: system === undefined && name !== '' ? { display: name } : undefined,
  });
}

/** A field that is an NHS number by its place. */
function nhsIdentifier(part: Part): FhirObject | undefined {
  const value = normaliseNhsNumber(textOf(part).trim());
  return brokenNhsNumberRule(value) === undefined ? { system: NHS_NUMBER_SYSTEM, value } : undefined;
}

/** EI: an identifier with its authority in components 2 to 4; also as a component, with subcomponents. */
function eiIdentifier(part: Part, context: ConversionContext): FhirObject | undefined {
  const value = textIn(part, 1).trim();
  if (value === '') return undefined;
  const authority = compact({ c1: textIn(part, 2), c2: textIn(part, 3), c3: textIn(part, 4) });
  const system = authoritySystem(authority, context);
  const name = textIn(part, 2).trim();
  return compact({ system, value, assigner: system === undefined && name !== '' ? { display: name } : undefined });
}

const typed = (identifier: FhirObject | undefined, type: string): FhirObject | undefined =>
  identifier && { type: identifierType(type), ...identifier };

/** PLN: a practitioner's number and whose it is. */
function staffNumber(part: Part, context: ConversionContext): FhirObject | undefined {
  const [value, type] = [textIn(part, 1).trim(), textIn(part, 2).trim()];
  const system = STAFF_SYSTEMS[type.toUpperCase()] ?? context.systems[type];
  return compact({ type: system === undefined ? identifierType(type) : undefined, system, value });
}

// People, addresses, numbers

function humanName(
  part: Part,
  at: { family: number; type: number },
  context: ConversionContext,
): FhirObject | undefined {
  const f = at.family;
  const [given, middle] = [textIn(part, f + 1), textIn(part, f + 2)];
  const use = context.shipped('HL70200')?.look(undefined, textIn(part, at.type).trim())?.code;
  return compact({
    use: textIn(part, at.type) === '' ? undefined : use,
    family: textIn(part, f).trim(),
    given: present(given, ...middle.split(' ')),
    prefix: present(textIn(part, f + 4)),
    suffix: present(textIn(part, f + 3), textIn(part, f + 5)),
  });
}

const nameText = (part: Part): string | undefined =>
  present(textIn(part, 5), textIn(part, 2), textIn(part, 3), textIn(part, 1), textIn(part, 4)).join(' ') || undefined;

function address(part: Part, context: ConversionContext): FhirObject | undefined {
  const type = textIn(part, 7).trim();
  return compact({
    use: context.shipped('HL70190.use')?.look(undefined, type)?.code,
    type: context.shipped('HL70190.type')?.look(undefined, type)?.code,
    line: present(textIn(part, 1), textIn(part, 2), textIn(part, 8)),
    city: textIn(part, 3).trim(),
    district: textIn(part, 9).trim(),
    state: textIn(part, 4).trim(),
    postalCode: textIn(part, 5).trim(),
    country: textIn(part, 6).trim(),
    period: compact({ start: date(partOf(part, 13) ?? ''), end: date(partOf(part, 14) ?? '') }),
  });
}

/** XTN: the number in component 1, 12, or 5 to 8; an e-mail address in component 4. */
function contactPoint(part: Part, context: ConversionContext, usual?: string): FhirObject | undefined {
  const [stated, use, equipment, email] = [1, 2, 3, 4].map((at) => textIn(part, at).trim()) as [
    string,
    string,
    string,
    string,
  ];
  const parts = present(textIn(part, 5) && `+${textIn(part, 5)}`, textIn(part, 6), textIn(part, 7)).join(' ');
  const extension = textIn(part, 8);
  const dialled = parts === '' || extension === '' ? parts : `${parts} x${extension}`;
  const isEmail = equipment.toUpperCase() === 'INTERNET' || use === 'NET';
  const value = (isEmail ? email || stated : stated || textIn(part, 12).trim() || dialled) || email;
  if (value === '') return undefined;
  const kind = context.shipped('HL70202')?.look(undefined, equipment)?.code;
  const system = value === email || isEmail || value.includes('@') ? 'email' : (kind ?? 'phone');
  const purpose = context.shipped('HL70201')?.look(undefined, use)?.code;
  return compact({ system, value, use: equipment === 'CP' ? 'mobile' : use === '' ? usual : purpose });
}

// Resources that values share

function practitioner(part: Part, context: ConversionContext): FhirObject | undefined {
  const [id, family] = [textIn(part, 1).trim(), textIn(part, 2).trim()];
  if (id === '' && family === '') return undefined;
  return context.share('Practitioner', JSON.stringify(part), () => {
    const [authority, type] = [partOf(part, 9), textIn(part, 13).trim()];
    const national = STAFF_SYSTEMS[textIn(authority, 1).toUpperCase()] ?? STAFF_SYSTEMS[type.toUpperCase()];
    const system = national ?? authoritySystem(authority, context);
    const name = textIn(authority, 1).trim();
    const identifier = compact({
      type: national === undefined ? identifierType(type) : undefined,
      system,
      value: id,
      assigner: system === undefined && name !== '' ? { display: name } : undefined,
    });
    const named = humanName(part, { family: 2, type: 10 }, context);
    return {
      ...(id === '' ? {} : { identifier: [identifier] }),
      ...(named === undefined ? {} : { name: [named] }),
    };
  });
}

/** An ODS code as messages have it: capitals and at least one digit, or the code of a trust. */
const ODS_CODE = /^(?=[A-Z]*\d|R[A-Z0-9]{2}$)[A-Z0-9]{3,12}$/;

function organization(part: Part, context: ConversionContext): FhirObject | undefined {
  const [name, id] = [textIn(part, 1).trim(), textIn(part, 10).trim() || textIn(part, 3).trim()];
  if (name === '' && id === '') return undefined;
  return context.share('Organization', JSON.stringify(part), () => {
    const system = ODS_CODE.test(id) ? ODS_SYSTEM : authoritySystem(partOf(part, 6), context);
    return {
      ...(id === '' ? {} : { identifier: [compact({ system, value: id })] }),
      ...(name === '' ? {} : { name }),
    };
  });
}

/** HD as an organisation: its name, its universal id, and what the settings say of it. */
function organizationOfHd(part: Part, context: ConversionContext): FhirObject | undefined {
  const [name, id] = [textIn(part, 1).trim(), textIn(part, 2).trim()];
  if (name === '' && id === '') return undefined;
  return context.share('Organization', JSON.stringify(part), () => {
    const isOds = ODS_CODE.test(name) || context.systems[name] === ODS_SYSTEM;
    const identifier = isOds
      ? { system: ODS_SYSTEM, value: name }
      : compact({ system: id && authoritySystem(part, context), value: id });
    return { ...(identifier === undefined ? {} : { identifier: [identifier] }), name: name || id };
  });
}

/** CWE as an organisation. */
function organizationOfCwe(part: Part, context: ConversionContext): FhirObject | undefined {
  const [value, name] = [textIn(part, 1).trim(), textIn(part, 2).trim()];
  if (value === '' && name === '') return undefined;
  return context.share('Organization', JSON.stringify(part), () => ({
    ...(value === ''
      ? {}
      : { identifier: [compact({ system: ODS_CODE.test(value) ? ODS_SYSTEM : undefined, value })] }),
    name: name || value,
  }));
}

/** The levels of PL from the whole to the part, with their physical types. */
const LEVELS: ReadonlyArray<readonly [component: number, type: string, display: string]> = [
  [7, 'bu', 'Building'],
  [8, 'lvl', 'Level'],
  [1, 'wa', 'Ward'],
  [2, 'ro', 'Room'],
  [3, 'bd', 'Bed'],
];

/** PL: a location for each of its levels, each part of the one above it; the reference is to the last. */
function location(part: Part, context: ConversionContext): FhirObject | undefined {
  const facility = partOf(part, 4);
  const found = LEVELS.filter(([component]) => textIn(part, component) !== '');
  let inner: FhirObject | undefined;
  let way = JSON.stringify(facility ?? '');
  found.forEach(([component, type, display], index) => {
    const name = textIn(part, component).trim();
    way += `/${type}:${name}`;
    const outer = inner;
    const isLast = index === found.length - 1;
    inner = context.share('Location', isLast ? `${way}:${textIn(part, 9)}` : way, () => ({
      ...(component === 1 ? { identifier: [{ value: name }] } : {}),
      name,
      ...(isLast && textIn(part, 9) !== '' ? { description: textIn(part, 9).trim() } : {}),
      mode: 'instance',
      physicalType: { coding: [{ system: PHYSICAL_TYPE, code: type, display }] },
      ...(outer === undefined && facility !== undefined ? managedBy(facility, context) : {}),
      ...(outer === undefined ? {} : { partOf: outer }),
    }));
  });
  if (inner !== undefined || textIn(part, 9) === '') return inner;
  return context.share('Location', `${way}:${textIn(part, 9)}`, () => ({
    name: textIn(part, 9).trim(),
    mode: 'instance',
  }));
}

/** CWE as a room or a device that is booked. */
function locationOfCwe(part: Part, context: ConversionContext): FhirObject | undefined {
  const [value, name] = [textIn(part, 1).trim(), textIn(part, 2).trim()];
  if (value === '' && name === '') return undefined;
  return context.share('Location', JSON.stringify(part), () => ({
    ...(value === '' ? {} : { identifier: [{ value }] }),
    name: name || value,
  }));
}

/** HD as the place of a facility. */
function locationOfHd(part: Part, context: ConversionContext): FhirObject | undefined {
  const name = hdText(part);
  return name === undefined
    ? undefined
    : context.share('Location', JSON.stringify(part), () => ({ name, mode: 'instance' }));
}

const PHYSICAL_TYPE = 'http://terminology.hl7.org/CodeSystem/location-physical-type';

function managedBy(facility: Part, context: ConversionContext): FhirObject {
  const organisation = organizationOfHd(facility, context);
  return organisation === undefined ? {} : { managingOrganization: organisation };
}

// Measurements

/** NM, with the `<` and `>` that laboratories write before a number. */
function quantity(part: Part): FhirObject | undefined {
  const [, comparator = '', rest = ''] = /^\s*([<>]=?)?\s*(.*)$/.exec(textOf(part)) ?? [];
  const value = number(rest);
  return value === undefined ? undefined : compact({ value, comparator });
}

function days(part: Part): FhirObject | undefined {
  const value = number(textOf(part));
  return value === undefined ? undefined : { value, unit: 'days', system: 'http://unitsofmeasure.org', code: 'd' };
}

/** A duration of TQ: `M30` is 30 minutes, `H1` an hour. */
function minutes(part: Part): number | undefined {
  const [, unit = 'M', digits = ''] = /^([MH])?(\d{1,5})$/.exec(textOf(part).trim()) ?? [];
  const value = Number(digits) * (unit === 'H' ? 60 : 1);
  return value > 0 ? value : undefined;
}

function structuredQuantity(part: Part): FhirObject | undefined {
  const [comparator, value, separator] = [textIn(part, 1), number(textIn(part, 2)), textIn(part, 3)];
  if (value === undefined || separator !== '' || !['', '<', '<=', '>=', '>', '='].includes(comparator))
    return undefined;
  return compact({ value, comparator: comparator === '=' ? '' : comparator });
}

function structuredRange(part: Part): FhirObject | undefined {
  const [low, high] = [number(textIn(part, 2)), number(textIn(part, 4))];
  if (textIn(part, 1) !== '' || textIn(part, 3) !== '-' || low === undefined || high === undefined) return undefined;
  return { low: { value: low }, high: { value: high } };
}

function structuredRatio(part: Part): FhirObject | undefined {
  const [numerator, denominator] = [number(textIn(part, 2)), number(textIn(part, 4))];
  if (![':', '/'].includes(textIn(part, 3)) || numerator === undefined || denominator === undefined) return undefined;
  return { numerator: compact({ value: numerator, comparator: textIn(part, 1) }), denominator: { value: denominator } };
}

/** SN that is none of the others, in words. */
function structuredText(part: Part): string | undefined {
  if (structuredQuantity(part) ?? structuredRange(part) ?? structuredRatio(part)) return undefined;
  return [1, 2, 3, 4].map((at) => textIn(part, at)).join('') || undefined;
}

function range(part: Part): FhirObject | undefined {
  const [low, high] = [number(textIn(part, 1)), number(textIn(part, 2))];
  return compact({
    low: low === undefined ? undefined : { value: low },
    high: high === undefined ? undefined : { value: high },
  });
}

function composite(part: Part): FhirObject | undefined {
  const value = number(textIn(part, 1));
  if (value === undefined) return undefined;
  const unit = partOf(part, 2);
  return compact({ value, unit: textIn(unit, 2) || textOf(unit) });
}

// Documents

const BASE64 = /^[A-Za-z\d+/\s]*={0,2}\s*$/;

/** ED: data by its encoding (component 4): Base64, Hex, or A for none. */
function attachment(part: Part): FhirObject | undefined {
  const [type, subtype, encoding, data] = [
    textIn(part, 2),
    textIn(part, 3),
    textIn(part, 4).toUpperCase(),
    textIn(part, 5),
  ];
  const content = data.replaceAll(/\\\.br\\|\\X0[AD]\\|\s/gi, '');
  const kind = contentType(type, subtype);
  if (encoding === 'HEX') {
    if (!/^(?:[\dA-F]{2})+$/i.test(content)) return undefined;
    return compact({ contentType: kind, data: Buffer.from(content, 'hex').toString('base64') });
  }
  if (encoding === 'BASE64') {
    return content !== '' && BASE64.test(content) ? compact({ contentType: kind, data: content }) : undefined;
  }
  return data === '' ? undefined : compact({ contentType: kind ?? 'text/plain', data: toBase64(lines(data)) });
}

const toBase64 = (content: string): string => Buffer.from(content, 'utf8').toString('base64');

function textAttachment(part: Part): FhirObject | undefined {
  const content = lines(textOf(part));
  return content === '' ? undefined : { contentType: 'text/plain; charset=utf-8', data: toBase64(content) };
}

/** RP: where a document is. */
function pointer(part: Part): FhirObject | undefined {
  return compact({ contentType: contentType(textIn(part, 3), textIn(part, 4)), url: textIn(part, 1).trim() });
}

const yesNo = (part: Part): boolean | undefined =>
  ({ Y: true, N: false, YES: true, NO: false })[textOf(part).trim().toUpperCase()];

/** HD in words: its namespace, or its universal id. */
const hdText = (part: Part): string | undefined => present(textIn(part, 1), textIn(part, 2))[0];

function hdUri(part: Part, context: ConversionContext): string | undefined {
  const name = hdText(part);
  return authoritySystem(part, context) ?? (name === undefined ? undefined : `urn:hl7v2:${encodeURIComponent(name)}`);
}

const whole =
  (least: number) =>
  (part: Part): number | undefined => {
    const value = number(textOf(part));
    return value !== undefined && Number.isInteger(value) && value >= least ? value : undefined;
  };

const only = (convert: Conversion['convert'], ...reads: number[]): Conversion => ({ reads, convert });
const every = (convert: Conversion['convert']): Conversion => ({ convert });

const CODE = only(code, 1, 2, 3);
const DIALLED = [1, 2, 3, 4, 5, 6, 7, 8, 12];
const TEXT = only(text, 1);
const CONCEPT_OF_TABLE = only(tabledConcept, 1, 2, 3, 9);
const CONCEPT = only(codeableConcept, ...CODED);

/** Data type maps by `v2 type>FHIR type`. A resource's name after a colon says what a reference leads to. */
const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  'ST>string': TEXT,
  'ST>markdown': TEXT,
  'ST>code': CODE,
  'ST>uri': only(trimmed, 1),
  'ST>url': only(trimmed, 1),
  'ST>CodeableConcept': only((part) => compact({ text: textOf(part).trim() }), 1),
  'ST>Identifier': only((part) => compact({ value: textOf(part).trim() }), 1),
  'ST>Annotation': only((part) => compact({ text: textOf(part) }), 1),
  'ST>Attachment': only(textAttachment, 1),
  'ST>base64Binary': only((part) => toBase64(lines(textOf(part))), 1),
  'FT>string': only((part) => lines(textOf(part)) || undefined, 1),
  'FT>markdown': only((part) => lines(textOf(part)) || undefined, 1),
  'FT>base64Binary': only((part) => toBase64(lines(textOf(part))), 1),
  'FT>Annotation': only((part) => compact({ text: lines(textOf(part)) }), 1),
  'FT>Attachment': only(textAttachment, 1),
  'FT>CodeableConcept': only((part) => compact({ text: lines(textOf(part)) }), 1),
  'NM>decimal': only((part) => number(textOf(part)), 1),
  'NM>integer': only(whole(Number.MIN_SAFE_INTEGER), 1),
  'NM>unsignedInt': only(whole(0), 1),
  'NM>positiveInt': only(whole(1), 1),
  'minutes>positiveInt': only(minutes, 1),
  'NM>Quantity': only(quantity, 1),
  'NM days>Duration': only(days, 1),
  'NM>string': only((part) => (quantity(part) ? undefined : text(part)), 1),
  'SN>Quantity': every(structuredQuantity),
  'SN>Range': every(structuredRange),
  'SN>Ratio': every(structuredRatio),
  'SN>string': every(structuredText),
  'NR>Range': every(range),
  'CQ>Quantity': every(composite),
  'CQ>SimpleQuantity': every(composite),
  'ID>boolean': only(yesNo, 1),
  'ID>code': CODE,
  'ID>string': TEXT,
  'ID>CodeableConcept': CONCEPT,
  'ID>Coding': only(coding, ...CODED),
  'CWE>code': CODE,
  'CWE>string': only((part) => present(textIn(part, 9), textIn(part, 2), textOf(part))[0], 1, 2, 9),
  'CWE>Coding': only(coding, ...CODED),
  'CWE>CodeableConcept': CONCEPT,
  'CWE tabled>CodeableConcept': CONCEPT_OF_TABLE,
  'CWE>Location': only(locationOfCwe, 1, 2),
  'CWE>Organization': only(organizationOfCwe, 1, 2),
  'TS>date': only(date, 1),
  'TS>dateTime': only(dateTime, 1),
  'TS>instant': only(instant, 1),
  'TS time>dateTime': only((part) => (parseHl7Time(textOf(part))?.wall === undefined ? undefined : dateTime(part)), 1),
  'TM>time': only(time, 1),
  'DR>Period': only(
    (part) => compact({ start: dateTime(partOf(part, 1) ?? ''), end: dateTime(partOf(part, 2) ?? '') }),
    1,
    2,
  ),
  'CX>Identifier': only(cxIdentifier, 1, 4, 5, 7, 8),
  'NHS>Identifier': only(nhsIdentifier, 1),
  'EI>Identifier': only(eiIdentifier, 1, 2, 3, 4),
  'EI PLAC>Identifier': only((part, context) => typed(eiIdentifier(part, context), 'PLAC'), 1, 2, 3, 4),
  'EI FILL>Identifier': only((part, context) => typed(eiIdentifier(part, context), 'FILL'), 1, 2, 3, 4),
  'PLN>Identifier': only(staffNumber, 1, 2),
  'system>uri': only((part, context) => codeSystem(textOf(part).trim(), context), 1),
  'XPN>HumanName': only((part, context) => humanName(part, { family: 1, type: 7 }, context), 1, 2, 3, 4, 5, 6, 7),
  'XPN>string': only(nameText, 1, 2, 3, 4, 5),
  'XAD>Address': only(address, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14),
  'XTN>ContactPoint': only((part, context) => contactPoint(part, context), ...DIALLED),
  'XTN home>ContactPoint': only((part, context) => contactPoint(part, context, 'home'), ...DIALLED),
  'XTN work>ContactPoint': only((part, context) => contactPoint(part, context, 'work'), ...DIALLED),
  'XCN>Practitioner': only(practitioner, 1, 2, 3, 4, 5, 6, 7, 9, 10, 13),
  'XON>Organization': only(organization, 1, 3, 6, 10),
  'HD>Organization': only(organizationOfHd, 1, 2, 3),
  'HD>Location': only(locationOfHd, 1, 2, 3),
  'HD>string': only(hdText, 1, 2),
  'HD>url': only(hdUri, 1, 2, 3),
  'HD>uri': only(hdUri, 1, 2, 3),
  'PL>Location': only(location, 1, 2, 3, 4, 7, 8, 9),
  'ED>code': only((part) => contentType(textIn(part, 2), textIn(part, 3)), 1, 2, 3, 4),
  'RP>code': only((part) => contentType(textIn(part, 3), textIn(part, 4)), 3, 4),
  'ED>base64Binary': only((part) => attachment(part)?.['data'], 2, 3, 4, 5),
  'RP>url': only((part) => textIn(part, 1).trim() || undefined, 1),
  'ED>Attachment': only(attachment, 2, 3, 4, 5),
  'RP>Attachment': only(pointer, 1, 3, 4),
};

/** Other names of data types, by the name under which their maps stand. */
const SAME: Readonly<Record<string, string>> = {
  CE: 'CWE',
  CNE: 'CWE',
  CF: 'CWE',
  IS: 'ID',
  DTM: 'TS',
  DT: 'TS',
  TX: 'FT',
  GTS: 'ST',
  SI: 'NM',
  CNN: 'XCN',
  PPN: 'XCN',
};

/** Returns the map from a v2 data type to a FHIR type. */
export const conversionOf = (from: string, to: string): Conversion | undefined =>
  CONVERSIONS[`${from}>${to}`] ?? CONVERSIONS[`${SAME[from] ?? from}>${to}`];

/** Whether a part says that a value was deleted. */
export const isNull = (part: Part): boolean => part === HL7_NULL || textInRaw(part) === HL7_NULL;

function textInRaw(part: Part): unknown {
  return typeof part === 'string' ? part : Object.keys(part).length === 1 ? partOf(part, 1) : undefined;
}
