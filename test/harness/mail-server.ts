/** An SMTP server on this machine that records what it receives. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Server } from 'node:net';
import type { Readable } from 'node:stream';
import { listenOn } from './ports';
import { ROOT } from './node-red';

/** A mail as it arrived. */
interface Mail {
  to: string[];
  /** Headers and text. */
  text: string;
}

/** It knows the user `alerts` with the password `password`, refuses `nobody@…`, and has no TLS. */
export interface MailServer {
  port: number;
  received: Mail[];
  /** With `refuse` it takes no mail. */
  refuse: boolean;
  close(): Promise<void>;
}

/** The part of smtp-server that is used; the package has no types of its own. */
interface Smtp {
  SMTPServer: new (options: object) => { server: Server; close(done: () => void): void };
}
type Done = (error?: Error | null, value?: object) => void;

export async function startMailServer(): Promise<MailServer> {
  const { SMTPServer } = createRequire(join(ROOT, 'package.json'))('smtp-server') as Smtp;
  const refused = (code: number): Error => Object.assign(new Error('refused'), { responseCode: code });
  const smtp = new SMTPServer({
    allowInsecureAuth: true,
    hideSTARTTLS: true,
    logger: false,
    onAuth: ({ username, password }: { username: string; password: string }, _session: unknown, done: Done) =>
      username === 'alerts' && password === 'password' ? done(null, { user: username }) : done(refused(535)),
    onRcptTo: ({ address }: { address: string }, _session: unknown, done: Done) =>
      done(address.startsWith('nobody@') ? refused(550) : null),
    onData: (stream: Readable, { envelope }: { envelope: { rcptTo: Array<{ address: string }> } }, done: Done) => {
      let text = '';
      stream.on('data', (piece: Buffer) => (text += piece.toString()));
      stream.on('end', () => {
        if (mail.refuse) return done(refused(451));
        mail.received.push({ to: envelope.rcptTo.map(({ address }) => address), text });
        return done();
      });
    },
  });
  const mail: MailServer = {
    port: await listenOn(smtp.server),
    received: [],
    refuse: false,
    close: () => new Promise((resolve) => smtp.close(resolve)),
  };
  return mail;
}
