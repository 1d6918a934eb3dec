/** mesh-sidebar: the plugin of the editor that shows operators their mailboxes. This file adds its admin endpoints. */
import type { NodeAPI } from 'node-red';
import { actionEndpoints } from './admin/sidebar-actions';
import { payloadEndpoints } from './admin/sidebar-payloads';
import { viewEndpoints } from './admin/sidebar-views';

export = function (RED: NodeAPI): void {
  RED.plugins.registerPlugin('mesh-sidebar', { type: 'mesh-sidebar' });
  viewEndpoints(RED);
  actionEndpoints(RED);
  payloadEndpoints(RED);
};
