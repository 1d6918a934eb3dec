/** Time in Node-RED: only the harness that starts a Node-RED can change its clock. Needs `npm run build`. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { machineMs, setClock, systemClock } from '../../lib/clock';
import * as library from '../../lib/index';
import { fastClock, restoreClock } from '../harness/clocks';
import { emptyFolder } from '../harness/cleanup';
import { startNodeRed } from '../harness/flows';
import { eventually } from '../harness/until';
import { ROOT, setClockOf, type NodeRedMajor, type NodeRedOptions } from '../harness/node-red';

const MAJOR = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
const PACKAGE = '@mesh-flows/node-red-nhs-mesh';
const MINUTE_MS = 60_000;
const on = (node: object): object => ({ z: 'tab', x: 100, y: 100, wires: [], ...node });

const FLOW = [
  { id: 'tab', type: 'tab', label: 'clock' },
  { id: 'box', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC1', version: 1 },
  on({ id: 'ask', type: 'inject', props: [], wires: [['status']] }),
  on({ id: 'status', type: 'mesh-status', all: 'one', mailbox: 'box', property: 'payload', wires: [[], ['state']] }),
  on({ id: 'state', type: 'debug', active: true, complete: 'payload', targetType: 'msg' }),
];

/** Starts a Node-RED and returns the time of its mailbox's first handshake. */
async function handshakeTime(options: Partial<NodeRedOptions>): Promise<number> {
  const { nodeRed, done } = await startNodeRed({
    major: MAJOR,
    flows: FLOW,
    settings: 'debugMaxLength: 10000,',
    ...options,
  });
  try {
    for (;;) {
      await nodeRed.inject('ask');
      const { mailboxes } = (await nodeRed.debug('state')) as { mailboxes: State[] };
      const time = mailboxes[0]?.health?.handshake.lastSucceeded;
      if (time) return Date.parse(time);
    }
  } finally {
    await done();
  }
}

interface State {
  health?: Record<'handshake' | 'poll', { lastSucceeded: string | null }>;
}

describe('the clock', function () {
  this.timeout(120_000);

  it('is the machine’s, whatever the environment and the settings contain', async () => {
    const before = Date.now();
    const other = `${before},${before - 60 * MINUTE_MS},60`;
    const time = await handshakeTime({
      env: { MESH_TEST_CLOCK: other, MESH_CLOCK: other },
      settings: `debugMaxLength: 10000, mesh: {}, clock: '${other}', testClock: '${other}',`,
    });
    assert.ok(time >= before && time <= Date.now());
  });

  it('is the one that the harness sets in the Node-RED that it starts', async () => {
    const clock = fastClock(60);
    const time = await handshakeTime({ clock });
    const shown = (machine: number): number => clock.start + (machine - clock.machineStart) * clock.speed;
    assert.ok(time >= clock.start && time <= shown(Date.now()));
  });

  it('set back by eight hours while Node-RED runs is logged, reported by mesh-status, and stops no poll', async () => {
    const now = Date.now();
    const userDir = await emptyFolder();
    const clock = { machineStart: now, start: now, speed: 60 };
    const flows = [
      ...FLOW.filter((node) => !('id' in node && node.id === 'status')),
      on({
        id: 'status',
        type: 'mesh-status',
        all: 'one',
        mailbox: 'box',
        everySeconds: 1,
        property: 'payload',
        wires: [['alerts'], ['state']],
      }),
      on({ id: 'alerts', type: 'debug', active: true, complete: 'payload', targetType: 'msg' }),
      on({
        id: 'poll',
        type: 'mesh-poll',
        version: 1,
        mailbox: 'box',
        interval: 1,
        payloadAs: 'text',
        charset: 'utf-8',
        acknowledge: 'flow',
        maxInFlight: 1,
        wires: [[], [], [], []],
      }),
    ];
    const settings = 'debugMaxLength: 10000,';
    const { nodeRed, done } = await startNodeRed({ major: MAJOR, flows, settings, clock, userDir });
    const isStep = (value: unknown): boolean => (value as { kind: string }).kind === 'clock-set';
    const lastPoll = async (): Promise<number> => {
      await nodeRed.inject('ask');
      const { mailboxes } = (await nodeRed.debug('state')) as { mailboxes: State[] };
      return Date.parse(mailboxes[0]?.health?.poll.lastSucceeded ?? '');
    };
    try {
      await eventually('the first poll', async () => Number.isFinite(await lastPoll()), 20_000);
      const start = now - 8 * 60 * MINUTE_MS;
      setClockOf(userDir, { ...clock, start });
      const shown = (machine: number): number => start + (machine - now) * 60;
      const alert = (await nodeRed.debug('alerts', 20_000, isStep)) as { kind: string; text: string };
      assert.deepEqual(
        [alert.kind, alert.text],
        ['clock-set', 'This machine’s clock was set back by 8 hours. (sandbox)'],
      );
      assert.match(nodeRed.log(), /This machine’s clock was set: -288\d\d s/);
      const setAt = shown(Date.now());
      await eventually('two more polls', async () => (await lastPoll()) > setAt + 2 * MINUTE_MS, 20_000);
    } finally {
      await done();
    }
  });

  it('shortens waits, and the leases that a database keeps by the machine’s time', async () => {
    setClock(fastClock(60, 0));
    try {
      assert.equal(machineMs(30_000), 500);
      const [shown, machine] = [systemClock.now(), performance.now()];
      await systemClock.sleep(12_000, new AbortController().signal);
      assert.ok(systemClock.now() - shown >= 11_000);
      assert.ok(performance.now() - machine < 6000);
    } finally {
      restoreClock();
    }
    assert.equal(machineMs(30_000), 30_000);
    assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
  });

  it('is set by no code of the package, and exported from nowhere', () => {
    const files = ['lib', 'nodes'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(?:ts|html|js)$/.test(name))
        .map((name) => join(folder, name)),
    );
    const mentions = files.filter((file) =>
      /setClock|TEST_CLOCK|test-clock/.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    assert.deepEqual(mentions, [join('lib', 'clock.ts')]);
    assert.doesNotMatch(readFileSync(join(ROOT, 'lib', 'clock.ts'), 'utf8'), /process\.|require\(|globalThis/);
    assert.ok(!('setClock' in library) && !('machineMs' in library));
    assert.deepEqual(Object.keys(library.systemClock).toSorted(), ['now', 'sleep', 'steady']);
    // As a function node would load it.
    const load = createRequire(join(ROOT, 'package.json'));
    for (const path of ['dist/lib/clock', 'dist/lib/clock.js', 'lib/clock']) {
      assert.throws(() => load(`${PACKAGE}/${path}`) as unknown, { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }, path);
    }
  });
});
