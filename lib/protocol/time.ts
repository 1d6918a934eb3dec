/**
 * MESH writes times in three forms: `yyyyMMddHHmm` in the token, `yyyyMMddHHmmss` in headers and version 1 tracking,
 * ISO 8601 (often without a zone) in version 2 tracking. All are UTC. Source: mesh-api.yaml, "MESH Authorization
 * header" and tracking_by_message_id.
 */

const COMPACT = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(\d{0,6})$/;
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/;

/** Formats a time as in the token: `yyyyMMddHHmm`, UTC. */
export function compactMinutes(time: Date): string {
  return time.toISOString().replace(/\D/g, '').slice(0, 12);
}

/** Formats a time as in headers and version 1 responses: `yyyyMMddHHmmss`, UTC. */
export function compactSeconds(time: Date): string {
  return time.toISOString().replace(/\D/g, '').slice(0, 14);
}

/** Parses any of MESH's three forms; undefined for any other text and for a date that does not exist. */
export function readMeshTime(text: string): Date | undefined {
  const compact = COMPACT.exec(text);
  const iso = compact
    ? `${compact[1]}-${compact[2]}-${compact[3]}T${compact[4]}:${compact[5]}:${compact[6] ?? '00'}Z`
    : isoWithZone(text);
  if (iso === undefined) return undefined;
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) || !dayExists(iso.slice(0, 10)) ? undefined : time;
}

/** Returns false for 31 February, which Date would roll over into March. */
function dayExists(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** Returns the time as ISO 8601 UTC, or the text unchanged if it cannot be parsed: better odd than lost. */
export function isoFromMesh(text: string): string {
  return readMeshTime(text)?.toISOString() ?? text;
}

function isoWithZone(text: string): string | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  return match[3] ? text : `${text}Z`;
}
