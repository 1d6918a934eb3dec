/**
 * Compares a reply that has the rows that remain of its request with the request: no row may be in it that was not sent,
 * or more often than it was sent. Both are read from where they are stored, a piece at a time.
 */
import type { ComparedRows, ReplyReading } from '../acks/replies/read';
import { compareRows, IncomparableFile, type CsvComparison } from '../formats/csv/compare';
import { PayloadError } from '../errors';
import { openStored } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import type { IncomingStore, Outgoing, OutgoingStore } from '../store/store';

interface CompareParts {
  store: IncomingStore & OutgoingStore;
  spool: Spool;
  /** Key of the mailbox in the store. */
  mailbox: string;
}

/** What a comparison has found: how many rows there are, or why the reply cannot be believed. */
type Compared = { rows: ComparedRows } | { differs: string };

/**
 * Returns a reading of a reply as it is after its comparison with the request: the same with the numbers of rows, or an
 * unclear one whose code says what does not agree. Repeatable.
 * @param reading with `compare`
 * @param requestId our id of the request
 * @param replyId MESH's id of the reply
 * @throws StorageError
 */
export async function comparedReading(
  parts: CompareParts,
  reading: ReplyReading,
  requestId: Outgoing['id'],
  replyId: string,
): Promise<ReplyReading> {
  const compared = await compare(parts, reading, requestId, replyId);
  if ('rows' in compared) return { ...reading, compared: compared.rows };
  return { ...reading, outcome: 'unclear', code: compared.differs };
}

async function compare(
  { store, spool, mailbox }: CompareParts,
  { compare: rule }: ReplyReading,
  requestId: Outgoing['id'],
  replyId: string,
): Promise<Compared> {
  const [request, reply] = await Promise.all([store.getOutgoing(requestId), store.getIncoming(mailbox, replyId)]);
  if (!rule || !reply?.payload || !request?.payload) return { differs: 'the request is not kept any more' };
  try {
    const found = await compareRows(
      {
        sent: await openStored(request.payload, request.size, spool),
        returned: await openStored(reply.payload, reply.size, spool),
      },
      { sent: rule.requestColumn ?? rule.column, returned: rule.column },
    );
    return judged(found, rule.minimumPercent);
  } catch (error) {
    if (error instanceof IncomparableFile) return { differs: unreadable(error) };
    // A file that was sent by its path, and has changed or gone since.
    if (error instanceof PayloadError) return { differs: 'the request or the reply cannot be read' };
    throw error;
  }
}

function judged(found: CsvComparison, minimumPercent: number): Compared {
  const { sent, returned, notSent, notSentLine = 0, repeated, repeatedLine = 0 } = found;
  if (returned === 0) return { differs: 'no rows' };
  if (notSent > 0) return { differs: `not sent: ${notSent} rows, the first in line ${notSentLine}` };
  if (repeated > 0) return { differs: `repeated: ${repeated} rows, the first in line ${repeatedLine}` };
  if (returned * 100 < sent * minimumPercent) return { differs: `too few: ${returned} of ${sent} rows` };
  return { rows: { sent, returned } };
}

function unreadable({ file, line }: IncomparableFile): string {
  const what = file === 'sent' ? 'the request has' : 'the reply has';
  return line === undefined ? `${what} no rows that can be read` : `${what} another form from line ${line} on`;
}
