/**
 * A month beside a MESH Client: letters in its folders, shadowed; one workflow cut over, sent from here in part, handed
 * back and cut over again. Every command is a real process, and is killed in its middle the first time. At the end each
 * letter has been sent once, by one of the two. `npm run test:cutover -- [--messages N] [--json]`; default 26,000.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readControlFile, writeControlFile } from '../../lib/folders/control-file';
import { openMailbox, openStorage } from '../../lib/index';
import { startSandbox } from '../../lib/sandbox/index';
import { ROOT } from '../harness/node-red';
import { OFFLINE } from './offline';

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '26000' }, json: { type: 'boolean' } },
});
const MESSAGES = Number(values.messages);
const MOVED = 'TOC_FHIR_IP_DISCH';
const STAYS = 'GPFED_CONSULT_REPORT';
/** Of ten letters, so many have been sent by the client when the work begins; of the rest, so many are of `MOVED`. */
const SENT_OF_TEN = 6;
const MOVED_OF_TEN = 8;
const PROGRAM = join(ROOT, 'dist', 'lib', 'cli', 'main.js');

const say = (line: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

interface Letter {
  localId: string;
  workflowId: string;
}

/** Returns a letter as the engine makes it; `made` is what each making has of its own. */
function content({ localId }: Letter, made: string): string {
  return `MSH|^~\\&|PAS|RXX|MESH|GP|2026110112${made}||MDM^T02|${made}-${localId}|P|2.4\rPID|||9${localId}||SYNTHETIC^${localId}\rOBX|1|TX|||Letter ${localId}\r`;
}

async function putPair(folder: string, letter: Letter, made: string, messageId?: string): Promise<void> {
  const { localId, workflowId } = letter;
  const control = {
    Version: '1.0',
    AddressType: 'DTS',
    MessageType: 'Data',
    WorkflowId: workflowId,
    To_DTS: 'X26ABC2',
    From_DTS: 'X26ABC1',
    LocalId: localId,
    ...(messageId && { DTSId: messageId }),
  };
  const time = new Date().toISOString();
  const status = { time, event: 'TRANSFER', success: true, code: '00', description: 'Transferred' };
  await writeFile(join(folder, `${localId}.dat`), content(letter, made));
  await writeFile(join(folder, `${localId}.ctl`), writeControlFile(control, messageId ? status : undefined));
  const then = new Date(Date.now() - 60_000);
  await utimes(join(folder, `${localId}.ctl`), then, then);
}

const start = (args: string[]): ChildProcess => spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });

