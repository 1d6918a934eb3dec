/** mesh-mllp-in: receives HL7 v2 over MLLP. The sender has its answer when mesh-mllp-response gives it. */
/* oxlint-disable promise/no-callback-in-promise -- done() is how Node-RED is told, and it comes last. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { ConfigurationError, MllpListenError, MllpServer, type MeshError, type MllpServerOptions } from '../lib/index';
import { MllpInbound, type InboundSettings } from './mllp/inbound';
import { CHARSETS } from './mllp/payload';
import { cleanError } from './shared/report-error';
import { choiceSetting, numberSetting, textSetting } from './shared/settings';
import { errorStatus } from './shared/status';
import { readTls } from './shared/tls-and-proxy';

interface MeshMllpInDef extends NodeDef {
  version?: number;
  host?: string;
  port?: number | string;
  tls?: string;
  clientCertificate?: string;
  payloadAs?: string;
  charset?: string;
  timeout?: number | string;
  onTimeout?: string;
  maxInFlight?: number | string;
  maxConnections?: number | string;
  maxMb?: number | string;
}

/** A port may still be in use by a program that is just ending. */
const LISTEN_AGAIN_MS = 10_000;

export = function (RED: NodeAPI): void {
  function MeshMllpIn(this: Node, def: MeshMllpInDef): void {
    RED.nodes.createNode(this, def);
    let server: MllpServer | undefined;
    let inbound: MllpInbound | undefined;
    let timer: NodeJS.Timeout | undefined;
    let closed = false;
    let connections = 0;
    let isTold = false;

    const showConnections = (): void => {
      if (closed || server === undefined) return;
      const text = RED._(`mesh-mllp-in.status.${connections === 0 ? 'listening' : 'connected'}`, { connections });
      this.status({ fill: 'green', shape: connections === 0 ? 'ring' : 'dot', text });
    };
    const problem = (error: MeshError): void => {
      if (!closed) this.status(errorStatus(RED, error, error instanceof MllpListenError && !server ? 'ring' : 'dot'));
    };

    const start = async (): Promise<void> => {
      const taking = new MllpInbound(RED, this, inboundSettings(RED, def), { problem, answered: showConnections });
      const opened = await MllpServer.listen({
        ...serverSettings(RED, def),
        onRequest: (request) => taking.take(request),
        onProblem: (error) => {
          problem(error);
          this.error(cleanError(RED, error), {});
        },
        onConnections: (count) => {
          connections = count;
          showConnections();
        },
      });
      [server, inbound] = [opened, taking];
      showConnections();
    };

    /** Never rejects. Told once: the next try may be the one that works. */
    const tryToStart = (): Promise<void> =>
      start().catch((error: unknown) => {
        if (closed) return;
        problem(error as MeshError);
        if (!isTold) this.error(cleanError(RED, error), {});
        isTold = true;
        if (!(error instanceof MllpListenError)) return;
        timer = setTimeout(() => {
          starting = tryToStart();
        }, LISTEN_AGAIN_MS);
      });
    let starting = tryToStart();

    this.on('close', (_removed: boolean, done: () => void) => {
      closed = true;
      clearTimeout(timer);
      void starting
        .then(() => {
          inbound?.close();
          return server?.close();
        })
        .then(() => done(), done);
    });
  }

  RED.nodes.registerType('mesh-mllp-in', MeshMllpIn);
};

function inboundSettings(RED: NodeAPI, def: MeshMllpInDef): InboundSettings {
  return {
    payloadAs: choiceSetting(RED, 'payloadAs', def.payloadAs, ['text', 'buffer']),
    charset: choiceSetting(RED, 'charset', def.charset, CHARSETS),
    answerWithinMs: numberSetting(RED, 'timeout', def.timeout, { fallback: 20, least: 0.01, most: 3600 }) * 1000,
    onTimeout: choiceSetting(RED, 'onTimeout', def.onTimeout, ['AE', 'AR', 'close']),
  };
}

function serverSettings(RED: NodeAPI, def: MeshMllpInDef): Omit<MllpServerOptions, 'onRequest'> {
  const whole = (field: 'port' | 'maxInFlight' | 'maxConnections', fallback: number, least: number, most: number) =>
    Math.trunc(numberSetting(RED, field, def[field], { fallback, least, most }));
  const port = whole('port', 0, 1, 65_535);
  if (port === 0) throw new ConfigurationError(RED._('mesh-mllp-in.error.no-port'));
  const tls = readTls(RED, textSetting(RED, def.tls));
  const clientCertificate = choiceSetting(RED, 'clientCertificate', def.clientCertificate, ['required', 'none']);
  return {
    port,
    host: textSetting(RED, def.host) || '127.0.0.1',
    ...(tls && { tls: { ...tls, clientCertificate } }),
    maxInFlight: whole('maxInFlight', 1, 1, 1000),
    maxConnections: whole('maxConnections', 100, 1, 10_000),
    maxBytes: numberSetting(RED, 'maxMb', def.maxMb, { fallback: 20, least: 0.001, most: 500 }) * 1024 * 1024,
  };
}
