/** Templates of a profile's subject and local id: text with `{name}` in it. */
import { InvalidMessageError } from '../errors';

/** `{odsCode}`, `{mailboxId}` and `{workflowId}` are the sender's; `{msg.a.b}` is what the flow's message has there. */
const PLACE = /\{([^{}]*)\}/g;
const KNOWN = /^(?:odsCode|mailboxId|workflowId|msg\..+)$/;

/** Whether every place in it is one that can be filled. */
export const isTemplate = (text: string): boolean =>
  [...text.matchAll(PLACE)].every(([, name]) => KNOWN.test(name ?? ''));

/** Whether only a flow can fill it. */
export const needsMessage = (template: string): boolean => template.includes('{msg.');

/**
 * Fills it. `value` gives what stands at a name; undefined where there is nothing.
 * @param what e.g. `subject`, for the error
 * @throws InvalidMessageError for a place that nothing stands for; its text names the place, never what is around it
 */
export function fillTemplate(template: string, what: string, value: (name: string) => string | undefined): string {
  return template.replaceAll(PLACE, (_place, name: string) => {
    const found = value(name);
    if (found !== undefined && found !== '') return found;
    throw new InvalidMessageError(
      `The ${what} that the workflow’s profile prescribes needs ${name}, which is not there.`,
      {
        advice: `Set ${name} before the message is sent, give the ${what} in the node, or change the profile.`,
      },
    );
  });
}
