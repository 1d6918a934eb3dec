/** What the nodes' own journeys know of a sandbox, for the servers of these tests; and a flow for several mailboxes. */
import type { MailboxServer } from '../../harness/flows';
import { SHARED_KEY, type Server } from './servers';

type FlowNode = { id: string; type: string; [property: string]: unknown };

/** `server`, as test/journeys describes mailboxes on it; `at`: by way of a proxy. */
export function forNodes({ url, tls }: Server, at: { url: string; ca: string } = { url, ca: tls.ca }): MailboxServer {
  const { cert, key } = tls;
  return { ...at, sharedKey: SHARED_KEY, clientCertificate: async () => ({ cert, key }) };
}

/**
 * Sends from one mailbox to the next (button `<from>-go`, the file at `msg.payload`), polls it (`<from>-look`), acknowledges, and
 * tells what becomes of what it sent. Debug nodes: `-sent`, `-received`, `-acked`, `-change`, `-error`, each after `<from>`.
 */
export function mailboxTab(from: string, to: string, folder: string): FlowNode[] {
  const tab = `${from}-tab`;
  const mailbox = `mailbox-${from}`;
  const node = (name: string, type: string, to: string[][], settings: object = {}): FlowNode => ({
    id: `${from}-${name}`,
    type,
    z: tab,
    x: 100,
    y: 100,
    version: 1,
    wires: to.map((names) => names.map((each) => `${from}-${each}`)),
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
