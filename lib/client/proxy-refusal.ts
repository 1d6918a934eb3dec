/** What a proxy answers to CONNECT when it opens no tunnel. */
import type { ProxyOptions } from '../config';

/** The proxy's answer, as far as it says why. */
export class ProxyRefusal extends Error {
  readonly status: number;
  /** The ways to log in that the proxy offers, e.g. `NTLM`; none if it asks for none. */
  readonly schemes: readonly string[];
  /** The media type of a page that it answered with. */
  readonly page: string | undefined;

  constructor(status: number, schemes: readonly string[], page: string | undefined) {
    super(`The proxy answered CONNECT with status ${status}`);
    this.status = status;
    this.schemes = schemes;
    this.page = page;
  }
}

/** Returns the refusal in a proxy's answer to CONNECT; undefined when the tunnel is open. */
export function refusalOfTunnel(
  status: number,
  headers: Record<string, string | string[] | undefined>,
): ProxyRefusal | undefined {
  const page = /^[a-z]+\/[a-z0-9.+-]{1,40}/i.exec(String(headers['content-type'] ?? ''))?.[0];
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  // RFC 9110, 9.3.6: a tunnel begins right after the headers of a success, and has no page.
  if (status === 200 && !(page !== undefined && hasBody)) return undefined;
  const asked = [headers['proxy-authenticate'] ?? []].flat();
  return new ProxyRefusal(status, schemesIn(asked), page);
}

/** Returns the names of the schemes in values of Proxy-Authenticate, which may have several each, with parameters. */
function schemesIn(values: readonly string[]): string[] {
  const found = values.flatMap((value) =>
    // A comma separates both schemes and parameters; a parameter has an equals sign after its name.
    value.split(',').flatMap((part) => /^\s*([A-Za-z][\w-]{0,30})(?=\s+[^=\s]|\s*$)/.exec(part)?.[1] ?? []),
  );
  return [...new Set(found.map((scheme) => KNOWN.get(scheme.toLowerCase()) ?? scheme))];
}

const KNOWN = new Map(['Basic', 'Digest', 'NTLM', 'Negotiate', 'Kerberos'].map((name) => [name.toLowerCase(), name]));

/** What happened at a proxy, and what to do; `host` is the server behind it. */
export function explainRefusal(
  { status, schemes, page }: ProxyRefusal,
  proxy: ProxyOptions | undefined,
  host: string,
): { text: string; advice: string } {
  const name = nameOfProxy(proxy);
  const where = proxy?.variable === undefined ? 'in the proxy’s settings' : `in ${proxy.variable}`;
  if (status === 407) {
    if (schemes.length > 0 && !schemes.includes('Basic')) {
      return {
        text: `The ${name} asks for a login by ${schemes.join(' or ')} (status 407), and only Basic is possible here`,
        advice:
          'Run cntlm or px on this machine, which log in at the proxy, and configure its address as the proxy; or have ' +
          `the proxy let this machine reach ${host} without a login.`,
      };
    }
    return (proxy?.username ?? '') === ''
      ? {
          text: `The ${name} asks for a login (status 407), and there is none`,
          advice: `Enter the proxy’s user name and password ${where}.`,
        }
      : {
          text: `The ${name} refused the login (status 407)`,
          advice: `Check the proxy’s user name and password ${where}.`,
        };
  }
  if (page !== undefined && status < 400) {
    return {
      text: `The ${name} answered with a page of its own instead of a tunnel (status ${status}, ${page})`,
      advice:
        `Check the proxy’s address and port, and that it lets this machine reach ${host} without a login or a notice ` +
        'that a person confirms.',
    };
  }
  return {
    text: `The ${name} refused the connection (status ${status})`,
    advice: `Check the proxy: it must allow CONNECT to ${host}.`,
  };
}

/** Returns what to call a proxy, after an article. */
export function nameOfProxy(proxy: ProxyOptions | undefined): string {
  return proxy?.variable === undefined ? 'proxy' : `proxy from ${proxy.variable}`;
}
