/** What the validators of the nodes' properties have in common. */
import { PACKAGE } from './texts.js';

const { RED } = globalThis;

/** Node-RED replaces `${VAR}` when the flow starts, so it may stand for any value. */
export function isVariable(value) {
  return /^\$\{[^}]+\}$/.test(value);
}

/**
 * Returns what a validator returns: the reason, from the node's own texts, or false if the editor passes no options.
 */
export function invalid(type, key, options) {
  return options ? RED._(`${PACKAGE}${type}:${type}.validate.${key}`) : false;
}

/** True for a blank value, a variable, or a number from `minimum` to `maximum`. */
export function isBlankOrBetween(value, minimum, maximum) {
  if (value === '' || value === undefined || value === null || isVariable(value)) return true;
  return Number(value) >= minimum && Number(value) <= maximum;
}

/** True for a variable, or a whole number from `minimum` to `maximum`. */
export function isWholeNumber(value, minimum, maximum = Infinity) {
  const number = Number(value);
  return isVariable(value) || (value !== '' && Number.isInteger(number) && number >= minimum && number <= maximum);
}

/**
 * Shows the default of each setting that a node was saved without, by a version of the pack that did not have it. The
 * editor would show it blank, and Done would save that.
 */
export function showDefaults(node) {
  for (const [name, { value }] of Object.entries(node._def.defaults)) {
    if (node[name] !== undefined) continue;
    const input = $(`#node-input-${name}, #node-config-input-${name}`);
    if (input.is(':checkbox')) input.prop('checked', value === true);
    else input.val(value);
  }
}
