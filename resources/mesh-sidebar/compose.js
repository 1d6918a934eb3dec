/** Composes and sends a file, as the MESH web UI does. */
import { mailboxPath, upload } from './api.js';
import { button, el, replace, text } from './dom.js';
import { forgetProgress, progressBar } from './overview.js';

const { RED } = globalThis;
let fields = 0;
let uploads = 0;

function field(label, input, ...beside) {
  fields += 1;
  input.id = `mesh-compose-${fields}`;
  return el('div', { class: 'mesh-field' }, el('label', { for: input.id, text: label }), input, ...beside);
}

/** The edit dialogs' search in MESH's directory: its button and its panel. */
function mailboxSearch(options) {
  const { openButton, panel } = RED.nhsMesh?.directorySearch(options) ?? {};
  openButton?.addClass('red-ui-button-small');
  return [openButton?.[0], panel?.[0]];
}

/**
 * Makes the form.
 * @param options.sent called when a message is in the outbox
 * @param options.close called when the user cancels
 */
export function composeForm(id, { sent, close }) {
  const input = (props) => el('input', { type: 'text', autocomplete: 'off', ...props });
  const to = input({ required: true, maxlength: '100' });
  const workflowId = input({ required: true, maxlength: '300' });
  const subject = input({ maxlength: '500' });
  const file = el('input', { type: 'file', required: true });
  const status = el('div', { 'aria-live': 'polite' });
  const send = button(text('compose.send'), {
    icon: 'paper-plane',
    type: 'submit',
    class: 'red-ui-button red-ui-button-small primary',
  });
  const [search, panel] = mailboxSearch({
    mailbox: () => id,
    workflowId: () => workflowId.value.trim(),
    choose: (mailboxId) => (to.value = mailboxId),
  });
  const form = el(
    'form',
    {
      class: 'mesh-compose',
      'aria-label': text('compose.title'),
      onsubmit: (event) => {
        event.preventDefault();
        void submit();
      },
      onkeydown: (event) => {
        if (event.key !== 'Escape') return;
        // Node-RED's own key handlers would look for the parents of elements that are gone by then.
        event.stopPropagation();
        close();
      },
    },
    field(text('compose.to'), to, search),
    panel,
    field(text('compose.workflow'), workflowId),
    field(text('compose.subject'), subject),
    field(text('compose.file'), file),
    status,
    el('div', { class: 'mesh-actions' }, button(text('cancel'), { onclick: close }), send),
  );

  async function submit() {
    const [chosen] = file.files;
    if (!chosen) return;
    const message = {
      to: to.value.trim(),
      workflowId: workflowId.value.trim(),
      subject: subject.value.trim(),
      fileName: chosen.name,
    };
    const key = `upload ${(uploads += 1)}`;
    send.disabled = true;
    try {
      const show = (done, total) => replace(status, progressBar(key, text('progress.uploading'), done, total));
      show(0, chosen.size);
      await upload(`${mailboxPath(id)}/compose`, message, chosen, show);
      sent();
    } catch (error) {
      send.disabled = false;
      // The button lost the focus when it was disabled. A focus that the user has moved since stays where it is.
      if (document.activeElement === document.body) send.focus();
      const message = error.known ? [error.message, error.advice].filter(Boolean).join(' ') : text(error.message);
      replace(status, el('div', { class: 'mesh-error', role: 'alert', text: message }));
    }
    forgetProgress(key);
  }

  // From the profiles in force for this mailbox.
  RED.nhsMesh?.suggestWorkflows(workflowId, el('input', { type: 'hidden', value: id }));

  return { element: form, focus: () => to.focus() };
}
