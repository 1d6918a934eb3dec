/** Times of HL7 v2, which are British unless they name a zone, as FHIR writes them: with their zone. */

const LONDON = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Europe/London',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

/** Returns how far London is ahead of UTC at a time, in minutes: 0 or 60. */
export function londonOffset(time: number): number {
  const parts = Object.fromEntries(LONDON.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(
    parts['year'] ?? 0,
    (parts['month'] ?? 1) - 1,
    parts['day'],
    parts['hour'],
    parts['minute'],
    parts['second'],
  );
  return Math.round((local - Math.floor(time / 1000) * 1000) / 60_000);
}

const zone = (minutes: number): string => {
  const size = Math.abs(minutes);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
};

/** Returns a time as FHIR's instant, by the clock of London. */
export function londonInstant(time: number): string {
  const offset = londonOffset(time);
  return new Date(time + offset * 60_000).toISOString().slice(0, 19) + zone(offset);
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
  const local = Date.parse(`${date}T${hour}:${minute}:${second}Z`);
  if (!Number.isFinite(local)) return undefined;
  const wall = `${date}T${hour}:${minute}:${second}`;
  if (stated !== undefined) return `${wall}${stated.slice(0, 3)}:${stated.slice(3)}`;
  // An hour earlier is on the same side of a change of the clocks as the wall time says, in summer as in winter.
  return wall + zone(londonOffset(local - 3_600_000));
}
