/**
 * "Test connection" in the dialog of a mailbox: sends the typed settings to Node-RED and lists the steps
 * (lib/check).
 */
import { PACKAGE } from './texts.js';

const { RED, $ } = globalThis;

const ICONS = { passed: 'check', warned: 'exclamation-triangle', failed: 'times', skipped: 'minus' };
const TLS_FIELDS = ['certdata', 'keydata', 'cadata', 'passphrase', 'servername', 'verifyservercert'];
const PROXY_FIELDS = ['url', 'username', 'password', 'noproxy'];

const text = (key) => RED._(`${PACKAGE}mesh-config:mesh-config.check.${key}`);

/** Returns the settings of a core node that are not deployed yet; undefined if the deployed node has them all. */
function undeployedSettings(id, fields) {
  const node = RED.nodes.node(id);
  if (!node || !node.changed) return undefined;
  const settings = { ...node, ...node.credentials };
  return Object.fromEntries(
    fields.filter((field) => settings[field] !== undefined).map((field) => [field, String(settings[field])]),
  );
}

function requestBody(node) {
  const body = { id: node.id, workflowId: $('#mesh-test-connection-workflow').val() };
  for (const field of ['environment', 'mailboxId', 'password', 'sharedKey', 'tls', 'proxy']) {
    body[field] = $(`#node-config-input-${field}`).val() || '';
  }
  for (const field of ['tls', 'proxy']) if (body[field] === '_ADD_') body[field] = '';
  body.typedTls = undeployedSettings(body.tls, TLS_FIELDS);
  body.typedProxy = undeployedSettings(body.proxy, PROXY_FIELDS);
  return body;
}

function stepItem({ step, outcome, text: finding, advice }) {
  const heading = $('<div>').append(
    $('<i aria-hidden="true">').addClass(`fa fa-fw fa-${ICONS[outcome]}`),
    ' ',
    $('<strong>').text(text(`step.${step}`)),
    ` (${text(`outcome.${outcome}`)}): `,
    document.createTextNode(finding),
  );
  const item = $('<li>').attr({ 'data-step': step, 'data-outcome': outcome }).append(heading);
  if (advice) item.append($('<div class="mesh-check-advice">').append($('<em>').text(advice)));
  return item;
}

function verdict(steps) {
  if (steps.some(({ outcome }) => outcome === 'failed')) return text('failed');
  return text(steps.some(({ outcome }) => outcome === 'warned') ? 'warned' : 'all-good');
}

/** Adds the test to the open dialog of `node`. */
export function addConnectionTest(node) {
  const place = $('#mesh-test-connection').empty();
  const label = $('<label for="mesh-test-connection-workflow">').append($('<span>').text(text('workflow')));
  const workflow = $('<input type="text" id="mesh-test-connection-workflow">').attr(
    'placeholder',
    text('workflow-example'),
  );
  const button = $('<button type="button" class="red-ui-button">').text(text('button'));
  const status = $('<div role="status" aria-live="polite" class="mesh-check-status">');
  const list = $('<ol class="mesh-check-steps">').attr('aria-label', text('button'));
  place.append(
    $('<h4>').text(text('title')),
    $('<div class="form-row">').append(label, workflow),
    button,
    status,
    list,
  );
  let tests = 0;

  button.on('click', () => {
    const test = ++tests;
    button.prop('disabled', true);
    status.text(text('testing'));
    list.empty();
    $.ajax({
      url: 'mesh/check',
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify(requestBody(node)),
    })
      .done(({ steps, notes }) => {
        status.text([verdict(steps), ...notes].join(' '));
        list.append(steps.map(stepItem));
        // The dialog is often shorter than the list: scroll to what failed, its advice included.
        list.children('[data-outcome="failed"]').get(0)?.scrollIntoView({ block: 'center' });
      })
      .fail(({ status: code }) => status.text(text(code === 401 || code === 403 ? 'refused' : 'unreachable')))
      .always(() => test === tests && button.prop('disabled', false));
  });
}
