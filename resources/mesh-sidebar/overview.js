/** One mailbox at a glance: its connection, its counts of messages, what needs attention, its transfers. */
import { ago, bytes, button, el, span, text } from './dom.js';

/** The server counts no further. */
const MAX_COUNT = 1000;
const DAY_MS = 86_400_000;
/** The class of each severity (lib/monitor/conditions.ts). */
const LEVELS = { warning: 'warning', critical: 'error' };

const limitedCount = (count) => (count > MAX_COUNT ? `${MAX_COUNT}+` : String(count));

function environmentName(environment) {
  if (['sandbox', 'integration', 'live'].includes(environment)) return text(`environment.${environment}`);
  return environment ? text('environment.other') : '';
}

function row(term, value, level) {
  return [el('dt', { text: term }), el('dd', { class: level ? `mesh-${level}` : null }, value)];
}

function recurringTask({ lastSucceeded, lastFailed, error }) {
  if (!error) return [ago(lastSucceeded), undefined];
  return [el('span', {}, text('failed'), ' ', ago(lastFailed)), 'error'];
}

function clock(skew, level) {
  if (!skew) return [text('unknown'), 'none'];
  const difference = Math.max(0, Math.abs(skew.ms) - skew.uncertaintyMs);
  const words =
    difference < 1000
      ? text('clock.right')
      : text(skew.ms > 0 ? 'clock.behind' : 'clock.ahead', { span: span(difference) });
  return [words, LEVELS[level]];
}

function certificate(found, level) {
  if (!found) return [text('certificate.none'), 'none'];
  const days = Math.floor((Date.parse(found.validTo) - Date.now()) / DAY_MS);
  const date = new Date(found.validTo).toLocaleDateString();
  if (days < 0) return [text('certificate.expired', { date }), 'error'];
  return [text('certificate.until', { date, days }), LEVELS[level]];
}

/** The faults that keep the mailbox from working, and what else a person has to know of, shown first. */
function faults({ connection, sending, health, conditions = [] }) {
  const tasks = [health?.poll.error, health?.handshake.error];
  const found = [
    ...[connection.error, sending?.storeError, sending?.paused?.error, ...tasks].filter(Boolean),
    ...conditions.map(({ text: message, ...condition }) => ({ message, ...condition })),
  ];
  const seen = new Set();
  return found
    .filter(({ message }) => !seen.has(message) && seen.add(message))
    .map(({ message, advice, severity }) =>
      el(
        'div',
        { class: `mesh-trouble ${severity === 'warning' ? 'mesh-trouble-warning' : ''}`, role: 'alert' },
        el('i', { class: 'fa fa-exclamation-triangle', 'aria-hidden': 'true' }),
        el('div', {}, el('div', { text: message }), advice ? el('div', { class: 'mesh-advice', text: advice }) : null),
      ),
    );
}

/** Counts of messages by state; each one lists its messages. */
function counts({ counts: { sent, received }, inbox }, states, onChoose) {
  const sum = (found, list) => list.reduce((total, state) => total + found[state], 0);
  const sentIn = (filter) => sum(sent, states.out.lists[filter]);
  const receivedIn = (filter) => sum(received, states.in.lists[filter]);
  const chips = [
    ['waiting-out', 'out', 'waiting', sentIn('waiting')],
    ['under-way', 'out', 'underway', sentIn('underway')],
    ['overdue', 'out', 'overdue', received.overdue, 'warning'],
    ['unknown', 'out', 'unknown', sentIn('unknown'), 'error'],
    ['parked-out', 'out', 'parked', sentIn('parked'), 'error'],
    ['undelivered', 'out', 'undelivered', sentIn('undelivered'), 'error'],
    ['waiting-in', 'in', 'waiting', receivedIn('waiting')],
    ['in-flight', 'in', 'inflight', Math.max(inbox.inFlight, receivedIn('inflight'))],
    ['parked-in', 'in', 'parked', receivedIn('parked'), 'error'],
  ];
  return el(
    'div',
    { class: 'mesh-counts', role: 'group', 'aria-label': text('counts.label') },
    chips.map(([key, direction, filter, count, level]) =>
      el(
        'button',
        {
          type: 'button',
          class: `mesh-count ${count > 0 && level ? `mesh-${level}` : ''} ${count === 0 ? 'mesh-zero' : ''}`,
          'data-key': `count-${key}`,
          'aria-label': text('counts.show', { what: text(`counts.${key}`), count: limitedCount(count) }),
          onclick: () => onChoose(direction, filter),
        },
        el('b', { text: limitedCount(count) }),
        el('span', { text: text(`counts.${key}`) }),
      ),
    ),
  );
}

/** The time and progress of each transfer when it was first seen; its rate is measured from there. */
const firstSeen = new Map();

