/** The list of custom workflow profiles in the dialog of a mailbox. */
import { replyStages } from './reply-stages.js';
import { text } from './texts.js';
import { isVariable } from './validation.js';

const { RED, $ } = globalThis;

const FIELDS = [
  { name: 'workflowId', label: 'workflow' },
  { name: 'ackWorkflowId', label: 'ack' },
  { name: 'form', label: 'form', choices: ['', 'itk3', 'nhsack', 'hl7v2', 'custom', 'none'], texts: 'form.' },
  {
    name: 'routing',
    label: 'routing',
    choices: ['', 'mailbox', 'GPPROVIDER', 'lookup'],
    texts: 'profiles.routing-',
  },
  {
    name: 'birthDateOrder',
    label: 'birth-date',
    choices: ['', 'yyyymmdd', 'ddmmyyyy'],
    texts: 'profiles.birth-date-',
  },
  { name: 'infAck', label: 'inf-ack', isCheckbox: true },
  { name: 'busAck', label: 'bus-ack', isCheckbox: true },
  { name: 'collectHours', label: 'collect', isNumber: true },
  { name: 'infrastructureHours', label: 'infrastructure', isNumber: true },
  { name: 'businessWorkingDays', label: 'business', isNumber: true },
  { name: 'recommendedMb', label: 'recommended', isNumber: true },
  { name: 'subject', label: 'subject' },
  { name: 'localId', label: 'local-id' },
  { name: 'noChunks', label: 'no-chunks', isCheckbox: true },
];

function control({ name, choices, texts, isCheckbox, isNumber }, profile) {
  if (choices) {
    const options = choices.map((choice) =>
      $('<option>')
        .val(choice)
        .text(choice && text(texts + choice)),
    );
    return $('<select>')
      .append(options)
      .val(profile[name] || '');
  }
  if (isCheckbox) {
    const isOn = name === 'noChunks' ? profile.chunks === false : profile[name];
    return $('<input type="checkbox">').prop('checked', Boolean(isOn));
  }
  const field = $('<input type="text">').val(profile[name] === undefined ? '' : profile[name]);
  return isNumber ? field.attr('inputmode', 'decimal') : field;
}

/** Returns the profile of one row. A blank field is left out, so that the built-in profile applies, if there is one. */
function profileOf(controls) {
  const profile = { ...controls.kept };
  for (const { name, isCheckbox, isNumber } of FIELDS) {
    const value = isCheckbox ? controls[name].prop('checked') : controls[name].val().trim();
    if (isCheckbox || value === '') continue;
    profile[name] = isNumber && !Number.isNaN(Number(value)) ? Number(value) : value;
  }
  if (profile.form) {
    profile.infAck = controls.infAck.prop('checked');
    profile.busAck = controls.busAck.prop('checked');
  }
  if (profile.form === 'none') profile.ackWorkflowId = null;
  if (controls.noChunks.prop('checked')) profile.chunks = false;
  return Object.assign(profile, controls.replies.read());
}

/** Shows the profiles in the ordered list `list`, and stores them as JSON in the hidden `field`. */
export function profileList(list, field) {
  const rows = new Set();
  function save() {
    const profiles = [...rows].map(profileOf).filter((profile) => profile.workflowId);
    $(field)
      .val(profiles.length ? JSON.stringify(profiles) : '')
      .trigger('change');
  }
  let profiles = [];
  try {
    profiles = JSON.parse($(field).val() || '[]');
  } catch {
    if (!isVariable($(field).val())) RED.notify(text('profiles.wrong'), 'warning');
    return;
  }
  $(list).editableList({
    height: 'auto',
    addItem(container, _index, profile) {
      // What the dialog does not show is kept.
      const controls = { kept: profile.certainty === undefined ? {} : { certainty: profile.certainty } };
      const grid = $('<div class="mesh-profile">');
      for (const each of FIELDS) {
        const input = control(each, profile).on('change input', save);
        controls[each.name] = input;
        const caption = $('<span>').text(text(`profiles.${each.label}`));
        grid.append($('<label>').append(each.isCheckbox ? [input, caption] : [caption, input]));
      }
      controls.replies = replyStages(profile, save);
      $(container).append(grid, controls.replies.element).data('controls', controls);
      rows.add(controls);
      const name = { 'aria-label': text('profiles.remove'), title: text('profiles.remove') };
      $(container).closest('li').find('.red-ui-editableList-item-remove').attr(name);
    },
    removeItem() {
      const remaining = new Set();
      $(list)
        .editableList('items')
        .each(function () {
          remaining.add($(this).data('controls'));
        });
      for (const row of rows) if (!remaining.has(row)) rows.delete(row);
      save();
    },
    removable: true,
    sortable: false,
  });
  for (const profile of profiles) $(list).editableList('addItem', profile);
}

/** True for a blank value, a variable, or the JSON that the list stores. */
export function isProfileList(value) {
  if (!value || isVariable(value)) return true;
  try {
    return Array.isArray(JSON.parse(value));
  } catch {
    return false;
  }
}
