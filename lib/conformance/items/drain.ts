/** 601: an inbox of 600 messages is emptied, in a page of 500 and one of 100. */
import { createHash } from 'node:crypto';
import { NotPossibleHere, type Item } from '../item';
import { NOT_ARRIVED } from './receive';

/** The catalogue's number of messages, and MESH's default page. */
const REQUIRED = 600;
const PAGE = 500;

export const drain: Item = {
  id: '601',
  title: 'Drain an inbox of 600 messages (500, then 100)',
  run: async (context, evidence) => {
    const { recipient, options } = context;
    const count = options.drainMessages ?? REQUIRED;
    if (count < REQUIRED) evidence.shortfall = `It was run with ${count} messages; the catalogue requires ${REQUIRED}.`;
    const waiting = new Map<string, string>();
    for (let index = 1; index <= count; index += 1) {
      const payload = `Conformance test: message ${index} of ${count}.\n`;
      const { messageId } = await context.send({ payload, compression: 'never' });
      waiting.set(messageId, createHash('sha256').update(payload).digest('hex'));
    }
    const all = [...waiting.keys()];
    [all[0], all.at(-1)].forEach((id) => id !== undefined && evidence.message(id));
    if (!(await context.arrived(recipient, all))) throw new NotPossibleHere(NOT_ARRIVED);

    const pages: number[] = [];
    let intact = 0;
    let twice = 0;
    const seen = new Set<string>();
    for (let from: string | undefined; waiting.size > 0;) {
      const page = await context.list(recipient, from === undefined ? {} : { continueFrom: from });
      const own = page.messageIds.filter((id) => waiting.has(id));
      pages.push(page.messageIds.length);
      for (const id of own) {
        const { sha256 } = await recipient.receive(id);
        if (seen.has(id)) twice += 1;
        seen.add(id);
        if (sha256 === waiting.get(id)) intact += 1;
        await context.acknowledge(id);
        waiting.delete(id);
      }
      if (own.length === 0 && page.continueFrom === undefined) break;
      // Messages of others stay in the inbox: the next page then comes after them.
      from = own.length < page.messageIds.length ? page.continueFrom : undefined;
    }
    evidence.check(
      'every message was received with the payload that was sent',
      intact === count,
      `${intact} of ${count}`,
    );
    evidence.check('no message was received twice', twice === 0, twice);
    if (count >= REQUIRED) evidence.check('the first page was full', pages[0] === PAGE, pages.join(', then '));
    const left = (await context.list(recipient, {})).messageIds.filter((id) => seen.has(id));
    evidence.check('the inbox no longer has any of them', left.length === 0, left.length);
  },
};
