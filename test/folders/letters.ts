/** The messages of the folder tests. */
import type { MessageHeaders } from '../../lib/types';

export const LETTER = 'A discharge letter';

/** Returns a control file as a system writes it, with some fields replaced or added. */
export function controlText(fields: Record<string, string> = {}): string {
  const all = {
    Version: '1.0',
    AddressType: 'DTS',
    MessageType: 'Data',
    WorkflowId: 'TEST_WORKFLOW',
    To_DTS: 'X26ABC2',
    From_DTS: 'X26ABC1',
    Subject: 'Discharge &amp; more',
    LocalId: 'PAS-1',
    Compress: 'Y',
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `  <${name}>${value}</${name}>\r\n`);
  return `<?xml version="1.0"?>\r\n<DTSControl>\r\n${lines.join('')}</DTSControl>\r\n`;
}

export const RECEIVED: MessageHeaders = {
  mailboxId: 'X26ABC1',
  messageId: '20261122101530123456_ABCDEF',
  messageType: 'DATA',
  from: 'X26ABC2',
  to: 'X26ABC1',
  workflowId: 'TEST_WORKFLOW',
  localId: 'THEIRS-1',
  subject: 'A <subject>',
  totalChunks: 1,
};
