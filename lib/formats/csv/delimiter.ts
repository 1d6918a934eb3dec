/** The delimiter of a file whose schema nobody has written: a reply to a file flow. */
const DELIMITERS = [',', '|', ';', '\t'];

/** Returns the delimiter of a row: of comma, bar, semicolon and tab the most frequent. */
export function delimiterOf(line: string): string {
  const count = (delimiter: string): number => line.split(delimiter).length;
  return DELIMITERS.toSorted((one, other) => count(other) - count(one))[0] ?? ',';
}
