/** Composes and sends a file, as the MESH web UI does. */
import { mailboxPath, upload } from './api.js';
import { button, el, replace, text } from './dom.js';
import { forgetProgress, progressBar } from './overview.js';

const { RED } = globalThis;
let made = 0;

function field(label, input, ...beside) {
  made += 1;
  input.id = `mesh-compose-${made}`;
  return el('div', { class: 'mesh-field' }, el('label', { for: input.id, text: label }), input, ...beside);
}

/** The dialogs' own search in MESH's directory: its button and its panel. */
function mailboxSearch(options) {
  const { open, panel } = RED.nhsMesh?.directory(options) ?? {};
  open?.addClass('red-ui-button-small');
  return [open?.[0], panel?.[0]];
}

/** @param sent told when a message is in the outbox */
export function composeForm(id, { sent, close }) {
  const input = (props) => el('input', { type: 'text', autocomplete: 'off', ...props });
  const to = input({ required: true, maxlength: '100' });
  const workflowId = input({ required: true, maxlength: '300' });
  const subject = input({ maxlength: '500' });
  const file = el('input', { type: 'file', required: true });
  const told = el('div', { 'aria-live': 'polite' });
  const send = button(text('compose.send'), {
    icon: 'paper-plane',
    type: 'submit',
    class: 'red-ui-button red-ui-button-small primary',
  });
  // As in the edit dialogs, whose script Node-RED has loaded.
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
        // Node-RED's own keys look for the parents of what is gone then.
        event.stopPropagation();
        close();
      },
    },
    field(text('compose.to'), to, search),
    panel,
    field(text('compose.workflow'), workflowId),
    field(text('compose.subject'), subject),
    field(text('compose.file'), file),
    told,
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
    const key = `upload ${(made += 1)}`;
    send.disabled = true;
    try {
      const show = (done, total) => replace(told, progressBar(key, text('progress.uploading'), done, total));
      show(0, chosen.size);
      await upload(`${mailboxPath(id)}/compose`, message, chosen, show);
      sent();
    } catch (error) {
      send.disabled = false;
      // A disabled button has lost the focus.
      if (!form.contains(document.activeElement)) send.focus();
      const words = error.known ? [error.message, error.advice].filter(Boolean).join(' ') : text(error.message);
      replace(told, el('div', { class: 'mesh-error', role: 'alert', text: words }));
    }
    forgetProgress(key);
  }

  // Of the profiles in force for this mailbox.
  RED.nhsMesh?.workflowList(workflowId, el('input', { type: 'hidden', value: id }));

  return { element: form, focus: () => to.focus() };
}
