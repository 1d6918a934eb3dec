/** England's working days, against what gov.uk lists. */
import assert from 'node:assert/strict';
import { afterWorkingDays, afterWorkingHours, bankHolidays, setOwnHolidays } from '../../lib/send/working-days';

/** https://www.gov.uk/bank-holidays, England and Wales. */
const GOV_UK: Record<number, string[]> = {
  2021: ['01-01', '04-02', '04-05', '05-03', '05-31', '08-30', '12-27', '12-28'],
  2024: ['01-01', '03-29', '04-01', '05-06', '05-27', '08-26', '12-25', '12-26'],
  2025: ['01-01', '04-18', '04-21', '05-05', '05-26', '08-25', '12-25', '12-26'],
  2026: ['01-01', '04-03', '04-06', '05-04', '05-25', '08-31', '12-25', '12-28'],
  2027: ['01-01', '03-26', '03-29', '05-03', '05-31', '08-30', '12-27', '12-28'],
  2028: ['01-03', '04-14', '04-17', '05-01', '05-29', '08-28', '12-25', '12-26'],
};
const at = (time: string): number => Date.parse(`${time}:00Z`);
const shown = (time: number): string => new Date(time).toISOString().slice(0, 16);

describe('bank holidays', () => {
  afterEach(() => setOwnHolidays([]));

  it('are those that gov.uk lists', () => {
    for (const [year, days] of Object.entries(GOV_UK)) {
      assert.deepEqual(
        bankHolidays(Number(year)),
        days.map((day) => `${year}-${day}`),
      );
    }
  });

  for (const [from, days, until, why] of [
    ['2026-12-24T15:00', 1, '2026-12-29T15:00', 'over Christmas'],
    ['2027-03-25T10:00', 2, '2027-03-31T09:00', 'over Easter and the change of the clocks'],
    ['2026-05-01T10:00', 1, '2026-05-05T10:00', 'over early May'],
    ['2026-05-03T23:30', 1, '2026-05-05T23:00', 'from a Sunday night that is a Monday in London, a bank holiday'],
    ['2026-10-23T10:00', 1, '2026-10-26T11:00', 'over the end of summer time'],
  ] as const) {
    it(`do not count ${why}`, () => assert.equal(shown(afterWorkingDays(at(from), days)), until));
  }

  it('are as many as somebody adds', () => {
    setOwnHolidays(['2026-11-17']);
    assert.equal(shown(afterWorkingDays(at('2026-11-16T09:30'), 1)), '2026-11-18T09:30');
  });
});

describe('working hours', () => {
  for (const [from, hours, until] of [
    ['2026-11-16T10:00', 4, '2026-11-16T14:00'],
    ['2026-11-16T15:00', 4, '2026-11-17T11:00'],
    ['2026-11-20T16:59', 1, '2026-11-23T09:59'],
    ['2026-11-21T12:00', 8, '2026-11-23T17:00'],
    ['2026-07-01T05:00', 1, '2026-07-01T09:00'],
    ['2026-12-24T16:00', 2, '2026-12-29T10:00'],
  ] as const) {
    it(`${hours} after ${from} end at ${until}`, () => assert.equal(shown(afterWorkingHours(at(from), hours)), until));
  }
});
