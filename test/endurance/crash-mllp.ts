/** The crash test's MLLP sender, and the flow to the outbox: AA once the message is queued, AE if it is refused. */
import { createHash, randomBytes } from 'node:crypto';
import { MllpClient } from '../../lib/index';
import { untilConfirmed, type Key } from './crash-parts';

type FlowNode = { id: string; type: string; [property: string]: unknown };

/** Returns a key that is an MSH-10, and the message with that control id. */
export function mllpMessage(index: number): { key: Key; message: string } {
  const controlId = `K${index}${randomBytes(4).toString('hex')}`;
  const message = `MSH|^~\\&|PAS|X26|MESH|X26|20260115093000||ADT^A01|${controlId}|P|2.4\rPID|1||${randomBytes(200).toString('hex')}\r`;
  const sha256 = createHash('sha256').update(message).digest('hex');
  return { key: { key: controlId, kind: 'small', sha256, attempts: 0 }, message };
}

/** Sends a message repeatedly, with the same MSH-10, until the AA arrives. */
export function enqueueOverMllp(key: Key, message: string, port: number): Promise<void> {
  return untilConfirmed(key, async () => {
    const client = new MllpClient({ host: '127.0.0.1', port, acknowledgementTimeoutMs: 5000 });
    try {
      const { isPositive, text } = await client.send(Buffer.from(message));
      const [id, localId] = text.split(' ');
      return isPositive && id && localId ? { id, localId } : undefined;
    } finally {
      client.close();
    }
  });
}

/**
 * Returns the flow from MLLP to the outbox. `send` has the fields of the crash flow's mesh-send. The AA's text names
 * the message in the outbox, so that it can be verified.
 */
export function mllpFront(port: number, send: Record<string, unknown>): FlowNode[] {
  return [
    {
      id: 'mllp-in',
      type: 'mesh-mllp-in',
      version: 1,
      host: '127.0.0.1',
      port,
      payloadAs: 'text',
      charset: 'utf-8',
      timeout: 20,
      onTimeout: 'AE',
      maxInFlight: 1,
      wires: [['mllp-key']],
    },
    {
      id: 'mllp-key',
      type: 'change',
      rules: [{ t: 'set', p: 'body', pt: 'msg', to: '{"key": mllp.controlId, "payload": payload}', tot: 'jsonata' }],
      wires: [['send-mllp']],
    },
    { ...send, id: 'send-mllp', type: 'mesh-send', wires: [['mllp-aa']] },
    {
      id: 'mllp-aa',
      type: 'mesh-mllp-response',
      version: 1,
      answer: 'AA',
      text: 'meshSent.id & " " & meshSent.localId',
      textType: 'jsonata',
      wires: [],
    },
    { id: 'mllp-catch', type: 'catch', scope: ['send-mllp'], uncaught: false, wires: [['mllp-waits']] },
    {
      id: 'mllp-waits',
      type: 'switch',
      property: 'mllp.requestId',
      propertyType: 'msg',
      rules: [{ t: 'nnull' }],
      checkall: 'true',
      outputs: 1,
      wires: [['mllp-ae']],
    },
    {
      id: 'mllp-ae',
      type: 'mesh-mllp-response',
      version: 1,
      answer: 'AE',
      text: 'error.message',
      textType: 'msg',
      wires: [],
    },
  ];
}
