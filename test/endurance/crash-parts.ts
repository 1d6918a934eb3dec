/** What the crash test and the cluster test share: keys that are sent, a MESH with faults, a receiver, and the judgement. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox, SandboxMessage } from '../../lib/sandbox';

export type Kind = 'small' | 'chunked' | 'file';

/** What the outbox says of a message that it has. */
export interface Confirmation {
  id: string;
  localId: string;
}

/** A message with its "once per key" key. */
export interface Key {
  key: string;
  kind: Kind;
  sha256: string;
  /** What the outbox answered; missing while it is not confirmed. */
  confirmed?: Confirmation;
  attempts: number;
}

/** What the flow handed over. */
export interface Handed {
  messageId: string;
  sha256: string;
  deliveryCount: number;
}

/** What is made of a key that was enqueued but for its bytes. */
export interface ListedMessage {
  localId: string;
  held: boolean;
}

/** A new key, and what is to be enqueued with it: text, or the path of a file in `folder`. */
export async function newKey(index: number, kind: Kind, folder: string): Promise<{ key: Key; payload: string }> {
  const text = randomBytes(kind === 'small' ? 200 : 120_000).toString('hex');
  const key: Key = {
    key: `K${index}-${randomBytes(4).toString('hex')}`,
    kind,
    sha256: createHash('sha256').update(text).digest('hex'),
    attempts: 0,
  };
  if (kind !== 'file') return { key, payload: text };
  const path = join(folder, `${key.key}.txt`);
  await writeFile(path, text);
  return { key, payload: path };
}

/** Offers a key, again and again, until a Node-RED has confirmed it; `offer` gives undefined where it was refused. */
export async function untilConfirmed(key: Key, offer: () => Promise<Confirmation | undefined>): Promise<void> {
  while (key.confirmed === undefined) {
    key.attempts += 1;
    try {
      const confirmed = await offer();
      if (confirmed) key.confirmed = confirmed;
      else await sleep(200);
    } catch {
      await sleep(100);
    }
  }
}

/** Enqueues a key over HTTP until it is confirmed; `port` is asked each time. */
export function enqueue(key: Key, payload: string, port: () => number): Promise<void> {
  return untilConfirmed(key, async () => {
    const response = await fetch(`http://127.0.0.1:${port()}/enqueue`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: key.key, kind: key.kind, payload }),
      signal: AbortSignal.timeout(5000),
    });
    return response.ok ? ((await response.json()) as Confirmation) : undefined;
  });
}

/** `waiting`, `unknown` or `held` messages of the outbox, as mesh-track lists them. */
export async function listOutbox(port: number, what: string): Promise<ListedMessage[]> {
  const response = await fetch(`http://127.0.0.1:${port}/list?what=${what}`);
  if (!response.ok) throw new Error(`list ${what}: status ${response.status}: ${await response.text()}`);
  return (await response.json()) as ListedMessage[];
}

/** Messages that nobody has collected yet. */
export const uncollected = (sandbox: Pick<Sandbox, 'messages'>): number =>
  sandbox.messages().reduce((sum, { status }) => sum + (status === 'accepted' ? 1 : 0), 0);

/** What is not settled: nothing of it is left when `moving` is 0. */
export interface Unsettled {
  moving: number;
  waiting: number;
  unknown: number;
  open: number;
  /** The local ids of those that are held for a person. */
  held: () => Promise<Set<string>>;
}

/** Asks Node-RED and MESH once. */
export async function unsettled(port: number, sandbox: Pick<Sandbox, 'messages'>): Promise<Unsettled> {
  const waiting = await listOutbox(port, 'waiting');
  const unknown = await listOutbox(port, 'unknown');
  const open = uncollected(sandbox);
  return {
    moving: waiting.length + unknown.filter(({ held }) => !held).length + open,
    waiting: waiting.length,
    unknown: unknown.length,
    open,
    held: async () => new Set([...unknown, ...(await listOutbox(port, 'held'))].map(({ localId }) => localId)),
  };
}

/** So much of everything that MESH does is dropped before its effect, as much after it, and as much is answered 503. */
export function makeFaulty(sandbox: Pick<Sandbox, 'fault'>, probability: number): void {
  const common = { operation: '*', times: Infinity, probability } as const;
  sandbox.fault({ ...common, effect: { kind: 'drop', when: 'before' } });
  sandbox.fault({ ...common, effect: { kind: 'drop', when: 'after' } });
  sandbox.fault({ ...common, effect: { kind: 'status', status: 503 } });
}

/**
 * Where the flow puts what it received, before it acknowledges; `take` gives what it is answered. Alarms come to `/alarm`.
 */
