/** Three small SVG charts of the last day; their labels give the figures in words for screen readers. */
import { bytes, el, span, text } from './dom.js';

const WIDTH = 288;
const HEIGHT = 34;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Bars upwards for sent and downwards for received messages, on one scale. */
function mirrored(slots, sent, received, label) {
  const maximum = Math.max(1, ...slots.map(sent), ...slots.map(received));
  const step = WIDTH / slots.length;
  const middle = HEIGHT / 2;
  const bars = slots.flatMap((slot, index) => {
    const bar = (value, up) => {
      const height = value === 0 ? 0 : Math.max(1.5, (value / maximum) * (middle - 1));
      return svg('rect', {
        class: up ? 'mesh-sent' : 'mesh-received',
        x: (index * step + 0.5).toFixed(1),
        width: (step - 1).toFixed(1),
        y: (up ? middle - height : middle).toFixed(1),
        height: height.toFixed(1),
      });
    };
    return [bar(sent(slot), true), bar(received(slot), false)];
  });
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    svg('line', { class: 'mesh-axis', x1: 0, x2: WIDTH, y1: middle, y2: middle }),
    ...bars,
  );
}

function latency(slots, label) {
  const mean = slots.map(({ collected }) => (collected.messages === 0 ? 0 : collected.totalMs / collected.messages));
  const maximum = Math.max(1, ...mean);
  const step = WIDTH / slots.length;
  const bars = mean.map((value, index) => {
    const height = value === 0 ? 0 : Math.max(1.5, (value / maximum) * (HEIGHT - 2));
    return svg('rect', {
      class: 'mesh-latency',
      x: (index * step + 0.5).toFixed(1),
      width: (step - 1).toFixed(1),
      y: (HEIGHT - height).toFixed(1),
      height: height.toFixed(1),
    });
  });
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    svg('line', { class: 'mesh-axis', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
    ...bars,
  );
}

const sum = (slots, of) => slots.reduce((total, slot) => total + of(slot), 0);

/** Charts the messages, the bytes and the time to collection of a day's slots. */
export function charts({ slots }) {
  const sent = sum(slots, (slot) => slot.sent.messages);
  const received = sum(slots, (slot) => slot.received.messages);
  const sentBytes = bytes(sum(slots, (slot) => slot.sent.bytes));
  const receivedBytes = bytes(sum(slots, (slot) => slot.received.bytes));
  const collected = sum(slots, (slot) => slot.collected.messages);
  const mean = collected === 0 ? text('none') : span(sum(slots, (slot) => slot.collected.totalMs) / collected);
  const figure = (title, figures, chart) =>
    el('figure', {}, el('figcaption', {}, el('span', { text: title }), figures), chart);
  const sentAndReceived = (sentValue, receivedValue) =>
    el(
      'span',
      { class: 'mesh-figures' },
      el('span', { class: 'mesh-key-sent', text: text('chart.sent', { value: sentValue }) }),
      el('span', { class: 'mesh-key-received', text: text('chart.received', { value: receivedValue }) }),
    );
  return el(
    'div',
    { class: 'mesh-charts' },
    figure(
      text('chart.messages'),
      sentAndReceived(sent, received),
      mirrored(
        slots,
        (slot) => slot.sent.messages,
        (slot) => slot.received.messages,
        text('chart.messages-label', { sent, received }),
      ),
    ),
    figure(
      text('chart.bytes'),
      sentAndReceived(sentBytes, receivedBytes),
      mirrored(
        slots,
        (slot) => slot.sent.bytes,
        (slot) => slot.received.bytes,
        text('chart.bytes-label', { sent: sentBytes, received: receivedBytes }),
      ),
    ),
    figure(
      text('chart.latency'),
      el('span', { class: 'mesh-figures', text: collected === 0 ? mean : text('chart.mean', { value: mean }) }),
      latency(slots, text('chart.latency-label', { mean, collected })),
    ),
  );
}
