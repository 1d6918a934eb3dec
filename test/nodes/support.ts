/** A Node-RED runtime for tests, with all nodes, the real texts and the real built-in sandbox. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeAPI, NodeMessage, NodeStatus } from 'node-red';
import { helper } from './helper';
import meshAck = require('../../nodes/mesh-ack');
import meshAlert = require('../../nodes/mesh-alert');
import meshConfig = require('../../nodes/mesh-config');
import meshEdifact = require('../../nodes/mesh-edifact');
import meshFhir = require('../../nodes/mesh-fhir');
import meshFhirProfiles = require('../../nodes/mesh-fhir-profiles');
import meshFhirValidate = require('../../nodes/mesh-fhir-validate');
import meshCodeLookup = require('../../nodes/mesh-code-lookup');
import meshCodes = require('../../nodes/mesh-codes');
import meshCsv = require('../../nodes/mesh-csv');
import meshItk2 = require('../../nodes/mesh-itk2');
import meshLetter = require('../../nodes/mesh-letter');
import meshHl7 = require('../../nodes/mesh-hl7');
import meshFolderRead = require('../../nodes/mesh-folder-read');
import meshFolderWrite = require('../../nodes/mesh-folder-write');
import meshLookup = require('../../nodes/mesh-lookup');
import meshMllpIn = require('../../nodes/mesh-mllp-in');
import meshMllpOut = require('../../nodes/mesh-mllp-out');
import meshMllpResponse = require('../../nodes/mesh-mllp-response');
import meshPoll = require('../../nodes/mesh-poll');
import meshSend = require('../../nodes/mesh-send');
import meshStatus = require('../../nodes/mesh-status');
import meshTrack = require('../../nodes/mesh-track');
import type { Tracking } from '../../lib/index';
import { restoreClock } from '../harness/clocks';
import { withoutPlace } from '../harness/node-red';
import type { MeshProperty } from '../../nodes/receive/received-message';
import { builtInSandbox, closeBuiltInSandbox } from '../../nodes/mailbox/built-in-sandbox';
import { closeStorages } from '../../nodes/mailbox/storage-place';
import type { MeshSent } from '../../nodes/mailbox/mesh-sent';

/** NODE_RED=4 runs the same tests on Node-RED 4.1. */
const PACKAGE = process.env['NODE_RED'] === '4' ? 'node-red-4' : 'node-red';
export const ROOT = join(__dirname, '..', '..');
export const NODE_NAMES = [
  'mesh-config',
  'mesh-send',
  'mesh-poll',
  'mesh-ack',
  'mesh-track',
  'mesh-status',
  'mesh-alert',
  'mesh-lookup',
  'mesh-mllp-in',
  'mesh-mllp-response',
  'mesh-mllp-out',
  'mesh-hl7',
  'mesh-edifact',
  'mesh-fhir',
  'mesh-fhir-validate',
  'mesh-fhir-profiles',
  'mesh-itk2',
  'mesh-letter',
  'mesh-csv',
  'mesh-code-lookup',
  'mesh-codes',
  'mesh-folder-read',
  'mesh-folder-write',
] as const;

type NodeModule = (RED: NodeAPI) => void;
/** A flow; core nodes have no types. */
type Flow = Array<Record<string, unknown> & { id: string; type: string }>;

helper.init(require.resolve(PACKAGE), { logging: { console: { level: 'off' } } });

/** The texts in en-US as a user sees them: the helper's own `_` returns only the key. */
const catalogues = NODE_NAMES.map((name) => catalogue('en-US', name));

export function catalogue(language: string, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(ROOT, 'nodes', 'locales', language, `${name}.json`), 'utf8')) as never;
}

/** Returns the text at a path such as `mesh-send.status.sent`; undefined when there is none. */
export function textAt(texts: Record<string, unknown>, key: string): string | undefined {
  const found = key
    .split('.')
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], texts);
  return typeof found === 'string' ? found : undefined;
}

const missingTexts = new Set<string>();

function translate(key: string, values: Record<string, unknown> = {}): string {
  const path = key.replace(/^.*:/, '');
  const text = catalogues.map((texts) => textAt(texts, path)).find((found) => found !== undefined);
  // Core nodes look up texts of their own.
  if (text === undefined && path.startsWith('mesh-')) missingTexts.add(key);
  return (text ?? key).replace(/__(\w+)__/g, (_match, name: string) => String(values[name]));
}

/** Returns the keys that a node looked up in vain since the last call. */
export function takeMissingTexts(): string[] {
  const keys = [...missingTexts];
  missingTexts.clear();
  return keys;
}

let userDir: string | undefined;

/** Sets the user folder from the next `deploy` on; undefined: none, and the storage is temporary. */
export function withUserDir(folder: string | undefined): void {
  userDir = folder;
}

/**
 * Gives each test of a suite a user folder of its own, and stops its Node-RED afterwards. Returns the path of the
 * folder of the test that runs.
 */
export function useUserDir(): () => string {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-user-dir-'));
    withUserDir(folder);
  });
  afterEach(async () => {
    await stop();
    withUserDir(undefined);
    withMeshSettings(undefined);
    await rm(folder, { recursive: true });
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);
  return () => folder;
}

let meshSettings: object | undefined;

/** Sets `mesh` of settings.js from the next `deploy` on. */
export function withMeshSettings(mesh: object | undefined): void {
  meshSettings = mesh;
}

function withTexts(node: NodeModule): NodeModule {
  return (RED) => {
    RED._ = translate;
    (RED as { settings: object }).settings = { userDir, mesh: meshSettings };
    node(RED);
  };
}

