/**
 * "Test connection" in the dialog of a mailbox: sends what is typed to Node-RED and lists the steps. Loaded by
 * mesh-config.html; the test itself is lib/check.
 */
(function () {
  const TEXTS = '@mesh-flows/node-red-nhs-mesh/mesh-config:mesh-config.check.';
  const ICONS = { passed: 'check', warned: 'exclamation-triangle', failed: 'times', skipped: 'minus' };
  const COLOURS = { passed: 'success', warned: 'warning', failed: 'error' };

  const text = (key) => RED._(TEXTS + key);
  const typed = (field) => $('#node-config-input-' + field).val() || '';

  /** The settings of a core node that are not deployed yet; undefined where the deployed node has them all. */
  function changed(id, fields) {
    const node = RED.nodes.node(id);
    if (!node || !node.changed) return undefined;
    const own = { ...node, ...node.credentials };
    return Object.fromEntries(
      fields.filter((field) => own[field] !== undefined).map((field) => [field, String(own[field])]),
    );
  }

  function request(node) {
    const body = { id: node.id, workflowId: $('#mesh-test-connection-workflow').val() };
    for (const field of ['environment', 'mailboxId', 'password', 'sharedKey', 'tls', 'proxy'])
      body[field] = typed(field);
    for (const field of ['tls', 'proxy']) if (body[field] === '_ADD_') body[field] = '';
    const tls = ['certdata', 'keydata', 'cadata', 'passphrase', 'servername', 'verifyservercert'];
    body.typedTls = changed(body.tls, tls);
    body.typedProxy = changed(body.proxy, ['url', 'username', 'password', 'noproxy']);
    return body;
  }

  function row({ step, outcome, text: found, advice }) {
    const label = $('<strong>').text(text('step.' + step));
    const icon = $('<i aria-hidden="true">').addClass('fa fa-fw fa-' + ICONS[outcome]);
    if (COLOURS[outcome]) icon.css('color', 'var(--red-ui-text-color-' + COLOURS[outcome] + ')');
    const head = $('<div>').append(
      icon,
      ' ',
      label,
      ' (' + text('outcome.' + outcome) + '): ',
      document.createTextNode(found),
    );
    const item = $('<li>').attr({ 'data-step': step, 'data-outcome': outcome }).css('margin', '4px 0').append(head);
    if (advice) item.append($('<div>').css('padding-left', '22px').append($('<em>').text(advice)));
    return item;
  }

  function verdict(steps) {
    if (steps.some(({ outcome }) => outcome === 'failed')) return text('failed');
    return text(steps.some(({ outcome }) => outcome === 'warned') ? 'warned' : 'all-good');
  }

  /** Adds the button to the open dialog. */
  RED.meshTestConnection = function (node) {
    const place = $('#mesh-test-connection').empty();
    const name = $('<label for="mesh-test-connection-workflow" style="width: auto">').text(text('workflow'));
    const workflow = $('<input type="text" id="mesh-test-connection-workflow" style="width: 100%">');
    const button = $('<button type="button" class="red-ui-button">').text(text('button'));
    const status = $('<div role="status" aria-live="polite" style="margin: 8px 0">');
    const list = $('<ol style="list-style: none; margin: 0">').attr('aria-label', text('button'));
    place.append($('<div class="form-row">').append(name, workflow), button, status, list);
    let tests = 0;

    button.on('click', function () {
      const test = ++tests;
      button.prop('disabled', true);
      status.text(text('testing'));
      list.empty();
      $.ajax({
        url: 'mesh/check',
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify(request(node)),
      })
        .done(({ steps, notes }) => {
          status.text([verdict(steps), ...notes].join(' '));
          list.append(steps.map(row));
          // The dialog is often shorter than the list: what is wrong is brought into sight, its advice included.
          list.children('[data-outcome="failed"]').get(0)?.scrollIntoView({ block: 'center' });
        })
        .fail(({ status: code }) => status.text(text(code === 401 || code === 403 ? 'refused' : 'unreachable')))
        .always(() => test === tests && button.prop('disabled', false));
    });
  };
})();
