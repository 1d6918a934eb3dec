/** Templates of a profile's subject and local id: text with `{name}` in it. */
import { InvalidMessageError } from '../errors';

/** `{odsCode}`, `{mailboxId}` and `{workflowId}` are the sender's; `{msg.a.b}` is a property of the flow's message. */
const PLACEHOLDER = /\{([^{}]*)\}/g;
const KNOWN = /^(?:odsCode|mailboxId|workflowId|msg\..+)$/;

/** Whether every placeholder in it is known. */
export const isTemplate = (text: string): boolean =>
  [...text.matchAll(PLACEHOLDER)].every(([, name]) => KNOWN.test(name ?? ''));

/** Whether only a flow's message can fill it. */
export const needsMessage = (template: string): boolean => template.includes('{msg.');

/**
 * Fills a template.
 * @param what e.g. `subject`, for the error
 * @param valueOf returns the value of a placeholder; undefined if it has none
 * @throws InvalidMessageError for a placeholder without a value; its text names the placeholder, never the text around
 *   it
 */
export function fillTemplate(template: string, what: string, valueOf: (name: string) => string | undefined): string {
  return template.replaceAll(PLACEHOLDER, (_placeholder, name: string) => {
    const value = valueOf(name);
    if (value !== undefined && value !== '') return value;
    throw new InvalidMessageError(
      `The workflow’s profile prescribes a ${what} that contains ${name}, and the message does not have it.`,
      { advice: `Set ${name} before the message is sent, set the ${what} in the node, or change the profile.` },
    );
  });
}

/** Returns the placeholders of a template that only a flow's message can fill. */
export const messageValues = (template: string): string[] =>
  [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name).filter((name) => name.startsWith('msg.'));
