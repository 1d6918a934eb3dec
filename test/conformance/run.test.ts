/** The conformance run over real TLS against the sandbox: its findings, and the faults that it must find. */
import assert from 'node:assert/strict';
import { openMailbox } from '../../lib';
import { evidencePage } from '../../lib/conformance/evidence-page';
import { conformanceSandbox, itemOf, MARK, optionsFor, run } from './support';

describe('the conformance run', () => {
  it('passes every item on the sandbox, and names those run with less than the catalogue requires', async () => {
    const sandbox = await conformanceSandbox();
    const { items } = await run(sandbox);
    assert.deepEqual(
      items.map(({ id, verdict, reason }) => [id, verdict, reason?.replace(/^It was run with \d+ \w+; /, '')]),
      [
        ['201', 'passed', undefined],
        ['202', 'passed', undefined],
        ['401', 'passed', undefined],
        ['402', 'passed', undefined],
        ['501', 'not possible here', 'the catalogue requires more than 200 MB.'],
        ['502', 'not possible here', 'the catalogue requires more than 200 MB.'],
        ['601', 'not possible here', 'the catalogue requires 600.'],
        ['701', 'passed', undefined],
        ['702', 'passed', undefined],
        ['703', 'passed', undefined],
        ['704', 'passed', undefined],
        ['705', 'passed', undefined],
        ['801', 'passed', undefined],
        ['802', 'passed', undefined],
        ['803', 'passed', undefined],
      ],
    );
    assert.ok(items.every(({ checks }) => checks.every(({ ok }) => ok)));
    assert.deepEqual(
      sandbox.messages().filter(({ status }) => status === 'accepted'),
      [],
    );
  });

  it('keeps passwords, shared key and tokens out of the pack; every exchange has a redacted token', async () => {
    const findings = await run(await conformanceSandbox());
    for (const text of [JSON.stringify(findings), evidencePage(findings)]) {
      assert.ok(!text.includes(MARK));
      assert.ok(!/NHSMESH [^"\n<]*:[0-9a-f]{8}/i.test(text));
      assert.ok(text.includes('NHSMESH X26ABC1:[redacted]'));
    }
    for (const { requestHeaders } of findings.items.flatMap(({ exchanges }) => exchanges)) {
      assert.match(
        requestHeaders.find(([name]) => name === 'Authorization')?.[1] ?? '',
        /^NHSMESH X26ABC\d:\[redacted\]$/,
      );
    }
  });

  it('leaves other messages in the inbox, and keeps their personal headers out of the pack', async () => {
    const sandbox = await conformanceSandbox();
    const options = optionsFor(sandbox, { items: ['201', '401', '601', '703'] });
    const [sender] = options.mailboxes;
    assert.ok(sender);
    const other = openMailbox({ ...options.connection, ...sender });
    const subject = 'SUBJECT7771';
    const ids: string[] = [];
    for (const to of ['X26ABC1', 'X26ABC2']) {
      ids.push((await other.send({ to, workflowId: 'W', payload: 'x', subject })).messageId);
    }
    await other.close();
    const findings = await run(sandbox, {
      ...options,
      timeTravel: undefined as never,
      pending: pendingOf(ids[0] ?? ''),
    });
    assert.ok(!JSON.stringify(findings).includes(subject));
    assert.match(JSON.stringify(itemOf(findings, '703').exchanges), /not of this run/);
    const left = sandbox.messages().filter(({ status }) => status === 'accepted');
    assert.deepEqual(left.map(({ messageId }) => messageId).sort(), ids.sort());
  });

  it('leaves 703, 705 and 803 to a person if time cannot be moved, and finishes two of them later', async () => {
    const sandbox = await conformanceSandbox();
    const items = ['703', '705', '803'];
    const { timeTravel: _none, ...options } = optionsFor(sandbox, { items });
    const first = await run(sandbox, { ...options, timeTravel: undefined as never });
    assert.deepEqual(
      first.items.map(({ verdict }) => verdict),
      ['needs a person', 'needs a person', 'needs a person'],
    );
    assert.ok(first.pending);
    sandbox.clock.advance(6 * 24 * 3600 * 1000);
    sandbox.clock.advance(-6 * 24 * 3600 * 1000);
    const acceptedAt = new Date(Date.now() - 6 * 24 * 3600 * 1000).toISOString();
    const pending = { ...first.pending, acceptedAt };
    const second = await run(sandbox, { ...options, timeTravel: undefined as never, pending });
    assert.deepEqual(
      second.items.map(({ verdict }) => verdict),
      ['passed', 'passed', 'needs a person'],
    );
    assert.equal(second.pending, undefined);
  });

  it('reports 701 as not possible without a disabled mailbox', async () => {
    const sandbox = await conformanceSandbox();
    const { disabled: _none, ...options } = optionsFor(sandbox, { items: ['701'] });
    const findings = await run(sandbox, { ...options, disabled: undefined as never });
    assert.equal(itemOf(findings, '701').verdict, 'not possible here');
  });

  it('works with one mailbox that sends to itself', async () => {
    const sandbox = await conformanceSandbox();
    const { mailboxes } = optionsFor(sandbox);
    const findings = await run(sandbox, { mailboxes: mailboxes.slice(0, 1) });
    assert.deepEqual(
      findings.items.filter(({ verdict }) => verdict === 'failed'),
      [],
    );
  });

  it('ends with the client’s own error if the first handshake is refused', async () => {
    const sandbox = await conformanceSandbox();
    const mailboxes = [{ mailboxId: 'X26ABC1', password: 'wrong' }];
    await assert.rejects(run(sandbox, { mailboxes }), { code: 'MESH_AUTHENTICATION' });
  });

  it('refuses an item that is not in the catalogue, by its number', async () => {
    const sandbox = await conformanceSandbox();
    await assert.rejects(run(sandbox, { items: ['999'] }), { code: 'MESH_CONFIGURATION', message: /no item 999/ });
  });

  describe('fails', () => {
    const failing: Array<[id: string, why: string, how: Parameters<typeof runWithFault>[0]]> = [
      ['202', 'if the message is not accepted', { operation: 'send_message', effect: { kind: 'status', status: 400 } }],
      ['401', 'if a payload is corrupt', { operation: 'retrieve_message', effect: { kind: 'corrupt' } }],
      [
        '402',
        'if the message is not acknowledged',
        { operation: 'acknowledge_message', effect: { kind: 'status', status: 400 } },
      ],
      ['502', 'if a chunk is truncated', { operation: 'retrieve_chunk', effect: { kind: 'truncate', bytes: 10 } }],
      [
        '601',
        'if one of the messages is gone',
        { operation: 'retrieve_message', after: 5, effect: { kind: 'status', status: 410 } },
      ],
      [
        '702',
        'if the message is accepted',
        { operation: 'send_message', effect: { kind: 'status', status: 202, body: { message_id: 'A' } } },
      ],
      [
        '704',
        'if the code is missing',
        { operation: 'retrieve_message', effect: { kind: 'status', status: 404, body: {} } },
      ],
      [
        '705',
        'if the status is another one',
        { operation: 'retrieve_message', effect: { kind: 'status', status: 404 } },
      ],
    ];
    for (const [id, why, how] of failing) {
      it(`${id} ${why}`, async () => {
        const findings = await runWithFault(how, id);
        assert.equal(itemOf(findings, id).verdict, 'failed', JSON.stringify(itemOf(findings, id).checks));
      });
    }

    it('701 if the mailbox is not disabled', async () => {
      const sandbox = await conformanceSandbox();
      sandbox.setMailboxActive('X26ABC3', true);
      assert.equal(itemOf(await run(sandbox, { items: ['701'] }), '701').verdict, 'failed');
    });

    it('703 if no REPORT has arrived', async () => {
      const sandbox = await conformanceSandbox();
      const findings = await run(sandbox, { items: ['703'], timeTravel: { advance: () => undefined } });
      assert.equal(itemOf(findings, '703').verdict, 'failed');
    });

    it('801 if a mailbox has several requests in progress', async () => {
      const sandbox = await conformanceSandbox();
      const { connection } = optionsFor(sandbox);
      const findings = await run(sandbox, { items: ['801'], connection: { ...connection, connections: 4 } });
      assert.match(itemOf(findings, '801').reason ?? '', /no mailbox ever had more than one request/);
    });

    it('802 if a message was downloaded and not acknowledged', async () => {
      const findings = await runWithFault(
        { operation: 'acknowledge_message', effect: { kind: 'status', status: 400 } },
        '802',
        ['401', '802'],
      );
      // The run acknowledges leftover messages only after its last item.
      assert.equal(itemOf(findings, '802').verdict, 'failed');
    });
  });
});

function pendingOf(messageId: string): { messageId: string; from: string; to: string; acceptedAt: string } {
  return { messageId: `${messageId}X`, from: 'X26ABC1', to: 'X26ABC2', acceptedAt: '2020-01-01T00:00:00.000Z' };
}

type Sandbox = Awaited<ReturnType<typeof conformanceSandbox>>;

/** Runs one item on a sandbox with one fault. */
async function runWithFault(fault: Parameters<Sandbox['fault']>[0], id: string, items = [id]): ReturnType<typeof run> {
  const sandbox = await conformanceSandbox();
  sandbox.fault(fault);
  return run(sandbox, { items });
}
