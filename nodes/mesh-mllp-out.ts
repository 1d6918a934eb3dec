/** mesh-mllp-out: sends HL7 v2 over MLLP and waits for the acknowledgement. Outputs: accepted, refused. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  CHARSET_RULES,
  ConfigurationError,
  decodeHl7Text,
  MllpClient,
  readHl7Header,
  type DefaultCharset,
  type MllpClientOptions,
  type MllpClientState,
  type MllpSent,
} from '../lib/index';
import { createNode } from './shared/create-node';
import { CHARSETS, messageBytes, type CharsetSetting } from './mllp/payload';
import { onInput } from './shared/on-input';
import { OutputGuard } from './mailbox/output-guard';
import { cleanError, clearError, showsError } from './shared/report-error';
import { choiceSetting, numberSetting, textSetting } from './shared/settings';
import { errorStatus, setStatus, sharedStatus } from './shared/status';
import { certificatesOf, readTls } from './shared/tls-and-proxy';

interface MeshMllpOutDef extends NodeDef {
  version?: number;
  host?: string;
  port?: number | string;
  tls?: string;
  charset?: string;
  charsetRule?: string;
  timeout?: number | string;
  retries?: number | string;
  connections?: number | string;
  connectionPerMessage?: boolean;
  maxQueued?: number | string;
}

/**
 * `msg.mllpSent`: the acknowledgement of the sent message. Plain JSON; msg.mllp still belongs to the received message.
 */
interface MllpSentProperty {
  /** MSH-10. */
  controlId: string;
  /** MSA-1. */
  code: string;
  /** MSA-3. */
  text: string;
  /** The whole acknowledgement. */
  answer: string;
  /** How often the message was sent. */
  attempts: number;
}

/** The positions of outputs never change: flows are wired to them. */
const REFUSED_OUTPUT = 1;

/** Messages kept for the AE or AR that may follow their CA. */
const MAX_COMMITTED = 100;

const STATES = {
  connecting: ['yellow', 'ring'],
  connected: ['green', 'dot'],
  disconnected: ['red', 'ring'],
} as const;

export = function (RED: NodeAPI): void {
  function MeshMllpOut(this: Node, config: MeshMllpOutDef): void {
    const def = createNode(RED, this, config);
    const guard = new OutputGuard(RED, this, {
      label: (output) => RED._(`mesh-mllp-out.output.${output === REFUSED_OUTPUT ? 'refused' : 'accepted'}`),
    });
    let closed = false;
    let state: MllpClientState = 'idle';

    const show = (): void => {
      if (state === 'idle') return;
      const [fill, shape] = STATES[state];
      setStatus(this, sharedStatus(fill, shape, state));
      clearError(this);
    };
    const showRefusal = (code: string): void =>
      setStatus(this, { fill: 'yellow', shape: 'dot', key: 'mesh-mllp-out.status.nak', values: { code } });
    /** Messages that were accepted with CA, until their AE or AR: by control id, oldest first. */
    const committed = new Map<string, NodeMessageInFlow>();
    const opened = openClient(RED, this, def, {
      onApplicationAcknowledgement: (acknowledgement) => {
        const msg = committed.get(acknowledgement.controlId);
        committed.delete(acknowledgement.controlId);
        if (closed || acknowledgement.code === 'AA' || !('charset' in opened)) return;
        const sent = { ...acknowledgement, attempts: 1, isPositive: false };
        showRefusal(sent.code);
        const refused = Object.assign(msg ?? {}, { mllpSent: sentProperty(sent, opened.charset) });
        void guard.check(REFUSED_OUTPUT).then(
          () => this.send([null, refused]),
          (error: unknown) => this.error(cleanError(RED, error), refused),
        );
      },
      onState: (now) => {
        state = now;
        // Another attempt does not hide the error of the last one.
        if (now !== 'connecting' || !showsError(this)) show();
      },
      onIgnored: (error) => this.warn(cleanError(RED, error).message),
    });
    if ('fault' in opened) {
      setStatus(this, errorStatus(opened.fault, 'ring'));
      this.error(cleanError(RED, opened.fault), {});
    }

    onInput(RED, this, async (msg, send) => {
      if ('fault' in opened) throw opened.fault;
      let sent: MllpSent;
      try {
        sent = await opened.client.send(messageBytes(RED, msg.payload, opened));
      } catch (error) {
        if (closed) return 'unfinished';
        throw error;
      }
      if (closed) return 'unfinished';
      Object.assign(msg, { mllpSent: sentProperty(sent, opened.charset) });
      if (sent.code === 'CA') {
        committed.set(sent.controlId, RED.util.cloneMessage(msg));
        const [oldest] = committed.keys();
        if (committed.size > MAX_COMMITTED && oldest !== undefined) committed.delete(oldest);
      }
      if (sent.isPositive) {
        if (showsError(this) || state !== 'connected') show();
        send([msg, null]);
      } else {
        showRefusal(sent.code);
        await guard.check(REFUSED_OUTPUT);
        send([null, msg]);
      }
      return undefined;
    });

    this.on('close', (_removed: boolean, done: () => void) => {
      closed = true;
      if ('client' in opened) {
        const { size } = opened.client;
        if (size > 0) this.warn(RED._('mesh-mllp-out.warning.stopped', { number: size }));
        opened.client.close();
      }
      done();
    });
  }

  RED.nodes.registerType('mesh-mllp-out', MeshMllpOut);
};

