/**
 * `npm run demo`: the main job without a browser. Runs a real Node-RED with three example flows on the built-in
 * sandbox, presses their buttons over Node-RED's admin API and reads their debug nodes as the sidebar does. With
 * `--flow NAME`: a file flow on the sandbox's national services instead (demo-flows.ts).
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFlows, RealNodeRed } from '../test/harness/node-red';
import { demoOfFlows } from './demo-flows';

const LARGE_FILE_BYTES = 250_000_000;

interface Row {
  what: string;
  bytes: number;
  chunks: number;
  sha256Equal: boolean;
  acknowledged: boolean;
  tracked: string;
}

/** The part of msg.meshSent that the demo reads from a debug node. */
interface Sent {
  messageId: string;
  bytes: number;
  chunks: number;
}

/** The part of msg.mesh that the demo reads. */
interface Received {
  messageId: string;
  bytes: number;
  sha256: string;
  file?: string;
}

async function main(): Promise<boolean> {
  const asJson = process.argv.includes('--json');
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const began = Date.now();
  const folder = await mkdtemp(join(tmpdir(), 'mesh-demo-'));
  const largeFile = join(folder, 'extract.csv');
  const inbox = join(folder, 'received');
  await mkdir(inbox);
  say('Writing a 250 MB extract and starting Node-RED with the example flows …');
  const largeFileSha256 = await writeExtract(largeFile);
  const flows = [...exampleFlows('first-message', 'file-transfer', 'closed-loop'), ...TRACK_A_LETTER];
  const nodeRed = await RealNodeRed.start({
    userDir: join(folder, 'node-red'),
    flows,
    env: { MESH_EXAMPLE_FILE: largeFile, MESH_EXAMPLE_FOLDER: inbox },
    settings: SIX_DAYS_LATER,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void nodeRed
        .stop()
        .then(() => rm(folder, { recursive: true, force: true }))
        .finally(() => process.exit(1));
    });
  }
  try {
    const rows: Row[] = [];
    for (const [id, what] of [
      ['fm-hl7', 'HL7 v2 ADT'],
      ['fm-fhir', 'FHIR message bundle (XML)'],
      ['fm-pdf', 'PDF letter'],
    ] as const) {
      rows.push(await sendAndReceive(nodeRed, 'fm', id, what, sha256(injected(flows, id))));
    }
    rows.push(await sendAndReceive(nodeRed, 'ft', 'ft-file', '250 MB extract (CSV), by its path', largeFileSha256));
    const rejection = await provokeRejection(nodeRed);
    const accepted = await closeTheLoop(nodeRed, 'cl-known', 'business positive');
    const refused = await closeTheLoop(nodeRed, 'cl-unknown', 'business negative');
    const report = await provokeReport(nodeRed);

    say('');
    say(table(rows));
    say('');
    for (const [what, steps] of [
      ['accepted', accepted],
      ['refused', refused],
    ] as const) {
      say(`A letter that is ${what}:`);
      for (const step of steps) say(`  ${step}`);
    }
    say('');
    say(`Rejected at once:  ${rejection}`);
    say(`Reported later:    ${report}`);
    say(`Took ${((Date.now() - began) / 1000).toFixed(1)} s.`);
    const result = {
      sent: rows.length,
      received: rows.length,
      sha256Equal: rows.every((row) => row.sha256Equal),
      acknowledged: rows.filter((row) => row.acknowledged).length,
      tracked: rows.filter((row) => row.tracked === 'acknowledged').length,
      rejected: 1,
      reports: 1,
      loopsClosed: 2,
    };
    if (asJson) say(JSON.stringify(result));
    return result.sha256Equal && result.acknowledged === rows.length && result.tracked === rows.length;
  } finally {
    await nodeRed.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Presses a button, and follows the message to the recipient and back. */
async function sendAndReceive(
  nodeRed: RealNodeRed,
  flow: string,
  button: string,
  what: string,
  wanted: string,
): Promise<Row> {
  await nodeRed.inject(button);
  const sent = (await nodeRed.debug(`${flow}-sent`, 45_000)) as Sent;
  const isIt = (value: unknown): boolean => (value as Received).messageId === sent.messageId;
  const received = (await nodeRed.debug(`${flow}-received`, 45_000, isIt)) as Received;
  // Compares what the recipient has: the saved file, if there is one.
  const got = received.file === undefined ? received.sha256 : await sha256OfFile(received.file);
  const acknowledgedId = await nodeRed.debug(`${flow}-acked`, 10_000, (value) => value === sent.messageId);
  await nodeRed.inject(`${flow}-tracknow`);
  const isTracked = (value: unknown): boolean => (value as Received).messageId === sent.messageId;
  const tracking = (await nodeRed.debug(`${flow}-tracked`, 10_000, isTracked)) as { status: string };
  return {
    what,
    bytes: received.bytes,
    chunks: sent.chunks,
    sha256Equal: got === wanted && received.bytes === sent.bytes,
    acknowledged: acknowledgedId === sent.messageId,
    tracked: tracking.status,
  };
}

/**
 * Sends a letter: MESH accepts it, the recipient collects it, then the recipient's system and its staff acknowledge it,
 * and each acknowledgement settles an outcome of the letter.
 *
 * @returns the steps in order.
 */
async function closeTheLoop(nodeRed: RealNodeRed, button: string, end: string): Promise<string[]> {
  await nodeRed.inject(button);
  const { id, messageId } = (await nodeRed.debug('cl-sent', 45_000)) as Sent & { id: string };
  const isIt = (value: unknown): boolean => (value as Received).messageId === messageId;
  await nodeRed.debug('cl-received', 45_000, isIt);
  const steps = [step('sent', `accepted by MESH as ${messageId}`)];
  await nodeRed.inject('demo-tracknow', [{ p: 'messageId', v: messageId, vt: 'str' }]);
  const { status } = (await nodeRed.debug('demo-tracked', 10_000, isIt)) as { status: string };
  if (status !== 'acknowledged') throw new Error(`Expected MESH to report that it was collected, got: ${status}`);
  steps.push(step('tracked at MESH', `${status}, which says only that it was collected`));
  for (const debug of ['cl-taken', 'cl-done'] as const) {
    const { level, code } = (await nodeRed.debug(debug, 10_000)) as { level: string; code: string };
    steps.push(step(`${level} acknowledgement`, code));
  }
  for (const event of ['infrastructure positive', end]) {
    const isChange = (value: unknown): boolean => {
      const change = value as { id: string; event: string };
      return change.id === id && change.event === event;
    };
    const settled = await lookUntil(nodeRed, 'cl-look', () => nodeRed.debug('cl-change', 3000, isChange));
    const { answer } = settled as { answer: { code: string; meaning: string } };
    steps.push(step('settled', `${event} (${answer.code} ${answer.meaning})`));
  }
  if (end.endsWith('negative')) {
    await nodeRed.debug('cl-attention', 10_000, (value) => (value as { id: string }).id === id);
    steps.push(step('notified', 'at the output of mesh track for what needs attention'));
  }
  return steps;
}

/** One line of the report, in two columns. */
function step(name: string, result: string): string {
  return `${name}:`.padEnd(33) + result;
}

/** Presses a button until the result is there: what an outbox sends arrives a moment later. */
async function lookUntil(nodeRed: RealNodeRed, button: string, look: () => Promise<unknown>): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    await nodeRed.inject(button);
    try {
      return await look();
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

async function provokeRejection(nodeRed: RealNodeRed): Promise<string> {
  await nodeRed.inject('fm-wrong');
  const error = String(await nodeRed.debug('fm-error'));
  if (!error.includes('12')) throw new Error(`Expected MESH's code 12, got: ${error}`);
  return error;
}

/** Sends a letter that is not collected, moves the sandbox's clock six days on and back, and polls for the report. */
async function provokeReport(nodeRed: RealNodeRed): Promise<string> {
  await nodeRed.inject('fm-nocollect');
  const sent = (await nodeRed.debug('fm-sent2')) as Sent;
  const response = await fetch(`${nodeRed.url}/demo/six-days-later`, { method: 'POST' });
  if (!response.ok) throw new Error(`The sandbox's clock could not be moved: status ${response.status}`);
  await nodeRed.inject('fm-lookreports');
  const isIt = (value: unknown): boolean =>
    (value as { payload: { linkedMessageId?: string } }).payload.linkedMessageId === sent.messageId;
  const report = (await nodeRed.debug('fm-report', 30_000, isIt)) as { payload: { code: string; description: string } };
  return `${report.payload.description} (code ${report.payload.code}), for message ${sent.messageId}`;
}

/** Nodes beside the closed loop that ask MESH for a letter: its own mesh track follows the outbox. */
const TRACK_A_LETTER = [
  { id: 'demo-tracknow', type: 'inject', z: 'closed-loop', props: [], wires: [['demo-track']] },
  {
    id: 'demo-track',
    type: 'mesh-track',
    z: 'closed-loop',
    version: 1,
    mailbox: 'loop-x26abc14',
    by: 'messageId',
    reference: 'messageId',
    referenceType: 'msg',
    wires: [['demo-tracked'], []],
  },
  {
    id: 'demo-tracked',
    type: 'debug',
    z: 'closed-loop',
    active: true,
    tosidebar: true,
    complete: 'payload',
    wires: [],
  },
];

/**
 * Node-RED settings for the demo only: an endpoint that moves the clock of the sandbox in the same process. The sandbox
 * checks tokens against that clock, so it goes back at once.
 */
const SIX_DAYS_LATER = `httpAdminMiddleware: (request, response, next) => {
    if (request.path !== '/demo/six-days-later') return next();
    Promise.resolve(globalThis[Symbol.for('@mesh-flows/node-red-nhs-mesh/built-in-sandbox')]).then((sandbox) => {
      sandbox.clock.advance(6 * 24 * 60 * 60 * 1000);
      sandbox.clock.advance(-6 * 24 * 60 * 60 * 1000);
      response.sendStatus(204);
    }, next);
  },`;

/** Returns the payload of an inject node of the examples. */
function injected(flows: ReturnType<typeof exampleFlows>, id: string): Buffer {
  const props = flows.find((node) => node.id === id)?.['props'] as Array<{ p: string; v: string; vt: string }>;
  const payload = props.find((prop) => prop.p === 'payload');
  if (!payload) throw new Error(`${id} injects no payload`);
  return payload.vt === 'bin' ? Buffer.from(JSON.parse(payload.v) as number[]) : Buffer.from(payload.v, 'utf8');
}

/** Writes a CSV file of made-up observations, and returns its SHA-256. */
async function writeExtract(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    let bytes = 0;
    for (let block = 0; bytes < LARGE_FILE_BYTES; block += 1) {
      const rows = Buffer.from(csvRows(block)).subarray(0, LARGE_FILE_BYTES - bytes);
      await file.write(rows);
      hash.update(rows);
      bytes += rows.length;
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

const CODES = ['1022431000000105', '1000731000000107', '1000651000000109', '1001371000000100'];

function csvRows(block: number): string {
  let rows = block === 0 ? 'row,specimen,code,value,unit,taken\r\n' : '';
  for (let index = 0; index < 20_000; index += 1) {
    const row = block * 20_000 + index;
    const value = ((row * 7919) % 10_007) / 10;
    const minute = String(row % 60).padStart(2, '0');
    rows += `${row},SP${(row * 104_729) % 999_983},${CODES[row % 4]},${value},mmol/L,2026-01-15T09:${minute}:00Z\r\n`;
  }
  return rows;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

function table(rows: Row[]): string {
  const cells = [
    ['Message', 'Bytes', 'Chunks', 'SHA-256', 'Acknowledged', 'Tracked as'],
    ...rows.map((row) => [
      row.what,
      row.bytes.toLocaleString('en-GB'),
      String(row.chunks),
      row.sha256Equal ? 'equal' : 'DIFFERENT',
      row.acknowledged ? 'yes' : 'NO',
      row.tracked,
    ]),
  ];
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const flow = process.argv[process.argv.indexOf('--flow') + 1];
const job = process.argv.includes('--flow') ? demoOfFlows(flow ?? 'all', process.argv.includes('--json')) : main();
job.then(
  (good) => process.exit(good ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
