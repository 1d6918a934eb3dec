/**
 * Tells open sidebars by RED.comms that something of a mailbox changed: its config node's id and nothing else, for whoever has
 * Node-RED's `status.read` hears it. They then ask, with their own permissions.
 */
import type { NodeAPI } from 'node-red';

/** What editors subscribe to. */
export const NEWS_TOPIC = 'mesh/mailbox';
/** While a mailbox works, so often (milliseconds). */
const NEWS_EVERY_MS = 500;

const due = new Map<string, NodeJS.Timeout>();

/** Soon, and once for all that happens until then. */
export function notifySidebar(RED: NodeAPI, id: string): void {
  if (due.has(id)) return;
  const timer = setTimeout(() => {
    due.delete(id);
    RED.comms.publish(NEWS_TOPIC, { id }, false);
  }, NEWS_EVERY_MS);
  timer.unref();
  due.set(id, timer);
}
