/**
 * `POST /mesh/check`: the test of a connection with what is typed in a mailbox's dialog, before it is deployed.
 *
 * It connects to whatever address it is given: so it needs `mesh.write`, tells nothing of what a server answers but names
 * in its certificate, and takes the stored credentials of a deployed mailbox only to the address that they are for.
 */
import type { NodeAPI } from 'node-red';
import { checkConnection, ConfigurationError, type CheckStep, type MailboxOptions } from '../../lib/index';
import { adminEndpoint, type AdminRequest } from './endpoints';
import { mailboxAddress, readEnvironment, type MeshConfigCredentials } from '../mailbox/mailbox-settings';
import { findConfig } from '../mailbox/mailbox-user';
import { meshAccess, sandboxAccess } from '../mailbox/open-mailbox';
import { errorDetails } from '../shared/report-error';
import { testClock } from '../mailbox/test-clock';
import { sharedText } from '../shared/texts';
import { readProxy, readTls } from '../shared/tls-and-proxy';

/** What the editor shows for a credential that it does not know. */
const STORED = '__PWRD__';
const LONGEST = 100_000;
/** No step takes longer (milliseconds): who waits in front of the dialog wants to know by then. */
const STEP_MS = 10_000;

type Texts = Readonly<Record<string, string>>;

/** What is answered. `notes` say in words what was tested other than typed. */
interface Answer {
  steps: CheckStep[];
  notes: string[];
}

export function addConnectionCheck(RED: NodeAPI): void {
  adminEndpoint(RED, { method: 'post', path: '/mesh/check', permission: 'mesh.write' }, (request) =>
    check(RED, request),
  );
}

async function check(RED: NodeAPI, request: AdminRequest): Promise<Answer> {
  const typed = textsOf(request.body);
  const notes: string[] = [];
  try {
    const options = await optionsOf(RED, request.body, typed, notes);
    const workflowId = (typed['workflowId'] ?? '').trim();
    const { speed = 1 } = testClock().clock ?? {};
    const stepMs = STEP_MS / speed;
    return { steps: await checkConnection(options, { workflowId, signal: request.signal, stepMs }), notes };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const { message, advice } = errorDetails(RED, error);
    const text = { text: message, ...(advice === undefined ? {} : { advice }) };
    return { steps: [{ step: 'settings', outcome: 'failed', ...text }], notes };
  }
}

async function optionsOf(RED: NodeAPI, body: unknown, typed: Texts, notes: string[]): Promise<MailboxOptions> {
  for (const field of ['environment', 'mailboxId', 'password', 'sharedKey', 'workflowId']) {
    if (/^\$\{\S+\}$/.test(typed[field]?.trim() ?? '')) {
      throw new ConfigurationError(sharedText(RED, 'check.variable'), {
        advice: sharedText(RED, 'check.variable-advice'),
      });
    }
  }
  const environment = readEnvironment(RED, typed['environment']);
  const mailboxId = mailboxAddress(RED, typed['mailboxId']);
  if (environment === 'sandbox') {
    const { instance: _instance, ...access } = await sandboxAccess(mailboxId);
    return access;
  }
  const { password, sharedKey } = credentialsOf(RED, typed, environment);
  const tls = tlsOf(RED, body, typed, notes);
  const proxy = proxyOf(RED, body, typed, notes);
  return meshAccess({ environment, mailboxId, password, sharedKey, ...(tls && { tls }), ...(proxy && { proxy }) });
}

/** As typed; where the field still shows its mask, as deployed, and only for the address that they were deployed for. */
function credentialsOf(RED: NodeAPI, typed: Texts, environment: string): Required<MeshConfigCredentials> {
  const found = { password: typed['password'] ?? '', sharedKey: typed['sharedKey'] ?? '' };
  if (found.password !== STORED && found.sharedKey !== STORED) return found;
  const node = findConfig(RED, typed['id']);
  if (node?.environment !== environment) {
    throw new ConfigurationError(sharedText(RED, 'check.retype'), { advice: sharedText(RED, 'check.retype-advice') });
  }
  const { password, sharedKey }: MeshConfigCredentials = node.credentials;
  return {
    password: found.password === STORED ? (password ?? '') : found.password,
    sharedKey: found.sharedKey === STORED ? (sharedKey ?? '') : found.sharedKey,
  };
}

/** Files are read by the deployed node only: a test may not be used to look for files on the server. */
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

function proxyOf(RED: NodeAPI, body: unknown, typed: Texts, notes: string[]): MailboxOptions['proxy'] {
  const id = typed['proxy'] ?? '';
  if (id === '') return undefined;
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

/** The texts of a body; whatever else is in it is left out. */
function textsOf(body: unknown): Texts {
  if (typeof body !== 'object' || body === null) return {};
  const entries = Object.entries(body).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].length <= LONGEST,
  );
  return Object.fromEntries(entries);
}
