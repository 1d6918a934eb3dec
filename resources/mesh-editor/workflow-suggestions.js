/** Workflow ids suggested while the user types: those that the mailbox has used, then those with a profile. */
import { text } from './texts.js';

const { RED, $ } = globalThis;

/** The workflows that every new sandbox has. */
const SANDBOX_WORKFLOWS = ['TEST_WORKFLOW', 'TEST_WORKFLOW_ACK', 'TEST_WORKFLOW2'];

/** Returns a function that fetches what the server knows of the selected mailbox, once per mailbox. */
function workflowLoader(mailboxField) {
  const requests = new Map();
  return function () {
    const mailbox = $(mailboxField).val() || '';
    if (!requests.has(mailbox)) {
      requests.set(
        mailbox,
        $.getJSON('mesh/profiles', { mailbox: mailbox === '_ADD_' ? '' : mailbox }).then(
          ({ profiles, used = [] }) => ({ mailbox, profiles, used }),
          () => $.Deferred().resolve({ mailbox, profiles: [], used: [] }),
        ),
      );
    }
    return requests.get(mailbox);
  };
}

/** Returns the workflow ids that the nodes in the editor have for a mailbox, deployed or not. */
function inFlows(mailbox) {
  const found = new Set();
  RED.nodes.eachNode((node) => {
    if (!node.type.startsWith('mesh-') || node.mailbox !== mailbox) return;
    const ids = node.workflowIdType === 'str' ? [node.workflowId] : (node.workflows ?? '').split(',');
    for (const id of ids.map((each) => (each ?? '').trim())) if (/^[\w-]+$/.test(id)) found.add(id);
  });
  return [...found];
}

/** A mailbox that is not in the editor is a new one, which is in the sandbox. */
function isInSandbox(mailbox) {
  const { environment = 'sandbox' } = RED.nodes.node(mailbox) ?? {};
  return environment === 'sandbox' || /^https?:\/\/(localhost|127\.)/.test(environment);
}

/** Returns every workflow id to suggest, with what is known of it in a line, the mailbox's own first. */
function known({ mailbox, profiles, used }) {
  const details = new Map();
  const add = (ids, detail) => ids.forEach((id) => details.has(id) || details.set(id, detail));
  add([...used, ...(mailbox === '' ? [] : inFlows(mailbox))], text('suggest.used'));
  if (isInSandbox(mailbox)) add(SANDBOX_WORKFLOWS, text('suggest.sandbox'));
  for (const { workflowId, ackWorkflowId, form, about } of profiles) {
    const acknowledgement = ackWorkflowId
      ? text('suggest.answered', { form: text(`form.${form}`), workflow: ackWorkflowId })
      : text('suggest.unanswered');
    // What a file flow is for says more than where its replies come.
    const line = about ?? acknowledgement;
    const own = details.get(workflowId);
    details.set(workflowId, own ? `${own}, ${line}` : line);
  }
  return [...details];
}

/** Returns the suggestions whose id or line has the typed text; `prefix` is kept in front of the chosen one. */
function suggestions(found, typed, prefix) {
  const wanted = typed.trim().toLowerCase();
  const all = known(found);
  const named = all.filter(([workflowId]) => workflowId.toLowerCase().includes(wanted));
  const described = all.filter((each) => !named.includes(each) && each[1].toLowerCase().includes(wanted));
  return [...named, ...described].map(([workflowId, detail]) => ({
    value: prefix + workflowId,
    label: $('<div>').append(
      $('<div>').text(workflowId),
      $('<div class="red-ui-help-info mesh-suggestion-detail">').text(detail),
    ),
  }));
}

/**
 * Makes a search for Node-RED's autoComplete out of `find`, which returns the suggestions for the typed text. They are
 * shown only while the field still has the focus: an open list takes every Tab of the page, and closing it moves the
 * focus back to the field, so one that came late would trap the keyboard in another field.
 */
function searchWhileFocused(find) {
  return async (typed, done) => {
    const field = document.activeElement;
    const found = await find(typed);
    if (document.activeElement === field) done(found);
  };
}

/** A typedInput type: a string with suggested workflow ids. Any other string is accepted. */
export function workflowInputType(mailboxField) {
  const load = workflowLoader(mailboxField);
  return {
    value: 'str',
    label: RED._('common.type.string'),
    icon: 'red/images/typedInput/az.svg',
    autoComplete: searchWhileFocused(async (typed) => suggestions(await load(), typed, '')),
  };
}

/** Suggests workflow ids in a plain field that holds a comma-separated list, for the last item. */
export function suggestWorkflows(field, mailboxField) {
  const load = workflowLoader(mailboxField);
  $(field).autoComplete({
    minLength: 1,
    search: searchWhileFocused(async (typed) => {
      const [, prefix, last] = /^(.*,\s*)?([^,]*)$/.exec(typed) || ['', '', typed];
      return last.trim() === '' ? [] : suggestions(await load(), last, prefix || '');
    }),
  });
}
