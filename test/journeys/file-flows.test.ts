/**
 * The examples of file flows beside each other in a real Node-RED, on the sandbox's national services: what each says of
 * a good request, of one that is refused, and of one that is never answered; and that no NHS number gets out.
 */
import assert from 'node:assert/strict';
import type { ServiceName } from '../../lib/sandbox';
import { ExampleRun } from '../harness/example-run';
import { assertNoNhsNumber } from '../harness/nhs-numbers';
import { MAJORS } from '../harness/flows';
import { exampleFlows } from '../harness/node-red';
import { untilInNodeRed } from '../harness/until';

interface Flow {
  /** Begins the ids of the example's nodes. */
  prefix: string;
  service: ServiceName;
  /** Where a good request ends, and what is shown there. */
  end: [debug: string, isIt: (value: unknown) => boolean];
  /** What mesh-track says of a request that the service refuses, wholly or in part, and where its reply ends. */
  refused: [event: string, debug: string];
}

const isReply = (value: unknown): boolean => (value as { outcome?: string }).outcome === 'positive';
const isList = (value: unknown): boolean => Array.isArray(value) && value.length === 2;

const FLOWS: Record<string, Flow> = {
  'opt-out-check': {
    prefix: 'oo',
    service: 'opt-out',
    // One of four people has opted out.
    end: ['list', (value) => JSON.stringify((value as { rows: object }).rows) === '{"sent":4,"returned":3}'],
    refused: ['reply negative', 'refused'],
  },
  'vaccination-batch': {
    prefix: 'vb',
    service: 'vaccinations',
    end: ['taken', isReply],
    refused: ['reply partial', 'failed'],
  },
  'nhs-notify': { prefix: 'nn', service: 'notify', end: ['each', isList], refused: ['reply negative', 'refused'] },
  'digital-letter': {
    prefix: 'dg',
    service: 'digital-letters',
    end: ['each', (value) => Array.isArray(value) && value.length === 1],
    refused: ['reply negative', 'refused'],
  },
  'landing-portal': {
    prefix: 'lp',
    service: 'landing-portal',
    end: ['each', (value) => /^activity_\d+\.csv$/.test(String(value))],
    refused: ['reply negative', 'each'],
  },
  'pds-trace': { prefix: 'tr', service: 'pds-trace', end: ['codes', isList], refused: ['reply negative', 'refused'] },
};
const NAMES = Object.keys(FLOWS);
const ALL = Object.values(FLOWS);
const LIMIT_MS = 40_000;
/** The services answer at once; their times are another test's. */
const AT_ONCE = { receipt: 0, result: 0, report: 0 };
/** The clock after the restart: the longest time of a reply, a day, passes in 12 s. */
const SPEED = 7200;

interface Change {
  event: string;
  overdue?: string;
}

/** Returns the id of an example's mailbox node. */
const mailboxOf = (name: string): string => exampleFlows(name).find(({ type }) => type === 'mesh-config')?.id ?? '';

