/** Sends alerts to a syslog server: UDP (RFC 5426), TCP with octet counting (RFC 6587) or TLS (RFC 5425). */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { CertificateFiles } from '../client/certificate-files';
import { AlertError, type Receiver } from './alert-queue';
import { syslogMessage, type SyslogForm } from './syslog-message';
import type { OpenReceiver } from './webhook';

export interface SyslogOptions {
  host: string;
  port: number;
  /** `udp` cannot know whether anybody has received an alert. */
  transport: 'udp' | 'tcp' | 'tls';
  form: SyslogForm;
  /** The CA of the server and our own certificate; default: the CAs of Node, and no certificate. */
  certificates?: CertificateFiles | undefined;
  /** How long connecting and writing may take (milliseconds). */
  timeoutMs: number;
}

/** The largest datagram (bytes) that RFC 5426, section 3.2 wants every receiver to accept. */
const MAX_DATAGRAM = 2048;
/** How long a server may leave the connection open after our end of it (milliseconds). */
const SERVER_ENDS_MS = 2000;

/**
 * Returns a receiver at a syslog server. Each alert has a connection of its own that we end first: a server that ends
 * it too has read the alert. One that leaves it open for two seconds counts as having taken it.
 */
export function openSyslog(options: SyslogOptions): OpenReceiver {
  const send: Receiver = async (alert, signal) => {
    const message = syslogMessage(alert, options.form);
    try {
      if (options.transport === 'udp') await sendDatagram(options, message);
      else await sendByConnection(options, message, signal);
    } catch (cause) {
      throw notSent(options, cause);
    }
  };
  return { send, close: async () => undefined };
}

async function sendDatagram({ host, port }: SyslogOptions, message: Buffer): Promise<void> {
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.send(cutAt(message, MAX_DATAGRAM), port, address, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    socket.close();
  }
}

/** Returns at most `bytes` of a text in UTF-8, without a part of a character at its end. */
function cutAt(message: Buffer, bytes: number): Buffer {
  if (message.length <= bytes) return message;
  let end = bytes;
  while (end > 0 && ((message[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return message.subarray(0, end);
}

async function sendByConnection(options: SyslogOptions, message: Buffer, signal: AbortSignal): Promise<void> {
  const { host, port, transport, certificates, timeoutMs } = options;
  await certificates?.check();
  const socket: Socket =
    transport === 'tls'
      ? connectTls({
          host,
          port,
          // An IP address is no server name (RFC 6066, section 3).
          ...(isIP(host) === 0 && { servername: host }),
          minVersion: 'TLSv1.2',
          ...certificates?.current,
        })
      : connect({ host, port });
  const abort = (): void => void socket.destroy(new AlertError('stopped'));
  signal.addEventListener('abort', abort, { once: true });
  socket.setTimeout(timeoutMs, () => socket.destroy(Object.assign(new Error('too slow'), { code: 'ETIMEDOUT' })));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
      socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => {
        socket.once('end', resolve);
        socket.resume();
        // RFC 6587, section 3.4.1: the length in bytes, a blank, the message.
        socket.end(Buffer.concat([Buffer.from(`${message.length} `), message]), () => {
          setTimeout(resolve, SERVER_ENDS_MS).unref();
        });
      });
    });
  } finally {
    signal.removeEventListener('abort', abort);
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

function notSent({ host, port, transport }: SyslogOptions, cause: unknown): AlertError {
  if (cause instanceof AlertError) return cause;
  const { code = 'no answer' } = cause as NodeJS.ErrnoException;
  return new AlertError(`The syslog server ${host}:${port} did not take an alert by ${transport} (${code}).`, {
    cause,
    advice: 'Check the server, its port, its certificates and the firewall. The alert is sent again.',
    isUnreachable: true,
  });
}
