/** Workflow ids suggested while the user types. */
import { text } from './texts.js';

const { RED, $ } = globalThis;

/** Returns a function that fetches the workflow profiles in force for the selected mailbox, once per mailbox. */
function profileLoader(mailboxField) {
  const requests = new Map();
  return function () {
    const mailbox = $(mailboxField).val() || '';
    if (!requests.has(mailbox)) {
      requests.set(
        mailbox,
        $.getJSON('mesh/profiles', { mailbox: mailbox === '_ADD_' ? '' : mailbox }).then(
          (response) => response.profiles,
          () => $.Deferred().resolve([]),
        ),
      );
    }
    return requests.get(mailbox);
  };
}

function suggestionLabel(profile) {
  const acknowledgement = profile.ackWorkflowId
    ? text('suggest.answered', { form: text(`form.${profile.form}`), workflow: profile.ackWorkflowId })
    : text('suggest.unanswered');
  return $('<div>').append(
    $('<div>').text(profile.workflowId),
    $('<div class="red-ui-help-info mesh-suggestion-detail">').text(acknowledgement),
  );
}

/** Returns the suggestions for the typed text; `prefix` is kept in front of the chosen one. */
function suggestions(profiles, typed, prefix) {
  const wanted = typed.trim().toLowerCase();
  return profiles
    .filter((profile) => profile.workflowId.toLowerCase().includes(wanted))
    .map((profile) => ({ value: prefix + profile.workflowId, label: suggestionLabel(profile) }));
}

/** A typedInput type: a string with suggested workflow ids. Any other string is accepted. */
export function workflowInputType(mailboxField) {
  const loadProfiles = profileLoader(mailboxField);
  return {
    value: 'str',
    label: RED._('common.type.string'),
    icon: 'red/images/typedInput/az.svg',
    async autoComplete(typed, done) {
      done(suggestions(await loadProfiles(), typed, ''));
    },
  };
}

/** Suggests workflow ids in a plain field that holds a comma-separated list, for the last item. */
export function suggestWorkflows(field, mailboxField) {
  const loadProfiles = profileLoader(mailboxField);
  $(field).autoComplete({
    minLength: 1,
    async search(typed, done) {
      const [, prefix, last] = /^(.*,\s*)?([^,]*)$/.exec(typed) || ['', '', typed];
      done(last.trim() === '' ? [] : suggestions(await loadProfiles(), last, prefix || ''));
    },
  });
}