for (const major of MAJORS) {
  describe(`the examples of file flows in a real Node-RED ${major}`, function () {
    this.timeout(120_000);
    let run: ExampleRun;
    /** What was logged and shown before the restart, and every error at Catch. */
    let logged = '';
    const errors: unknown[] = [];

    before(async () => {
      const changes = Object.fromEntries([
        ...[...ALL, { prefix: 'mn' }].map(({ prefix }) => [`${prefix}-poll`, { interval: 0 }] as const),
        ...ALL.map(({ prefix }) => [`${prefix}-wait`, { timeout: '2' }] as const),
      ]);
      run = await ExampleRun.start([...NAMES, 'mns-events'], { major, changes, nationalServices: true });
      for (const { service } of ALL) run.sandbox.setService(service, { delaysMs: AT_ONCE });
      await run.untilGreen(...ALL.map(({ prefix }) => `${prefix}-send`));
    });
    after(() => run?.end());

    const press = (button: string): Promise<unknown> =>
      Promise.all(ALL.map(({ prefix }) => run.nodeRed.inject(`${prefix}-${button}`)));
    const person = (prefix: string, isIt: (change: Change) => boolean): Promise<unknown> =>
      run.nodeRed.debug(`${prefix}-person`, LIMIT_MS, (value) => isIt(value as Change));
    /** Takes every error that is shown at Catch. */
    const takeErrors = async (): Promise<void> => {
      for (const { prefix } of ALL) {
        for (let error: unknown = ''; error !== undefined;) {
          error = await run.nodeRed.debug(`${prefix}-error`, 0).catch(() => undefined);
          if (error !== undefined) errors.push(error);
        }
      }
      logged += run.nodeRed.log() + JSON.stringify(run.nodeRed.statusesSent());
    };

    it('show what came of a good request, with as many rows as were sent', async () => {
      await press('good');
      for (const { prefix, end } of ALL) await run.nodeRed.debug(`${prefix}-${end[0]}`, LIMIT_MS, end[1]);
    });

    it('send nothing that their own check refuses, and say why without a value', async () => {
      const before = run.sandbox.messages().length;
      await press('faulty');
      for (const { prefix } of ALL) {
        const findings = (await run.nodeRed.debug(`${prefix}-findings`, LIMIT_MS)) as object[];
        assert.ok(findings.length > 0, prefix);
        assertNoNhsNumber(JSON.stringify(findings));
      }
      assert.equal(run.sandbox.messages().length, before);
    });

    it('hand what the service refuses to a person, and its answer to an output of the flow', async () => {
      await press('unchecked');
      for (const { prefix, refused } of ALL) {
        await person(prefix, ({ event }) => event === refused[0]);
        await run.nodeRed.debug(`${prefix}-${refused[1]}`, LIMIT_MS);
      }
    });

    it('take an event of MNS once, by its number, and hand a type that nobody wants to a person', async () => {
      for (const [button, end, number] of [
        ['e1', 'gp', '1'],
        ['e2', 'death', '2'],
        ['e4', 'unknown', '3'],
      ] as const) {
        await run.nodeRed.inject(`mn-${button}`);
        const event = (await run.nodeRed.debug(`mn-${end}`, LIMIT_MS)) as { number: string; subscription: string };
        assert.deepEqual([event.number, event.subscription], [number, 'Subscription/child-health']);
      }
      await run.nodeRed.inject('mn-e3');
      assert.equal(await run.nodeRed.debug('mn-seen', LIMIT_MS), 'Subscription/child-health 2');
      await assert.rejects(run.nodeRed.debug('mn-death', 200));
    });

    it('raise a request that is never answered when its time is up, and take silence for no answer', async () => {
      for (const { service } of ALL) run.sandbox.setService(service, { answer: 'silent' });
      const before = run.sandbox.messages().length;
      await press('good');
      await untilInNodeRed('the requests', () => run.sandbox.messages().length >= before + NAMES.length);
      await takeErrors();
      const now = Date.now();
      await run.restart('SIGTERM', { machineStart: now, start: now, speed: SPEED });
      for (const { prefix, end } of ALL) {
        await person(prefix, ({ event, overdue }) => event === 'overdue' && overdue === 'reply');
        await assert.rejects(run.nodeRed.debug(`${prefix}-${end[0]}`, 0, end[1]));
      }
    });

    it('let no NHS number into an error, a log, a status or a ledger', async () => {
      await takeErrors();
      assertNoNhsNumber(JSON.stringify(errors));
      assert.match(logged, /Started flows/);
      assertNoNhsNumber(logged);
      for (const name of NAMES) {
        const path = `/mesh/mailboxes/${mailboxOf(name)}/ledger?format=jsonl&days=30`;
        const headers = { 'node-red-api-version': 'v2' };
        const ledger = await (await fetch(run.nodeRed.url + path, { headers })).text();
        assert.match(ledger, /"overdue"/);
        assert.match(ledger, /"reply (?:negative|partial)"/);
        assertNoNhsNumber(ledger);
      }
    });
  });
}
