/**
 * A syslog server on this machine (UDP, TCP or TLS) with a reader of its own, written from RFC 5424, RFC 6587 and the
 * CEF guide, and not from lib/alerts: it refuses what they do not allow.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { listenOn, stopServer } from './ports';

/** A message as RFC 5424 describes it. */
export interface SyslogMessage {
  facility: number;
  severity: number;
  time: string;
  host: string;
  app: string;
  process: string;
  id: string;
  /** Structured data by SD-ID. */
  data: Record<string, Record<string, string>>;
  text: string;
  hasBom: boolean;
}

/** @throws Error when a message is not one of RFC 5424 */
export function readSyslog(bytes: Buffer): SyslogMessage {
  const whole = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const head =
    /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) /.exec(
      whole,
    );
  if (!head) throw new Error(`no header of RFC 5424: ${whole.slice(0, 200)}`);
  const [all, priority = '', time = '', host = '', app = '', process = '', id = ''] = head;
  let rest = whole.slice(all.length);
  const data: SyslogMessage['data'] = {};
  if (rest.startsWith('-')) rest = rest.slice(1);
  while (rest.startsWith('[')) {
    const name = /^\[([^\s="\]]{1,32})/.exec(rest);
    if (!name) throw new Error(`no SD-ID: ${rest.slice(0, 80)}`);
    rest = rest.slice(name[0].length);
    const found: Record<string, string> = {};
    for (;;) {
      const parameter = /^ ([^\s="\]]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"/.exec(rest);
      if (!parameter) break;
      found[parameter[1] ?? ''] = (parameter[2] ?? '').replaceAll(/\\(["\\\]])/g, '$1');
      rest = rest.slice(parameter[0].length);
    }
    if (!rest.startsWith(']')) throw new Error(`the structured data does not end: ${rest.slice(0, 80)}`);
    rest = rest.slice(1);
    data[name[1] ?? ''] = found;
  }
  if (rest !== '' && !rest.startsWith(' ')) throw new Error(`no blank before the text: ${rest.slice(0, 80)}`);
  const text = rest.slice(1);
  const hasBom = text.startsWith('\uFEFF');
  return {
    facility: Math.floor(Number(priority) / 8),
    severity: Number(priority) % 8,
    time,
    host,
    app,
    process,
    id,
    data,
    text: hasBom ? text.slice(1) : text,
    hasBom,
  };
}

/** An event as the CEF guide describes it. */
export interface CefEvent {
  header: string[];
  extension: Record<string, string>;
}

/** @throws Error when a text is not one of CEF */
export function readCef(text: string): CefEvent {
  if (!text.startsWith('CEF:0|')) throw new Error(`no CEF: ${text.slice(0, 80)}`);
  const header: string[] = [];
  let field = '';
  let at = 'CEF:0|'.length;
  for (; at < text.length && header.length < 6; at += 1) {
    const character = text[at] ?? '';
    if (character === '\\') field += text[(at += 1)] ?? '';
    else if (character === '|') {
      header.push(field);
      field = '';
    } else field += character;
  }
  if (header.length < 6) throw new Error('the header of CEF has fewer than six fields');
  const extension: Record<string, string> = {};
  // A key begins after a blank and ends at an equals sign that no backslash precedes.
  const parts = text.slice(at).split(/(?:^| )(\w+)(?<!\\)=/);
  for (let index = 1; index < parts.length; index += 2) {
    extension[parts[index] ?? ''] = (parts[index + 1] ?? '').replaceAll(/\\([\\=])/g, '$1');
  }
  return { header, extension };
}

export interface SyslogServer {
  port: number;
  /** The messages as they arrived, without their framing. */
  received: Buffer[];
  close(): Promise<void>;
}

/** Starts a server. Octet counting is the only framing that it reads. */
export async function startSyslog(
  transport: 'udp' | 'tcp' | 'tls',
  certificate: { cert: string; key: string } = { cert: '', key: '' },
): Promise<SyslogServer> {
  const received: Buffer[] = [];
  if (transport === 'udp') {
    const socket = createSocket('udp4', (message) => void received.push(message));
    await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', resolve));
    const close = (): Promise<void> => new Promise((resolve) => void socket.close(() => resolve()));
    return { port: socket.address().port, received, close };
  }
  const read = (socket: Socket): void => {
    let bytes = Buffer.alloc(0);
    socket.on('data', (piece: Buffer) => {
      bytes = Buffer.concat([bytes, piece]);
      for (;;) {
        const length = /^(\d+) /.exec(bytes.toString('latin1', 0, 12));
        if (!length) return;
        const end = length[0].length + Number(length[1]);
        if (bytes.length < end) return;
        received.push(bytes.subarray(length[0].length, end));
        bytes = bytes.subarray(end);
      }
    });
    socket.on('error', () => undefined);
  };
  const server: Server = transport === 'tcp' ? createServer(read) : createTlsServer(certificate, read);
  const port = await listenOn(server);
  return { port, received, close: () => stopServer(server) };
}
