/**
 * Flows between MLLP and MESH in a real Node-RED. In: mesh-mllp-in -> mesh-send -> mesh-mllp-response, which answers when
 * the message is durable, up to MESH. Out: mesh-poll -> mesh-hl7 and back -> mesh-mllp-out -> mesh-ack. Beside each in the
 * same run: bare sockets and bare undici doing the same, with nothing durable.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/harness/ports';
import { Child } from '../harness/child';
import { compare, type Comparison, type Mark } from '../harness/compare';
import { admission } from '../harness/hl7';
import { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { mllpInFlow, mllpOutFlow } from '../node-red/flows';
import { withNodeRed, type HookFigures, type Observed } from '../node-red/run';
import { withFolder, type Settings } from '../settings';

/** A hospital's system sends on one connection, one message at a time; a busy one on several. */
const ONE = 1;
const SEVERAL = 20;

/** The figures of one direction: medians of the rounds. */
export interface MllpFlow {
  perSecond: number;
  /** Relative to a bare MLLP server, or client, and bare requests side by side. */
  toLimit: number;
  /** CPU of Node-RED, all its threads, for each message (microseconds). */
  cpuMicros: number;
  comparison: Comparison;
}

/** The way in with several connections is the figure of the part; the others are beside it. */
export interface MllpFlowFigures extends MllpFlow {
  messages: number;
  inOnOneConnection: MllpFlow;
  out: MllpFlow;
}

/** Measures both directions. */
export async function mllpFlow(settings: Settings, server: BenchServer): Promise<MllpFlowFigures> {
  const limitServer = await BenchServer.start();
  const [limit, peer] = [Child.script('limits/mllp-flow.ts'), Child.script('servers/mllp-peer.ts')];
  await limit.ask('connect', limitServer.address);
  const parts: Parts = { settings, servers: { ours: server, limit: limitServer }, limit, peer };
  return withFolder(async (folder) => {
    const inPort = await freePort();
    const ways = await withNodeRed(join(folder, 'in'), mllpInFlow(server.address, inPort), async (observed) => ({
      several: await wayIn(parts, observed, inPort, SEVERAL),
      one: await wayIn(parts, observed, inPort, ONE),
    }));
    const { port: outPort } = await peer.ask<{ port: number }>('listen');
    const out = await withNodeRed(join(folder, 'out'), mllpOutFlow(server.address, outPort), (observed) =>
      wayOut(parts, observed, outPort, join(folder, 'admission.hl7')),
    );
    return { messages: settings.flow, ...ways.several, inOnOneConnection: ways.one, out };
  });
}

interface Parts {
  settings: Settings;
  servers: { ours: BenchServer; limit: BenchServer };
  limit: Child;
  peer: Child;
}

/** From the first message sent to the last one that is answered and at MESH. */
async function wayIn(
  { settings, servers, limit, peer }: Parts,
  { hook }: Observed,
  port: number,
  connections: number,
): Promise<MllpFlow> {
  const { smallBytes: bytes } = settings;
  const { port: limitPort } = await limit.ask<{ port: number }>('listen');
  const sendAll = async (to: number, server: BenchServer, count: number): Promise<Omit<Work, 'cpuSeconds'>> => {
    await server.reset();
    const answered = await peer.ask<Mark>('send', { port: to, connections, count, bytes });
    let sent = (await server.figures()).times.send;
    while (sent.count < count) {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      sent = (await server.figures()).times.send;
    }
    const seconds = (Math.max(answered.last, sent.last) - answered.first) / 1000;
    return { seconds, messages: count, bytes: count * bytes };
  };
  return compared(settings, servers.ours, {
    async limit(count) {
      const { seconds: before } = await limit.ask<{ seconds: number }>('cpu');
      const work = await sendAll(limitPort, servers.limit, count);
      const { seconds: after } = await limit.ask<{ seconds: number }>('cpu');
      return { ...work, cpuSeconds: after - before };
    },
    async ours(count) {
      await hook('start');
      const work = await sendAll(port, servers.ours, count);
      const { cpuSeconds } = await hook<HookFigures>('stop');
      return { ...work, cpuSeconds };
    },
  });
}

let filled = 0;

/** From a full inbox to the last message that the other side has answered and mesh-ack has finished. */
async function wayOut(
  { settings, servers, limit }: Parts,
  { hook }: Observed,
  port: number,
  file: string,
): Promise<MllpFlow> {
  const body = admission('BENCH', settings.smallBytes);
  writeFileSync(file, body);
  const fill = (server: BenchServer, count: number): Promise<unknown> =>
    server.fill(count, `MLLP${(filled += 1)}`, file, body.length);
  return compared(settings, servers.ours, {
    async limit(count) {
      await fill(servers.limit, count);
      return limit.ask<Work>('out', { port, count });
    },
    async ours(count) {
      await hook('start');
      await fill(servers.ours, count);
      const { acknowledged, delivered } = await hook<Record<'acknowledged' | 'delivered', Mark>>(
        `wait?mark=acknowledged&count=${count}`,
      );
      const { cpuSeconds } = await hook<HookFigures>('stop');
      // The first delivery, not the filling: mesh-poll lists when its time has come.
      const { first } = (await servers.ours.figures()).times.download;
      const seconds = (acknowledged.last - Math.min(first, delivered.first)) / 1000;
      return { seconds, cpuSeconds, messages: count, bytes: count * body.length };
    },
  });
}

/** Warms both contestants up, then compares them. */
async function compared(
  settings: Settings,
  server: BenchServer,
  { limit, ours }: Record<'limit' | 'ours', (count: number) => Promise<Work>>,
): Promise<MllpFlow> {
  const { flow: count, flowWarmUp, rounds } = settings;
  await limit(flowWarmUp);
  await ours(flowWarmUp);
  const comparison = await compare(
    'message',
    [
      { name: 'bare', role: 'limit', round: () => limit(count) },
      { name: 'mesh nodes', role: 'ours', round: () => ours(count) },
    ],
    rounds,
    { reset: () => server.reset(), figures: () => server.figures() },
  );
  const own = comparison.standings.find(({ role }) => role === 'ours');
  return {
    perSecond: own?.perSecond ?? Number.NaN,
    toLimit: comparison.toLimit ?? Number.NaN,
    cpuMicros: (own?.cpuMs ?? Number.NaN) * 1000,
    comparison,
  };
}
