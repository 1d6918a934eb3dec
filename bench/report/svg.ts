/** Draws two panels against message size: throughput (logarithmic) and memory above idle. */

/** The figures for one message size. */
export interface Point {
  /** Size of the message. */
  bytes: number;
  /** MiB per second. */
  perSecond: number;
  /** Peak memory above idle (MiB). */
  aboveIdleMiB: number;
}

const WIDTH = 720;
const PANEL = { left: 70, width: 620, height: 200 };
const SEND = '#005eb8';
const RECEIVE = '#00703c';

const sizeName = (bytes: number): string =>
  bytes >= 2 ** 30
    ? `${Math.round(bytes / 2 ** 30)} GiB`
    : bytes >= 1e6
      ? `${Math.round(bytes / 1e6)} MB`
      : `${Math.round(bytes / 1e3)} kB`;

/** The grid lines of an axis, and the position of a value between the lowest (0) and the highest (1). */
interface Axis {
  lines: number[];
  at: (value: number) => number;
}

/** Returns an axis with the powers of ten around the values. */
function logarithmic(values: readonly number[]): Axis {
  const positive = values.map((value) => Math.max(value, 0.1));
  const from = Math.floor(Math.log10(Math.min(...positive)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...positive))));
  return {
    lines: Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)),
    at: (value) => (Math.log10(Math.max(value, 0.1)) - from) / (to - from),
  };
}

/** Returns an axis that starts at 0, because 0 MiB above idle is a valid value. */
function linear(values: readonly number[]): Axis {
  const step = 10 ** Math.floor(Math.log10(Math.max(...values, 2) / 2));
  const steps = Math.max(1, Math.ceil(Math.max(...values) / step));
  return { lines: Array.from({ length: steps + 1 }, (_, i) => i * step), at: (value) => value / (steps * step) };
}

/** Returns the picture as SVG text. */
export function svg(send: readonly Point[], receive: readonly Point[]): string {
  const top = panel(40, 'MiB per second', logarithmic, send, receive, (point) => point.perSecond);
  const bottom = panel(310, 'Memory above idle, MiB', linear, send, receive, (point) => point.aboveIdleMiB);
  const legend =
    `<text x="${PANEL.left}" y="20" fill="${SEND}">send (library)</text>` +
    `<text x="${PANEL.left + 120}" y="20" fill="${RECEIVE}">receive to a file (library)</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} 570" font-family="sans-serif" font-size="12" role="img">
<title>Throughput and memory against the size of a message (random bytes)</title>
<rect width="${WIDTH}" height="570" fill="#fff"/>
${legend}
${top}
${bottom}
</svg>
`;
}

function panel(
  top: number,
  title: string,
  axisOf: (values: readonly number[]) => Axis,
  send: readonly Point[],
  receive: readonly Point[],
  value: (point: Point) => number,
): string {
  const sizes = send.map(({ bytes }) => Math.log10(bytes));
  const [first, last] = [Math.min(...sizes), Math.max(...sizes)];
  const axis = axisOf([...send, ...receive].map(value));
  const x = (bytes: number): string =>
    (PANEL.left + (PANEL.width * (Math.log10(bytes) - first)) / (last - first || 1)).toFixed(1);
  const y = (each: number): string => (top + PANEL.height * (1 - axis.at(each))).toFixed(1);
  const grid = axis.lines.map(
    (at) =>
      `<line x1="${PANEL.left}" x2="${PANEL.left + PANEL.width}" y1="${y(at)}" y2="${y(at)}" stroke="#d8dde0"/>` +
      `<text x="${PANEL.left - 8}" y="${y(at)}" text-anchor="end" dominant-baseline="middle">${at}</text>`,
  );
  const names = send.map(
    ({ bytes }) =>
      `<text x="${x(bytes)}" y="${top + PANEL.height + 18}" text-anchor="middle">${sizeName(bytes)}</text>`,
  );
  const line = (points: readonly Point[], colour: string): string =>
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((point) => `${x(point.bytes)},${y(value(point))}`).join(' ')}"/>` +
    points.map((point) => `<circle cx="${x(point.bytes)}" cy="${y(value(point))}" r="3" fill="${colour}"/>`).join('');
  return [
    `<text x="${PANEL.left}" y="${top - 6}" font-weight="bold">${title}</text>`,
    ...grid,
    ...names,
    line(send, SEND),
    line(receive, RECEIVE),
  ].join('\n');
}
