/** Node-RED's typedInput, as the dialogs of this package use it. */
import { PACKAGE, text } from './texts.js';
import { showDefaults } from './validation.js';

const { RED, $ } = globalThis;

const TYPES = ['str', 'msg', 'flow', 'global', 'env', 'jsonata'];

/**
 * Prepares the edit dialog of a node: shows the defaults of settings that the node was saved without, names the
 * character sets, and makes typedInputs of `property`, of each property that has a type (`<name>Type`) beside it, and of
 * those that `types` names.
 * @param types the types of those typedInputs that do not take the usual ones, by the name of the property
 */
export function prepareDialog(node, types = {}) {
  showDefaults(node);
  nameCharsets(node);
  const { defaults } = node._def;
  for (const name of Object.keys(defaults)) {
    const type = defaults[`${name}Type`];
    if (name === 'property') typedInput(node, name, { types: ['msg'], default: 'msg' });
    else if (type) {
      const typeField = $(`#node-input-${name}Type`);
      typedInput(node, name, { types: types[name] ?? TYPES, default: type.value, typeField });
    } else if (types[name]) {
      typedInput(node, name, { types: types[name], default: types[name][0] });
    }
  }
}

function typedInput(node, name, options) {
  const input = $(`#node-input-${name}`);
  input.typedInput(options);
  nameParts(input);
  const shown = input.closest('.form-row').find('.red-ui-typedInput-input');
  const showExample = () => shown.attr('placeholder', example(node.type, name, input.typedInput('type')));
  input.on('change', showExample);
  showExample();
}

/** Names the visible parts of a typedInput for screen readers: they get the name of the field's label. */
function nameParts(input) {
  const row = input.closest('.form-row');
  const id = `${input.attr('id')}-label`;
  row.find('label').first().attr('id', id);
  // By reference: Node-RED fills in the texts after oneditprepare.
  row
    .find('.red-ui-typedInput-input, .red-ui-typedInput-type-select, .red-ui-typedInput-option-expand')
    .attr('aria-labelledby', id);
}

/** Returns an example of what a field takes, shown while it is blank: of its own, or one of the type. */
function example(nodeType, name, type) {
  const own = (key) => RED._(`${PACKAGE}${nodeType}:${nodeType}.example.${key}`, { defaultValue: '' });
  const variable = `MESH_${name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`;
  const general = { msg: `payload.${name}`, flow: name, global: name, env: variable, jsonata: `payload.${name}` };
  return own(`${name}-${type}`) || (type === 'str' && own(name)) || general[type] || '';
}

/** Offers the character sets that a field lists, by the same names in every dialog. */
function nameCharsets(node) {
  $('select[data-mesh-charsets]').each(function () {
    const charsets = this.dataset.meshCharsets.split(' ');
    $(this)
      .append(
        charsets.map((charset) =>
          $('<option>')
            .val(charset)
            .text(text(`charset.${charset}`)),
        ),
      )
      .val(node.charset ?? node._def.defaults.charset.value);
  });
}
