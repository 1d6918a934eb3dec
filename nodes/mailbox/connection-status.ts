/** The status that every node of a mailbox shows while it does nothing itself. */
import type { NodeAPI, NodeStatus } from 'node-red';
import { errorStatus, sharedStatus } from '../shared/status';
import type { ConnectionState } from './connection';

/** Returns the status for a state of the connection. A working sandbox is named: it looks as healthy as MESH. */
export function connectionStatus(RED: NodeAPI, state: ConnectionState, isSandbox: boolean): NodeStatus {
  switch (state.kind) {
    case 'idle':
      return {};
    case 'connecting':
      return sharedStatus(RED, 'yellow', 'ring', 'connecting');
    case 'connected':
      return sharedStatus(RED, 'green', 'dot', isSandbox ? 'connected-sandbox' : 'connected');
    case 'disconnected':
      return sharedStatus(RED, 'red', 'ring', 'disconnected');
    case 'unusable':
      return errorStatus(RED, state.error, 'ring');
  }
}
