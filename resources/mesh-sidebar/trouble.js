/** Which mailbox needs a person most, and the badge on the sidebar's tab that says that one does. */
import { el, text } from './dom.js';

/** The connections from the worst to the best; the one of a mailbox that no node uses says nothing. */
const CONNECTIONS = ['unusable', 'disconnected', 'impaired', 'waiting', 'connecting', 'connected', 'idle'];
const TABS = '[data-tab-id="mesh"], #red-ui-tab-mesh, #red-ui-tab-mesh-link-button';
const BROKEN = new Set(CONNECTIONS.slice(0, 3));

const sum = (counts, states) => states.reduce((total, state) => total + (counts?.[state] ?? 0), 0);

/** Returns how many messages of a mailbox need attention: sent ones in such a state or overdue, and parked received ones. */
export function needAttention({ counts }, states) {
  if (!counts) return 0;
  const received = sum(counts.received, ['overdue', ...states.in.lists.parked]);
  return sum(counts.sent, states.out.lists.attention) + received;
}

/** Returns the mailbox to open first: what is broken comes before what needs attention, and that before the rest. */
export function worstOf(mailboxes, states) {
  const rank = (mailbox) => {
    const { kind } = mailbox.connection;
    if (BROKEN.has(kind)) return CONNECTIONS.indexOf(kind);
    return needAttention(mailbox, states) > 0 ? BROKEN.size : BROKEN.size + 1 + CONNECTIONS.indexOf(kind);
  };
  return mailboxes.toSorted(
    (one, other) => rank(one) - rank(other) || needAttention(other, states) - needAttention(one, states),
  )[0];
}

/** Shows on the sidebar's tab how many messages need attention and how many mailboxes do not work; nothing for none. */
export function showBadge(mailboxes, states) {
  const broken = mailboxes.filter(({ connection }) => BROKEN.has(connection.kind)).length;
  const messages = mailboxes.reduce((total, mailbox) => total + needAttention(mailbox, states), 0);
  const words = text('badge', { broken, messages });
  // Node-RED 5 has a button; 4.1 has a tab while the sidebar is shown, otherwise a link.
  for (const tab of document.querySelectorAll(TABS)) {
    tab.querySelector('.mesh-tab-badge')?.remove();
    const count = broken + messages;
    if (count > 0) {
      const shown = count > 99 ? '99+' : String(count);
      tab.append(el('span', { class: 'mesh-tab-badge', text: shown, title: words, 'aria-hidden': 'true' }));
    }
    tab.setAttribute('aria-label', count > 0 ? `${text('name')}, ${words}` : text('name'));
  }
}
