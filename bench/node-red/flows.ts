/** The flows of the bench: one mailbox sends, the other receives. The nodes in nodes/ start and count them. */
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
/** Shorter than MESH allows: a flow of seconds must not wait for the next poll. */
const POLL_SECONDS = 0.6;
const POLLING = { interval: POLL_SECONDS / 60, folder: '', maxInFlight: 50 };
const ACK = { ...POSITION, id: 'ack', type: 'mesh-ack', version: 1, mailbox: 'mailbox-in' };

function tlsConfig({ ca, cert, key }: Address): FlowNode {
  return {
    id: 'tls',
    type: 'tls-config',
    certname: 'client.pem',
    keyname: 'client.key',
    caname: 'ca.pem',
    verifyservercert: true,
    credentials: { certdata: cert, keydata: key, cadata: ca },
  };
}

function mailboxes(address: Address): FlowNode[] {
  const { url } = address;
  const mailbox = { type: 'mesh-config', version: 1, environment: url, tls: 'tls', leaseMinutes: 60, maxDeliveries: 5 };
  const credentials = { password: 'password', sharedKey: 'TestKey' };
  return [
    tlsConfig(address),
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

const markNode = (mark: string, next: string[] = []): FlowNode => ({
  ...POSITION,
  id: mark,
  type: 'bench-mark',
  mark,
  wires: [next],
});
const sourceOf = (payload: string, next: string): FlowNode => ({
  ...POSITION,
  id: 'source',
  type: 'bench-source',
  payload,
  wires: [[next]],
});

/** The source's messages go out; each is polled and acknowledged. Marks: enqueued, delivered, acknowledged. */
export function messagesFlow(address: Address, payload: string): FlowNode[] {
  return [
    TAB,
    ...mailboxes(address),
    sourceOf(payload, 'send'),
    { ...SEND, id: 'send', payloadIs: 'content', confirm: 'queued', wires: [['enqueued']] },
    markNode('enqueued'),
    { ...POLL, ...POLLING, id: 'poll', payloadAs: 'text', wires: [['delivered'], [], [], []] },
    markNode('delivered', ['ack']),
    { ...ACK, wires: [['acknowledged']] },
    markNode('acknowledged'),
  ];
}

/** HL7 v2 over MLLP goes to MESH, and is answered when it is durable. */
export function mllpInFlow(address: Address, port: number): FlowNode[] {
  return [
    TAB,
    ...mailboxes(address),
    {
      ...POSITION,
      id: 'in',
      type: 'mesh-mllp-in',
      version: 1,
      host: '127.0.0.1',
      port,
      payloadAs: 'buffer',
      charset: 'utf-8',
      timeout: 60,
      wires: [['send']],
    },
    { ...SEND, id: 'send', payloadIs: 'content', confirm: 'queued', wires: [['answer']] },
    { ...POSITION, id: 'answer', type: 'mesh-mllp-response', version: 1, answer: 'AA', wires: [] },
  ];
}

/** Polled messages are read, written again and sent over MLLP; then they are done. Marks: delivered, acknowledged. */
export function mllpOutFlow(address: Address, port: number): FlowNode[] {
  const hl7 = { ...POSITION, type: 'mesh-hl7', version: 1, property: 'payload', action: 'convert', charset: 'utf-8' };
  return [
    TAB,
    ...mailboxes(address),
    { ...POLL, ...POLLING, id: 'poll', payloadAs: 'text', wires: [['delivered'], [], [], []] },
    markNode('delivered', ['read']),
    { ...hl7, id: 'read', wires: [['write']] },
    { ...hl7, id: 'write', wires: [['out']] },
    {
      ...POSITION,
      id: 'out',
      type: 'mesh-mllp-out',
      version: 1,
      host: '127.0.0.1',
      port,
      charset: 'utf-8',
      timeout: 30,
      retries: 3,
      connections: 1,
      maxQueued: 1000,
      wires: [['ack'], []],
    },
    { ...ACK, wires: [['acknowledged']] },
    markNode('acknowledged'),
  ];
}

/** A token for each request, as MESH asks: what a user finds in its documentation and writes in a function node. */
const TOKEN = `
const token = (mailbox) => {
  const nonce = crypto.randomUUID();
  const time = new Date().toISOString().replace(/[-T:]/g, '').slice(0, 12);
  const hash = crypto.createHmac('sha256', 'TestKey').update([mailbox, nonce, 0, 'password', time].join(':')).digest('hex');
  return { authorization: 'NHSMESH ' + [mailbox, nonce, 0, time, hash].join(':'), accept: 'application/vnd.mesh.v2+json' };
};
`;

/** Sends one message at a time: the others wait in an array. */
const SENDER = `${TOKEN}
const waiting = context.get('waiting') || [];
context.set('waiting', waiting);
if (msg.statusCode === undefined) waiting.push(msg.payload);
else if (msg.statusCode !== 202) return node.error('not accepted', msg);
else context.set('isBusy', false);
if (context.get('isBusy') || waiting.length === 0) return;
context.set('isBusy', true);
return {
  payload: waiting.shift(),
  headers: {
    ...token('X26ABC1'),
    'content-type': 'application/octet-stream',
    'mex-from': 'X26ABC1',
    'mex-to': 'X26ABC2',
    'mex-workflowid': 'BENCH',
    'mex-messagetype': 'DATA',
    'mex-localid': crypto.randomUUID(),
  },
};
`;

/** Lists, downloads and acknowledges one message at a time. Outputs: list, download, acknowledge, done. */
const RECEIVER = `${TOKEN}
const inbox = '__URL__/messageexchange/X26ABC2/inbox';
const listed = context.get('listed') || [];
const list = () => [{ step: 'listed', url: inbox, headers: token('X26ABC2') }];
const download = ([id]) => [null, { step: 'downloaded', url: inbox + '/' + id, headers: token('X26ABC2') }];
if (msg.step === undefined) {
  if (context.get('isBusy')) return;
  context.set('isBusy', true);
  return list();
}
if (msg.statusCode !== 200) return node.error('refused', msg);
if (msg.step === 'listed') {
  context.set('listed', msg.payload.messages);
  if (msg.payload.messages.length > 0) return download(msg.payload.messages);
  context.set('isBusy', false);
  return;
}
if (msg.step === 'downloaded') {
  const url = inbox + '/' + listed[0] + '/status/acknowledged';
  return [null, null, { step: 'acknowledged', url, received: msg.payload, payload: '', headers: token('X26ABC2') }];
}
listed.shift();
const next = listed.length > 0 ? download(listed) : list();
next[3] = { payload: msg.received };
return next;
`;

/**
 * The same messages with core's http request nodes and nothing durable: what a user would build instead. One message at
 * a time in each direction on kept-alive connections, a token for each request. Mark: acknowledged.
 */
export function coreFlow(address: Address, payload: string): FlowNode[] {
  const func = {
    ...POSITION,
    type: 'function',
    timeout: 0,
    initialize: '',
    finalize: '',
    libs: [{ var: 'crypto', module: 'crypto' }],
  };
  const request = { ...POSITION, type: 'http request', tls: 'tls', persist: true, paytoqs: 'ignore', senderr: false };
  return [
    TAB,
    tlsConfig(address),
    sourceOf(payload, 'sender'),
    { ...func, id: 'sender', outputs: 1, func: SENDER, wires: [['post']] },
    {
      ...request,
      id: 'post',
      method: 'POST',
      url: `${address.url}/messageexchange/X26ABC1/outbox`,
      ret: 'obj',
      wires: [['sender']],
    },
    { ...INJECT, id: 'tick', repeat: String(POLL_SECONDS), once: true, onceDelay: 0.1, wires: [['receiver']] },
    {
      ...func,
      id: 'receiver',
      outputs: 4,
      func: RECEIVER.replace('__URL__', address.url),
      wires: [['list'], ['download'], ['put'], ['acknowledged']],
    },
    { ...request, id: 'list', method: 'GET', url: '', ret: 'obj', wires: [['receiver']] },
    { ...request, id: 'download', method: 'GET', url: '', ret: 'txt', wires: [['receiver']] },
    { ...request, id: 'put', method: 'PUT', url: '', ret: 'txt', wires: [['receiver']] },
    markNode('acknowledged'),
  ];
}
