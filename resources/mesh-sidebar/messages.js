/**
 * The messages of one mailbox: sent or received, filtered by state, searched, a page at a time; one of them may be
 * open.
 */
import { get, mailboxPath } from './api.js';
import { bytes, button, el, moment, replace, text } from './dom.js';
import { MessageDetail } from './message.js';

const SEARCH_AFTER_MS = 300;

export class Messages {
  #id;
  /** For each direction: `lists` with their states, and `looks` of the states (lib/message-states.ts). */
  #states;
  #direction = 'out';
  #filter = 'all';
  #search = '';
  #messages = [];
  #next;
  /** The number of pages shown. */
  #pages = 1;
  #searchedTo;
  #open;
  /** Numbers the requests: the response to an older one is dropped. */
  #request = 0;
  /** Set while another page is loaded. */
  #loadingMore;
  #timer;
  #list = el('ul', { class: 'mesh-list', 'aria-label': text('list.label') });
  /** Shown where there is room for columns; the cells of a row stand below each other otherwise. */
  #heads = el(
    'div',
    { class: 'mesh-columns', 'aria-hidden': 'true' },
    ['workflow', 'partner', 'state', 'outcome', 'size', 'time'].map((each) =>
      el('span', { class: `mesh-${each}`, text: text(`column.${each}`) }),
    ),
  );
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
    this.#heads,
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

  mailbox(id, states) {
    this.#states = states;
    if (id === this.#id) return;
    this.#id = id;
    void this.show('out', 'all');
  }

  /** Shows the messages of a direction and a filter, newest first. */
  show(direction, filter) {
    this.#direction = direction;
    this.#filter = filter;
    this.#pages = 1;
    this.#open = undefined;
    for (const [each, tab] of Object.entries(this.#tabs)) {
      tab.classList.toggle('selected', each === direction);
      tab.setAttribute('aria-pressed', String(each === direction));
    }
    const lists = Object.keys(this.#states[direction].lists);
    const options = lists.map((each) => el('option', { value: each, text: text(`filter.${each}`) }));
    this.#filters.replaceChildren(...options);
    this.#filters.value = filter;
    return this.#reload();
  }

  #searchFor(words) {
    if (words === this.#search) return;
    this.#search = words;
    this.#pages = 1;
    void this.#reload();
  }

  /** Reloads as many of the newest messages as are shown; the open one stays open. */
  async refresh() {
    // A reload would drop the page that is being loaded.
    await this.#loadingMore;
    await this.#reload();
  }

  async #reload() {
    if (!this.#id) return;
    await this.#load({ pages: this.#pages });
    await this.#open?.refresh();
  }

  /** Loads `pages` pages from `before` on; without it from the newest on, in place of the shown ones. */
  async #load({ before, pages }) {
    const request = (this.#request += 1);
    const query = { direction: this.#direction, filter: this.#filter, search: this.#search };
    const messages = before ? [...this.#messages] : [];
    let page = { next: before };
    let read = 0;
    try {
      do {
        page = await get(`${mailboxPath(this.#id)}/messages`, page.next ? { ...query, before: page.next } : query);
        // Another filter was selected meanwhile.
        if (request !== this.#request) return;
        messages.push(...page.messages);
        read += 1;
      } while (page.next && read < pages);
    } catch (error) {
      if (request === this.#request) {
        const message = error.known ? error.message : text(error.message);
        replace(this.#foot, el('span', { class: 'mesh-error', text: message }));
      }
      return;
    }
    this.#messages = messages;
    this.#pages = before ? this.#pages + read : read;
    this.#next = page.next;
    this.#searchedTo = page.searchedTo;
    this.#render();
  }

  /** Loads another page. After the last one the button is gone, so the focus moves to the first new message. */
  async #more() {
    const shown = this.#messages.length;
    this.#loadingMore = this.#load({ before: this.#next, pages: 1 });
    await this.#loadingMore;
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
    // Shows how far back the search has come, even while nothing is found.
    const to = this.#searchedTo && this.#next ? new Date(this.#searchedTo).toLocaleString() : '';
    const words = [none, to && text('list.searched-to', { time: to })].filter(Boolean).join(' ');
    replace(this.#foot, words ? el('span', { class: 'mesh-hint', text: words }) : null, more);
  }

  #row(message) {
    const { reference, state, workflowId, kind, resentAs, from, to } = message;
    const isOpen = this.#open?.reference === reference;
    const stateText = resentAs ? text('state-resent') : text(`state.${message.direction}.${state}`);
    const partner = message.direction === 'out' ? to && text('list.to', { to }) : from && text('list.from', { from });
    const look = this.#states[message.direction].looks[state] ?? 'over';
    const head = el(
      'button',
      {
        type: 'button',
        class: 'mesh-row',
        'aria-expanded': String(isOpen),
        'data-key': `row-${reference}`,
        onclick: () => this.#toggle(message),
      },
      el('span', { class: `mesh-mark mesh-look-${look}`, 'aria-hidden': 'true' }),
      el('span', {
        class: 'mesh-workflow',
        text: kind === 'report' ? text('list.report', { workflow: workflowId }) : workflowId,
      }),
      moment(message.time),
      el(
        'span',
        { class: 'mesh-second' },
        el('span', { class: `mesh-state mesh-look-text-${look}`, text: stateText }),
        el('span', { class: 'mesh-partner', text: partner || '' }),
        outcomeOf(message),
      ),
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

  /** A message created by an action is at the top of the sent ones; the focus moves there. */
  async #changed(reference) {
    if (!reference) {
      await this.refresh();
      return;
    }
    const hadFocus = this.element.contains(document.activeElement);
    await this.show('out', 'all');
    if (hadFocus) this.#list.querySelector(`[data-key="row-${CSS.escape(reference)}"]`)?.focus();
  }
}

const LOOKS = { awaited: 'busy', positive: 'good', partial: 'warning', negative: 'bad', overdue: 'warning' };

function outcomeOf({ infrastructure, business, replies }) {
  const isSaid = (each) => each && each !== 'not-asked';
  if (isSaid(replies)) {
    return el('span', { class: `mesh-outcome mesh-look-text-${LOOKS[replies]}`, text: text(`reply.${replies}`) });
  }
  const outcome = isSaid(business) ? business : infrastructure;
  if (!outcome || outcome === 'not-asked') return el('span', { class: 'mesh-outcome' });
  return el('span', { class: `mesh-outcome mesh-look-text-${LOOKS[outcome]}`, text: text(`outcome.${outcome}`) });
}
