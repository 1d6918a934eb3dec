/**
 * Working days in England: Monday to Friday without bank holidays, by the clock of London. The bank holidays are those
 * of the Banking and Financial Dealings Act 1971 and of common law, which gov.uk/bank-holidays lists year by year; days
 * that are proclaimed once (a coronation), and other nations' days, are the setting `bankHolidays`.
 */
import { londonOffset } from '../formats/hl7/time';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Office hours by the clock of London, in which working hours are counted. */
const OFFICE_OPENS = 9 * HOUR;
const OFFICE_CLOSES = 17 * HOUR;
const [SUNDAY, MONDAY, SATURDAY] = [0, 1, 6] as const;

/** Bank holidays that the setting adds, `YYYY-MM-DD`. */
let ownHolidays: ReadonlySet<string> = new Set();
/** The rule's own bank holidays, by year. */
const known = new Map<number, ReadonlySet<string>>();

/** Sets the days (`YYYY-MM-DD`) that count as bank holidays beside England's, for this process. */
export function setOwnHolidays(days: readonly string[]): void {
  ownHolidays = new Set(days);
}

/** Returns England's bank holidays of a year, `YYYY-MM-DD`, in order. */
export function bankHolidays(year: number): string[] {
  const easter = easterSunday(year);
  // Christmas first: when both fall on a weekend, Boxing Day's substitute comes after it.
  const days: number[] = [easter - 2 * DAY, easter + DAY];
  days.push(firstMonday(year, 4), lastMonday(year, 4), lastMonday(year, 7));
  for (const fixed of [Date.UTC(year, 0, 1), Date.UTC(year, 11, 25), Date.UTC(year, 11, 26)]) {
    let day = fixed;
    while (isWeekend(day) || days.includes(day)) day += DAY;
    days.push(day);
  }
  return days.toSorted((one, other) => one - other).map((day) => dateOf(day));
}

/** Gregorian Easter, by the anonymous algorithm (Meeus, Astronomical Algorithms, chapter 8): midnight UTC. */
function easterSunday(year: number): number {
  const golden = year % 19;
  const century = Math.floor(year / 100);
  const leapCenturies = Math.floor(century / 4);
  const moon = Math.floor((century - Math.floor((century + 8) / 25) + 1) / 3);
  const epact = (19 * golden + century - leapCenturies - moon + 15) % 30;
  const rest = year % 100;
  const weekday = (32 + 2 * (century % 4) + 2 * Math.floor(rest / 4) - epact - (rest % 4)) % 7;
  const late = Math.floor((golden + 11 * epact + 22 * weekday) / 451);
  const days = epact + weekday - 7 * late + 114;
  return Date.UTC(year, Math.floor(days / 31) - 1, (days % 31) + 1);
}

/** Months count from 0. */
function firstMonday(year: number, month: number): number {
  const first = Date.UTC(year, month, 1);
  return first + ((MONDAY - new Date(first).getUTCDay() + 7) % 7) * DAY;
}

function lastMonday(year: number, month: number): number {
  return firstMonday(year, month + 1) - 7 * DAY;
}

function isWeekend(midnight: number): boolean {
  const weekday = new Date(midnight).getUTCDay();
  return weekday === SATURDAY || weekday === SUNDAY;
}

const dateOf = (midnight: number): string => new Date(midnight).toISOString().slice(0, 10);

/** @param midnight of the day, as if London's clock were UTC */
function isWorkingDay(midnight: number): boolean {
  if (isWeekend(midnight)) return false;
  const [date, year] = [dateOf(midnight), new Date(midnight).getUTCFullYear()];
  let holidays = known.get(year);
  if (!holidays) known.set(year, (holidays = new Set(bankHolidays(year))));
  return !holidays.has(date) && !ownHolidays.has(date);
}

/**
 * Returns the time a number of working days later: all hours of a working day count, and no other. Friday 15:00 plus two
 * days is Tuesday 15:00; from a Saturday it is the end of Tuesday. Days begin at midnight in London.
 */
export function afterWorkingDays(from: number, days: number): number {
  return afterOpenTime(from, days * DAY, { opens: 0, closes: DAY });
}

/** Returns the time a number of working hours later, which are counted from 9:00 to 17:00 on working days. */
export function afterWorkingHours(from: number, hours: number): number {
  return afterOpenTime(from, hours * HOUR, { opens: OFFICE_OPENS, closes: OFFICE_CLOSES });
}

/**
 * Returns when so much open time (milliseconds) has passed. The clocks change on Sundays, so that no working day is
 * longer or shorter than another.
 */
function afterOpenTime(from: number, span: number, { opens, closes }: { opens: number; closes: number }): number {
  let left = span;
  for (let at = from + londonOffset(from) * MINUTE; ;) {
    const midnight = Math.floor(at / DAY) * DAY;
    const start = Math.max(at, midnight + opens);
    const open = isWorkingDay(midnight) ? Math.max(0, midnight + closes - start) : 0;
    if (open > 0 && left <= open) return fromLondon(start + left);
    left -= open;
    at = midnight + DAY;
  }
}

/** Returns the time at which London's clock shows this. */
function fromLondon(wall: number): number {
  // An hour earlier is on the same side of a change of the clocks as the wall time says, in summer as in winter.
  return wall - londonOffset(wall - HOUR) * MINUTE;
}
