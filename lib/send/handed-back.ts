/**
 * Messages that are handed back to another client, which sends them (lib/cutover/hand-back.ts). From the commit of the
 * intent on they are never sent from here, whatever a person presses: the other client may have them already.
 */
import { InvalidMessageError } from '../errors';
import type { Outgoing } from '../store/store';

/** The code of the error in the row of such a message. It is parked until its files are written, and then closed. */
export const HANDED_BACK = 'MESH_HANDED_BACK';

/** Whether a message is handed back, or on its way there. */
export const isHandedBack = ({ error }: Pick<Outgoing, 'error'>): boolean => error?.code === HANDED_BACK;

/** @throws InvalidMessageError when the message is handed back */
export function requireNotHandedBack(row: Pick<Outgoing, 'id' | 'error'>): void {
  if (!isHandedBack(row)) return;
  throw new InvalidMessageError(`Message ${row.id} is handed back to another client, which sends it.`, {
    advice: 'Look it up there. If it is still parked here, run nhs-mesh handback again, which completes it.',
  });
}
