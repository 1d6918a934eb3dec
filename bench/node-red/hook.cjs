/**
 * Measures the event loop delay of the Node-RED under test, the CPU time of the store's worker thread and, on request,
 * a profile of the main thread. The settings file requires it before any node is loaded, so it is plain JavaScript.
 *
 * The nodes in nodes/ start the flow and count its messages here: the editor's websocket, which debug messages share
 * with statuses, would tell the end of the flow when its queue is empty.
 */
'use strict';
const { createServer } = require('node:http');
const inspector = require('node:inspector/promises');
const { readFileSync, writeFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const threads = require('node:worker_threads');

// The store creates its worker later, through the module's property `Worker`.
const workers = [];
threads.Worker = class extends threads.Worker {
  constructor(...args) {
    super(...args);
    workers.push(this);
  }
};

const session = new inspector.Session();
session.connect();
const delay = monitorEventLoopDelay({ resolution: 5 });
let cpu;
let main;
let workersBefore;

const resident = (field) =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

async function workerSeconds() {
  const usages = await Promise.all(workers.map((worker) => worker.cpuUsage().catch(() => ({ user: 0, system: 0 }))));
  return usages.reduce((sum, { user, system }) => sum + (user + system) / 1e6, 0);
}

/** What a bench-mark node has counted since the start: times in milliseconds since 1970, comparable across processes. */
const marks = new Map();
/** Resolves a `wait`. */
let reached = () => undefined;
let awaited = { mark: '', count: 0 };
/** The bench-source node. */
let source;

exports.useSource = (node) => (source = node);
exports.mark = (name) => {
  const now = performance.timeOrigin + performance.now();
  const mark = marks.get(name) ?? { count: 0, first: now, last: now };
  mark.count += 1;
  mark.last = now;
  marks.set(name, mark);
  if (name === awaited.mark && mark.count === awaited.count) reached();
};

const commands = {
  /** Starts the flow: its source sends `count` messages. Returns the time. */
  go({ count }) {
    const began = performance.timeOrigin + performance.now();
    source.emitMany(count);
    return { began };
  },
  /** Resolves when a mark has counted so many messages. */
  async wait({ mark, count }) {
    if ((marks.get(mark)?.count ?? 0) < count) {
      await new Promise((resolve) => {
        [awaited, reached] = [{ mark, count }, resolve];
      });
    }
    return Object.fromEntries(marks);
  },
  async start({ profile }) {
    globalThis.gc?.();
    writeFileSync('/proc/self/clear_refs', '5');
    const idleMiB = resident('VmRSS');
    if (profile) {
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: 500 });
      await session.post('Profiler.start');
    }
    marks.clear();
    workersBefore = await workerSeconds();
    cpu = process.cpuUsage();
    main = process.threadCpuUsage();
    delay.reset();
    delay.enable();
    return { idleMiB };
  },
  async stop({ profile }) {
    delay.disable();
    const all = process.cpuUsage(cpu);
    const own = process.threadCpuUsage(main);
    const figures = {
      // The histogram counts from tick to tick: its resolution is not part of the delay.
      p99Ms: Math.max(0, delay.percentile(99) / 1e6 - 5),
      maxMs: Math.max(0, delay.max / 1e6 - 5),
      peakMiB: resident('VmHWM'),
      cpuSeconds: (all.user + all.system) / 1e6,
      mainSeconds: (own.user + own.system) / 1e6,
      storeSeconds: (await workerSeconds()) - workersBefore,
    };
    if (!profile) return figures;
    const { profile: profiled } = await session.post('Profiler.stop');
    return { ...figures, profile: profiled };
  },
};

createServer((request, response) => {
  const url = new URL(request.url, 'http://bench');
  const command = commands[url.pathname.slice(1)];
  const options = {
    profile: url.searchParams.has('profile'),
    mark: url.searchParams.get('mark'),
    count: Number(url.searchParams.get('count')),
  };
  Promise.resolve(command?.(options)).then(
    (result) => response.end(JSON.stringify(result ?? {})),
    (error) => response.writeHead(500).end(String(error)),
  );
})
  .listen(Number(process.env.BENCH_HOOK_PORT), '127.0.0.1')
  .unref();