/** Runs a command to its end, and returns its JSON. */
async function nhsMesh<Result>(...args: string[]): Promise<Result> {
  const child = start([PROGRAM, ...args, '--json']);
  let out = '';
  child.stdout?.on('data', (piece: Buffer) => (out += piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === null || code > 1) throw new Error(`nhs-mesh ${args[0]} ended with ${code}`);
  return JSON.parse(out) as Result;
}

/** Starts a program and kills it as soon as `isTime`. Returns false if it ended before. */
async function killWhen(args: string[], isTime: () => Promise<boolean>): Promise<boolean> {
  const child = start(args);
  child.stdout?.resume();
  const ended = once(child, 'close');
  while (child.exitCode === null && !(await isTime())) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGKILL');
  await ended;
  return child.signalCode === 'SIGKILL';
}

/** The client: takes complete pairs of its `OUT`, at most so many, and leaves them in `SENT` with an id of MESH. */
async function clientSends(root: string, sent: Map<string, number>, most = Infinity): Promise<number> {
  const names = new Set(await readdir(join(root, 'OUT')));
  let count = 0;
  for (const name of [...names].filter((each) => each.endsWith('.ctl')).toSorted()) {
    const stem = name.slice(0, -'.ctl'.length);
    if (count >= most || !names.has(`${stem}.dat`)) continue;
    const control = readControlFile(await readFile(join(root, 'OUT', name)));
    const { LocalId: localId = '', WorkflowId: workflowId = '' } = control;
    sent.set(localId, (sent.get(localId) ?? 0) + 1);
    count += 1;
    await rm(join(root, 'OUT', name));
    await rename(join(root, 'OUT', `${stem}.dat`), join(root, 'SENT', `${localId}.dat`));
    await putPair(join(root, 'SENT'), { localId, workflowId }, '01', `C-${localId}`);
  }
  return count;
}

/** Returns the local ids of the messages that need a decision: a kill leaves what was on the wire unknown. */
async function needDecision(folder: string, environment: string): Promise<Set<string>> {
  const storage = await openStorage({ folder });
  const mailbox = openMailbox({ ...OFFLINE, environment, storage });
  const rows = await storage.store.listOutgoing(
    { mailbox: mailbox.storeKey, states: ['unknown', 'parked'] },
    { limit: 1000 },
  );
  await mailbox.close();
  await storage.close();
  return new Set(rows.map(({ localId }) => localId));
}

async function main(): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'nhs-mesh-cutover-'));
  const server = await startSandbox({ protocol: 'http' });
  try {
    const [root, ours, folder] = ['client', 'ours', 'mesh'].map((name) => join(place, name)) as [
      string,
      string,
      string,
    ];
    for (const name of ['IN', 'OUT', 'SENT', 'FAILED', 'TEMP']) await mkdir(join(root, name), { recursive: true });
    await mkdir(join(ours, 'sent'), { recursive: true });
    const letters = Array.from({ length: MESSAGES }, (_none, n): Letter => {
      const localId = `L${String(n).padStart(7, '0')}`;
      return { localId, workflowId: Math.floor(n / 10) % 10 < MOVED_OF_TEN ? MOVED : STAYS };
    });
    /** How often each letter was sent by the client. */
    const byClient = new Map<string, number>();
    say(`${MESSAGES} letters`);
    for (const [n, letter] of letters.entries()) {
      const isSent = n % 10 < SENT_OF_TEN;
      if (isSent) byClient.set(letter.localId, 1);
      await putPair(join(root, isSent ? 'SENT' : 'OUT'), letter, '01', isSent ? `C-${letter.localId}` : undefined);
      // What the copy of the engine's feed makes here: at another time, with another id.
      if (isSent) await putPair(join(ours, 'sent'), letter, '02');
    }
    const source = join(place, 'source.txt');
    await writeFile(source, letters.map(({ localId }) => localId).join('\n'));
    const storage = await openStorage({ folder });
    await openMailbox({ ...OFFLINE, environment: server.url, storage }).close();
    await storage.close();
    const at = ['--environment', server.url, '--mailbox', OFFLINE.mailboxId, '--folder', folder];
    const over = ['cutover', '--client', root, '--workflow', MOVED, '--client-is-stopped', ...at];
    const back = ['handback', '--client', root, '--workflow', MOVED, ...at];
    const inOut = async (): Promise<number> =>
      (await readdir(join(root, 'OUT'))).filter((each) => each.endsWith('.ctl')).length;

    say('shadow');
    const compared = await nhsMesh<{ same: number; different: unknown[]; missing: unknown[]; messages: number }>(
      'shadow',
      'compare',
      '--client',
      root,
      '--ours',
      ours,
      '--mailbox',
      OFFLINE.mailboxId,
    );
    say('adopt, killed in the middle, and again');
    const adopting = ['adopt', 'sent', '--client', root, ...at];
    const store = join(folder, 'mesh.db-wal');
    await killWhen(
      [PROGRAM, ...adopting],
      async () => (await readFile(store).catch(() => Buffer.alloc(0))).length > 400_000,
    );
    await nhsMesh(...adopting);
    say('cut over, killed in the middle, and again');
    const waiting = await inOut();
    await killWhen([PROGRAM, ...over], async () => (await inOut()) < waiting * 0.7);
    await nhsMesh(...over);
    say('sent from here, killed in the middle');
    const target = Math.floor((waiting * MOVED_OF_TEN) / 40);
    const sender = ['--require', 'tsx/cjs', join(__dirname, 'sender.ts'), folder, server.url];
    await killWhen(sender, async () => server.messages().length >= target);
    say(`MESH has ${server.messages().length}; handed back, killed in the middle; the client sends; again`);
    const left = await inOut();
    await killWhen([PROGRAM, ...back], async () => (await inOut()) > left + target / 2);
    await clientSends(root, byClient, target / 4);
    await nhsMesh(...back);
    const handedBack = (await inOut()) - left + Math.floor(target / 4);
    await clientSends(root, byClient, target / 4);
    say('cut over again, and sent to the end');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await nhsMesh(...over);
    const last = start(sender);
    last.stdout?.resume();
    await once(last, 'close');
    await clientSends(root, byClient);
    await nhsMesh(...adopting);
    say('reconciled');
    const found = await nhsMesh<{ unexplained: string[]; twice: string[]; notAccepted: Record<string, number> }>(
      'shadow',
      'reconcile',
      '--source',
      source,
      '--client',
      root,
      ...at,
    );
    const atMesh = Map.groupBy(server.messages(), ({ localId }) => localId ?? '');
    const times = letters.map(({ localId }) => (byClient.get(localId) ?? 0) + (atMesh.get(localId)?.length ?? 0));
    const named = await needDecision(folder, server.url);
    const result = {
      messages: MESSAGES,
      same: compared.same,
      different: compared.different.length,
      missing: compared.missing.length,
      handedBack,
      twice: times.filter((each) => each > 1).length + found.twice.length,
      lost: letters.filter(({ localId }, n) => times[n] === 0 && !named.has(localId)).length,
      unexplained: found.unexplained.length,
    };
    say(`named exceptions: ${JSON.stringify(found.notAccepted)}`);
    process.stdout.write(`${values.json === true ? JSON.stringify(result) : JSON.stringify(result, undefined, 2)}\n`);
    const isGood = result.different + result.missing + result.twice + result.lost + result.unexplained === 0;
    if (!isGood || compared.same !== compared.messages || handedBack === 0) process.exitCode = 1;
  } finally {
    await server.close();
    await rm(place, { recursive: true, force: true });
  }
}

void main();
