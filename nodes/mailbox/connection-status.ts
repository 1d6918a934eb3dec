/** The status that every node of a mailbox shows while it does nothing itself. */
import type { NodeAPI, NodeStatus } from 'node-red';
import { errorStatus, sharedStatus } from '../shared/status';
import type { ConnectionState } from './connection';

/** Returns the status for a state of the connection. */
export function connectionStatus(RED: NodeAPI, state: ConnectionState): NodeStatus {
  switch (state.kind) {
    case 'idle':
      return {};
    case 'connecting':
      return sharedStatus(RED, 'yellow', 'ring', 'connecting');
    case 'connected':
      return sharedStatus(RED, 'green', 'dot', 'connected');
    case 'disconnected':
      return sharedStatus(RED, 'red', 'ring', 'disconnected');
    case 'waiting':
      return sharedStatus(RED, 'yellow', 'ring', 'waiting');
    case 'unusable':
      return errorStatus(RED, state.error, 'ring');
  }
}
