/**
 * Editor plugin: the common part of the edit dialogs (resources/mesh-editor), and the endpoints that they use. No response
 * has patient data.
 *
 * - `GET mesh/profiles?mailbox=ID`, permission `mesh.read`: the workflow profiles of a deployed mailbox, or the shipped
 *   ones before it is deployed; `used`, the workflow ids of its latest messages.
 * - `POST mesh/lookup` with `{mailbox, odsCode, workflowId}`, permission `mesh.write`: searches MESH's directory. It
 *   changes nothing, but it is a request with the mailbox's credentials, which a user who may only read flows must not
 *   send.
 */
import type { NodeAPI } from 'node-red';
import { ConfigurationError, InvalidMessageError, loadProfiles, type MailboxAddress } from '../lib/index';
import { adminEndpoint } from './admin/endpoints';
import { withTemporaryUser } from './admin/with-temporary-user';
import { findConfig } from './mailbox/mailbox-user';
import { sharedText } from './shared/texts';

export = function (RED: NodeAPI): void {
  RED.plugins.registerPlugin('nhs-mesh-editor', { type: 'nhs-mesh-editor' });
  adminEndpoint(RED, { method: 'get', path: '/mesh/profiles', permission: 'mesh.read' }, async ({ query }) => {
    const id = text(query['mailbox']);
    return { profiles: await profilesOf(RED, id), used: await usedWorkflows(RED, id) };
  });
  adminEndpoint(RED, { method: 'post', path: '/mesh/lookup', permission: 'mesh.write' }, async ({ body }) => ({
    mailboxes: await lookUp(RED, (body ?? {}) as Record<string, unknown>),
  }));
};

/** How many messages of each direction say which workflows a mailbox uses. */
const LATEST = 100;

const text = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** Reads the profiles of deployed mailboxes only: an endpoint that took a path would expose the server's files. */
async function profilesOf(RED: NodeAPI, id: string): Promise<object[]> {
  const config = findConfig(RED, id);
  const profiles = config === undefined ? loadProfiles() : await config.profiles().catch(() => loadProfiles());
  return [...profiles.all()];
}

/** Returns the workflow ids of a mailbox's latest messages, sent and received; none while it is not open. */
async function usedWorkflows(RED: NodeAPI, id: string): Promise<string[]> {
  const opened = await findConfig(RED, id)?.connection.opened();
  if (opened === undefined) return [];
  const { operator } = opened.mailbox;
  const pages = await Promise.all([
    operator.list({ direction: 'out', limit: LATEST }),
    operator.list({ direction: 'in', limit: LATEST }),
  ]);
  return [...new Set(pages.flatMap(({ messages }) => messages.map(({ workflowId }) => workflowId)))];
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
