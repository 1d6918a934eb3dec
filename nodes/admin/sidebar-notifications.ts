/**
 * Notifies open sidebars by RED.comms that a mailbox changed. The notification has only the id of its config node,
 * because every user with Node-RED's `status.read` receives it; a sidebar then reads the mailbox with its own
 * permissions.
 */
import type { NodeAPI } from 'node-red';

const TOPIC = 'mesh/mailbox';
/** Minimum time between two notifications of one mailbox (milliseconds). */
const INTERVAL_MS = 500;

const due = new Map<string, NodeJS.Timeout>();

/** Notifies the sidebars within {@link INTERVAL_MS}, once for all changes until then. */
export function notifySidebar(RED: NodeAPI, id: string): void {
  if (due.has(id)) return;
  const timer = setTimeout(() => {
    due.delete(id);
    RED.comms.publish(TOPIC, { id }, false);
  }, INTERVAL_MS);
  timer.unref();
  due.set(id, timer);
}
