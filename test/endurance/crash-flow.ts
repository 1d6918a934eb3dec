/** The flow of the crash and cluster tests: sends what it gets over HTTP, and posts what it receives over HTTP. */

import { mllpFront } from './crash-mllp';

/** The endpoints and folders of the flow. */
export interface CrashFlowOptions {
  meshUrl: string;
  sharedKey: string;
  /** Port of the harness that takes received messages. */
  receiverPort: number;
  /** Folder for received files. */
  inbox: string;
  /** Port on which keys also arrive over MLLP. */
  mllpPort?: number;
}

type FlowNode = { id: string; type: string; [property: string]: unknown };

/**
 * Returns the flow. `POST /enqueue {key, kind, payload}` responds once the message is in the outbox; `GET /list?what=`
 * lists the outbox. A received message is acknowledged when the receiver responds `ok`, or when its `msg.mesh` is
 * posted to `/acknowledge` of this or another instance. A Catch error that belongs to no message of the flow goes to
 * the receiver's `/alarm`.
 */
export function crashFlow({ meshUrl, sharedKey, receiverPort, inbox, mllpPort }: CrashFlowOptions): FlowNode[] {
  const mailbox = (id: string): FlowNode => ({
    id: `mailbox-${id}`,
    type: 'mesh-config',
    name: id,
    version: 1,
    environment: meshUrl,
    mailboxId: id,
    leaseMinutes: 5,
    maxDeliveries: 1000,
    // 100 kB: the 240 kB payloads go in three chunks.
    maxRequestMb: 0.1,
    chunkMb: 0.1,
    compression: 'never',
    credentials: { password: 'password', sharedKey },
  });
  const send = {
    type: 'mesh-send',
    version: 1,
    mailbox: 'mailbox-X26ABC1',
    to: 'X26ABC2',
    toType: 'str',
    localId: '',
    subject: '',
    fileName: '',
    contentType: '',
    payload: 'body.payload',
    payloadType: 'msg',
    compression: '',
    confirm: 'queued',
    onceKey: 'body.key',
    onceKeyType: 'msg',
    workflowIdType: 'str',
    wires: [['confirm']],
  };
  const poll = {
    type: 'mesh-poll',
    version: 1,
    mailbox: 'mailbox-X26ABC2',
    interval: 0.01,
    charset: 'utf-8',
    acknowledge: 'flow',
    maxInFlight: 20,
  };
  const nodes: FlowNode[] = [
    { id: 'in', type: 'http in', url: '/enqueue', method: 'post', wires: [['body']] },
    {
      id: 'body',
      type: 'change',
      rules: [{ t: 'move', p: 'payload', pt: 'msg', to: 'body', tot: 'msg' }],
      wires: [['kind']],
    },
    {
      id: 'kind',
      type: 'switch',
      property: 'body.kind',
      propertyType: 'msg',
      rules: [{ t: 'eq', v: 'file', vt: 'str' }, { t: 'else' }],
      checkall: 'false',
      outputs: 2,
      wires: [['send-file'], ['send-text']],
    },
    { ...send, id: 'send-text', payloadIs: 'content', workflowId: 'TEST_WORKFLOW' },
    { ...send, id: 'send-file', payloadIs: 'file', workflowId: 'TEST_WORKFLOW2' },
    {
      id: 'confirm',
      type: 'change',
      rules: [{ t: 'set', p: 'payload', pt: 'msg', to: 'meshSent', tot: 'msg' }],
      wires: [['respond']],
    },
    { id: 'respond', type: 'http response', statusCode: '', headers: {}, wires: [] },
    { id: 'catcher', type: 'catch', scope: ['send-text', 'send-file', 'track'], uncaught: false, wires: [['refuse']] },
    { id: 'refuse', type: 'http response', statusCode: '500', headers: {}, wires: [] },

    { id: 'list', type: 'http in', url: '/list', method: 'get', wires: [['what']] },
    {
      id: 'what',
      type: 'change',
      rules: [{ t: 'set', p: 'meshTrack', pt: 'msg', to: '{"list": payload.what}', tot: 'jsonata' }],
      wires: [['track']],
    },
    {
      id: 'track',
      type: 'mesh-track',
      version: 1,
      mailbox: 'mailbox-X26ABC1',
      by: 'messageId',
      reference: 'none',
      referenceType: 'msg',
      property: 'payload',
      wires: [['respond'], []],
    },

    {
      ...poll,
      id: 'poll-text',
      workflows: 'TEST_WORKFLOW',
      payloadAs: 'text',
      folder: '',
      wires: [['text'], ['ack'], [], []],
    },
    {
      ...poll,
      id: 'poll-file',
      workflows: 'TEST_WORKFLOW2',
      payloadAs: 'file',
      folder: inbox,
      wires: [['file'], ['ack'], [], []],
    },
    {
      id: 'text',
      type: 'change',
      rules: [{ t: 'set', p: 'payload', pt: 'msg', to: '{"mesh": mesh, "text": payload}', tot: 'jsonata' }],
      wires: [['deliver']],
    },
    {
      id: 'file',
      type: 'change',
      rules: [{ t: 'set', p: 'payload', pt: 'msg', to: '{"mesh": mesh, "file": mesh.file}', tot: 'jsonata' }],
      wires: [['deliver']],
    },
    {
      id: 'deliver',
      type: 'http request',
      method: 'POST',
      ret: 'txt',
      url: `http://127.0.0.1:${receiverPort}/`,
      senderr: true,
      headers: [],
      wires: [['is-ok']],
    },
    {
      id: 'is-ok',
      type: 'switch',
      property: 'payload',
      propertyType: 'msg',
      rules: [{ t: 'eq', v: 'ok', vt: 'str' }],
      checkall: 'true',
      outputs: 1,
      wires: [['ack']],
    },
    { id: 'done-in', type: 'http in', url: '/acknowledge', method: 'post', wires: [['done-mesh']] },
    {
      id: 'done-mesh',
      type: 'change',
      rules: [{ t: 'move', p: 'payload', pt: 'msg', to: 'mesh', tot: 'msg' }],
      wires: [['done-ack']],
    },
    {
      id: 'done-ack',
      type: 'mesh-ack',
      version: 1,
      mailbox: 'mailbox-X26ABC2',
      wires: [['respond']],
    },
    { id: 'alarms', type: 'catch', scope: ['send-text', 'send-file'], uncaught: false, wires: [['is-alarm']] },
    {
      id: 'is-alarm',
      type: 'switch',
      property: 'res',
      propertyType: 'msg',
      rules: [{ t: 'null' }],
      checkall: 'true',
      outputs: 1,
      wires: [['alarm']],
    },
    {
      id: 'alarm',
      type: 'change',
      rules: [{ t: 'set', p: 'payload', pt: 'msg', to: '{"code": error.code, "id": meshSent.id}', tot: 'jsonata' }],
      wires: [['post-alarm']],
    },
    {
      id: 'post-alarm',
      type: 'http request',
      method: 'POST',
      ret: 'txt',
      url: `http://127.0.0.1:${receiverPort}/alarm`,
      senderr: false,
      headers: [],
      wires: [[]],
    },
    { id: 'ack', type: 'mesh-ack', version: 1, mailbox: 'mailbox-X26ABC2', wires: [[]] },
    ...(mllpPort === undefined
      ? []
      : mllpFront(mllpPort, { ...send, payloadIs: 'content', workflowId: 'TEST_WORKFLOW' })),
  ];
  const tab = 'crash';
  return [
    { id: tab, type: 'tab', label: 'crash' },
    mailbox('X26ABC1'),
    mailbox('X26ABC2'),
    ...nodes.map((node) => Object.assign(node, { z: tab, x: 100, y: 100 })),
  ];
}
