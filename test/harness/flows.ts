/** Small flows for journeys in a real Node-RED, and the mailboxes that they use on a sandbox outside it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealNodeRed, type FlowNode, type NodeRedMajor, type NodeRedOptions } from './node-red';
import type { Sandbox } from '../../lib/sandbox';

export const MAJORS: NodeRedMajor[] = ['5', '4'];

/** Starts a Node-RED in `userDir` or a new folder. `done` stops it and removes the folder. */
export async function startNodeRed(
  options: Omit<NodeRedOptions, 'userDir'> & { userDir?: string },
): Promise<{ nodeRed: RealNodeRed; userDir: string; done: () => Promise<void> }> {
  const userDir = options.userDir ?? (await mkdtemp(join(tmpdir(), 'mesh-journey-')));
  const nodeRed = await RealNodeRed.start({ flows: [], ...options, userDir });
  return {
    nodeRed,
    userDir,
    done: async () => {
      await nodeRed.stop();
      await rm(userDir, { recursive: true, force: true });
    },
  };
}

/** The properties of a MESH server, our sandbox or another, that its mailboxes' nodes need. */
export type MailboxServer = Pick<Sandbox, 'url' | 'ca' | 'sharedKey' | 'clientCertificate'>;

/**
 * Returns the nodes of a mailbox on a sandbox outside Node-RED, over mutual TLS. `changes` replace fields and
 * credentials.
 */
export async function mailboxOn(
  sandbox: MailboxServer,
  mailboxId: string,
  changes: { config?: object; credentials?: object; tls?: object } = {},
): Promise<FlowNode[]> {
  const client = await sandbox.clientCertificate();
  return [
    {
      id: `tls-${mailboxId}`,
      type: 'tls-config',
      name: '',
      cert: '',
      key: '',
      ca: '',
      certname: 'client.pem',
      keyname: 'client.key',
      caname: 'ca.pem',
      servername: '',
      verifyservercert: true,
      credentials: { certdata: client.cert, keydata: client.key, cadata: sandbox.ca, ...changes.tls },
    },
    {
      // Not the mailbox id alone: Node-RED takes a property that equals a node's id for a reference to that node.
      id: `mailbox-${mailboxId}`,
      type: 'mesh-config',
      name: mailboxId,
      version: 1,
      environment: sandbox.url,
      mailboxId,
      tls: `tls-${mailboxId}`,
      proxy: '',
      leftToOthers: '',
      leaseMinutes: 60,
      maxDeliveries: 5,
      maxRequestMb: '',
      chunkMb: '',
      compression: 'auto',
      credentials: { password: 'password', sharedKey: sandbox.sharedKey, ...changes.credentials },
      ...changes.config,
    },
  ];
}

/**
 * Returns a tab that sends from the first mailbox (inject `go`, debug `sent`), tracks what it sent (`track-now`, `tracked`),
 * and polls and acknowledges at the second (`look`; `received`, `report`, `parked`, `acked`). `close-gate` stops the
 * acknowledging. Errors that Catch receives are shown by the debug node `error`.
 */
export function sendAndPollFlow(from: string, to: string, changes: { send?: object; poll?: object } = {}): FlowNode[] {
  const tab = 'tab';
  const inject = { props: [], repeat: '', crontab: '', once: false, topic: '' };
  const debug = { active: true, tosidebar: true, console: false, tostatus: false, statusType: 'auto', statusVal: '' };
  const texts = { localId: '', subject: '', fileName: '', contentType: '' };
  const nodes: FlowNode[] = [
    { ...inject, id: 'go', type: 'inject', z: tab, wires: [['send']] },
    {
      ...texts,
      id: 'send',
      type: 'mesh-send',
      z: tab,
      version: 1,
      mailbox: `mailbox-${from}`,
      to,
      toType: 'str',
      workflowId: 'TEST_WORKFLOW',
      workflowIdType: 'str',
      payload: 'payload',
      payloadType: 'msg',
      payloadIs: 'content',
      compression: '',
      wires: [['sent']],
      ...changes.send,
    },
    { ...debug, id: 'sent', type: 'debug', z: tab, complete: 'meshSent', targetType: 'msg', wires: [] },
    { ...inject, id: 'track-now', type: 'inject', z: tab, wires: [['track']] },
    { id: 'track', type: 'mesh-track', z: tab, version: 1, mailbox: `mailbox-${from}`, wires: [['tracked'], []] },
    { ...debug, id: 'tracked', type: 'debug', z: tab, complete: 'payload', targetType: 'msg', wires: [] },
    { ...inject, id: 'look', type: 'inject', z: tab, wires: [['poll']] },
    {
      id: 'poll',
      type: 'mesh-poll',
      z: tab,
      version: 1,
      mailbox: `mailbox-${to}`,
      interval: 0,
      workflows: '',
      payloadAs: 'buffer',
      charset: 'utf-8',
      folder: '',
      acknowledge: 'flow',
      maxInFlight: 50,
      wires: [['received', 'gate'], ['report', 'gate'], ['received', 'gate'], ['parked']],
      ...changes.poll,
    },
    { ...debug, id: 'received', type: 'debug', z: tab, complete: 'mesh', targetType: 'msg', wires: [] },
    { ...debug, id: 'report', type: 'debug', z: tab, complete: 'payload', targetType: 'msg', wires: [] },
    { ...debug, id: 'parked', type: 'debug', z: tab, complete: 'true', targetType: 'full', wires: [] },
    // Closed by `close-gate`: then nothing is acknowledged.
    {
      id: 'gate',
      type: 'switch',
      z: tab,
      property: 'closed',
      propertyType: 'flow',
      rules: [{ t: 'nnull' }, { t: 'else' }],
      checkall: 'false',
      outputs: 2,
      wires: [[], ['ack']],
    },
    { ...inject, id: 'close-gate', type: 'inject', z: tab, wires: [['set-gate']] },
    {
      id: 'set-gate',
      type: 'change',
      z: tab,
      rules: [{ t: 'set', p: 'closed', pt: 'flow', to: 'true', tot: 'bool' }],
      wires: [[]],
    },
    { id: 'ack', type: 'mesh-ack', z: tab, version: 1, mailbox: `mailbox-${to}`, wires: [['acked']] },
    { ...debug, id: 'acked', type: 'debug', z: tab, complete: 'mesh.messageId', targetType: 'msg', wires: [] },
    { id: 'catcher', type: 'catch', z: tab, scope: null, uncaught: false, wires: [['error']] },
    { ...debug, id: 'error', type: 'debug', z: tab, complete: 'error', targetType: 'msg', wires: [] },
  ];
  // Node-RED takes a node without a position for a config node.
  return [{ id: tab, type: 'tab', label: 'journey' }, ...nodes.map((node) => Object.assign(node, { x: 100, y: 100 }))];
}

/** An error from Catch, as the debug sidebar shows it. */
export interface Caught {
  message: string;
  code?: string;
  source: { id: string };
}

/** Returns the properties of an inject node that sends this text as its payload. */
export function text(payload: string): Array<{ p: string; v: string; vt: string }> {
  return [{ p: 'payload', v: payload, vt: 'str' }];
}
