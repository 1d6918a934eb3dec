/** What the crash, cluster and soak tests share: keys to send, a MESH with faults, a receiver and the verification. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox, SandboxMessage } from '../../lib/sandbox';

export type Kind = 'small' | 'chunked' | 'file';

/** The ids with which the outbox confirms a message. */
export interface Confirmation {
  id: string;
  localId: string;
}

/** A message and its "once per key" key. */
export interface Key {
  key: string;
  kind: Kind;
  sha256: string;
  /** Missing until the outbox has confirmed the message. */
  confirmed?: Confirmation;
  attempts: number;
}

/** A received message as the flow delivered it to the harness. */
export interface Delivery {
  messageId: string;
  sha256: string;
  deliveryCount: number;
}

/** A message as mesh-track lists it; `held` means that it needs a decision. */
export interface ListedMessage {
  localId: string;
  held: boolean;
}

/** Returns a new key and its payload: text, or the path of a file in `folder`. */
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

/** Offers a key repeatedly until a Node-RED has confirmed it; `offer` returns undefined when it is refused. */
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

/** Enqueues a key over HTTP until it is confirmed; `port` is called for each attempt. */
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

/** Returns the `waiting`, `unknown` or `held` messages of the outbox, as mesh-track lists them. */
export async function listOutbox(port: number, what: string): Promise<ListedMessage[]> {
  const response = await fetch(`http://127.0.0.1:${port}/list?what=${what}`);
  if (!response.ok) throw new Error(`list ${what}: status ${response.status}: ${await response.text()}`);
  return (await response.json()) as ListedMessage[];
}

/** Returns the number of messages that the recipient has not collected. */
export const uncollected = (sandbox: Pick<Sandbox, 'messages'>): number =>
  sandbox.messages().reduce((sum, { status }) => sum + (status === 'accepted' ? 1 : 0), 0);

/** Counts of unsettled messages. All are settled when `moving` is 0. */
export interface Unsettled {
  moving: number;
  waiting: number;
  unknown: number;
  open: number;
  /** Returns the local ids of the messages that need a decision. */
  needsDecision: () => Promise<Set<string>>;
}

/** Counts the unsettled messages of Node-RED and MESH once. */
export async function unsettled(port: number, sandbox: Pick<Sandbox, 'messages'>): Promise<Unsettled> {
  const waiting = await listOutbox(port, 'waiting');
  const unknown = await listOutbox(port, 'unknown');
  const open = uncollected(sandbox);
  return {
    moving: waiting.length + unknown.filter(({ held }) => !held).length + open,
    waiting: waiting.length,
    unknown: unknown.length,
    open,
    needsDecision: async () => new Set([...unknown, ...(await listOutbox(port, 'held'))].map(({ localId }) => localId)),
  };
}

/** Makes MESH drop requests before and after they take effect and respond 503, each with this probability. */
export function makeFaulty(sandbox: Pick<Sandbox, 'fault'>, probability: number): void {
  const common = { operation: '*', times: Infinity, probability } as const;
  sandbox.fault({ ...common, effect: { kind: 'drop', when: 'before' } });
  sandbox.fault({ ...common, effect: { kind: 'drop', when: 'after' } });
  sandbox.fault({ ...common, effect: { kind: 'status', status: 503 } });
}

/**
 * Starts the server that the flow posts received messages to before it acknowledges them; `take` returns the body of
 * the response. Alarms are posted to `/alarm`.
 */
