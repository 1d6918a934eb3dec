/**
 * The worker thread: owns the only connection. Everything that waits for the disk waits here, and Node-RED's event loop
 * goes on.
 */
import './quiet';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database';
import { posted } from './failures';
import { Mailboxes } from './mailboxes';
import { CLOSE, type WorkerData, type WorkerMessage } from './messages';
import { operations, type Statistics } from './operations';
import { type Answer, type Request, SharedCommits } from './shared-commits';
import { Statements } from './statements';

// One commit's share: more would make the first of them wait for the last one's work.
const MOST_TOGETHER = 256;

const port = parentPort;
if (port) start(workerData as WorkerData, (message, transfer) => port.postMessage(message, transfer));

function start(
  { folder, test }: WorkerData,
  post: (message: WorkerMessage, transfer?: readonly ArrayBuffer[]) => void,
): void {
  let database;
  try {
    database = openDatabase(folder, test);
  } catch (error) {
    post({ failed: posted(error) });
    return;
  }
  const opened = database;
  const statements = new Statements(opened);
  const mailboxes = new Mailboxes(statements);
  const statistics: Statistics = { commits: 0, writes: 0 };
  const commits = new SharedCommits(
    opened,
    operations(statements, mailboxes, statistics),
    mailboxes,
    statistics,
    test.commitDelayMs ?? 0,
  );

  port?.on('message', (message: Request[] | typeof CLOSE) => {
    const waiting: Request[] = [];
    let next: typeof message | undefined = message;
    for (; next !== undefined && next !== CLOSE; next = received(waiting.length)) waiting.push(...next);
    while (waiting.length > 0) {
      const answers = commits.run(waiting.splice(0, MOST_TOGETHER));
      post({ answers }, buffersOf(answers));
    }
    if (next !== CLOSE) return;
    opened.close();
    post({ closed: true });
    port?.close();
  });
  post({ opened: true });
}

/** The next message, if one has come already and there is room for it in this commit. */
function received(waiting: number): Request[] | typeof CLOSE | undefined {
  if (waiting >= MOST_TOGETHER || !port) return undefined;
  return receiveMessageOnPort(port)?.message as Request[] | typeof CLOSE | undefined;
}

/** The memory of payloads, which is handed over rather than copied. */
function buffersOf(answers: readonly Answer[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) value.forEach(look);
    const { payload, message } = value as { payload?: { bytes?: unknown } | null; message?: unknown };
    if (payload?.bytes instanceof Uint8Array) buffers.add(payload.bytes.buffer as ArrayBuffer);
    if (message) look(message);
  };
  for (const answer of answers) if ('value' in answer) look(answer.value);
  return [...buffers];
}