export function progressBar(key, title, done, total) {
  const now = Date.now();
  const first = firstSeen.get(key) ?? { at: now, done };
  firstSeen.set(key, first);
  const rate = now > first.at ? ((done - first.done) * 1000) / (now - first.at) : 0;
  const percent = total > 0 ? Math.min(100, Math.round((done / total) * 100)) : 0;
  const words = [
    total > 0 ? text('progress.of', { done: bytes(done), total: bytes(total) }) : bytes(done),
    rate > 0 ? text('progress.rate', { rate: bytes(rate) }) : '',
    rate > 0 && total > done ? text('progress.left', { span: span(((total - done) / rate) * 1000) }) : '',
  ].filter(Boolean);
  return el(
    'div',
    { class: 'mesh-progress' },
    el('div', { class: 'mesh-progress-title', text: title }),
    el(
      'div',
      {
        class: 'mesh-bar',
        role: 'progressbar',
        'aria-label': title,
        'aria-valuemin': '0',
        'aria-valuemax': '100',
        ...(total > 0 ? { 'aria-valuenow': String(percent) } : {}),
        'aria-valuetext': words.join(', '),
      },
      Object.assign(el('div'), { style: `width:${total > 0 ? percent : 100}%` }),
    ),
    el('div', { class: 'mesh-progress-words', text: words.join(' · ') }),
  );
}

export const forgetProgress = (key) => firstSeen.delete(key);

function transfers({ id, transfers: sending, inbox }) {
  const bars = sending.map((message) => {
    const done = Math.round((message.bytes * message.chunksSent) / message.totalChunks);
    const title = text('progress.sending', {
      workflow: message.workflowId,
      chunk: message.chunksSent,
      chunks: message.totalChunks,
    });
    return progressBar(`out ${message.id}`, title, done, message.bytes);
  });
  const { progress } = inbox;
  const key = `in ${id}`;
  if (progress && progress.totalChunks > 1) {
    const title = text('progress.receiving', { chunk: progress.chunk, chunks: progress.totalChunks });
    const total = Math.round((progress.bytes / Math.max(1, progress.chunk)) * progress.totalChunks);
    bars.push(progressBar(key, title, progress.bytes, total));
  } else forgetProgress(key);
  return bars;
}

export function overview(mailbox, { states, mayWrite, onChoose, onAct }) {
  const { connection, health, isSandbox, mailboxId, inbox, name, levels } = mailbox;
  // Also before the mailbox is open, and for a sandbox in another process of the server.
  const environment = isSandbox ? 'sandbox' : mailbox.environment;
  const head = el(
    'div',
    { class: 'mesh-head' },
    el('span', { class: `mesh-dot mesh-dot-${connection.kind}`, 'aria-hidden': 'true' }),
    el('strong', { text: mailboxId ?? name ?? '' }),
    environment
      ? el('span', {
          class: `mesh-badge ${environment === 'live' ? 'mesh-env-live' : ''}`,
          text: environmentName(environment),
        })
      : null,
    el('span', { class: 'mesh-connection', text: text(`connection.${connection.kind}`) }),
  );
  if (!health)
    return [
      head,
      ...faults(mailbox),
      connection.kind === 'idle' ? el('p', { class: 'mesh-hint', text: text('idle') }) : null,
    ];
  const actionButton = (action, icon) =>
    mayWrite
      ? button(text(`action.${action}`), {
          icon,
          iconOnly: true,
          'data-key': `do-${action}`,
          onclick: () => onAct(action),
        })
      : null;
  const handshake = recurringTask(health.handshake);
  const poll = recurringTask(health.poll);
  const withAction = ([value, level], button) => [
    el('span', { class: 'mesh-with-action' }, el('span', {}, value), button),
    level,
  ];
  return [
    head,
    ...faults(mailbox),
    el(
      'dl',
      { class: 'mesh-facts' },
      ...row(text('fact.handshake'), ...withAction(handshake, actionButton('handshake', 'handshake-o'))),
      ...row(text('fact.poll'), ...withAction(poll, actionButton('poll', 'refresh'))),
      ...row(
        text('fact.next-poll'),
        health.poll.next ? ago(health.poll.next) : text(inbox.polling ? 'polling' : 'no-poll'),
      ),
      ...row(text('fact.clock'), ...clock(health.clockSkew, levels.clock)),
      ...row(text('fact.certificate'), ...certificate(health.certificate, levels.certificate)),
      // Only the sandbox inside this Node-RED: the clock of MESH is nobody's to move.
      ...(mailbox.environment === 'sandbox' && mayWrite
        ? row(
            text('fact.sandbox'),
            button(text('action.five-days'), {
              icon: 'fast-forward',
              'data-key': 'do-five-days',
              onclick: () => onAct('five-days'),
            }),
          )
        : []),
    ),
    counts(mailbox, states, onChoose),
    el('div', { class: 'mesh-transfers' }, transfers(mailbox)),
  ];
}
