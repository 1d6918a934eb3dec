/** The search for a mailbox in MESH's directory, by ODS code and workflow. */
import { text } from './texts.js';

const { $ } = globalThis;

/**
 * Makes the search: a button that opens it, and its panel.
 * @param options.mailbox returns the id of the selected mesh-config
 * @param options.workflowId returns the current workflow id; undefined if it is known only when the flow runs
 * @param options.choose called with the mailbox id that the user picked
 */
export function directorySearch({ mailbox, workflowId, choose }) {
  const panel = $('<div class="mesh-search">').hide();
  const openButton = $(
    '<button type="button" class="red-ui-button mesh-search-open"><i class="fa fa-search"></i></button>',
  ).attr({ 'aria-label': text('search.open'), title: text('search.open'), 'aria-expanded': 'false' });
  const odsCode = $('<input type="text" class="mesh-search-ods">').attr({
    'aria-label': text('search.ods-code'),
    placeholder: text('search.ods-code'),
  });
  const searchButton = $('<button type="button" class="red-ui-button">').text(text('search.ask'));
  const status = $('<div role="status" class="mesh-search-status">');
  const results = $('<div class="mesh-search-results">');
  panel.append($('<div class="mesh-search-query">').append(odsCode, searchButton), status, results);

  function show(isShown) {
    panel.toggle(isShown);
    openButton.attr('aria-expanded', String(isShown));
    (isShown ? odsCode : openButton).trigger('focus');
  }

  function addResult({ mailboxId, name }) {
    $('<button type="button" class="red-ui-button">')
      .text([mailboxId, name].filter(Boolean).join(' · '))
      .on('click', () => {
        choose(mailboxId);
        show(false);
      })
      .appendTo(results);
  }

  function showFailure({ status: code, responseJSON }) {
    const { message = text('search.failed'), advice } = (responseJSON || {}).error || {};
    const isForbidden = code === 401 || code === 403;
    status.text(isForbidden ? text('search.refused') : [message, advice].filter(Boolean).join(' '));
  }

  async function search() {
    results.empty();
    const workflow = workflowId();
    if (workflow === undefined) {
      status.text(text('search.fixed-workflow'));
      return;
    }
    status.text(text('search.asking'));
    try {
      const { mailboxes } = await $.ajax({
        url: 'mesh/lookup',
        method: 'POST',
        contentType: 'application/json; charset=utf-8',
        data: JSON.stringify({ mailbox: mailbox(), odsCode: odsCode.val(), workflowId: workflow }),
      });
      status.text(text(mailboxes.length ? 'search.found' : 'search.none', { count: mailboxes.length }));
      mailboxes.forEach(addResult);
    } catch (xhr) {
      showFailure(xhr);
    }
  }

  openButton.on('click', () => show(!panel.is(':visible')));
  searchButton.on('click', () => void search());
  odsCode.on('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    void search();
  });
  // Escape closes the search only, not the dialog around it with everything typed there.
  panel.on('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    show(false);
  });
  return { openButton, panel };
}

/** Adds the search to a dialog, beside the field of the recipient. */
export function addMailboxSearch({ to, workflowId, mailbox }) {
  const row = $(to).closest('.form-row');
  const workflow = $(workflowId);
  const { openButton, panel } = directorySearch({
    mailbox: () => $(mailbox).val(),
    workflowId: () => (workflow.typedInput('type') === 'str' ? workflow.typedInput('value') : undefined),
    choose: (mailboxId) => $(to).typedInput('type', 'str').typedInput('value', mailboxId),
  });
  openButton.appendTo(row);
  panel.addClass('form-row').insertAfter(row);
}