const converters = [
  meshHl7,
  meshEdifact,
  meshFhir,
  meshFhirValidate,
  meshFhirProfiles,
  meshItk2,
  meshLetter,
  meshCsv,
  meshCodes,
  meshCodeLookup,
];
const mllpNodes = [meshMllpIn, meshMllpResponse, meshMllpOut];
const folderNodes = [meshFolderRead, meshFolderWrite];
const meshNodes = [
  meshConfig,
  meshSend,
  meshPoll,
  meshAck,
  meshTrack,
  meshStatus,
  meshAlert,
  meshLookup,
  ...converters,
  ...mllpNodes,
  ...folderNodes,
].map(withTexts);
const coreNodes = [
  'network/05-tls',
  'network/06-httpproxy',
  'common/05-junction',
  'common/60-link',
  'common/21-debug',
].map(coreNode);

/** Loads a core node of the tested Node-RED. */
function coreNode(name: string): NodeModule {
  const base = require.resolve(`${PACKAGE}/package.json`);
  const paths = [join(base, '..', 'node_modules'), join(base, '..', '..')];
  return require(require.resolve(`@node-red/nodes/core/${name}.js`, { paths })) as NodeModule;
}

/** Deploys a flow, with every node on a tab, so that Catch and Status nodes work. */
export async function deploy(flow: Flow, credentials: Record<string, Record<string, string>> = {}): Promise<void> {
  await helper.load([...coreNodes, ...meshNodes], onTab(flow), credentials);
}

/** Replaces the running flow by another one, like the editor. */
export async function redeploy(
  flow: Flow,
  type: 'full' | 'nodes' = 'full',
  credentials: Record<string, Record<string, string>> = {},
): Promise<void> {
  await helper.setFlows(onTab(flow), type, credentials);
}

const CONFIG_TYPES = new Set(['mesh-config', 'mesh-fhir-profiles', 'mesh-codes', 'tls-config', 'http proxy']);

function onTab(flow: Flow): Flow {
  const nodes = flow.map((node) => (CONFIG_TYPES.has(node.type) ? node : { z: 'tab', x: 0, y: 0, wires: [], ...node }));
  return [{ id: 'tab', type: 'tab', label: 'test' }, ...nodes];
}

/** Stops the flow, clears the outbox and the sandbox, and restores the clock. */
export async function stop(): Promise<void> {
  await helper.unload();
  await closeStorages();
  restoreClock();
  const sandbox = await builtInSandbox();
  sandbox.clearFaults();
  await sandbox.reset();
}

export { builtInSandbox, closeBuiltInSandbox, helper };

/** Returns a config node for a mailbox of the built-in sandbox, which takes any workflow id. */
export function sandboxConfig(id: string, mailboxId: string, settings: object = {}): Flow[number] {
  return { id, type: 'mesh-config', environment: 'sandbox', mailboxId, sandboxWorkflows: '*', version: 1, ...settings };
}

/** The properties that the tests read. Each exists only if a node has set it. */
export type Msg = NodeMessage & {
  mesh: MeshProperty & { tracking?: Tracking };
  meshSent: MeshSent & { messageId: string };
  error: { code: string; message: string; advice?: string };
};

/** Returns the flow with other settings of one node. */
export function change(flow: Flow, id: string, settings: object): Flow {
  return flow.map((node) => Object.assign({}, node, node.id === id && settings));
}

/** Records every message that a node receives from now on. */
export class Recorder {
  readonly messages: Msg[] = [];
  readonly #waiting: Array<() => void> = [];

  constructor(id: string) {
    helper.getNode(id).on('input', (msg) => {
      this.messages.push(msg as Msg);
      for (const check of this.#waiting) check();
    });
  }

  /** Waits for the `count`th message. */
  async get(count: number, timeoutMs = 8000): Promise<Msg> {
    await until(() => this.messages.length >= count, `message ${count}, got ${this.messages.length}`, timeoutMs);
    const message = this.messages[count - 1];
    if (message === undefined) throw new Error('unreachable');
    return message;
  }
}

/** Returns a list that collects every status of a node from now on, without the name of the sandbox after it. */
export function statusesOf(id: string): NodeStatus[] {
  return collectStatuses(id, withoutPlace);
}

/** Returns a list that collects the text of every status of a node from now on, as the editor shows it. */
export function statusTextsOf(id: string): string[] {
  return collectStatuses(id, ({ text = '' }) => text);
}

function collectStatuses<Kept>(id: string, keep: (status: NodeStatus) => Kept): Kept[] {
  const statuses: Kept[] = [];
  helper.getNode(id).on(
    'call:status' as never,
    ((call: { args: NodeStatus[] }) => {
      if (call.args[0] !== undefined) statuses.push(keep(call.args[0]));
    }) as never,
  );
  return statuses;
}

/** Waits for a condition. The test fails with `what` when it does not come true. */
export async function until(condition: () => boolean, what: string, timeoutMs = 8000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}`);
    await pause(10);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export function receive(id: string, msg: object): void {
  helper.getNode(id).receive(structuredClone(msg) as NodeMessage);
}

/** Returns the entries of Node-RED's log since the flow was loaded, with stack and cause. */
export function logEntries(): string[] {
  return helper
    .log()
    .getCalls()
    .map(({ args }) => inspectLog(args[0]));
}

export function logText(): string {
  return logEntries().join('\n');
}

function inspectLog(entry: unknown): string {
  const { msg, ...rest } = (entry ?? {}) as { msg?: unknown };
  const text = msg instanceof Error ? `${msg.stack ?? ''} ${String(msg.cause)} ${JSON.stringify(msg)}` : String(msg);
  return `${text} ${JSON.stringify(rest)}`;
}

export type { Flow };
