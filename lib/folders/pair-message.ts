/** A message as a control file says it, and the control file of a message. */
import type { OutgoingMessage } from '../types';
import type { ControlFields } from './control-file';

type Fields = Omit<OutgoingMessage, 'payload'>;

/** Returns the message of a control file, without its payload. Empty fields are left out. */
export function messageOfControl(control: ControlFields): Fields {
  const { LocalId: localId, Subject: subject, PartnerId: partnerId, DataChecksum: checksum } = control;
  const compression = ({ Y: 'always', N: 'never' } as const)[(control['Compress'] ?? '').toUpperCase()];
  return {
    to: control['To_DTS'] ?? '',
    workflowId: control['WorkflowId'] ?? '',
    ...(localId && { localId }),
    ...(subject && { subject }),
    ...(partnerId && { partnerId }),
    ...(checksum && { checksum }),
    ...(compression && { compression }),
    ...((control['Encrypted'] ?? '').toUpperCase() === 'Y' && { encrypted: true }),
  };
}

/** Returns the control file's fields of a message to send, in the client's order. */
export function controlOf(message: Fields, mailboxId: string): ControlFields {
  const { to, workflowId, subject, localId, partnerId, checksum = '', compression, chunks, encrypted } = message;
  // The names of algorithms are for this pack; any other text is the sender's own checksum.
  const own = ['none', 'md5', 'sha256', ''].includes(checksum) ? undefined : checksum;
  return {
    Version: '1.0',
    AddressType: 'DTS',
    MessageType: 'Data',
    WorkflowId: workflowId,
    To_DTS: to,
    From_DTS: mailboxId,
    ...(subject && { Subject: subject }),
    ...(localId && { LocalId: localId }),
    ...(partnerId && { PartnerId: partnerId }),
    ...(own !== undefined && { DataChecksum: own }),
    Compress: compression === 'never' ? 'N' : 'Y',
    AllowChunking: chunks === 'never' ? 'N' : 'Y',
    Encrypted: encrypted === true ? 'Y' : 'N',
  };
}
