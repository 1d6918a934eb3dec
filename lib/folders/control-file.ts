/**
 * The MESH Client's control file (`.ctl`): the XML beside a `.dat`. It is read leniently, and written as the client
 * writes it. Its elements are flat, except for StatusRecord, and their order has no meaning.
 */
import { InvalidMessageError } from '../errors';
import { isNotAFile, openRegularFile } from '../payload/regular-file';
import { readTextXml } from './text-xml';

/** The elements of DTSControl by name, without StatusRecord, in the order of the file. Values are trimmed. */
export type ControlFields = Record<string, string>;

/** The outcome of a message, in the client's terms. */
export interface StatusRecord {
  /** ISO 8601 UTC; read from a file that has none, empty. */
  time: string;
  /** e.g. `TRANSFER` or `SEND`. */
  event: string;
  success: boolean;
  /** MESH's code, `00` for success. */
  code: string;
  description: string;
}

/** The largest `.ctl` that is read (bytes). A few hundred bytes are usual. */
const MAX_CONTROL_BYTES = 64 * 1024;

/**
 * Returns the bytes of a `.ctl`, never more than a control file has.
 * @throws InvalidMessageError when it cannot be read, is no regular file or is too large: the others go on
 */
export async function controlBytes(path: string): Promise<Buffer> {
  const opened = await openRegularFile(path).catch((error: unknown) => {
    throw isNotAFile(error) ? unreadable('it is no regular file') : cannotRead(error);
  });
  const { handle, stamp } = opened;
  try {
    if (stamp.size > MAX_CONTROL_BYTES) throw tooLarge();
    return await handle.readFile().catch((error: unknown) => {
      throw cannotRead(error);
    });
  } finally {
    await handle.close();
  }
}

/**
 * Reads the `.ctl` of a message to send.
 * @throws InvalidMessageError when it is not a complete DTSControl; the error does not quote it
 */
export function readControlFile(bytes: Buffer): ControlFields {
  return readSettledControlFile(bytes).fields;
}

/**
 * Reads a `.ctl` with the outcome that the client has added; `status` is missing while there is none.
 * @throws InvalidMessageError when it is not a complete DTSControl; the error does not quote it
 */
export function readSettledControlFile(bytes: Buffer): { fields: ControlFields; status?: StatusRecord } {
  if (bytes.length > MAX_CONTROL_BYTES) throw tooLarge();
  const fields: ControlFields = {};
  const record: ControlFields = {};
  readTextXml(bytes, {
    open: ([root]) => {
      if (root !== 'DTSControl') throw unreadable('it is not a DTSControl');
    },
    close: (path, text) => {
      const [, name = '', inRecord] = path;
      if (path.length === 2 && name !== 'StatusRecord') fields[name] = text;
      if (path.length === 3 && name === 'StatusRecord' && inRecord !== undefined) record[inRecord] = text;
    },
    fail: (reason) => {
      throw unreadable(reason);
    },
  });
  return Object.keys(record).length === 0 ? { fields } : { fields, status: statusOf(record) };
}

function statusOf(record: ControlFields): StatusRecord {
  return {
    time: isoTime(record['DateTime'] ?? ''),
    event: record['Event'] ?? '',
    success: (record['Status'] ?? '').toUpperCase() === 'SUCCESS',
    code: record['StatusCode'] ?? '',
    description: record['Description'] ?? '',
  };
}

/** Reads `yyyyMMddHHmmss` as UTC, like MESH's own times; empty if it is no time. */
function isoTime(text: string): string {
  const [, ...parts] = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})/.exec(text) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString();
}

/** Returns the text of a `.ctl`. Characters that XML does not allow become question marks. */
export function writeControlFile(fields: ControlFields, status?: StatusRecord): string {
  const line = (indent: string, name: string, value: string): string =>
    `${indent}<${name}>${escapeText(value)}</${name}>`;
  const lines = Object.entries(fields).map(([name, value]) => line('  ', name, value));
  if (status) {
    const record = {
      DateTime: controlTime(status.time),
      Event: status.event,
      Status: status.success ? 'SUCCESS' : 'ERROR',
      StatusCode: status.code,
      Description: status.description,
    };
    lines.push('  <StatusRecord>');
    lines.push(...Object.entries(record).map(([name, value]) => line('    ', name, value)));
    lines.push('  </StatusRecord>');
  }
  return ['<DTSControl>', ...lines, '</DTSControl>', ''].join('\n');
}

/** Formats a time as `yyyyMMddHHmmss`, in UTC like MESH's own times. */
function controlTime(iso: string): string {
  const time = new Date(iso);
  return (Number.isNaN(time.getTime()) ? new Date() : time).toISOString().replaceAll(/\D/g, '').slice(0, 14);
}

function escapeText(value: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is replaced
  const legal = value.toWellFormed().replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '?');
  return legal.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function tooLarge(): InvalidMessageError {
  return unreadable(`it is larger than ${MAX_CONTROL_BYTES} bytes`);
}

function cannotRead(error: unknown): InvalidMessageError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return unreadable(`the system refuses it (${code})`);
}

function unreadable(reason: string): InvalidMessageError {
  return new InvalidMessageError(`The control file (.ctl) cannot be read: ${reason}.`, {
    advice: 'Correct the program that writes it, then put the .dat and after it the .ctl into the out folder again.',
  });
}
