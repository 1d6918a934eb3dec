/** One open message: its facts, its history and its actions. */
import { download, get, may, messagePath, post } from './api.js';
import { ago, bytes, button, el, replace, span, text } from './dom.js';

const { RED } = globalThis;
const PRIVATE = ['subject', 'fileName', 'localId', 'partnerId'];
/** For how long a button says that it has copied its text. */
const COPIED_MS = 3000;
/** A long history leaves out the chunks between the first and the last three. */
const CHUNKS_SHOWN = 3;

export class MessageDetail {
  #mailbox;
  #message;
  #changed;
  #timeline = [];
  #privateFields;
  #confirming;
  #failure;
  #serviceDeskOpen = false;
  element = el('div', { class: 'mesh-detail' });

  /** @param changed called after an action, with the reference of the message that it created, if any */
  constructor(mailbox, message, changed) {
    this.#mailbox = mailbox;
    this.#message = message;
    this.#changed = changed;
  }

  get reference() {
    return this.#message.reference;
  }

  async refresh() {
    try {
      const { message, timeline } = await get(messagePath(this.#mailbox, this.#message));
      this.#message = message;
      this.#timeline = timeline;
    } catch (error) {
      this.#failure = error;
    }
    this.#render();
  }

  #render() {
    const { error, serviceDesk } = this.#message;
    replace(
      this.element,
      this.#facts(),
      error ? fault(error) : null,
      serviceDesk
        ? el(
            'details',
            { open: this.#serviceDeskOpen, ontoggle: ({ target }) => (this.#serviceDeskOpen = target.open) },
            el('summary', { 'data-key': 'service-desk', text: text('detail.service-desk') }),
            el('pre', { text: serviceDesk }),
            copyButton(serviceDesk),
          )
        : null,
      this.#timeline.length > 0 ? timeline(this.#timeline) : null,
      this.#failure
        ? fault({
            message: this.#failure.known ? this.#failure.message : text(this.#failure.message),
            advice: this.#failure.advice,
          })
        : null,
      this.#confirming ? this.#confirmation() : this.#actions(),
    );
  }

  /**
   * Focuses an element, or the message's row if the element is gone, so that the keyboard user continues from there. A
   * response may be late: a focus that the user has moved to another part meanwhile stays there.
   */
  #focus(key) {
    const { activeElement } = document;
    if (activeElement !== document.body && !this.element.contains(activeElement)) return;
    const element = this.element.querySelector(`[data-key="${key}"]`);
    (element ?? this.element.parentElement?.querySelector('.mesh-row'))?.focus();
  }

  #facts() {
    const {
      reference,
      messageId,
      bytes: size,
      totalChunks,
      attempts,
      deliveryCount,
      linkedMessageId,
      statusCode,
      resendOf,
      resentAs,
      direction,
      state,
      nextDeliveryAt,
    } = this.#message;
    const { infrastructure, business, stages = [] } = this.#message;
    const { from = this.#message.from, to = this.#message.to } = this.#privateFields ?? {};
    const nextDelivery =
      direction === 'in' && state === 'done'
        ? text('detail.delivered-for-good')
        : nextDeliveryAt && ago(nextDeliveryAt);
    const facts = [
      [text('detail.message-id'), messageId],
      [text('detail.reference'), reference === messageId ? undefined : reference],
      [text('detail.from'), from],
      [text('detail.to'), to],
      [text('detail.size'), bytes(size)],
      [text('detail.chunks'), totalChunks > 1 ? `${this.#message.chunksSent} / ${totalChunks}` : undefined],
      [text('detail.attempts'), attempts > 1 ? attempts : undefined],
      [text('detail.deliveries'), deliveryCount > 1 ? deliveryCount : undefined],
      [text('detail.next-delivery'), nextDelivery],
      [text('detail.infrastructure'), outcome(infrastructure)],
      [text('detail.business'), outcome(business)],
      ...stages.map((stage) => [text('detail.stage', { name: stage.name }), stageFact(stage)]),
      [text('detail.linked'), linkedMessageId],
      [text('detail.status-code'), statusCode],
      [text('detail.resend-of'), resendOf],
      [text('detail.resent-as'), resentAs],
      ...PRIVATE.map((name) => [text(`detail.${name}`), this.#privateFields?.[name]]),
    ];
    return el(
      'dl',
      { class: 'mesh-facts' },
      facts
        .filter(([, value]) => value !== undefined && value !== null && value !== '')
        .flatMap(([term, value]) => [
          el('dt', { text: term }),
          el('dd', {}, value instanceof Node ? value : String(value)),
        ]),
    );
  }

  #actions() {
    const mayWrite = may('mesh.write');
    const mayView = may('mesh.payload');
    const { actions, kind } = this.#message;
    const icons = { ask: 'question', resend: 'repeat', drop: 'trash-o', acknowledge: 'check', redeliver: 'share' };
    return el(
      'div',
      { class: 'mesh-actions' },
      mayView && !this.#privateFields
        ? button(text('detail.show'), { icon: 'eye', 'data-key': 'show', onclick: () => void this.#show() })
        : null,
      mayView && kind === 'data'
        ? button(text('detail.download'), {
            icon: 'download',
            'data-key': 'download',
            onclick: () => void this.#download(),
          })
        : null,
      mayWrite
        ? actions.map((action) =>
            button(this.#text('action', action), {
              icon: icons[action],
              'data-key': `action-${action}`,
              onclick: () => this.#ask(action),
            }),
          )
        : null,
    );
  }

  /** Returns the label or the question of an action, which may differ for the message's state. */
  #text(what, action) {
    const { state, resentAs } = this.#message;
    const key = action === 'resend' && resentAs ? `${what}.resend-again` : `${what}.${action}-${state}`;
    return text(key, { resentAs }, text(`${what}.${action}`));
  }

  #ask(action) {
    this.#confirming = action;
    this.#failure = undefined;
    this.#render();
    this.#focus('cancel');
  }

  #confirmation() {
    const action = this.#confirming;
    const label = this.#text('confirm', action);
    const close = () => {
      this.#confirming = undefined;
      this.#render();
      this.#focus(`action-${action}`);
    };
    return el(
      'div',
      {
        class: 'mesh-confirm',
        role: 'alertdialog',
        'aria-label': label,
        onkeydown: (event) => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          close();
        },
      },
      el('p', { text: label }),
      el(
        'div',
        { class: 'mesh-actions' },
        button(text('cancel'), { 'data-key': 'cancel', onclick: close }),
        button(this.#text('action', action), {
          'data-key': 'confirm',
          class: 'red-ui-button red-ui-button-small primary',
          onclick: () => void this.#act(action),
        }),
      ),
    );
  }

  async #act(action) {
    this.#confirming = undefined;
    try {
      const { reference } = await post(`${messagePath(this.#mailbox, this.#message)}/actions`, { action });
      this.#failure = undefined;
      this.#render();
      this.#focus('row');
      this.#changed(reference);
    } catch (error) {
      this.#failure = error;
      this.#render();
      this.#focus(`action-${action}`);
    }
  }

  async #show() {
    try {
      this.#privateFields = await get(`${messagePath(this.#mailbox, this.#message)}/private`);
      this.#failure = undefined;
      await this.refresh();
      this.#focus('download');
    } catch (error) {
      this.#failure = error;
      this.#render();
    }
  }

  async #download() {
    this.#failure = undefined;
    try {
      await download(`${messagePath(this.#mailbox, this.#message)}/payload`);
    } catch (error) {
      this.#failure = error;
    }
    this.#render();
  }
}

