/** The library with large messages: sends a file, receives into a file. */
import type { Mailbox, MailboxOptions } from '../../lib/index';
import type { Address } from '../harness/connection';
import { measured, serve } from '../harness/serve';
import { mailboxOptions, openMailbox } from './library';

let mailbox: Mailbox;

interface Send {
  file: string;
  /** Number of sends, one after the other. Default 1. */
  times?: number;
}

serve({
  connect({ options, ...address }: Address & { options?: Partial<MailboxOptions> }) {
    mailbox = openMailbox(mailboxOptions(address, options));
  },
  /** Also returns the ends of the ranges that the library chose, so that the limit sends the same ranges. */
  send: ({ file, times = 1 }: Send) =>
    measured(async () => {
      let ends: number[] = [];
      let bytes = 0;
      for (let i = 0; i < times; i += 1) {
        ends = [];
        const sent = await mailbox.send(
          { to: 'X26ABC2', workflowId: 'BENCH', payload: { file } },
          { onProgress: (progress) => void ends.push(progress.bytes) },
        );
        bytes += sent.bytes;
      }
      return { bytes, messages: times, ends };
    }),
  receive: ({ messageId, file, times = 1 }: { messageId: string; file: string; times?: number }) =>
    measured(async () => {
      let bytes = 0;
      let sha256 = '';
      for (let i = 0; i < times; i += 1) {
        const received = await mailbox.receive(messageId, { file: times === 1 ? file : `${file}-${i}` });
        bytes += received.bytes;
        ({ sha256 } = received);
      }
      return { bytes, messages: times, sha256 };
    }),
});
