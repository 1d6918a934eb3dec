/** Sends alerts to a web address: as JSON, or as a card that Microsoft Teams shows. Any 2xx means that it was taken. */
import { drain } from '../client/body';
import { createTransport, TransportFailure, type Transport } from '../client/transport';
import type { ProxyOptions, TlsOptions } from '../config';
import { ConfigurationError } from '../errors';
import { proxyFromVariables, separateCredentials } from '../proxy-variables';
import { AlertError, type Receiver } from './alert-queue';
import type { OutgoingAlert } from './outgoing-alert';

export interface WebhookOptions {
  /** Is secret: the addresses of Teams have a signature. No error repeats more than its host. */
  url: string;
  form: 'json' | 'teams';
  /** Sent as `Authorization: Bearer`; empty for none. */
  token: string;
  tls?: TlsOptions | undefined;
  /** `environment`: the one that HTTPS_PROXY and its kin name. */
  proxy: ProxyOptions | 'environment';
  /** How long to wait for an answer (milliseconds). */
  timeoutMs: number;
}

/** A receiver with a connection to close. */
export interface OpenReceiver {
  send: Receiver;
  close(): Promise<void>;
}

/**
 * Returns a receiver at a web address. Redirects are not followed.
 * @throws ConfigurationError when the address is not a URL, or its certificates or proxy cannot be used
 */
export function openWebhook(options: WebhookOptions): OpenReceiver {
  const { form, token, tls = {}, timeoutMs } = options;
  const url = URL.parse(options.url);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new ConfigurationError('The address of the alerts is not a URL that begins with https:// or http://.');
  }
  const proxy = options.proxy === 'environment' ? proxyFromVariables(url) : separateCredentials(options.proxy);
  const timeouts = { connectMs: timeoutMs, headersMs: timeoutMs, bodyMs: timeoutMs };
  const transport: Transport = createTransport({ url: new URL(url.origin), tls, proxy, timeouts, connections: 1 });
  const headers = {
    'content-type': 'application/json',
    ...(token !== '' && { authorization: `Bearer ${token}` }),
  };

  const send: Receiver = async (alert, signal) => {
    const body = Buffer.from(JSON.stringify(form === 'teams' ? teamsCard(alert) : alert));
    const request = {
      method: 'POST',
      path: url.pathname + url.search,
      headers,
      body: { bytes: body.length, whole: body, open: () => [body] as unknown as AsyncIterable<Buffer> },
      signal,
    } as const;
    const response = await transport.request(request).catch((cause: unknown) => {
      throw cause instanceof TransportFailure ? unreachable(url, cause) : cause;
    });
    await drain(response.body, timeoutMs);
    if (response.status >= 200 && response.status < 300) return;
    throw new AlertError(`${url.host} answered an alert with ${response.status}.`, {
      advice: 'Check the address and the token of the alerts. The alert is sent again.',
    });
  };
  return { send, close: () => transport.close() };
}

function unreachable({ host }: URL, { cause }: TransportFailure): AlertError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'no answer';
  return new AlertError(`${host} cannot be reached for alerts (${code}).`, {
    cause,
    advice: 'Check the address, the proxy and the firewall. The alert is sent again.',
    isUnreachable: true,
  });
}

/** Returns the body that a Teams workflow “When a Teams webhook request is received” posts into its channel. */
function teamsCard(alert: OutgoingAlert): object {
  const { title, text, severity, code, mailboxId, messageId, workflowId, time } = alert;
  const facts = {
    Severity: severity,
    Code: code,
    Mailbox: mailboxId,
    Message: messageId,
    Workflow: workflowId,
    Time: time,
  };
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            { type: 'TextBlock', text: plain(title), weight: 'Bolder', size: 'Medium', wrap: true },
            { type: 'TextBlock', text: plain(text), wrap: true },
            {
              type: 'FactSet',
              facts: Object.entries(facts).flatMap(([name, value]) =>
                value === undefined ? [] : [{ title: name, value: plain(value) }],
              ),
            },
          ],
        },
      },
    ],
  };
}

/** Returns the text with its Markdown switched off, which a card would format and link (docs/design.md, rule 13). */
function plain(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>#]/g, (character) => `\\${character}`);
}