type Opened = ({ client: MllpClient } & CharsetSetting) | { fault: unknown };

function openClient(
  RED: NodeAPI,
  node: Node,
  def: MeshMllpOutDef,
  listeners: Pick<MllpClientOptions, 'onState' | 'onIgnored' | 'onApplicationAcknowledgement'>,
): Opened {
  try {
    const charset = choiceSetting(RED, 'charset', def.charset, CHARSETS);
    const charsetRule = choiceSetting(RED, 'charsetRule', def.charsetRule, CHARSET_RULES);
    return { client: new MllpClient({ ...clientSettings(RED, node, def), ...listeners }), charset, charsetRule };
  } catch (fault) {
    return { fault };
  }
}

function clientSettings(RED: NodeAPI, node: Node, def: MeshMllpOutDef): MllpClientOptions {
  const number = (
    field: 'port' | 'timeout' | 'retries' | 'connections' | 'maxQueued',
    [fallback, min, max]: [number, number, number],
  ): number => numberSetting(RED, field, def[field], { fallback, min, max });
  const host = textSetting(RED, def.host);
  const port = Math.trunc(number('port', [0, 1, 65_535]));
  if (host === '' || port === 0) throw new ConfigurationError(RED._('mesh-mllp-out.error.no-host'));
  const tls = readTls(RED, textSetting(RED, def.tls));
  const certificates = tls && certificatesOf(RED, node, tls);
  return {
    host,
    port,
    ...(certificates && { tls: () => certificates.check().then(() => certificates.current) }),
    acknowledgementTimeoutMs: number('timeout', [30, 0.01, 3600]) * 1000,
    retries: Math.trunc(number('retries', [0, 0, 100_000])),
    connections: Math.trunc(number('connections', [1, 1, 100])),
    connectionPerMessage: def.connectionPerMessage === true,
    maxQueued: Math.trunc(number('maxQueued', [1000, 1, 100_000])),
  };
}

function sentProperty({ bytes, controlId, code, text, attempts }: MllpSent, charset: DefaultCharset): MllpSentProperty {
  return {
    controlId,
    code,
    text: readable(Buffer.from(text, 'latin1'), bytes, charset),
    answer: readable(bytes, bytes, charset),
    attempts,
  };
}

/** Decodes part of an acknowledgement. Characters that are not valid do not turn it into an error. */
function readable(part: Buffer, acknowledgement: Buffer, charset: DefaultCharset): string {
  try {
    return decodeHl7Text(part, readHl7Header(acknowledgement)?.charset ?? '', charset);
  } catch {
    return part.toString('latin1');
  }
}
