/**
 * Times of HL7 v2 (`YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+ZZZZ]`, chapter 2A, DTM) as FHIR writes them: with the precision that
 * they have, and with their zone. One without a zone is British: the clock of London said it.
 */

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

/** Returns an offset from UTC as FHIR writes it: `+01:00`. */
export function zoneText(minutes: number): string {
  const size = Math.abs(minutes);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** Zones by the hour of the wall clock: a message has the same few hours again and again. */
const zones = new Map<string, string>();
const MAX_ZONES = 1000;

/**
 * Returns the zone of a British wall time `YYYY-MM-DDTHH:MM:SS`. In the hour that comes twice in autumn the first one is
 * meant: an hour earlier is on the same side of a change of the clocks as the wall time says, in summer as in winter.
 */
export function londonZone(wall: string): string {
  const hour = wall.slice(0, 13);
  let found = zones.get(hour);
  if (found === undefined) {
    found = zoneText(londonOffset(Date.parse(`${hour}:00:00Z`) - 3_600_000));
    if (zones.size < MAX_ZONES) zones.set(hour, found);
  }
  return found;
}

const TIME =
  /^(\d{4})(?:(0[1-9]|1[0-2])(?:(0[1-9]|[12]\d|3[01])(?:([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d)(\.\d+)?)?)?)?)?)?([+-](?:0\d|1[0-4])[0-5]\d)?$/;

/** A time that was read: `date` has the precision of the text; `wall` is undefined where it has no hour. */
export interface Hl7Time {
  date: string;
  wall: string | undefined;
  zone: string | undefined;
}

/** Returns a time's parts; undefined when it is none. Minutes and seconds that it lacks are zero. */
export function parseHl7Time(text: string): Hl7Time | undefined {
  const found = TIME.exec(text.trim());
  if (!found) return undefined;
  const [, year = '', month, day, hour, minute = '00', second = '00', fraction = '', stated] = found;
  const date = [year, month, day].filter((part) => part !== undefined).join('-');
  if (day !== undefined && !isDay(date)) return undefined;
  if (hour === undefined) return { date, wall: undefined, zone: undefined };
  const wall = `${date}T${hour}:${minute}:${second}${fraction}`;
  return { date, wall, zone: stated === undefined ? londonZone(wall) : `${stated.slice(0, 3)}:${stated.slice(3)}` };
}

/** Whether a date is in the calendar: February has no 30th. */
function isDay(date: string): boolean {
  const time = Date.parse(`${date}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(date);
}
