/** The paths of mesh-api.yaml, one for each operation. Ids are escaped: they may come from a flow. */

/** Replaces a lone surrogate, which encodeURIComponent throws on; no id at MESH has one. */
const escape = (part: string): string => encodeURIComponent(part.toWellFormed());
const mailboxPath = (mailboxId: string): string => `/messageexchange/${escape(mailboxId)}`;

export const endpoints = {
  handshake: (mailboxId: string): string => mailboxPath(mailboxId),
  inbox: (mailboxId: string, query: URLSearchParams): string => {
    const text = query.toString();
    return `${mailboxPath(mailboxId)}/inbox${text === '' ? '' : `?${text}`}`;
  },
  message: (mailboxId: string, messageId: string): string => `${mailboxPath(mailboxId)}/inbox/${escape(messageId)}`,
  messageChunk: (mailboxId: string, messageId: string, chunk: number): string =>
    `${mailboxPath(mailboxId)}/inbox/${escape(messageId)}/${chunk}`,
  acknowledge: (mailboxId: string, messageId: string): string =>
    `${mailboxPath(mailboxId)}/inbox/${escape(messageId)}/status/acknowledged`,
  outbox: (mailboxId: string): string => `${mailboxPath(mailboxId)}/outbox`,
  outboxChunk: (mailboxId: string, messageId: string, chunk: number): string =>
    `${mailboxPath(mailboxId)}/outbox/${escape(messageId)}/${chunk}`,
  tracking: (mailboxId: string, messageId: string): string =>
    `${mailboxPath(mailboxId)}/outbox/tracking?messageID=${escape(messageId)}`,
  trackingByLocalId: (mailboxId: string, localId: string): string =>
    `${mailboxPath(mailboxId)}/outbox/tracking/${escape(localId)}`,
  endpointLookup: (odsCode: string, workflowId: string): string =>
    `/messageexchange/endpointlookup/${escape(odsCode)}/${escape(workflowId)}`,
  workflowSearch: (workflowId: string): string => `/messageexchange/workflowsearch/${escape(workflowId)}`,
} as const;

/**
 * Asks for version 2 responses. Older servers return version 1 anyway; both are read. mesh-api.yaml, "API Versioning"
 */
export const ACCEPT = 'application/vnd.mesh.v2+json';