export async function startReceiver(
  take: (handed: Handed, mesh: Record<string, unknown>) => string,
  alarm: (code: string, outboxId: string) => void = () => undefined,
): Promise<{ port: number; close: () => void }> {
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      const body = JSON.parse(await bodyOf(request)) as Body & { code?: string; id?: string };
      if (request.url === '/alarm') {
        alarm(body.code ?? '', body.id ?? '');
        response.end();
        return;
      }
      response.end(take(await handedOver(body), body.mesh));
    };
    answer().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: address.port, close };
}

interface Body {
  mesh: Record<string, unknown> & { messageId: string; deliveryCount: number };
  text?: string;
  file?: string;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

async function handedOver({ mesh, text, file }: Body): Promise<Handed> {
  const bytes = file === undefined ? Buffer.from(text ?? '') : await readFile(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { messageId: mesh.messageId, deliveryCount: mesh.deliveryCount, sha256 };
}

/** What there is at the end. */
export interface Ended {
  keys: readonly Key[];
  messages: readonly SandboxMessage[];
  handed: readonly Handed[];
  /** Local ids that are held for a person. */
  held: ReadonlySet<string>;
  /** More held ones are a fault. */
  maxHeld: number;
  /** Outbox ids of which it was told that they were sent twice. */
  toldTwice?: ReadonlySet<string>;
}

/** The two promises: every key is at MESH once or held, and what MESH gave away was handed to the flow. */
export function verifyKeys({ keys, messages, handed, held, maxHeld, toldTwice = new Set() }: Ended) {
  const faults: string[] = [];
  const atMesh = new Map<string, string[]>();
  for (const { localId = '', messageId, status } of messages) {
    if (status !== 'uploading') atMesh.set(localId, [...(atMesh.get(localId) ?? []), messageId]);
  }
  const deliveriesOf = Map.groupBy(handed, ({ messageId }) => messageId);
  const counts = { keys: keys.length, once: 0, held: 0, heldAtMesh: 0, twice: 0, lost: 0, redelivered: 0, repeated: 0 };
  for (const { key, kind, confirmed, attempts, sha256 } of keys) {
    const found = atMesh.get(confirmed?.localId ?? '') ?? [];
    const isHeld = held.has(confirmed?.localId ?? '');
    if (attempts > 1) counts.repeated += 1;
    if (isHeld) counts.held += 1;
    if (isHeld && found.length > 0) {
      counts.heldAtMesh += 1;
      faults.push(`${key} (${kind}) is held although MESH has it`);
    }
    if (found.length > 1) {
      counts.twice += 1;
      if (!toldTwice.has(confirmed?.id ?? '')) faults.push(`${key} (${kind}) was sent ${found.length} times`);
    }
    if (found.length === 0 && !isHeld) {
      counts.lost += 1;
      faults.push(`${key} (${kind}) is neither at MESH nor held`);
    }
    for (const messageId of found) {
      const deliveries = deliveriesOf.get(messageId) ?? [];
      if (deliveries.length === 0) faults.push(`${key} (${kind}) was never handed to the flow`);
      if (deliveries.some((delivery) => delivery.sha256 !== sha256))
        faults.push(`${key} (${kind}) came back different`);
      if (deliveries.filter((delivery) => delivery.deliveryCount === 1).length > 1) {
        faults.push(`${key} (${kind}) was delivered twice, both times as the first`);
      }
      if (deliveries.length > 1) counts.redelivered += 1;
    }
    if (found.length === 1) counts.once += 1;
  }
  const left = messages.filter((message) => message.status === 'accepted').length;
  if (left > 0) faults.push(`${left} messages were not collected`);
  if (counts.held > maxHeld) faults.push('more are held than kills and lost answers explain');
  return { counts, faults };
}

/** Says what came of it; true if nothing is at fault. */
export function report({ counts, faults }: ReturnType<typeof verifyKeys>, how: string): boolean {
  for (const fault of faults.slice(0, 20)) say(`FAULT: ${fault}`);
  say(
    `${counts.keys} keys (${counts.repeated} repeated): ${counts.once} once at MESH, ${counts.held} held, ${counts.twice} twice, ` +
      `${counts.lost} lost; ${counts.redelivered} redelivered with their count. ${how}`,
  );
  return faults.length === 0;
}

/** The line that scripts/test.ts ends with, for runs that were good or not. */
export function sayTotal(runs: readonly boolean[]): boolean {
  const passed = runs.filter(Boolean).length;
  say(`Tests: ${passed} passed, ${runs.length - passed} failed, 0 skipped`);
  return passed === runs.length;
}

/** mulberry32: the same moments for the same seed, as far as a process can be killed at the same moment. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs a script to its exit code, and says what went wrong. */
export function runScript(main: () => Promise<boolean>, hint: string): void {
  main().then(
    (good) => process.exit(good ? 0 : 1),
    (error: unknown) => {
      const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`${told}\n${hint}\n`);
      process.exit(1);
    },
  );
}
