/** The forms of FHIR's primitive types: the patterns of the specification (Data Types), and dates that exist. */
/** Why a value is not of its type, as the end of "The value …"; undefined when it is. */
export function primitiveFault(value: unknown, type: string): string | undefined {
  const json = JSON_TYPES[type] ?? 'string';
  if (json === 'number') return numberFault(value, type);
  if (typeof value !== json) return `must be a ${json === 'string' ? 'text' : json} (${type})`;
  if (typeof value === 'boolean') return undefined;
  return textFault(String(value), type);
}

/** Longest text of an issue-free string: "Strings SHALL NOT exceed 1MB in size". */
const MAX_STRING = 1024 * 1024;

const JSON_TYPES: Readonly<Record<string, 'number' | 'boolean'>> = {
  boolean: 'boolean',
  integer: 'number',
  unsignedInt: 'number',
  positiveInt: 'number',
  decimal: 'number',
};

const MAX_INTEGER = 2_147_483_647;

function numberFault(value: unknown, type: string): string | undefined {
  // Decimals whose digits a JavaScript number cannot hold stay raw in the JSON text; here they are numbers.
  if (typeof value !== 'number' || !Number.isFinite(value)) return `must be a number (${type})`;
  if (type === 'decimal') return undefined;
  if (!Number.isInteger(value)) return `must be a whole number (${type})`;
  const minimum = type === 'positiveInt' ? 1 : type === 'unsignedInt' ? 0 : -MAX_INTEGER - 1;
  if (value < minimum || value > MAX_INTEGER) return `must be from ${minimum} to ${MAX_INTEGER} (${type})`;
  return undefined;
}

const YEAR = '(\\d{4})';
const DAY = `${YEAR}(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\\d|3[01]))?)?`;
const TIME = '([01]\\d|2[0-3]):[0-5]\\d:(?:[0-5]\\d|60)(?:\\.\\d+)?';
const ZONE = '(?:Z|[+-](?:(?:0\\d|1[0-3]):[0-5]\\d|14:00))';

const DATE = new RegExp(`^${DAY}$`);
const DATE_TIME = new RegExp(`^${YEAR}(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\\d|3[01])(?:T${TIME}${ZONE})?)?)?$`);
const INSTANT = new RegExp(`^${YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T${TIME}${ZONE}$`);
const CLOCK = new RegExp(`^${TIME}$`);
const UUID = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const OID = /^urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+$/;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;
const CODE = /^\S+(?:\s\S+)*$/;
/** In XML and JSON, only these control characters may stand in a text. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F]/;

function textFault(value: string, type: string): string | undefined {
  if (type === 'base64Binary') return base64Fault(value);
  if (type === 'xhtml') return undefined;
  if (value === '') return `must not be empty (${type})`;
  if (value.length > MAX_STRING) return 'must not be longer than 1 MB';
  if (CONTROL.test(value)) return 'contains a control character that FHIR does not allow';
  switch (type) {
    case 'date':
      return dateFault(value, DATE, 'YYYY, YYYY-MM or YYYY-MM-DD');
    case 'dateTime':
      return dateFault(value, DATE_TIME, 'YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone (Z or +01:00)');
    case 'instant':
      return dateFault(value, INSTANT, 'YYYY-MM-DDThh:mm:ss with a zone (Z or +01:00)');
    case 'time':
      return CLOCK.test(value) ? undefined : 'must have the form hh:mm:ss (time)';
    case 'id':
      return ID.test(value) ? undefined : 'must be 1 to 64 letters, digits, - and . (id)';
    case 'code':
      return CODE.test(value) ? undefined : 'must not begin or end with white space, nor contain two in a row (code)';
    case 'oid':
      return OID.test(value) ? undefined : 'must have the form urn:oid:1.2.3 (oid)';
    case 'uuid':
      return UUID.test(value) ? undefined : 'must be urn:uuid: and a UUID in lower case (uuid)';
    case 'canonical':
      if (!/^(?:#|[A-Za-z][A-Za-z0-9+.-]*:)/.test(value))
        return 'must be an absolute address, or # and an id (canonical)';
      return uriFault(value);
    case 'uri':
    case 'url':
      return uriFault(value);
    default:
      return undefined;
  }
}

/** An address has no white space; a UUID and an OID in one have their forms. */
function uriFault(value: string): string | undefined {
  if (/\s/.test(value)) return 'must not contain white space (uri)';
  if (value.startsWith('urn:uuid:')) return UUID.test(value) ? undefined : 'must be urn:uuid: and a UUID in lower case';
  if (value.startsWith('urn:oid:')) return OID.test(value) ? undefined : 'must have the form urn:oid:1.2.3';
  return undefined;
}

function dateFault(value: string, pattern: RegExp, form: string): string | undefined {
  const match = pattern.exec(value);
  if (!match) return `must have the form ${form}`;
  const [, year, month, day] = match;
  if (day === undefined || Number(day) <= daysIn(Number(year), Number(month))) return undefined;
  return 'is a day that does not exist';
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Four of the alphabet at a time, white space between them allowed; checked without a copy, since PDFs are large. */
function base64Fault(value: string): string | undefined {
  const fault = 'must be base64';
  if (value === '') return 'must not be empty (base64Binary)';
  // A scan by one regular expression of the plain form takes 1 ms per MB; white space is the exception.
  const plain = /\s/.test(value) ? value.replaceAll(/\s+/g, '') : value;
  if (plain.length % 4 !== 0) return fault;
  return /^[A-Za-z0-9+/]*={0,2}$/.test(plain) ? undefined : fault;
}
