/**
 * The assurance catalogue as a supplier's public note lists it (docs/mesh.md, Assurance), in the order of the run: 802
 * checks the requests of all other items and so comes last.
 */
import type { Item } from './item';
import { adherence } from './items/adherence';
import { receiveChunks, sendChunks } from './items/chunks';
import { drain } from './items/drain';
import { oneThread } from './items/one-thread';
import { receiveCompressed, receivePlain } from './items/receive';
import { disabledMailbox, goneMessage, unknownMessage, unregisteredRecipient } from './items/refusals';
import { sendCompressed, sendPlain } from './items/send';
import { undeliveredHandling, undeliveredReport } from './items/undelivered';

/** The items, in the order of the run. */
export const CATALOGUE: readonly Item[] = [
  sendPlain,
  sendCompressed,
  receivePlain,
  receiveCompressed,
  sendChunks,
  receiveChunks,
  drain,
  disabledMailbox,
  unregisteredRecipient,
  unknownMessage,
  oneThread,
  undeliveredReport,
  goneMessage,
  undeliveredHandling,
  adherence,
];
