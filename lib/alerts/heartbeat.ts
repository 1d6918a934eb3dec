/**
 * A heartbeat for a dead man's switch (Healthchecks, Cronitor, Dead Man's Snitch, Uptime Kuma): a GET at an address, by
 * which somebody elsewhere notices that this process has stopped. The request has nothing of a message or a mailbox:
 * the address as it was entered, no query of ours and no body.
 */
import { drain } from '../client/body';
import { createTransport, TransportFailure } from '../client/transport';
import type { ProxyOptions, TlsOptions } from '../config';
import { ConfigurationError } from '../errors';
import { proxyFromVariables, separateCredentials } from '../proxy-variables';
import { AlertError } from './alert-queue';

export interface HeartbeatOptions {
  /** Is secret: who knows it can keep the switch from tripping. No error repeats more than its host. */
  url: string;
  tls?: TlsOptions | undefined;
  /** `environment`: the one that HTTPS_PROXY and its kin name. */
  proxy: ProxyOptions | 'environment';
  /** How long to wait for an answer (milliseconds). */
  timeoutMs: number;
}

/** An open heartbeat. */
export interface Heartbeat {
  /** Beats once. @throws AlertError when the answer is not 2xx, or there is none */
  beat(): Promise<void>;
  /** Breaks a beat in progress. */
  close(): Promise<void>;
}

/** @throws ConfigurationError when the address is not a URL, or its certificates or proxy cannot be used */
export function openHeartbeat({ url: address, tls = {}, proxy, timeoutMs }: HeartbeatOptions): Heartbeat {
  const url = URL.parse(address);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new ConfigurationError('The address of the heartbeat is not a URL that begins with https:// or http://.');
  }
  const transport = createTransport({
    url: new URL(url.origin),
    tls,
    proxy: proxy === 'environment' ? proxyFromVariables(url) : separateCredentials(proxy),
    timeouts: { connectMs: timeoutMs, headersMs: timeoutMs, bodyMs: timeoutMs },
    connections: 1,
  });
  const advice = 'Check the address, the proxy and the firewall. The next check beats again.';
  return {
    beat: async () => {
      const request = { method: 'GET', path: url.pathname + url.search, headers: {} } as const;
      const { status, body } = await transport.request(request).catch((cause: unknown) => {
        if (!(cause instanceof TransportFailure)) throw cause;
        const { code = 'no answer' } = (cause.cause ?? {}) as NodeJS.ErrnoException;
        throw new AlertError(`${url.host} cannot be reached for the heartbeat (${code}).`, { cause, advice });
      });
      await drain(body, timeoutMs);
      if (status >= 200 && status < 300) return;
      throw new AlertError(`${url.host} answered the heartbeat with ${status}.`, { advice });
    },
    close: () => transport.close(),
  };
}
