/** Dates and times by a written form: `yyyyMMdd`, `dd/MM/yyyy`, `yyyyMMddTHHmmss`. */

const TOKENS = /yyyy|MM|dd|HH|mm|SSS|ss/g;
const DIGITS: Readonly<Record<string, string>> = {
  yyyy: '(?<yyyy>\\d{4})',
  MM: '(?<MM>0[1-9]|1[0-2])',
  dd: '(?<dd>0[1-9]|[12]\\d|3[01])',
  HH: '(?<HH>[01]\\d|2[0-3])',
  mm: '(?<mm>[0-5]\\d)',
  ss: '(?<ss>[0-5]\\d)',
  SSS: '(?<SSS>\\d{3})',
};

/**
 * Returns what decides whether a text has this form and is a day of the calendar; undefined for a form without a whole
 * date (yyyy, MM, dd) or a time of day (HH, mm), or with a part twice.
 */
export function dateFormat(form: string): ((text: string) => boolean) | undefined {
  const tokens: string[] = form.match(TOKENS) ?? [];
  const has = (...names: string[]): boolean => names.every((name) => tokens.includes(name));
  if (new Set(tokens).size < tokens.length || !(has('yyyy', 'MM', 'dd') || has('HH', 'mm'))) return undefined;
  const source = form
    .split(/(yyyy|MM|dd|HH|mm|SSS|ss)/)
    .map((part) => DIGITS[part] ?? part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  const pattern = new RegExp(`^${source.join('')}$`);
  const hasDay = has('yyyy', 'MM', 'dd');
  return (text) => {
    const found = pattern.exec(text);
    if (!found || !hasDay) return found !== null;
    const { yyyy, MM, dd } = found.groups as Record<'yyyy' | 'MM' | 'dd', string>;
    return Number(dd) <= daysIn(Number(yyyy), Number(MM));
  };
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
