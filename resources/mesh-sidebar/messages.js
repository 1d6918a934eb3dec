/** The list of messages of one mailbox: sent or received, by state, searched, a page at a time; one of them open. */
import { get, mailboxPath } from './api.js';
import { bytes, button, el, moment, replace, text } from './dom.js';
import { MessageDetail } from './message.js';

const FILTERS = {
  out: ['all', 'attention', 'waiting', 'underway', 'overdue', 'arrived', 'unknown', 'undelivered', 'parked', 'closed'],
  in: ['all', 'waiting', 'inflight', 'parked', 'done'],
};
const SEARCH_AFTER_MS = 300;

/** What a state looks like: good, bad, under way, over. */
export const LOOK = {
  queued: 'waiting',
  sending: 'busy',
  accepted: 'busy',
  acknowledged: 'good',
  undelivered: 'bad',
  rejected: 'bad',
  unknown: 'bad',
  parked: 'bad',
  closed: 'over',
  spooled: 'waiting',
  delivered: 'busy',
  done: 'good',
};

export class Messages {
  #id;
  #direction = 'out';
  #filter = 'all';
  #search = '';
  #messages = [];
  #next;
  /** How many are shown. */
  #pages = 1;
  #searchedTo;
  #open;
  #asked = 0;
  /** While more is loaded. */
  #adding;
  #timer;
  #list = el('ul', { class: 'mesh-list', 'aria-label': text('list.label') });
  #foot = el('div', { class: 'mesh-foot', 'aria-live': 'polite' });
  #tabs = { out: this.#tab('out'), in: this.#tab('in') };
  #filters = el('select', {
    'aria-label': text('list.filter'),
    onchange: () => void this.show(this.#direction, this.#filters.value),
  });
  #searchField = el('input', {
    type: 'search',
    placeholder: text('list.search'),
    'aria-label': text('list.search-label'),
    oninput: () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#searchFor(this.#searchField.value), SEARCH_AFTER_MS);
    },
  });

  element = el(
    'section',
    { class: 'mesh-messages', 'aria-label': text('list.title') },
    el(
      'div',
      { class: 'mesh-tools' },
      el('div', { class: 'mesh-segments', role: 'group' }, this.#tabs.out, this.#tabs.in),
      this.#filters,
    ),
    el('div', { class: 'mesh-tools' }, this.#searchField),
    this.#list,
    this.#foot,
  );

  #tab(direction) {
    return el('button', {
      type: 'button',
      class: 'red-ui-button red-ui-button-small toggle',
      text: text(`list.${direction}`),
      onclick: () => void this.show(direction, 'all'),
    });
  }

  mailbox(id) {
    if (id === this.#id) return;
    this.#id = id;
    void this.show('out', 'all');
  }

  /** Shows the messages of a direction and a filter, from the newest on. */
  show(direction, filter) {
    this.#direction = direction;
    this.#filter = filter;
    this.#pages = 1;
    this.#open = undefined;
    for (const [each, tab] of Object.entries(this.#tabs)) {
      tab.classList.toggle('selected', each === direction);
      tab.setAttribute('aria-pressed', String(each === direction));
    }
    const options = FILTERS[direction].map((each) => el('option', { value: each, text: text(`filter.${each}`) }));
    this.#filters.replaceChildren(...options);
    this.#filters.value = filter;
    return this.#again();
  }

  #searchFor(words) {
    if (words === this.#search) return;
    this.#search = words;
    this.#pages = 1;
    void this.#again();
  }

  /** Asks for as many of the newest again as are shown; what is open stays open. */
  async refresh() {
    // Who has asked for more gets it first: the same question anew would drop the answer.
    await this.#adding;
    await this.#again();
  }

  async #again() {
    if (!this.#id) return;
    await this.#load({ pages: this.#pages });
    await this.#open?.refresh();
  }

  /** Loads `pages` from `before` on; without it from the newest on, in place of what is shown. */
  async #load({ before, pages }) {
    const asked = (this.#asked += 1);
    const wanted = { direction: this.#direction, filter: this.#filter, search: this.#search };
    const messages = before ? [...this.#messages] : [];
    let page = { next: before };
    let read = 0;
    try {
      do {
        page = await get(`${mailboxPath(this.#id)}/messages`, page.next ? { ...wanted, before: page.next } : wanted);
        // Another filter was chosen meanwhile.
        if (asked !== this.#asked) return;
        messages.push(...page.messages);
        read += 1;
      } while (page.next && read < pages);
    } catch (error) {
      if (asked === this.#asked) {
        const words = error.known ? error.message : text(error.message);
        replace(this.#foot, el('span', { class: 'mesh-error', text: words }));
      }
      return;
    }
    this.#messages = messages;
    this.#pages = before ? this.#pages + read : read;
    this.#next = page.next;
    this.#searchedTo = page.searchedTo;
    this.#render();
  }

  /** The focus goes to the first of the new ones where no more follow: the button is gone then. */
  async #more() {
    const shown = this.#messages.length;
    this.#adding = this.#load({ before: this.#next, pages: 1 });
    await this.#adding;
    if (!this.#next) this.#list.querySelectorAll('.mesh-row')[Math.min(shown, this.#messages.length - 1)]?.focus();
  }

  #render() {
    const open = this.#open && this.#messages.some(({ reference }) => reference === this.#open.reference);
    if (!open) this.#open = undefined;
    replace(this.#list, () => this.#messages.map((message) => this.#row(message)));
    const more = this.#next
      ? button(text(this.#search ? 'list.search-on' : 'list.more'), {
          'data-key': 'more',
          onclick: () => void this.#more(),
        })
      : null;
    const none = this.#messages.length === 0 ? text(this.#search ? 'list.not-found' : 'list.none') : '';
    // How far it has come is to be seen too while nothing is found.
    const to = this.#searchedTo && this.#next ? new Date(this.#searchedTo).toLocaleString() : '';
    const words = [none, to && text('list.searched-to', { time: to })].filter(Boolean).join(' ');
    replace(this.#foot, words ? el('span', { class: 'mesh-hint', text: words }) : null, more);
  }

  #row(message) {
    const { reference, state, workflowId, kind } = message;
    const isOpen = this.#open?.reference === reference;
    const stateText = text(`state.${message.direction}.${state}`);
    const head = el(
      'button',
      {
        type: 'button',
        class: 'mesh-row',
        'aria-expanded': String(isOpen),
        'data-key': `row-${reference}`,
        onclick: () => this.#toggle(message),
      },
      el('span', { class: `mesh-mark mesh-look-${LOOK[state] ?? 'over'}`, 'aria-hidden': 'true' }),
      el('span', {
        class: 'mesh-workflow',
        text: kind === 'report' ? text('list.report', { workflow: workflowId }) : workflowId,
      }),
      moment(message.time),
      el('span', { class: `mesh-state mesh-look-text-${LOOK[state] ?? 'over'}`, text: stateText }),
      outcomeOf(message),
      el('span', { class: 'mesh-size', text: bytes(message.bytes) }),
    );
    return el('li', { class: isOpen ? 'mesh-open' : null }, head, isOpen ? this.#open.element : null);
  }

  #toggle(message) {
    if (this.#open?.reference === message.reference) this.#open = undefined;
    else {
      this.#open = new MessageDetail(this.#id, message, (reference) => void this.#changed(reference));
      void this.#open.refresh();
    }
    this.#render();
  }

  /** What came of an action is at the top of the sent ones; a keyboard goes on there. */
  async #changed(reference) {
    if (!reference) {
      await this.refresh();
      return;
    }
    const waitAtMost = this.element.contains(document.activeElement);
    await this.show('out', 'all');
    if (waitAtMost) this.#list.querySelector(`[data-key="row-${CSS.escape(reference)}"]`)?.focus();
  }
}

function outcomeOf({ infrastructure, business }) {
  const outcome = business && business !== 'not-asked' ? business : infrastructure;
  if (!outcome || outcome === 'not-asked') return el('span');
  const look = { awaited: 'busy', positive: 'good', partial: 'warning', negative: 'bad', overdue: 'warning' }[outcome];
  return el('span', { class: `mesh-outcome mesh-look-text-${look}`, text: text(`outcome.${outcome}`) });
}
