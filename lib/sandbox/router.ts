/** Which endpoint a path belongs to. */
import type { Answer } from './response';
import type { SandboxContext } from './context';
import type { AuthorisedRequest, SandboxRequest } from './request';

/** An endpoint that needs no token. */
export type OpenHandler = (request: SandboxRequest, context: SandboxContext) => Answer | Promise<Answer>;
/** An endpoint that has checked the mailbox's token before. */
export type MailboxHandler = (request: AuthorisedRequest, context: SandboxContext) => Answer | Promise<Answer>;

/** One endpoint: method, path (`:name` stands for one part) and operation (SandboxRequestRecord.operation). */
export type Route = { method: string; path: string; operation: string } & (
  | { access: 'mailbox'; handler: MailboxHandler }
  /** `faults`: an operation of mesh-api.yaml, so faults may strike it. */
  | { access: 'open'; handler: OpenHandler; faults: boolean }
);

/** A route that fits, with the parts of its path. */
export interface Match {
  route: Route;
  params: Record<string, string>;
}

/** What the router found. */
export type Found = Match | 'no such path' | { allow: string[] };

/** Finds routes. Of several that fit a path, the first wins. */
export class Router {
  readonly #routes: ReadonlyArray<{ route: Route; parts: string[] }>;

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, parts: route.path.split('/') }));
  }

  /** `path` as it came, without the query. */
  find(method: string, path: string): Found {
    const parts = decode(path);
    if (!parts) return 'no such path';
    const allow: string[] = [];
    for (const candidate of this.#routes) {
      const params = fit(candidate.parts, parts);
      if (!params) continue;
      if (candidate.route.method === method) return { route: candidate.route, params };
      allow.push(candidate.route.method);
    }
    return allow.length > 0 ? { allow } : 'no such path';
  }
}

/** Parts of a path, decoded after splitting: an id may have an escaped slash in it. Undefined if malformed. */
function decode(path: string): string[] | undefined {
  try {
    return path.split('/').map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}

function fit(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
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
