/** Working days: Monday to Friday. Bank holidays count as working days. */
const DAY = 24 * 60 * 60 * 1000;

/**
 * Returns the time a number of working days later: all hours of Monday to Friday count, those of Saturday and Sunday do
 * not. Friday 15:00 plus two days is Tuesday 15:00; from a Saturday it is the end of Tuesday. Days are those of UTC.
 */
export function afterWorkingDays(from: number, days: number): number {
  let left = days * DAY;
  for (let at = from; ;) {
    const midnight = (Math.floor(at / DAY) + 1) * DAY;
    const weekday = new Date(at).getUTCDay();
    const isWorking = weekday !== 0 && weekday !== 6;
    if (isWorking && left <= midnight - at) return at + left;
    if (isWorking) left -= midnight - at;
    at = midnight;
  }
}
