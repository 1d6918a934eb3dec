/**
 * The worker thread owns the only connection: every wait for the disk happens here, and Node-RED's event loop goes on.
 */
import './quiet';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { MAX_BATCH } from '../rules/batches';
import { openEngine, type Engine } from './engine';
import { toPosted } from './failures';
import { CLOSE, type WorkerData, type WorkerMessage } from './messages';
import type { Call, CallResult } from './shared-commits';

const port = parentPort;
if (port) start(workerData as WorkerData, (message, transfer) => port.postMessage(message, transfer));

function start(data: WorkerData, post: (message: WorkerMessage, transfer?: readonly ArrayBuffer[]) => void): void {
  let engine: Engine;
  try {
    engine = openEngine(data);
  } catch (error) {
    post({ failed: toPosted(error) });
    return;
  }

  port?.on('message', (message: Call[] | typeof CLOSE) => {
    const waiting: Call[] = [];
    let next: typeof message | undefined = message;
    for (; next !== undefined && next !== CLOSE; next = nextMessage(waiting.length)) waiting.push(...next);
    while (waiting.length > 0) {
      const results = engine.run(waiting.splice(0, MAX_BATCH));
      post({ results }, buffersOf(results));
    }
    if (next !== CLOSE) return;
    engine.close();
    post({ closed: true });
    port?.close();
  });
  post({ opened: true });
}

/** Returns the next message, if one has come already and this commit can take it. */
function nextMessage(waiting: number): Call[] | typeof CLOSE | undefined {
  if (waiting >= MAX_BATCH || !port) return undefined;
  return receiveMessageOnPort(port)?.message as Call[] | typeof CLOSE | undefined;
}

/** Returns the memory of payloads in the results: it is transferred rather than copied. */
function buffersOf(results: readonly CallResult[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) value.forEach(collect);
    const { payload, message } = value as { payload?: { bytes?: unknown } | null; message?: unknown };
    if (payload?.bytes instanceof Uint8Array) buffers.add(payload.bytes.buffer as ArrayBuffer);
    if (message) collect(message);
  };
  for (const result of results) if ('value' in result) collect(result.value);
  return [...buffers];
}
