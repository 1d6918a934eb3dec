/** The two lookups: get_receiving_mailbox_ids by ODS code and workflow, and by workflow. No token (mesh-api.yaml). */
import { json } from '../response';
import type { RegisteredMailbox } from '../mailboxes';
import { Refusal } from '../refusal';
import { param, type SandboxRequest } from '../request';
import type { OpenHandler, Route } from '../router';

const endpointLookup: OpenHandler = (request, context) => {
  const odsCode = requiredParam(request, 'odsCode', 'ods code missing').toUpperCase();
  const workflowId = requiredParam(request, 'workflowId', 'workflow id missing');
  const found = context.workflows
    .receivers(workflowId)
    .filter((mailbox) => (mailbox.odsCode ?? '').trim().toUpperCase() === odsCode);
  if (request.version === 2) return json(200, results(found), 2);
  return json(200, {
    query_id: context.messages.newId(context.clock.ms()),
    results: found.map(({ mailboxId, name }) => ({ address: mailboxId, description: name, endpoint_type: 'MESH' })),
  });
};

/** Versions 1 and 2 have the same body. */
const workflowSearch: OpenHandler = (request, context) => {
  const workflowId = requiredParam(request, 'workflowId', 'workflow id missing');
  return json(200, results(context.workflows.receivers(workflowId)), request.version);
};

function results(found: readonly RegisteredMailbox[]): object {
  return { results: found.map(({ mailboxId, name }) => ({ mailbox_id: mailboxId, mailbox_name: name })) };
}

function requiredParam(request: SandboxRequest, name: string, problem: string): string {
  const value = param(request, name).trim();
  if (value === '') throw new Refusal(400, problem);
  return value;
}

export const lookupRoutes: Route[] = [
  {
    method: 'GET',
    path: '/messageexchange/endpointlookup/:odsCode/:workflowId',
    operation: 'endpoint_lookup',
    access: 'open',
    faults: true,
    handler: endpointLookup,
  },
  {
    method: 'GET',
    path: '/messageexchange/workflowsearch/:workflowId',
    operation: 'workflow_search',
    access: 'open',
    faults: true,
    handler: workflowSearch,
  },
];
