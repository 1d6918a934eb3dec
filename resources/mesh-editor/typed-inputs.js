/** Node-RED's typedInput, as the dialogs of this package use it. */
const { $ } = globalThis;

/** Names the visible parts of a typedInput for screen readers: they get the name of the field's label. */
function nameParts(input) {
  const row = input.closest('.form-row');
  const id = `${input.attr('id')}-label`;
  row.find('label').first().attr('id', id);
  // By reference: Node-RED fills in the texts after oneditprepare.
  row.find('.red-ui-typedInput-input, .red-ui-typedInput-type-select').attr('aria-labelledby', id);
}

/** Turns a field into a typedInput whose type is stored in `<field>Type`. */
export function typedInput(field, types = ['str', 'msg', 'flow', 'global', 'env', 'jsonata'], defaultType = 'str') {
  const input = $(`#node-input-${field}`);
  input.typedInput({ default: defaultType, types, typeField: $(`#node-input-${field}Type`) });
  nameParts(input);
}

/** Turns a field into a typedInput that takes a property of msg only. */
export function propertyInput(field) {
  const input = $(`#node-input-${field}`);
  input.typedInput({ default: 'msg', types: ['msg'] });
  nameParts(input);
}
