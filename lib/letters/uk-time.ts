/** Times of HL7 v2, which are British unless they name a zone, as FHIR writes them: with their zone. */
import { londonOffset, londonZone, zoneText } from '../formats/hl7/time';

/** Returns a time as FHIR's instant, by the clock of London. */
export function londonInstant(time: number): string {
  const offset = londonOffset(time);
  return new Date(time + offset * 60_000).toISOString().slice(0, 19) + zoneText(offset);
}

/**
 * Returns an HL7 v2 time (`YYYYMMDD[HHMM[SS[.S…]]][+ZZZZ]`) as FHIR's dateTime: a date without a time stays one.
 * Undefined when it is no whole date. In the hour that comes twice in autumn the first one is meant.
 */
export function fhirTime(hl7: string): string | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)?(\d\d)?(?:\.\d+)?)?([+-]\d{4})?$/.exec(hl7.trim());
  if (!found) return undefined;
  const [, year = '', month = '', day = '', hour, minute = '00', second = '00', stated] = found;
  const date = `${year}-${month}-${day}`;
  const midnight = Date.parse(`${date}T00:00:00Z`);
  if (!Number.isFinite(midnight) || !new Date(midnight).toISOString().startsWith(date)) return undefined;
  if (hour === undefined) return date;
  const wall = `${date}T${hour}:${minute}:${second}`;
  if (!Number.isFinite(Date.parse(`${wall}Z`))) return undefined;
  if (stated !== undefined) return `${wall}${stated.slice(0, 3)}:${stated.slice(3)}`;
  return wall + londonZone(wall);
}
