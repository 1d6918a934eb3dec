/** The flows of the bench: one mailbox sends, the other receives. */
import type { Address } from '../harness/connection';

type FlowNode = { id: string; type: string; [property: string]: unknown };

const POSITION = { z: 'tab', x: 100, y: 100 };
const TAB = { id: 'tab', type: 'tab', label: 'bench' };
const INJECT = { ...POSITION, type: 'inject', props: [{ p: 'payload' }], repeat: '', crontab: '', once: false };
const DEBUG = { ...POSITION, type: 'debug', active: true, tosidebar: true, targetType: 'msg', wires: [] };
const SEND = {
  ...POSITION,
  type: 'mesh-send',
  version: 1,
  mailbox: 'mailbox-out',
  to: 'X26ABC2',
  toType: 'str',
  workflowId: 'BENCH',
  workflowIdType: 'str',
  payload: 'payload',
  payloadType: 'msg',
  compression: '',
};
const POLL = {
  ...POSITION,
  type: 'mesh-poll',
  version: 1,
  mailbox: 'mailbox-in',
  workflows: '',
  charset: 'utf-8',
  acknowledge: 'flow',
};
const ACK = { ...POSITION, id: 'ack', type: 'mesh-ack', version: 1, mailbox: 'mailbox-in' };

function mailboxes({ url, ca, cert, key }: Address): FlowNode[] {
  const mailbox = { type: 'mesh-config', version: 1, environment: url, tls: 'tls', leaseMinutes: 60, maxDeliveries: 5 };
  const credentials = { password: 'password', sharedKey: 'TestKey' };
  return [
    {
      id: 'tls',
      type: 'tls-config',
      certname: 'client.pem',
      keyname: 'client.key',
      caname: 'ca.pem',
      verifyservercert: true,
      credentials: { certdata: cert, keydata: key, cadata: ca },
    },
    { ...mailbox, id: 'mailbox-out', name: 'out', mailboxId: 'X26ABC1', credentials },
    { ...mailbox, id: 'mailbox-in', name: 'in', mailboxId: 'X26ABC2', credentials },
  ];
}

/** Button `go` sends the file that its payload names, up to `sent`; `look` receives into `folder`, up to `done`. */
export function fileFlow(address: Address, folder: string): FlowNode[] {
  return [
    TAB,
    ...mailboxes(address),
    { ...INJECT, id: 'go', wires: [['send']] },
    { ...SEND, id: 'send', payloadIs: 'file', confirm: 'accepted', wires: [['sent']] },
    { ...DEBUG, id: 'sent', complete: 'meshSent' },
    { ...INJECT, id: 'look', wires: [['poll']] },
    { ...POLL, id: 'poll', interval: 0, payloadAs: 'file', folder, maxInFlight: 50, wires: [['ack'], [], [], []] },
    { ...ACK, wires: [['done']] },
    { ...DEBUG, id: 'done', complete: 'mesh' },
  ];
}

/** Button `go` sends `count` messages; each is polled and acknowledged; `done` shows that the last one is. */
export function messagesFlow(address: Address, count: number, payload: string): FlowNode[] {
  const func = { ...POSITION, type: 'function', outputs: 1, timeout: 0, initialize: '', finalize: '', libs: [] };
  return [
    TAB,
    ...mailboxes(address),
    { ...INJECT, id: 'go', wires: [['many']] },
    {
      ...func,
      id: 'many',
      func: `const payload = ${JSON.stringify(payload)};\nfor (let i = 0; i < ${count}; i += 1) node.send({ payload });`,
      wires: [['send']],
    },
    { ...SEND, id: 'send', payloadIs: 'content', confirm: 'queued', wires: [[]] },
    // 0.01 minutes.
    {
      ...POLL,
      id: 'poll',
      interval: 0.01,
      payloadAs: 'text',
      folder: '',
      maxInFlight: 50,
      wires: [['ack'], [], [], []],
    },
    { ...ACK, wires: [['count']] },
    {
      ...func,
      id: 'count',
      func: `const n = (context.get('n') || 0) + 1;\ncontext.set('n', n);\nif (n === ${count}) return { payload: n };`,
      wires: [['done']],
    },
    { ...DEBUG, id: 'done', complete: 'payload' },
  ];
}
