/** Runs test files, each in a process of its own, and says which nodes of their flows no test reached. */
import { fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ConfigurationError } from '../errors';
import type { TestResult } from './flow-run';
import type { FileResult, FileToRun } from './protocol';
import type { TestFile } from './test-file';
import type { FlowNode } from './test-flow';

/** What came of one test file. */
export interface RanFile {
  /** Absolute path. */
  path: string;
  flow: string;
  results: TestResult[];
  /** Why no test of it could run. */
  failed?: string;
}
/** A node that no test reached. */
export interface Unreached {
  flow: string;
  node: string;
}

/** Files that run at a time: each has a Node-RED. */
const AT_ONCE = 2;
/** Real time that a file may take (milliseconds). */
const LONGEST_MS = 5 * 60_000;
/** Nodes that no message ever reaches. */
const WITHOUT_INPUT = new Set(['tab', 'group', 'comment', 'subflow', 'catch', 'complete', 'status', 'global-config']);

/**
 * Runs the files.
 * @param onFile called with each file as it ends
 * @throws ConfigurationError when a flow file cannot be read
 */
export async function runFiles(
  files: readonly TestFile[],
  options: Omit<FileToRun, 'file' | 'flow'> & {
    flow: string | undefined;
    /** The built file of host.ts. */
    host: string;
    onFile: (ran: RanFile) => void;
  },
): Promise<{ files: RanFile[]; unreached: Unreached[] }> {
  const { flow: given, host, onFile, ...rest } = options;
  const flows = new Map<string, { nodes: FlowNode[]; reached: Set<string> }>();
  const tasks: Array<{ path: string; flow: string; task: FileToRun }> = [];
  for (const file of files) {
    const flow = file.flow ?? given;
    if (flow === undefined)
      throw new ConfigurationError(`The test file ${basename(file.path)} names no flow.`, {
        advice: 'Name the flow file in it (flow: ../flows.json), or on the command line.',
      });
    const known = flows.get(flow) ?? { nodes: await readFlow(flow), reached: new Set<string>() };
    flows.set(flow, known);
    tasks.push({ path: file.path, flow, task: { ...rest, file, flow: known.nodes } });
  }
  const ran: RanFile[] = [];
  const runNext = async (): Promise<void> => {
    for (let next = tasks.shift(); next; next = tasks.shift()) {
      const { results, reached, failed } = await runInProcess(host, next.task);
      for (const id of reached) flows.get(next.flow)?.reached.add(id);
      const one: RanFile = { path: next.path, flow: next.flow, results, ...(failed !== undefined && { failed }) };
      ran.push(one);
      onFile(one);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runNext));
  const unreached = [...flows].flatMap(([flow, { nodes, reached }]) =>
    nodes
      .filter((node) => 'z' in node && !WITHOUT_INPUT.has(node.type) && 'wires' in node && !reached.has(node.id))
      .map(({ id, name, type }) => ({ flow, node: `${name || id} (${type})` })),
  );
  return { files: ran, unreached };
}

async function readFlow(path: string): Promise<FlowNode[]> {
  const wrong = (why: string): ConfigurationError =>
    new ConfigurationError(`The flow file ${path} cannot be used: ${why}.`, {
      advice: 'It is the flows.json of a Node-RED, or what its editor exports.',
    });
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw wrong(`it cannot be read (${error.code ?? error.name})`);
  });
  let flow: unknown;
  try {
    flow = JSON.parse(text);
  } catch {
    throw wrong('it is no JSON');
  }
  const isFlow =
    Array.isArray(flow) && flow.every((node) => typeof node?.id === 'string' && typeof node.type === 'string');
  if (!isFlow) throw wrong('it is no list of nodes');
  return flow as FlowNode[];
}

function runInProcess(host: string, task: FileToRun): Promise<FileResult> {
  return new Promise((resolve) => {
    const child = fork(host, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Nothing of the real place may lead a test anywhere else.
      env: { ...withoutMesh(process.env), ...task.file.env },
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (piece: Buffer) => (log = (log + piece.toString()).slice(-20_000)));
    const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
    let result: FileResult | undefined;
    child.once('message', (message: FileResult) => (result = message));
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(
        result ?? { results: [], reached: [], failed: `Node-RED ended early. Its log ends:\n${log.slice(-3000)}` },
      );
    });
    child.send(task);
  });
}

function withoutMesh(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MESH_')));
}
