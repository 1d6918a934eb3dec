/** The servers of these tests as the journeys' harness expects them, and a flow for several mailboxes. */
import type { MailboxServer } from '../../harness/flows';
import type { FlowNode } from '../../harness/node-red';
import { SHARED_KEY, type Server } from './servers';

/** Returns a server as the harness's flows need it. `at` is the address of a proxy in front of it. */
export function forNodes({ url, tls }: Server, at: { url: string; ca: string } = { url, ca: tls.ca }): MailboxServer {
  const { cert, key } = tls;
  return { ...at, sharedKey: SHARED_KEY, clientCertificate: async () => ({ cert, key }) };
}

/**
 * Returns a tab that sends from one mailbox to another (inject `<from>-go`, the path of the file in `msg.payload`),
 * polls (`<from>-look`), acknowledges, and follows the sent messages. Its debug nodes are `<from>-sent`, `-received`,
 * `-acked`, `-change` and `-error`.
 */
export function mailboxTab(from: string, to: string, folder: string): FlowNode[] {
  const tab = `${from}-tab`;
  const mailbox = `mailbox-${from}`;
  const node = (name: string, type: string, wires: string[][], settings: object = {}): FlowNode => ({
    id: `${from}-${name}`,
    type,
    z: tab,
    x: 100,
    y: 100,
    version: 1,
    wires: wires.map((names) => names.map((each) => `${from}-${each}`)),
    ...settings,
  });
  const debug = (name: string, complete: string): FlowNode =>
    node(name, 'debug', [], { active: true, tosidebar: true, complete, targetType: 'msg' });
  return [
    { id: tab, type: 'tab', label: from },
    node('go', 'inject', [['send']], { props: [] }),
    node('send', 'mesh-send', [['sent']], {
      mailbox,
      to,
      toType: 'str',
      workflowId: 'TEST_WORKFLOW',
      workflowIdType: 'str',
      payload: 'payload',
      payloadType: 'msg',
      payloadIs: 'file',
    }),
    debug('sent', 'meshSent'),
    node('look', 'inject', [['poll']], { props: [] }),
    node('poll', 'mesh-poll', [['received', 'ack'], ['received', 'ack'], ['received', 'ack'], ['error']], {
      mailbox,
      interval: 0,
      payloadAs: 'file',
      folder,
      acknowledge: 'flow',
      maxInFlight: 50,
    }),
    debug('received', 'mesh'),
    node('ack', 'mesh-ack', [['acked']], { mailbox }),
    debug('acked', 'mesh.messageId'),
    node('track', 'mesh-track', [['change'], []], { mailbox, follow: true, by: 'messageId' }),
    debug('change', 'payload'),
    node('catcher', 'catch', [['error']], { scope: null, uncaught: false }),
    debug('error', 'error'),
  ];
}
