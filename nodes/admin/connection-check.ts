/**
 * `POST /mesh/check`: tests a connection with the fields of a mailbox's dialog, before it is deployed.
 *
 * It connects to any address, so it needs `mesh.write`, reports nothing of a server's response but the names in its
 * certificate, and uses the stored credentials of a deployed mailbox only on their deployed way: a tester's own server,
 * proxy or CA would see a token.
 */
import { isDeepStrictEqual } from 'node:util';
import type { NodeAPI } from 'node-red';
import {
  checkConnection,
  ConfigurationError,
  isSandbox,
  namedVariable,
  type CheckStep,
  type MailboxOptions,
} from '../../lib/index';
import {
  mailboxAddress,
  readEnvironment,
  secretSetting,
  type MailboxRoute,
  type MeshConfigCredentials,
} from '../mailbox/mailbox-settings';
import { findConfig, type MeshConfigNode } from '../mailbox/mailbox-user';
import { meshAccess, sandboxAccess } from '../mailbox/open-mailbox';
import { errorDetails } from '../shared/report-error';
import { sharedText } from '../shared/texts';
import { readProxy, readTls } from '../shared/tls-and-proxy';
import { adminEndpoint, type AdminRequest } from './endpoints';

/** The editor's value for a credential that is stored and unknown to it. */
const STORED = '__PWRD__';
const MAX_TEXT_LENGTH = 100_000;

type Texts = Readonly<Record<string, string>>;

/** The response. `notes` name what the test used in place of a typed value. */
interface CheckResult {
  steps: CheckStep[];
  notes: string[];
}

export function addConnectionCheck(RED: NodeAPI): void {
  adminEndpoint(RED, { method: 'post', path: '/mesh/check', permission: 'mesh.write' }, (request) =>
    check(RED, request),
  );
}

async function check(RED: NodeAPI, request: AdminRequest): Promise<CheckResult> {
  const typed = textsOf(request.body);
  const notes: string[] = [];
  try {
    const options = await optionsOf(RED, request.body, typed, notes);
    const workflowId = (typed['workflowId'] ?? '').trim();
    return { steps: await checkConnection(options, { workflowId, signal: request.signal }), notes };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const { message, advice } = errorDetails(RED, error);
    const text = { text: message, ...(advice === undefined ? {} : { advice }) };
    return { steps: [{ step: 'settings', outcome: 'failed', ...text }], notes };
  }
}

async function optionsOf(RED: NodeAPI, body: unknown, typed: Texts, notes: string[]): Promise<MailboxOptions> {
  for (const field of ['environment', 'mailboxId', 'password', 'sharedKey', 'workflowId']) {
    if (namedVariable(typed[field] ?? '') !== undefined) {
      throw new ConfigurationError(sharedText(RED, 'check.variable'), {
        advice: sharedText(RED, 'check.variable-advice'),
      });
    }
  }
  const environment = readEnvironment(RED, typed['environment']);
  const mailboxId = mailboxAddress(RED, typed['mailboxId']);
  if (isSandbox(environment)) notes.push(sharedText(RED, 'check.sandbox'));
  if (environment === 'sandbox') {
    const { instance: _instance, ...access } = await sandboxAccess(mailboxId);
    return access;
  }
  const tls = tlsOf(RED, body, typed, notes);
  const proxy = proxyOf(RED, body, typed, notes);
  const route: MailboxRoute = { environment, mailboxId, ...(tls && { tls }), proxy };
  return meshAccess({ ...route, ...credentialsOf(RED, typed, route) });
}

/**
 * Returns the typed credentials, and for a field that shows its mask the deployed one.
 * @throws ConfigurationError when a stored credential is missing, or would take another way than the deployed one
 */
function credentialsOf(RED: NodeAPI, typed: Texts, route: MailboxRoute): Required<MeshConfigCredentials> {
  const found = { password: typed['password'] ?? '', sharedKey: typed['sharedKey'] ?? '' };
  if (found.password !== STORED && found.sharedKey !== STORED) return found;
  const node = findConfig(RED, typed['id']);
  if (node === undefined || !mayTake(node, route)) {
    throw new ConfigurationError(sharedText(RED, 'check.retype'), { advice: sharedText(RED, 'check.retype-advice') });
  }
  const { password, sharedKey }: MeshConfigCredentials = node.credentials;
  return {
    password: found.password === STORED ? secretSetting(RED, 'password', password) : found.password,
    sharedKey: found.sharedKey === STORED ? secretSetting(RED, 'sharedKey', sharedKey) : found.sharedKey,
  };
}

/**
 * Returns whether the node's stored credentials may take this way. The one rule for it: the mailbox, and everything that
 * the connection uses (address, CA, certificate, key, server name, proxy with its own credentials), are the deployed ones.
 * It compares what is used, not what the dialog shows, so that a new setting is included.
 */
function mayTake(node: MeshConfigNode, route: MailboxRoute): boolean {
  try {
    return isDeepStrictEqual(node.route(), route);
  } catch (error) {
    // The deployed way does not work, so this one is another.
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}

/** Only a deployed node reads files, so that nobody can use the test to search the server for files. */
function tlsOf(RED: NodeAPI, body: unknown, typed: Texts, notes: string[]): MailboxOptions['tls'] {
  const id = typed['tls'] ?? '';
  if (id === '') return undefined;
  const changed = textsOf(partOf(body, 'typedTls'));
  if (Object.keys(changed).length === 0) return readTls(RED, id);
  const { certdata = '', keydata = '', cadata = '', passphrase = '', servername = '', verifyservercert } = changed;
  if (verifyservercert === 'false') throw new ConfigurationError(sharedText(RED, 'error.tls-unverified'));
  if (certdata === '' && cadata === '') {
    if (RED.nodes.getNode(id) === null) throw new ConfigurationError(sharedText(RED, 'check.tls-deploy'));
    notes.push(sharedText(RED, 'check.tls-deployed'));
    return readTls(RED, id);
  }
  if (passphrase === STORED) notes.push(sharedText(RED, 'check.passphrase'));
  return {
    ...(cadata && { ca: cadata }),
    ...(certdata && { cert: certdata }),
    ...(keydata && { key: keydata }),
    ...(passphrase && passphrase !== STORED && { passphrase }),
    ...(servername && { servername }),
  };
}

function proxyOf(RED: NodeAPI, body: unknown, typed: Texts, notes: string[]): NonNullable<MailboxOptions['proxy']> {
  const id = typed['proxy'] ?? '';
  if (id === '') return readProxy(RED, id);
  const { url = '', username = '', password = '', noproxy = '' } = textsOf(partOf(body, 'typedProxy'));
  if (url === '') return readProxy(RED, id);
  if (password === STORED) notes.push(sharedText(RED, 'check.proxy-password'));
  return {
    url,
    ...(username && { username }),
    ...(password && password !== STORED && { password }),
    ...(noproxy && { noProxy: noproxy.split(/[\s,]+/) }),
  };
}

function partOf(body: unknown, name: string): unknown {
  return (body as Record<string, unknown> | null)?.[name];
}

/** Returns the string properties of a body. */
function textsOf(body: unknown): Texts {
  if (typeof body !== 'object' || body === null) return {};
  const entries = Object.entries(body).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].length <= MAX_TEXT_LENGTH,
  );
  return Object.fromEntries(entries);
}