/** A button that copies a text, and says whether it did. */
function copyButton(words) {
  const label = el('span', { text: ` ${text('copy')}` });
  const show = (key) => (label.textContent = ` ${text(key)}`);
  return el(
    'button',
    {
      type: 'button',
      class: 'red-ui-button red-ui-button-small',
      'data-key': 'copy',
      'aria-live': 'polite',
      onclick: () => {
        // Node-RED's own way also works without https, unlike the browser's clipboard.
        show(RED.clipboard.copyText(words) ? 'copied' : 'copy-failed');
        setTimeout(() => show('copy'), COPIED_MS);
      },
    },
    el('i', { class: 'fa fa-clipboard', 'aria-hidden': 'true' }),
    label,
  );
}

const outcome = (value) => (!value || value === 'not-asked' ? undefined : text(`outcome.${value}`));

/** A stage of the replies: what it has said, or by when it has to. */
function stageFact({ outcome: said, dueBy, code, replies, occurs }) {
  const due = dueBy ? new Date(dueBy).toLocaleString() : undefined;
  const isOptional = occurs !== 'expected';
  const key =
    { 'not-asked': isOptional ? 'none-yet' : 'not-awaited', awaited: due ? 'awaited' : 'unsent' }[said] ?? said;
  const words = [text(`stage.${key}`, { due }), code, replies > 1 ? text('stage.replies', { replies }) : undefined];
  return words.filter(Boolean).join(', ');
}

function fault({ message, advice }) {
  return el(
    'div',
    { class: 'mesh-trouble' },
    el('i', { class: 'fa fa-exclamation-triangle', 'aria-hidden': 'true' }),
    el('div', {}, el('div', { text: message }), advice ? el('div', { class: 'mesh-advice', text: advice }) : null),
  );
}

/** Returns the catalogue's text for a word of the ledger, or the value itself: ids and numbers have no text. */
const word = (group, value) => text(`${group}.${String(value).replaceAll(/[ .:]/g, '-')}`, {}, String(value));

const detailValue = (name, value) => (name.endsWith('Ms') ? span(value) : word('ledger-value', value));

/** The history of a message, in order. */
function timeline(lines) {
  const items = [];
  const chunks = lines.filter(({ event }) => event === 'chunk').length;
  let seen = 0;
  lines.forEach((line, index) => {
    if (line.event === 'chunk') {
      seen += 1;
      if (chunks > 2 * CHUNKS_SHOWN && seen > CHUNKS_SHOWN && seen <= chunks - CHUNKS_SHOWN) {
        if (seen === CHUNKS_SHOWN + 1)
          items.push(
            el('li', {
              class: 'mesh-hint',
              text: text('detail.chunks-left-out', { chunks: chunks - 2 * CHUNKS_SHOWN }),
            }),
          );
        return;
      }
    }
    const before = lines[index - 1];
    const after = before ? ` (+${span(line.time - before.time)})` : '';
    const detail = Object.entries(line.detail)
      .filter(([, value]) => value !== null && value !== '')
      .map(([name, value]) => `${word('ledger-detail', name)} ${detailValue(name, value)}`)
      .join(', ');
    items.push(
      el(
        'li',
        {},
        el('time', { datetime: new Date(line.time).toISOString(), text: new Date(line.time).toLocaleString() }),
        el('span', { class: 'mesh-event', text: word('ledger-event', line.event) + after }),
        detail ? el('span', { class: 'mesh-hint', text: detail }) : null,
      ),
    );
  });
  return el('ol', { class: 'mesh-timeline', 'aria-label': text('detail.timeline') }, items);
}
