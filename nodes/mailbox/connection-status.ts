/** The status that every node of a mailbox shows while it does nothing itself. */
import { errorStatus, sharedStatus, type Status } from '../shared/status';
import type { ConnectionState } from './connection';

/** Returns the status for a state of the connection. */
export function connectionStatus(state: ConnectionState): Status {
  switch (state.kind) {
    case 'idle':
      return {};
    case 'connecting':
      return sharedStatus('yellow', 'ring', 'connecting');
    case 'connected':
      return sharedStatus('green', 'dot', 'connected');
    case 'disconnected':
      return sharedStatus('red', 'ring', 'disconnected');
    case 'waiting':
      return sharedStatus('yellow', 'ring', 'waiting');
    case 'unusable':
      return errorStatus(state.error, 'ring');
  }
}
