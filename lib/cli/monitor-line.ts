/**
 * One line and an exit code for monitoring systems, by the Nagios plug-in guidelines
 * (https://nagios-plugins.org/doc/guidelines.html): Checkmk, Zabbix, PRTG, SolarWinds and Icinga read the same.
 */

/** The states, in the order of their exit codes. */
const STATES = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;
type MonitorState = (typeof STATES)[number];

/** A measurement that a monitoring system draws. */
export interface Performance {
  /** Letters, digits, `_` and `-`; any other character becomes `_`. */
  label: string;
  value: number;
  unit?: 's' | 'B' | 'c';
  /** Ranges in the guidelines' form, e.g. `30:` for an alarm below 30. */
  warning?: string;
  critical?: string;
  /** The smallest value that there can be. */
  min?: number;
}

/** What a check has found. */
export interface MonitorResult {
  state: MonitorState;
  text: string;
  performance?: readonly Performance[];
}

/** Longest text (characters): some agents read 1024 bytes in all. */
const MAX_TEXT = 300;

/** Returns the exit code: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. */
export function exitCodeOf({ state }: MonitorResult): number {
  return STATES.indexOf(state);
}

/** Returns the line, with its end: `MESH OK - text | label=value;warning;critical;minimum;`. */
export function monitorLine({ state, text, performance = [] }: MonitorResult): string {
  // A bar begins the performance data, and a line break ends the line.
  // oxlint-disable-next-line no-control-regex -- these are what it removes.
  const plain = text.replaceAll(/[|\u0000-\u001F\u007F]+/g, ' ').trim();
  const shown = plain.length <= MAX_TEXT ? plain : `${plain.slice(0, MAX_TEXT - 1)}…`;
  const data = performance.map(
    ({ label, value, unit = '', warning = '', critical = '', min }) =>
      `${label.replaceAll(/[^\w-]/g, '_')}=${numberOf(value)}${unit};${warning};${critical};${min ?? ''};`,
  );
  return `MESH ${state} - ${shown}${data.length === 0 ? '' : ` | ${data.join(' ')}`}\n`;
}

/** A number without an exponent, with at most three decimals. */
function numberOf(value: number): string {
  return Number.isInteger(value) ? value.toFixed(0) : value.toFixed(3);
}
