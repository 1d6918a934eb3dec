/**
 * The guard of this package's admin endpoints (`/mesh/…` of the editor's server). All of them are created here, so that
 * none lacks it:
 *
 * - Node-RED's own authentication and a permission: `mesh.read` shows no patient data, `mesh.write` changes something,
 *   `mesh.payload` shows, downloads or composes a message. Node-RED's scope `read` includes the first, `write` the
 *   second; `mesh.payload` has to be granted by name, or by `*`. Node-RED refuses with 401.
 * - Against requests that another site makes a browser send: a header that no form or image can set and the editor's
 *   own requests have (RED's `$.ajaxSetup`), and a content type that no form can send. This matters when adminAuth is
 *   off, since otherwise the token is such a header. Refused with 403.
 * - Outside a sandbox on this machine a message may concern a patient, and `mesh.payload` needs a named user: refused
 *   with 403 when adminAuth is off, and for its anonymous default user.
 * - A browser's own download carries neither token nor header. It presents a ticket (download-tickets.ts) that the same
 *   guard issued for the same path and permission at `POST <path>/ticket`.
 */
import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { isSandbox } from '../../lib/index';
import { DownloadTickets } from './download-tickets';
import { ForbiddenError } from './errors';
import { sendError, sendJson } from './response';

type MeshPermission = 'mesh.read' | 'mesh.write' | 'mesh.payload';

/** Definition of an endpoint. */
export interface AdminEndpoint {
  method: 'get' | 'post';
  /** Path below the editor's root, e.g. `/mesh/mailboxes/:id`. */
  path: string;
  permission: MeshPermission;
  /** Body of a POST. `json` (default): parsed by Node-RED. `stream`: application/octet-stream, unread. */
  body?: 'json' | 'stream';
  /** Lets a GET omit the editor's header, for monitoring systems. No other site's script can read the response. */
  forMonitors?: boolean;
  /**
   * Allows a browser to download this GET with a ticket. Called before a ticket is issued, so that an error appears in
   * the response to the script, where the user can read it.
   */
  download?: (request: AdminRequest) => Promise<unknown>;
}

/** A request that passed the guard. */
export interface AdminRequest {
  /** Name of the user; undefined when adminAuth is off, and for its anonymous default user. */
  readonly user: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Parameters of the query, without repeated ones. */
  readonly query: Readonly<Record<string, string>>;
  /** The JSON body, unchecked; an empty object when there is none. */
  readonly body: unknown;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
  readonly raw: Request;
  readonly response: Response;
}

/** Returns the response, sent as JSON; undefined when the handler has sent it itself. */
export type AdminHandler = (request: AdminRequest) => Promise<unknown>;

/** Adds an endpoint behind the guard. The response to an error has its code, message and advice, but not its cause. */
export function adminEndpoint(RED: NodeAPI, endpoint: AdminEndpoint, handler: AdminHandler): void {
  const { method, path, permission, download } = endpoint;
  const tickets = download && ticketsFor(RED, endpoint, download);
  RED.httpAdmin[method](
    path,
    (raw: Request, response: Response, next: NextFunction) => {
      const { ticket } = raw.query;
      if (!tickets || ticket === undefined) next();
      else void withTicket(RED, tickets, raw, response, handler);
    },
    crossSiteGuard(endpoint),
    RED.auth.needsPermission(permission),
    (raw: Request, response: Response) => {
      void respond(RED, raw, response, handler);
    },
  );
}

/** Adds `POST <path>/ticket`, behind the same guard. */
function ticketsFor(
  RED: NodeAPI,
  { path, permission }: AdminEndpoint,
  check: (request: AdminRequest) => Promise<unknown>,
): DownloadTickets {
  const tickets = new DownloadTickets();
  adminEndpoint(RED, { method: 'post', path: `${path}/ticket`, permission }, async (request) => {
    await check(request);
    const { raw, user } = request;
    return { ticket: tickets.issue({ path: raw.path.replace(/\/ticket$/, ''), user }) };
  });
  return tickets;
}

/**
 * Runs the handler as the user to whom the ticket was issued. The response to an invalid ticket is 403 without a
 * reason.
 */
async function withTicket(
  RED: NodeAPI,
  tickets: DownloadTickets,
  raw: Request,
  response: Response,
  handler: AdminHandler,
): Promise<void> {
  const { ticket } = raw.query;
  const found = typeof ticket === 'string' ? tickets.redeem(ticket, raw.path) : undefined;
  if (isOtherSite(raw) || !found) response.status(403).end();
  else await run(RED, raw, response, handler, found.user);
}

/**
 * Checks that the user may see messages of this environment. Call it before one is shown, downloaded or composed.
 * @param environment `sandbox`, `integration`, `live` or a URL
 * @throws ForbiddenError when the environment needs a named user and there is none
 */
export function requireNamedUser(RED: NodeAPI, request: AdminRequest, environment: string): void {
  if (isSandbox(environment) || request.user !== undefined) return;
  throw new ForbiddenError(hasAdminAuth(RED) ? 'anonymous' : 'no-admin-auth');
}

/** True when messages of this environment are shown only to a user whose name Node-RED knows. */
export function payloadNeedsUser(environment: string): boolean {
  return !isSandbox(environment);
}

/** True when Node-RED authenticates its users. */
export function hasAdminAuth(RED: NodeAPI): boolean {
  return Boolean((RED.settings as { adminAuth?: unknown }).adminAuth);
}

/** A header of every request of the editor's own script, which a simple request of another site cannot have. */
const EDITOR_HEADER = 'node-red-api-version';

function crossSiteGuard({ method, body = 'json', forMonitors = false }: AdminEndpoint) {
  return (raw: Request, response: Response, next: NextFunction): void => {
    const hasHeader = raw.get(EDITOR_HEADER) !== undefined || (forMonitors && method === 'get');
    const type = body === 'json' ? 'application/json' : 'application/octet-stream';
    if (isOtherSite(raw) || !hasHeader || (method === 'post' && !raw.is(type))) response.status(403).end();
    else next();
  };
}

function isOtherSite(raw: Request): boolean {
  const site = raw.get('sec-fetch-site');
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

async function respond(RED: NodeAPI, raw: Request, response: Response, handler: AdminHandler): Promise<void> {
  const user = userOf(raw);
  // Node-RED accepts a request without a user if a strategy does. These endpoints do not.
  if (user === undefined && hasAdminAuth(RED)) response.status(401).end();
  else await run(RED, raw, response, handler, user?.name);
}

async function run(
  RED: NodeAPI,
  raw: Request,
  response: Response,
  handler: AdminHandler,
  user: string | undefined,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const request: AdminRequest = {
      user,
      params: texts(raw.params),
      query: texts(raw.query),
      body: (raw.body as unknown) ?? {},
      signal: gone.signal,
      raw,
      response,
    };
    const result = await handler(request);
    if (result !== undefined) sendJson(response, 200, result);
  } catch (error) {
    sendError(RED, response, error);
  }
}

/** Undefined without authentication; a user without a name for adminAuth's default user. */
function userOf(raw: Request): { name: string | undefined } | undefined {
  const { user } = raw as { user?: { username?: unknown; anonymous?: unknown } };
  if (user === undefined || user === null) return undefined;
  const isNamed = user.anonymous !== true && typeof user.username === 'string' && user.username !== '';
  return { name: isNamed ? String(user.username).slice(0, 100) : undefined };
}

function texts(values: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