export async function startReceiver(
  take: (delivery: Delivery, mesh: Record<string, unknown>) => string,
  alarm: (code: string, outboxId: string) => void = () => undefined,
): Promise<{ port: number; close: () => void }> {
  const server = createServer((request, response) => {
    const respond = async (): Promise<void> => {
      const body = JSON.parse(await bodyOf(request)) as Body & { code?: string; id?: string };
      if (request.url === '/alarm') {
        alarm(body.code ?? '', body.id ?? '');
        response.end();
        return;
      }
      response.end(take(await toDelivery(body), body.mesh));
    };
    respond().catch(() => response.destroy());
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

async function toDelivery({ mesh, text, file }: Body): Promise<Delivery> {
  const bytes = file === undefined ? Buffer.from(text ?? '') : await readFile(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { messageId: mesh.messageId, deliveryCount: mesh.deliveryCount, sha256 };
}

/** The state at the end of a run. */
export interface EndState {
  keys: readonly Key[];
  messages: readonly SandboxMessage[];
  deliveries: readonly Delivery[];
  /** Local ids of the messages that need a decision. */
  needsDecision: ReadonlySet<string>;
  /** Maximum number of messages that may need a decision. */
  maxNeedsDecision: number;
  /** Outbox ids that an alarm has reported as sent twice. */
  reportedTwice?: ReadonlySet<string>;
}

/** Verifies that every key is at MESH once or needs a decision, and that the flow got every collected message. */
export function verifyKeys({
  keys,
  messages,
  deliveries,
  needsDecision,
  maxNeedsDecision,
  reportedTwice = new Set(),
}: EndState) {
  const faults: string[] = [];
  const atMesh = new Map<string, string[]>();
  for (const { localId = '', messageId, status } of messages) {
    if (status !== 'uploading') atMesh.set(localId, [...(atMesh.get(localId) ?? []), messageId]);
  }
  const deliveriesOf = Map.groupBy(deliveries, ({ messageId }) => messageId);
  const counts = {
    keys: keys.length,
    once: 0,
    needsDecision: 0,
    needsDecisionAtMesh: 0,
    twice: 0,
    lost: 0,
    redelivered: 0,
    repeated: 0,
  };
  for (const { key, kind, confirmed, attempts, sha256 } of keys) {
    const found = atMesh.get(confirmed?.localId ?? '') ?? [];
    const isUndecided = needsDecision.has(confirmed?.localId ?? '');
    if (attempts > 1) counts.repeated += 1;
    if (isUndecided) counts.needsDecision += 1;
    if (isUndecided && found.length > 0) {
      counts.needsDecisionAtMesh += 1;
      faults.push(`${key} (${kind}) needs a decision although MESH has it`);
    }
    if (found.length > 1) {
      counts.twice += 1;
      if (!reportedTwice.has(confirmed?.id ?? '')) faults.push(`${key} (${kind}) was sent ${found.length} times`);
    }
    if (found.length === 0 && !isUndecided) {
      counts.lost += 1;
      faults.push(`${key} (${kind}) is not at MESH and does not need a decision`);
    }
    for (const messageId of found) {
      const received = deliveriesOf.get(messageId) ?? [];
      if (received.length === 0) faults.push(`${key} (${kind}) was never delivered to the flow`);
      if (received.some((delivery) => delivery.sha256 !== sha256))
        faults.push(`${key} (${kind}) was delivered with different bytes`);
      if (received.filter((delivery) => delivery.deliveryCount === 1).length > 1) {
        faults.push(`${key} (${kind}) was delivered twice with delivery count 1`);
      }
      if (received.length > 1) counts.redelivered += 1;
    }
    if (found.length === 1) counts.once += 1;
  }
  const left = messages.filter((message) => message.status === 'accepted').length;
  if (left > 0) faults.push(`${left} messages were not collected`);
  if (counts.needsDecision > maxNeedsDecision) {
    faults.push('more messages need a decision than kills and lost responses explain');
  }
  return { counts, faults };
}

/** Prints the result. Returns true if there is no fault. */
export function report({ counts, faults }: ReturnType<typeof verifyKeys>, how: string): boolean {
  for (const fault of faults.slice(0, 20)) say(`FAULT: ${fault}`);
  say(
    `${counts.keys} keys (${counts.repeated} repeated): ${counts.once} once at MESH, ` +
      `${counts.needsDecision} need a decision, ${counts.twice} twice, ${counts.lost} lost; ` +
      `${counts.redelivered} redelivered with a higher count. ${how}`,
  );
  return faults.length === 0;
}

/** Prints the summary line in the format of scripts/test.ts. Returns true if every run passed. */
export function sayTotal(runs: readonly boolean[]): boolean {
  const passed = runs.filter(Boolean).length;
  say(`Tests: ${passed} passed, ${runs.length - passed} failed, 0 skipped`);
  return passed === runs.length;
}

/** Returns a mulberry32 generator: the same seed yields the same times, as far as process timing can be repeated. */
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

/** Runs a script, prints an error, and sets the exit code. */
export function runScript(main: () => Promise<boolean>, hint: string): void {
  main().then(
    (good) => process.exit(good ? 0 : 1),
    (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`${text}\n${hint}\n`);
      process.exit(1);
    },
  );
}
