/**
 * A flow of small messages in a real Node-RED, out and in at the same time: mesh-send -> MESH -> mesh-poll -> mesh-ack.
 * Beside it in the same run: bare undici with the same requests, and core's http request nodes with nothing durable.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../test/harness/median';
import { csvFile, MIB, readPart } from '../files';
import { Child } from '../harness/child';
import { compare, type Comparison, type Mark } from '../harness/compare';
import { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { coreFlow, messagesFlow } from '../node-red/flows';
import { accounts, type Account } from '../node-red/profile';
import { withNodeRed, type HookFigures, type Observed } from '../node-red/run';
import { withFolder, type Settings } from '../settings';

/** Statuses that still wait for their turn when the last message is done. */
const LAST_STATUSES_MS = 1500;

/** Messages a second of each phase, while it lasted; the phases run side by side. */
interface Phases {
  /** From the first message into mesh-send to the last one that is durable. */
  enqueue: number;
  /** POSTs at the server. */
  send: number;
  /** Downloads at the server. */
  receive: number;
  /** Out of mesh-poll. */
  deliver: number;
  /** Out of mesh-ack. */
  acknowledge: number;
}

/** The figures of the flow: medians of the rounds. */
export interface FlowFigures {
  messages: number;
  perSecond: number;
  /** Relative to bare undici with the same requests: sender and receiver side by side, one connection each. */
  toLimit: number;
  /** Relative to core's http request nodes, which keep nothing durable. */
  toCoreNodes: number;
  statusesPerMessage: number;
  /** CPU of Node-RED, all its threads, for each message (microseconds). */
  cpuMicros: number;
  /** Event loop delay. */
  p99Ms: number;
  phases: Phases;
  comparison: Comparison;
  /** Node-RED's main thread by profile, the store's worker thread by its own clock, other threads: µs for each message. */
  profiled: Record<Account, number> & { storeThread: number; otherThreads: number };
}

/** One run of the flow with mesh nodes. */
interface Run {
  work: Work;
  statuses: number;
  p99Ms: number;
  phases: Phases;
}

/** Runs the flow, from the first message into mesh-send to the last one out of mesh-ack. */
export async function flow(settings: Settings, server: BenchServer): Promise<FlowFigures> {
  const { flow: count, smallBytes: bytes, rounds } = settings;
  const file = csvFile(MIB);
  const text = readPart({ file, start: 0, end: bytes }).toString('latin1');
  // A server each: otherwise mesh-poll would fetch the messages of the others.
  const [coreServer, limitServer] = [await BenchServer.start(), await BenchServer.start()];
  const limit = Child.script('limits/undici-flow.ts');
  await limit.ask('connect', limitServer.address);
  for (const each of [server, coreServer, limitServer]) await each.reset({ looped: true });
  return withFolder((folder) =>
    withNodeRed(join(folder, 'mesh'), messagesFlow(server.address, text), (mesh) =>
      withNodeRed(join(folder, 'core'), coreFlow(coreServer.address, text), async (core) => {
        const runs: Run[] = [];
        const bare = (messages: number): Promise<Work> => limit.ask<Work>('flow', { count: messages, file, bytes });
        const meshNodes = async (messages: number): Promise<Work> => {
          const run = await runMesh(mesh, server, messages, bytes);
          runs.push(run);
          return run.work;
        };
        const coreNodes = (messages: number): Promise<Work> => runCore(core, coreServer, messages, bytes);
        for (const contestant of [bare, meshNodes, coreNodes]) await contestant(settings.flowWarmUp);
        runs.length = 0;
        const comparison = await compare(
          'message',
          [
            { name: 'undici', role: 'limit', round: () => bare(count) },
            { name: 'mesh nodes', role: 'ours', round: () => meshNodes(count) },
            { name: 'core nodes', role: 'peer', round: () => coreNodes(count) },
          ],
          rounds,
          { reset: () => server.reset({ looped: true }), figures: () => server.figures() },
        );
        return {
          messages: count,
          perSecond: comparison.standings.find(({ role }) => role === 'ours')?.perSecond ?? Number.NaN,
          toLimit: comparison.toLimit ?? Number.NaN,
          toCoreNodes: comparison.toPeer ?? Number.NaN,
          statusesPerMessage: median(runs.map(({ statuses }) => statuses)) / count,
          cpuMicros: median(runs.map(({ work }) => work.cpuSeconds)) * (1e6 / count),
          p99Ms: median(runs.map(({ p99Ms }) => p99Ms)),
          phases: phasesOf(runs),
          comparison,
          profiled: await profiledRun(mesh, server, count),
        };
      }),
    ),
  );
}

