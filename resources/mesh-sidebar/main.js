/** The MESH sidebar: assembles its parts and keeps them up to date while it is visible. */
import { download, get, mailboxPath, may, post } from './api.js';
import { charts } from './charts.js';
import { composeForm } from './compose.js';
import { button, el, replace, text } from './dom.js';
import { Messages } from './messages.js';
import { overview } from './overview.js';
import { showBadge, worstOf } from './trouble.js';

const { RED } = globalThis;
const TOPIC = 'mesh/mailbox';
/** Displayed ages go stale, and a notification may be missed. */
const REFRESH_EVERY_MS = 15_000;
const REFRESH_DELAY_MS = 700;
const CHARTS_EVERY_MS = 60_000;
/** While the sidebar is hidden only its badge is kept up to date. */
const BADGE_EVERY_MS = 60_000;
const BADGE_DELAY_MS = 3000;

class Sidebar {
  #id;
  /** The user has chosen the mailbox; until then the worst one is shown whenever the sidebar comes into view. */
  #isChosen = false;
  #showWorst = false;
  #timer;
  #refreshTimer;
  #chartsAt = 0;
  #refreshing = false;
  #refreshAgain = false;
  #chooser = el('select', { 'aria-label': text('mailbox'), onchange: () => this.#choose(this.#chooser.value) });
  #composeButton = button(text('compose.title'), {
    icon: 'pencil-square-o',
    iconOnly: true,
    'aria-expanded': 'false',
    onclick: () => this.#compose(),
  });
  #composeArea = el('div');
  #notice = el('div', { class: 'mesh-notice', role: 'status' });
  #overview = el('section', { class: 'mesh-overview', 'aria-label': text('overview') });
  #charts = el('section', { 'aria-label': text('chart.title') });
  #messages = new Messages();
  #ledger = this.#ledgerTools();
  #body = el(
    'div',
    { class: 'mesh-body' },
    this.#composeArea,
    this.#notice,
    el('div', { class: 'mesh-glance' }, this.#overview, this.#charts),
    this.#messages.element,
    this.#ledger,
  );
  #empty = el('p', { class: 'mesh-hint mesh-empty', text: text('empty'), hidden: true });

  constructor(element) {
    element.append(
      el('div', { class: 'red-ui-sidebar-header mesh-toolbar' }, this.#chooser, this.#composeButton),
      this.#empty,
      this.#body,
    );
    RED.comms.subscribe(TOPIC, (_topic, { id }) => this.#changed(id));
    RED.events.on('runtime-state', () => this.#refreshSoon());
  }

  shown() {
    clearInterval(this.#timer);
    this.#showWorst = !this.#isChosen;
    this.#timer = setInterval(() => void this.refresh(), REFRESH_EVERY_MS);
    void this.refresh();
  }

  hidden() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #changed(id) {
    if (this.#timer !== undefined && (id === this.#id || this.#id === undefined)) this.#refreshSoon();
  }

  #refreshSoon() {
    if (this.#refreshTimer !== undefined) return;
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = undefined;
      void this.refresh();
    }, REFRESH_DELAY_MS);
  }

  async refresh() {
    // One refresh at a time: slow storage is not queried more often because it is slow.
    if (this.#refreshing) {
      this.#refreshAgain = true;
      return;
    }
    this.#refreshing = true;
    try {
      await this.#refresh();
    } catch (error) {
      // A question stays until it is answered.
      if (!this.#isAsking()) this.#showNotice(error.known ? error.message : text(error.message ?? 'failed'), 'error');
    }
    this.#refreshing = false;
    if (!this.#refreshAgain) return;
    this.#refreshAgain = false;
    this.#refreshSoon();
  }

  async #refresh() {
    const { mailboxes, states } = await get('mesh/mailboxes');
    showBadge(mailboxes, states);
    this.#empty.hidden = mailboxes.length > 0;
    this.#body.hidden = mailboxes.length === 0;
    const options = mailboxes.map(({ id, name, mailboxId }) =>
      el('option', { value: id, text: [mailboxId, name].filter(Boolean).join(' · ') || id }),
    );
    // Replacing the options would close an open drop-down at every change.
    const names = (each) => [...each].map(({ value, text: words }) => `${value} ${words}`).join('\n');
    if (names(options) !== names(this.#chooser.options)) this.#chooser.replaceChildren(...options);
    this.#chooser.hidden = mailboxes.length === 0;
    const shown = mailboxes.find(({ id }) => id === this.#id);
    // What the user is writing or answering belongs to the shown mailbox.
    const isInUse = this.#composeArea.firstChild !== null || this.#isAsking();
    const mailbox = shown && (isInUse || !this.#showWorst) ? shown : worstOf(mailboxes, states);
    this.#showWorst = false;
    this.#composeButton.hidden = !mailbox?.health || !may('mesh.payload');
    if (!mailbox) return;
    if (this.#id !== mailbox.id) this.#chartsAt = 0;
    this.#id = mailbox.id;
    this.#chooser.value = mailbox.id;
    replace(
      this.#overview,
      overview(mailbox, {
        states,
        mayWrite: may('mesh.write'),
        onChoose: (direction, filter) => void this.#messages.show(direction, filter),
        onAct: (action) => void this.#act(action),
      }),
    );
    for (const part of [this.#charts, this.#messages.element, this.#ledger]) part.hidden = !mailbox.health;
    if (!mailbox.health) return;
    this.#messages.mailbox(mailbox.id, states);
    await this.#messages.refresh();
    if (Date.now() - this.#chartsAt < CHARTS_EVERY_MS) return;
    this.#chartsAt = Date.now();
    replace(this.#charts, charts(await get(`${mailboxPath(mailbox.id)}/activity`)));
  }

  #choose(id) {
    this.#id = id;
    this.#isChosen = true;
    this.#showWorst = false;
    this.#chartsAt = 0;
    this.#closeCompose();
    void this.refresh();
  }

  /** A poll or a handshake can be repeated without harm, but it still needs a confirmation. */
  async #act(action) {
    const id = this.#id;
    if (!(await this.#confirmed(text(`confirm.${action}`), text(`action.${action}`)))) return;
    try {
      const response = await post(`${mailboxPath(id)}/actions`, { action });
      const later = response.nextPoll
        ? text('poll-later', { time: new Date(response.nextPoll).toLocaleTimeString() })
        : '';
      this.#showNotice(later || text(`${action}-done`));
    } catch (error) {
      this.#showNotice(
        error.known ? [error.message, error.advice].filter(Boolean).join(' ') : text(error.message),
        'error',
      );
    }
    this.#refreshSoon();
  }

  #isAsking() {
    return this.#notice.querySelector('[role=alertdialog]') !== null;
  }

  #confirmed(question, confirmLabel) {
    const focused = document.activeElement;
    return new Promise((resolve) => {
      const end = (isConfirmed) => {
        replace(this.#notice);
        if (focused?.dataset.key) this.#body.querySelector(`[data-key="${focused.dataset.key}"]`)?.focus();
        resolve(isConfirmed);
      };
      const confirm = el(
        'div',
        {
          class: 'mesh-confirm',
          role: 'alertdialog',
          'aria-label': question,
          onkeydown: (event) => {
            if (event.key !== 'Escape') return;
            // Node-RED's own key handlers would look for the parents of elements that are gone by then.
            event.stopPropagation();
            end(false);
          },
        },
        el('p', { text: question }),
        el(
          'div',
          { class: 'mesh-actions' },
          button(text('cancel'), { onclick: () => end(false) }),
          button(confirmLabel, { class: 'red-ui-button red-ui-button-small primary', onclick: () => end(true) }),
        ),
      );
      replace(this.#notice, confirm);
      confirm.querySelector('button').focus();
    });
  }

  #showNotice(message, level = 'hint') {
    const notice = el('div', { class: `mesh-${level}`, text: message });
    replace(this.#notice, notice);
    if (level === 'hint') setTimeout(() => notice.remove(), 8000);
  }

  #compose() {
    if (this.#composeArea.firstChild) {
      this.#closeCompose();
      return;
    }
    const form = composeForm(this.#id, {
      close: () => this.#closeCompose(),
      sent: () => {
        this.#closeCompose();
        this.#showNotice(text('compose.sent'));
        void this.#messages.show('out', 'all');
        this.#refreshSoon();
      },
    });
    this.#composeArea.replaceChildren(form.element);
    this.#composeButton.setAttribute('aria-expanded', 'true');
    form.focus();
  }

  #closeCompose() {
    if (!this.#composeArea.firstChild) return;
    // Sending disabled the button, which lost the focus to the body. A focus elsewhere stays where it is.
    const { activeElement } = document;
    const hadFocus = this.#composeArea.contains(activeElement) || activeElement === document.body;
    this.#composeArea.replaceChildren();
    this.#composeButton.setAttribute('aria-expanded', 'false');
    if (hadFocus) this.#composeButton.focus();
  }

  #ledgerTools() {
    const days = el(
      'select',
      { 'aria-label': text('ledger.period') },
      [1, 7, 30, 400].map((each) => el('option', { value: String(each), text: text(`ledger.days-${each}`) })),
    );
    const save = (format) => async () => {
      try {
        await download(`${mailboxPath(this.#id)}/ledger`, { format, days: days.value });
      } catch (error) {
        this.#showNotice(error.known ? error.message : text(error.message), 'error');
      }
    };
    return el(
      'div',
      { class: 'mesh-tools mesh-ledger', role: 'group', 'aria-label': text('ledger.title') },
      el('span', { text: text('ledger.label'), 'aria-hidden': 'true' }),
      days,
      button(text('ledger.csv'), { icon: 'download', onclick: save('csv') }),
      button(text('ledger.jsonl'), { icon: 'download', onclick: save('jsonl') }),
    );
  }
}

/** Keeps the badge up to date while the sidebar is hidden: it refreshes the badge itself while it is shown. */
function watchBadge(isShown) {
  let timer;
  const refresh = async () => {
    timer = undefined;
    if (isShown() || document.hidden) return;
    // No answer leaves the badge as it is: Node-RED shows itself that the server is away.
    const found = await get('mesh/mailboxes').catch(() => undefined);
    if (found) showBadge(found.mailboxes, found.states);
  };
  const refreshSoon = () => (timer ??= setTimeout(() => void refresh(), BADGE_DELAY_MS));
  RED.comms.subscribe(TOPIC, refreshSoon);
  RED.events.on('runtime-state', refreshSoon);
  setInterval(refreshSoon, BADGE_EVERY_MS);
  refreshSoon();
}

/** Called by the plugin as soon as the editor knows it. */
function addSidebar() {
  const content = el('div', { class: 'mesh-sidebar' });
  let sidebar;
  RED.sidebar.addTab({
    id: 'mesh',
    label: text('tab'),
    name: text('name'),
    iconClass: 'fa fa-envelope-o',
    content,
    closeable: true,
    pinned: true,
    enableOnEdit: true,
    onchange: () => {
      sidebar ??= new Sidebar(content);
      sidebar.shown();
    },
    onremove: () => sidebar?.hidden(),
  });
  RED.actions.add('mesh:show-sidebar', () => RED.sidebar.show('mesh'));
  let isShown = false;
  const visibility = new IntersectionObserver((entries) => {
    isShown = entries.at(-1).isIntersecting;
    if (isShown) sidebar?.shown();
    else sidebar?.hidden();
  });
  visibility.observe(content);
  watchBadge(() => isShown && sidebar !== undefined);
}

if (may('mesh.read')) RED.plugins.registerPlugin('mesh-sidebar', { type: 'mesh-sidebar', onadd: addSidebar });
