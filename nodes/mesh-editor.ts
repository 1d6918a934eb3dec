/**
 * Editor plugin: what the edit dialogs share (mesh-editor.html), and what they ask of the runtime. None of it is patient data.
 *
 * - `GET mesh/profiles?mailbox=ID`, permission `mesh.read`: the workflow profiles in force for a deployed mailbox; the shipped ones
 *   where it is not deployed yet.
 * - `POST mesh/lookup` with `{mailbox, odsCode, workflowId}`, permission `mesh.write`: asks MESH's directory in the mailbox's
 *   name. It changes nothing, but it is a request with the mailbox's credentials: who may only read flows has no use of it.
 */
import type { NodeAPI } from 'node-red';
import { ConfigurationError, InvalidMessageError, loadProfiles, type MailboxAddress } from '../lib/index';
import { adminEndpoint } from './admin/endpoints';
import { findConfig } from './mailbox/mailbox-user';
import { withTemporaryUser } from './admin/with-temporary-user';
import { sharedText } from './shared/texts';

export = function (RED: NodeAPI): void {
  RED.plugins.registerPlugin('nhs-mesh-editor', { type: 'nhs-mesh-editor' });
  adminEndpoint(RED, { method: 'get', path: '/mesh/profiles', permission: 'mesh.read' }, async ({ query }) => ({
    profiles: await profilesOf(RED, text(query['mailbox'])),
  }));
  adminEndpoint(RED, { method: 'post', path: '/mesh/lookup', permission: 'mesh.write' }, async ({ body }) => ({
    mailboxes: await lookUp(RED, (body ?? {}) as Record<string, unknown>),
  }));
};

const text = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** Only of what is deployed: a path that is typed in would be a way to look into the server's files. */
async function profilesOf(RED: NodeAPI, id: string): Promise<object[]> {
  const config = findConfig(RED, id);
  const profiles = config === undefined ? loadProfiles() : await config.profiles().catch(() => loadProfiles());
  return [...profiles.all()];
}

async function lookUp(RED: NodeAPI, body: Record<string, unknown>): Promise<MailboxAddress[]> {
  const [odsCode, workflowId] = [text(body['odsCode']), text(body['workflowId'])];
  const config = findConfig(RED, text(body['mailbox']));
  if (config === undefined) throw new ConfigurationError(sharedText(RED, 'error.not-deployed'));
  if (workflowId === '') throw new InvalidMessageError(sharedText(RED, 'error.lookup-workflow'));
  return withTemporaryUser(config, ({ mailbox }, signal) =>
    odsCode === ''
      ? mailbox.searchWorkflow(workflowId, { signal })
      : mailbox.lookup(odsCode.toUpperCase(), workflowId, { signal }),
  );
}
