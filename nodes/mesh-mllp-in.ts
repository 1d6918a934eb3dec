/** mesh-mllp-in: receives HL7 v2 over MLLP. The sender gets its response from mesh-mllp-response. */
/* oxlint-disable promise/no-callback-in-promise -- Node-RED's done() is a callback, and it comes last. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  CHARSET_RULES,
  ConfigurationError,
  MllpListenError,
  MllpServer,
  type MeshError,
  type CertificateFiles,
  type MllpServerOptions,
  type MllpServerTls,
  type TlsOptions,
} from '../lib/index';
import { MllpInbound, type InboundSettings } from './mllp/inbound';
import { noteListener } from './monitor/mllp-listeners';
import { CHARSETS } from './mllp/payload';
import { createNode } from './shared/create-node';
import { OutputGuard } from './mailbox/output-guard';
import { cleanError } from './shared/report-error';
import { choiceSetting, listSetting, numberSetting, textSetting } from './shared/settings';
import { errorStatus, setStatus } from './shared/status';
import { certificatesOf, readTls } from './shared/tls-and-proxy';

type ServerTls = TlsOptions & Required<Pick<MllpServerTls, 'clientCertificate'>>;

interface MeshMllpInDef extends NodeDef {
  version?: number;
  host?: string;
  port?: number | string;
  tls?: string;
  clientCertificate?: string;
  payloadAs?: string;
  charset?: string;
  charsetRule?: string;
  timeout?: number | string;
  onTimeout?: string;
  timeKeepingSenders?: string;
  maxInFlight?: number | string;
  maxConnections?: number | string;
  maxMb?: number | string;
  maxTotalMb?: number | string;
  messageTimeout?: number | string;
  idleTimeout?: number | string;
}

const MIB = 1024 * 1024;

/** The wait before another attempt to listen: a program that is ending may still use the port. */
const LISTEN_AGAIN_MS = 10_000;

/** How often the files of the certificates are looked at: a connection cannot wait for that. */
const RENEW_EVERY_MS = 5000;

export = function (RED: NodeAPI): void {
  function MeshMllpIn(this: Node, config: MeshMllpInDef): void {
    const def = createNode(RED, this, config);
    let server: MllpServer | undefined;
    let inbound: MllpInbound | undefined;
    let timer: NodeJS.Timeout | undefined;
    let renewing: NodeJS.Timeout | undefined;
    let closed = false;
    let connections = 0;
    let isReported = false;

    noteListener(this.id, false);

    const showConnections = (): void => {
      if (server === undefined) return;
      if (connections === 0) setStatus(this, { fill: 'green', shape: 'ring', key: 'mesh-mllp-in.status.listening' });
      else
        setStatus(this, { fill: 'green', shape: 'dot', key: 'mesh-mllp-in.status.connected', values: { connections } });
    };
    const showError = (error: MeshError): void => {
      setStatus(this, errorStatus(error, error instanceof MllpListenError && !server ? 'ring' : 'dot'));
    };

    const guard = new OutputGuard(RED, this, {
      label: () => RED._('mesh-mllp-in.output'),
      onBlocked: showError,
      onUnblocked: showConnections,
    });

    const start = async (): Promise<void> => {
      const requests = new MllpInbound(RED, this, inboundSettings(RED, def), {
        guard,
        showError,
        onResponse: showConnections,
      });
      const settings = serverSettings(RED, def);
      const certificates = settings.tls && certificatesOf(RED, this, settings.tls);
      // Node-RED has read the files at its own start, which may be long ago.
      await certificates?.check();
      const opened = await MllpServer.listen({
        ...settings,
        ...(certificates && { tls: { ...settings.tls, ...certificates.current } }),
        onRequest: (request) => requests.take(request),
        onProblem: (error) => {
          showError(error);
          this.error(cleanError(RED, error), {});
        },
        onConnections: (count) => {
          connections = count;
          showConnections();
        },
      });
      [server, inbound] = [opened, requests];
      noteListener(this.id, true);
      if (certificates) renewing = setInterval(() => void renew(opened, settings.tls, certificates), RENEW_EVERY_MS);
      showConnections();
    };

    /** Never rejects. Reports a failure once, and tries again when the port is in use. */
    const tryToStart = (): Promise<void> =>
      start().catch((error: unknown) => {
        if (closed) return;
        showError(error as MeshError);
        if (!isReported) this.error(cleanError(RED, error), {});
        isReported = true;
        if (!(error instanceof MllpListenError)) return;
        timer = setTimeout(() => {
          starting = tryToStart();
        }, LISTEN_AGAIN_MS);
      });
    let starting = tryToStart();

    this.on('close', (_removed: boolean, done: () => void) => {
      closed = true;
      noteListener(this.id, undefined);
      clearTimeout(timer);
      void starting
        .then(() => {
          clearInterval(renewing);
          inbound?.close();
          return server?.close();
        })
        .then(() => done(), done);
    });
  }

  RED.nodes.registerType('mesh-mllp-in', MeshMllpIn);
};

/** Uses certificate files that have changed from the next connection on. */
async function renew(server: MllpServer, tls: ServerTls | undefined, certificates: CertificateFiles): Promise<void> {
  const before = certificates.current;
  await certificates.check();
  if (certificates.current !== before) server.setTls({ ...tls, ...certificates.current });
}

function inboundSettings(RED: NodeAPI, def: MeshMllpInDef): InboundSettings {
  return {
    payloadAs: choiceSetting(RED, 'payloadAs', def.payloadAs, ['text', 'buffer']),
    charset: choiceSetting(RED, 'charset', def.charset, CHARSETS),
    charsetRule: choiceSetting(RED, 'charsetRule', def.charsetRule, CHARSET_RULES),
    responseTimeoutMs: numberSetting(RED, 'timeout', def.timeout, { fallback: 20, min: 0.01, max: 3600 }) * 1000,
    onTimeout: choiceSetting(RED, 'onTimeout', def.onTimeout, ['AE', 'AR', 'close']),
    timeKeepingSenders: listSetting(RED, def.timeKeepingSenders),
  };
}

function serverSettings(
  RED: NodeAPI,
  def: MeshMllpInDef,
): Omit<MllpServerOptions, 'onRequest' | 'tls'> & { tls?: ServerTls } {
  const whole = (field: 'port' | 'maxInFlight' | 'maxConnections', fallback: number, min: number, max: number) =>
    Math.trunc(numberSetting(RED, field, def[field], { fallback, min, max }));
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
    maxBytes: numberSetting(RED, 'maxMb', def.maxMb, { fallback: 20, min: 0.001, max: 500 }) * 1024 * 1024,
    maxTotalBytes: numberSetting(RED, 'maxTotalMb', def.maxTotalMb, { fallback: 100, min: 0.001, max: 10_000 }) * MIB,
    messageTimeoutMs:
      numberSetting(RED, 'messageTimeout', def.messageTimeout, { fallback: 60, min: 0.01, max: 3600 }) * 1000,
    idleTimeoutMs:
      numberSetting(RED, 'idleTimeout', def.idleTimeout, { fallback: 60, min: 0.001, max: 10_080 }) * 60_000,
  };
}
