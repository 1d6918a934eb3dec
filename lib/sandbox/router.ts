/** Finds the endpoint of a path. */
import type { SandboxResponse } from './response';
import type { SandboxContext } from './context';
import type { AuthorisedRequest, SandboxRequest } from './request';

/** An endpoint that needs no token. */
export type OpenHandler = (
  request: SandboxRequest,
  context: SandboxContext,
) => SandboxResponse | Promise<SandboxResponse>;
/** An endpoint whose caller has checked the mailbox's token. */
export type MailboxHandler = (
  request: AuthorisedRequest,
  context: SandboxContext,
) => SandboxResponse | Promise<SandboxResponse>;

/** One endpoint: method, path (`:name` stands for one part) and operation (SandboxRequestRecord.operation). */
export type Route = { method: string; path: string; operation: string } & (
  | { access: 'mailbox'; handler: MailboxHandler }
  /** `faults`: the operation is in mesh-api.yaml, so faults apply to it. */
  | { access: 'open'; handler: OpenHandler; faults: boolean }
);

/** A matching route, with the named parts of its path. */
export interface Match {
  route: Route;
  params: Record<string, string>;
}

/** The result of {@link Router.find}. */
export type Found = Match | 'no such path' | { allow: string[] };

/** Finds routes. If several match a path, the first wins. */
export class Router {
  readonly #routes: ReadonlyArray<{ route: Route; parts: string[] }>;

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, parts: route.path.split('/') }));
  }

  /** Finds a route. `path` is still encoded, and has no query. */
  find(method: string, path: string): Found {
    const parts = decode(path);
    if (!parts) return 'no such path';
    const allow: string[] = [];
    for (const candidate of this.#routes) {
      const params = match(candidate.parts, parts);
      if (!params) continue;
      if (candidate.route.method === method) return { route: candidate.route, params };
      allow.push(candidate.route.method);
    }
    return allow.length > 0 ? { allow } : 'no such path';
  }
}

/** Splits a path and decodes its parts: an id may have an escaped slash. Undefined if malformed. */
function decode(path: string): string[] | undefined {
  try {
    return path.split('/').map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}

function match(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const part = parts[index] ?? '';
    if (!expected.startsWith(':')) {
      if (part !== expected) return undefined;
    } else if (part === '') {
      return undefined;
    } else {
      params[expected.slice(1)] = part;
    }
  }
  return params;
}
