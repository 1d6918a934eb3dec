/**
 * The proxy that environment variables name, by the rules of Node-RED's own “http request” node
 * (@node-red/nodes/core/network/lib/proxyHelper.js): the same variables, and the lower case first. One rule differs: an
 * address without a scheme is taken for http, as by curl, since hardly any proxy speaks TLS.
 */
import { ConfigurationError } from './errors';

/** An HTTP proxy on the way to MESH. */
export interface ProxyOptions {
  /** `http://host:port` or `https://host:port`. */
  url: string;
  username?: string;
  password?: string;
  /** Hosts to connect to directly: `host`, `.domain`, `*.domain`, `host:port` or `*`. */
  noProxy?: readonly string[];
  /** The environment variable that named it, for errors. */
  variable?: string;
}

/** The variables that may name a proxy, the first that is set and not empty decides; `%` stands for http or https. */
const NAMES = ['npm_config_%_proxy', '%_proxy', 'npm_config_proxy', 'all_proxy'];
/** The variables that may name exceptions. */
const EXCEPTIONS = ['npm_config_no_proxy', 'no_proxy'];

/**
 * Returns the proxy to a server; undefined if no variable names one. Exceptions are part of it: the transport applies
 * them.
 * @throws ConfigurationError when the variable's value is no proxy that can be used; it is not repeated: it may have a
 * password
 */
export function proxyFromVariables(url: URL, env: NodeJS.ProcessEnv = process.env): ProxyOptions | undefined {
  const names = NAMES.map((name) => name.replace('%', url.protocol.replace(':', '')));
  const found = firstSet(names, env);
  if (found === undefined) return undefined;
  const { variable, value } = found;
  const exceptions = firstSet(EXCEPTIONS, env)?.value;
  const address = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  if (address === null || !['http:', 'https:'].includes(address.protocol) || address.hostname === '') {
    const kind = /^socks/i.test(value) ? 'names a SOCKS proxy, which cannot be used' : 'is no address of a proxy';
    throw new ConfigurationError(`The environment variable ${variable} ${kind}.`, {
      advice:
        'Set it to http://host:port, or name the server of MESH in NO_PROXY, or select a proxy in the mailbox’s settings.',
    });
  }
  return separateCredentials({
    url: address.href,
    variable,
    ...(exceptions !== undefined && { noProxy: [exceptions] }),
  });
}

/** Returns the proxy with the user name and password of its URL apart, so that the URL may be shown. */
export function separateCredentials(proxy: ProxyOptions): ProxyOptions {
  const url = URL.parse(proxy.url);
  if (url === null || (url.username === '' && url.password === '')) return proxy;
  const found = { username: decoded(url.username), password: decoded(url.password) };
  url.username = '';
  url.password = '';
  return { ...found, ...proxy, url: url.href };
}

/** A password with a percent sign of its own is no escape. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** As Node-RED: an empty variable counts as one that is not set, so that a container can switch a proxy off. */
function firstSet(names: readonly string[], env: NodeJS.ProcessEnv): { variable: string; value: string } | undefined {
  for (const name of names) {
    for (const variable of [name, name.toUpperCase()]) {
      const value = env[variable]?.trim();
      if (value !== undefined && value !== '') return { variable, value };
    }
  }
  return undefined;
}
