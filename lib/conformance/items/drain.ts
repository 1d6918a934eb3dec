/** 601: an inbox of 600 messages is emptied, a page of 500 and one of 100. */
import { createHash } from 'node:crypto';
import { NotPossibleHere, type Item } from '../item';
import { NOT_ARRIVED } from './receive';

/** The catalogue's number, and the page that MESH gives by default. */
const WANTED = 600;
const PAGE = 500;

export const drain: Item = {
  id: '601',
  title: 'Drain an inbox of 600 messages (500, then 100)',
  run: async (stage, note) => {
    const { recipient, options } = stage;
    const count = options.drainMessages ?? WANTED;
    if (count < WANTED) note.short = `It was run with ${count} messages; the catalogue asks for ${WANTED}.`;
    const waiting = new Map<string, string>();
    for (let index = 1; index <= count; index += 1) {
      const payload = `Conformance test: message ${index} of ${count}.\n`;
      const { messageId } = await stage.send({ payload, compression: 'never' });
      waiting.set(messageId, createHash('sha256').update(payload).digest('hex'));
    }
    const all = [...waiting.keys()];
    [all[0], all.at(-1)].forEach((id) => id !== undefined && note.message(id));
    if (!(await stage.arrived(recipient, all))) throw new NotPossibleHere(NOT_ARRIVED);

    const pages: number[] = [];
    let whole = 0;
    let twice = 0;
    const seen = new Set<string>();
    for (let from: string | undefined; waiting.size > 0;) {
      const page = await stage.list(recipient, from === undefined ? {} : { continueFrom: from });
      const own = page.messageIds.filter((id) => waiting.has(id));
      pages.push(page.messageIds.length);
      for (const id of own) {
        const { sha256 } = await recipient.receive(id);
        if (seen.has(id)) twice += 1;
        seen.add(id);
        if (sha256 === waiting.get(id)) whole += 1;
        await stage.acknowledge(id);
        waiting.delete(id);
      }
      if (own.length === 0 && page.continueFrom === undefined) break;
      // Messages of others stay where they are: then the next page is behind them.
      from = own.length < page.messageIds.length ? page.continueFrom : undefined;
    }
    note.check('every message was received and is the one that was sent', whole === count, `${whole} of ${count}`);
    note.check('none was received twice', twice === 0, twice);
    if (count >= WANTED) note.check('the first page was a full one', pages[0] === PAGE, pages.join(', then '));
    const left = (await stage.list(recipient, {})).messageIds.filter((id) => seen.has(id));
    note.check('none of them is in the inbox any more', left.length === 0, left.length);
  },
};
