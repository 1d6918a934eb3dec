/**
 * The guard of this package's admin endpoints (`/mesh/…` of the editor's server). Every endpoint of ours is made here, so
 * that none can be made without it:
 *
 * - Node-RED's own authentication and a permission: `mesh.read` shows no patient data, `mesh.write` changes something,
 *   `mesh.payload` looks into a message, downloads or composes one. Node-RED's scope `read` has the first, `write` the second;
 *   `mesh.payload` has to be granted by name, or by `*`. Refused by Node-RED with 401.
 * - Against requests that another site has a browser make: a header that no form and no image can set, which the editor's own
 *   requests have (RED's `$.ajaxSetup`), and a content type that no form can send. This counts where adminAuth is off: else
 *   the token is a header already. Refused with 403.
 * - Where a message may be of a patient (every mailbox but those of a sandbox on this machine) `mesh.payload` needs a user with
 *   a name: refused with 403 where adminAuth is off, or for its anonymous default user.
 * - A browser's own download can carry neither token nor header: it shows a ticket (download-tickets.ts), which it got from the
 *   same guard, for the same path and permission, at `POST <path>/ticket`.
 */
import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { sendError, sendJson } from './response';
import { ForbiddenError } from './errors';
import { DownloadTickets } from './download-tickets';

export type MeshPermission = 'mesh.read' | 'mesh.write' | 'mesh.payload';

/** What an endpoint is. */
export interface AdminEndpoint {
  method: 'get' | 'post';
  /** Below the editor's root, e.g. `/mesh/mailboxes/:id`. */
  path: string;
  permission: MeshPermission;
  /** Of a POST. `json` (default): read and checked by Node-RED's parser. `stream`: whatever comes, as application/octet-stream. */
  body?: 'json' | 'stream';
  /** For monitoring systems, which send no header of the editor's: a GET whose answer no other site's script can read. */
  forMonitors?: boolean;
  /**
   * Of a GET that a browser may download by itself, with a ticket. Called before one is given: what it throws is answered there,
   * where somebody reads it.
   */
  download?: (request: AdminRequest) => Promise<unknown>;
}

/** A request that has passed the guard. */
export interface AdminRequest {
  /** The user's name; undefined where adminAuth is off, and for its anonymous default user. */
  readonly user: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** The query's texts; a repeated one is left out. */
  readonly query: Readonly<Record<string, string>>;
  /** Of a JSON body; an empty object where there is none. Not checked. */
  readonly body: unknown;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  readonly raw: Request;
  readonly response: Response;
}

/** Gives what is answered as JSON; undefined where it has answered by itself. */
export type AdminHandler = (request: AdminRequest) => Promise<unknown>;

/** Adds an endpoint behind the guard. A thrown error is answered with its code, message and advice, without its cause. */
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
      void answer(RED, raw, response, handler);
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
    return { ticket: tickets.give({ path: raw.path.replace(/\/ticket$/, ''), user }) };
  });
  return tickets;
}

/** In the name of the user whom the ticket was given to. Any other is answered with 403, without a reason. */
async function withTicket(
  RED: NodeAPI,
  tickets: DownloadTickets,
  raw: Request,
  response: Response,
  handler: AdminHandler,
): Promise<void> {
  const { ticket } = raw.query;
  const found = typeof ticket === 'string' ? tickets.take(ticket, raw.path) : undefined;
  if (isOtherSite(raw) || !found) response.status(403).end();
  else await run(RED, raw, response, handler, found.user);
}

/**
 * To be called with a mailbox's environment before a message of it is looked into, downloaded or composed.
 * @param environment as mesh-config has it: `sandbox`, `integration`, `live` or a URL
 * @throws ForbiddenError
 */
export function requireNamedUser(RED: NodeAPI, request: AdminRequest, environment: string): void {
  if (isLocalSandbox(environment) || request.user !== undefined) return;
  throw new ForbiddenError(hasAdminAuth(RED) ? 'anonymous' : 'no-admin-auth');
}

/** Whether messages of this mailbox may be shown to somebody of whom Node-RED does not know the name. */
export function payloadNeedsUser(environment: string): boolean {
  return !isLocalSandbox(environment);
}

/** Whether Node-RED asks for a user at all. */
export function hasAdminAuth(RED: NodeAPI): boolean {
  return Boolean((RED.settings as { adminAuth?: unknown }).adminAuth);
}

/** Not only `live` and `integration`: a URL that is not this machine's may be a proxy before them. */
function isLocalSandbox(environment: string): boolean {
  if (environment === 'sandbox') return true;
  return URL.canParse(environment) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(environment).hostname);
}

/** The header of every request of the editor's own script; a simple request of another site cannot have it. */
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

async function answer(RED: NodeAPI, raw: Request, response: Response, handler: AdminHandler): Promise<void> {
  const user = userOf(raw);
  // Node-RED lets a request without a user pass if a strategy does: never here.
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

/** Undefined where nobody has been asked; without a name for adminAuth's default user. */
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
