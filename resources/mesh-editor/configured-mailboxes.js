/** The mailboxes that have a configuration already, for dialogs that choose one or add another. */
import { text } from './texts.js';

const { RED } = globalThis;

/** The mailboxes that the sandbox begins with. */
const DEMO_MAILBOXES = ['X26ABC1', 'X26ABC2', 'X26ABC3'];

/** Returns the mesh-config nodes that are not disabled, the oldest first. */
function configurations() {
  const found = [];
  // Where only validators run there are no nodes.
  RED.nodes?.eachConfig((config) => {
    if (config.type === 'mesh-config' && config.d !== true) found.push(config);
  });
  return found;
}

const isSame = (one, environment, mailboxId) =>
  one.environment === environment && String(one.mailboxId).toUpperCase() === String(mailboxId).toUpperCase();

/**
 * Gives a new node the only mailbox that there is, as soon as it is on the canvas: for `onadd`. A node that was pasted
 * keeps what it has.
 */
export function selectOnlyMailbox(node) {
  const [only, ...others] = configurations();
  if (node.mailbox || only === undefined || others.length > 0 || RED.nodes.node(node.id)) return;
  node.mailbox = only.id;
}

/** Selects the only mailbox that there is in the dialog of a node without one. */
export function selectOnlyMailboxInDialog(node) {
  const [only, ...others] = configurations();
  if (node.mailbox || only === undefined || others.length > 0) return;
  $('#node-input-mailbox').val(only.id).trigger('change');
}

/** Returns the older configuration of the same mailbox; undefined if there is none. */
export function olderConfiguration(node, environment, mailboxId) {
  const all = configurations();
  const own = all.findIndex(({ id }) => id === node.id);
  return (own < 0 ? all : all.slice(0, own)).find((one) => isSame(one, environment, mailboxId));
}

/**
 * Lists the configured mailboxes below the mailbox id of a mesh-config's dialog: a second configuration of one is not
 * used. Each can be chosen in the node's dialog, from which this one was opened, instead of adding another.
 */
export function listConfiguredMailboxes(node) {
  const configured = configurations().filter(({ id }) => id !== node.id);
  const [field, environment] = ['mailboxId', 'environment'].map((name) => $(`#node-config-input-${name}`));
  const isNew = !RED.nodes.node(node.id);
  if (isNew) {
    const isFree = (mailboxId) => !configured.some((one) => isSame(one, environment.val(), mailboxId));
    field.val(DEMO_MAILBOXES.find(isFree) ?? '').trigger('change');
  }
  const list = $('.mesh-config-others').toggle(configured.length > 0);
  const warning = $('.mesh-config-twice');
  for (const config of configured) {
    $('<button type="button" class="red-ui-button red-ui-button-small">')
      .text(RED.utils.getNodeLabel(config, config.id))
      .attr('title', text('mailbox.use'))
      .on('click', () => chooseInstead(config.id))
      .appendTo(list.find('.mesh-config-others-list'));
  }
  const warn = () => {
    const older = olderConfiguration(node, environment.val(), field.val());
    warning.toggle(older !== undefined);
    if (older) warning.text(text('mailbox.twice', { name: RED.utils.getNodeLabel(older, older.id) }));
  };
  field.add(environment).on('input change', warn);
  warn();
}

/** Closes the dialog of the configuration, and selects another one in the node's dialog, if that is open. */
function chooseInstead(id) {
  $('#node-config-dialog-cancel').trigger('click');
  const selectWhenShown = (attempts) => {
    const select = $('#node-input-mailbox');
    if ($('#node-config-input-mailboxId').length === 0) select.val(id).trigger('change');
    else if (attempts > 0) setTimeout(() => selectWhenShown(attempts - 1), 50);
  };
  selectWhenShown(60);
}