async function runMesh({ nodeRed, hook }: Observed, server: BenchServer, count: number, bytes: number): Promise<Run> {
  await server.reset({ looped: true });
  const before = nodeRed.statusesSent().length;
  await hook('start');
  const { began } = await hook<{ began: number }>(`go?count=${count}`);
  const { enqueued, delivered, acknowledged } = await hook<Record<'enqueued' | 'delivered' | 'acknowledged', Mark>>(
    `wait?mark=acknowledged&count=${count}`,
  );
  const { cpuSeconds, p99Ms } = await hook<HookFigures>('stop');
  const { times, messages, inbox } = await server.figures();
  if (messages !== count || inbox !== 0) {
    throw new Error(`mesh nodes: the server received ${messages} messages of ${count}, ${inbox} are left`);
  }
  await sleep(LAST_STATUSES_MS);
  const rate = ({ first, last }: Pick<Mark, 'first' | 'last'>): number => (1000 * count) / (last - first);
  return {
    work: { seconds: (acknowledged.last - began) / 1000, cpuSeconds, messages: count, bytes: count * bytes },
    statuses: nodeRed.statusesSent().length - before,
    p99Ms,
    phases: {
      enqueue: rate({ first: began, last: enqueued.last }),
      send: rate(times.send),
      receive: rate(times.download),
      deliver: rate(delivered),
      acknowledge: rate(acknowledged),
    },
  };
}

async function runCore({ hook }: Observed, server: BenchServer, count: number, bytes: number): Promise<Work> {
  await hook('start');
  const { began } = await hook<{ began: number }>(`go?count=${count}`);
  const { acknowledged } = await hook<{ acknowledged: Mark }>(`wait?mark=acknowledged&count=${count}`);
  const { cpuSeconds } = await hook<HookFigures>('stop');
  const { inbox } = await server.figures();
  if (inbox !== 0) throw new Error(`core nodes: ${inbox} messages are left`);
  return { seconds: (acknowledged.last - began) / 1000, cpuSeconds, messages: count, bytes: count * bytes };
}

/** Runs the flow once more under the profiler, which costs some speed. */
async function profiledRun({ hook }: Observed, server: BenchServer, count: number): Promise<FlowFigures['profiled']> {
  await server.reset({ looped: true });
  await hook('start?profile');
  await hook(`go?count=${count}`);
  await hook(`wait?mark=acknowledged&count=${count}`);
  const { profile, cpuSeconds, mainSeconds, storeSeconds } = await hook<HookFigures>('stop?profile');
  if (!profile) throw new Error('no profile');
  if (Child.profiles !== undefined) writeFileSync(join(Child.profiles, 'flow.cpuprofile'), JSON.stringify(profile));
  const seconds = {
    ...accounts(profile),
    storeThread: storeSeconds,
    otherThreads: Math.max(0, cpuSeconds - mainSeconds - storeSeconds),
  };
  return Object.fromEntries(
    Object.entries(seconds).map(([name, each]) => [name, (each * 1e6) / count]),
  ) as FlowFigures['profiled'];
}

function phasesOf(runs: readonly Run[]): Phases {
  const of = (phase: keyof Phases): number => median(runs.map(({ phases }) => phases[phase]));
  return {
    enqueue: of('enqueue'),
    send: of('send'),
    receive: of('receive'),
    deliver: of('deliver'),
    acknowledge: of('acknowledge'),
  };
}
