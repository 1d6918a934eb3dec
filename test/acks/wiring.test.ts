/** The closed loop over a real sandbox: sent messages, their acknowledgements, and what these settle. */
import assert from 'node:assert/strict';
import {
  InvalidMessageError,
  KeyReusedError,
  NotFoundError,
  type AcknowledgementRequest,
  type Delivery,
} from '../../lib/index';
import { failure } from '../harness/failure';
import { loadProfiles, type WorkflowProfiles } from '../../lib/acks/profiles';
import { readItk3Response } from '../../lib/acks/itk3/read';
import { itk3Request, MEDRPT, NEMS_EVENT, R4_MESSAGE } from './fixtures';
import { outcomes, party, sent, twoParties, type Party } from './support';

const TOC = 'TOC_FHIR_IP_DISCH';
const PATH = 'PATH_MEDRPT_V3';
const ADT = 'MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4|||AL|AL\rPID|||1||SMITH\r';

const accept = (
  level: AcknowledgementRequest['level'] = 'business',
  more: Partial<AcknowledgementRequest> = {},
): AcknowledgementRequest => ({
  form: 'profile',
  level,
  outcome: 'accepted',
  ...more,
});
const reject = (
  level: AcknowledgementRequest['level'],
  code: string,
  more: Partial<AcknowledgementRequest> = {},
): AcknowledgementRequest => ({
  ...accept(level, more),
  outcome: 'rejected',
  code,
});

/** Acknowledges the last message that a party received, and lets the acknowledgement arrive. */
async function acknowledgeLast(by: Party, at: Party, wanted: AcknowledgementRequest): Promise<Delivery | undefined> {
  const messageId = by.taken.ids().at(-1) ?? '';
  await by.sendAcknowledgement(messageId, wanted);
  await sent(by);
  await at.collect();
  return at.taken.deliveries.at(-1);
}

describe('the closed loop', () => {
  it('an ITK3 request awaits what its flags say, and both acknowledgements settle it', async () => {
    const { lab, practice } = await twoParties();
    const { id, messageId } = await lab.sendOne(itk3Request(), TOC);
    assert.deepEqual(await outcomes(lab, id), ['awaited', 'awaited']);
    await practice.collect();
    assert.equal(practice.taken.deliveries[0]?.kind, 'data');

    const first = await acknowledgeLast(practice, lab, accept('infrastructure'));
    assert.equal(first?.kind, 'business-acknowledgement');
    assert.deepEqual(first?.acknowledgement, {
      answers: 'msg-1',
      level: 'infrastructure',
      result: 'positive',
      code: '20013',
      meaning: 'Success',
      sentId: id,
      sentMessageId: messageId,
    });
    assert.equal(first?.received.message.workflowId, `${TOC}_ACK`);
    assert.equal(first?.received.message.from, 'X26ABC2');
    assert.deepEqual(await outcomes(lab, id), ['positive', 'awaited']);

    const second = await acknowledgeLast(practice, lab, reject('business', '30002'));
    assert.deepEqual([second?.acknowledgement?.result, second?.acknowledgement?.sentId], ['negative', id]);
    assert.deepEqual(await outcomes(lab, id), ['positive', 'negative']);
    assert.deepEqual(
      lab.events
        .filter(({ acknowledgement }) => acknowledgement)
        .map(({ event, acknowledgement }) => [event, acknowledgement?.code]),
      [
        ['infrastructure positive', '20013'],
        ['business negative', '30002'],
      ],
    );
    assert.deepEqual(lab.taken.failures, []);
  });

  it('JSON is acknowledged in JSON, and the acknowledgement names the request', async () => {
    const { lab, practice } = await twoParties();
    const header = { resourceType: 'MessageHeader', id: 'json-1', source: { endpoint: 'X26ABC1' } };
    const bundle = { resourceType: 'Bundle', type: 'message', entry: [{ resource: header }] };
    const { id } = await lab.sendOne(JSON.stringify(bundle), TOC);
    // Its flags cannot be read: they count as set.
    assert.deepEqual(await outcomes(lab, id), ['awaited', 'awaited']);
    await practice.collect();
    const acknowledgement = await acknowledgeLast(practice, lab, accept('infrastructure'));
    const payload = acknowledgement?.received.payload ?? Buffer.alloc(0);
    assert.equal(payload.toString('utf8', 0, 1), '{');
    assert.equal(readItk3Response(payload).acknowledges, 'json-1');
  });

  it('IAP settles an interchange in part, and the mailbox reports it', async () => {
    const { lab, practice } = await twoParties();
    const { id } = await lab.sendOne(MEDRPT, PATH);
    assert.deepEqual(await outcomes(lab, id), ['not-asked', 'awaited']);
    await practice.collect();
    const partial = accept('business', { outcome: 'partial', rejected: { 2: 'Patient not known here' } });
    const acknowledgement = await acknowledgeLast(practice, lab, partial);
    assert.deepEqual(
      [acknowledgement?.acknowledgement?.code, acknowledgement?.acknowledgement?.result],
      ['IAP', 'partial'],
    );
    assert.match(
      acknowledgement?.received.payload?.toString('latin1') ?? '',
      /NMR\+AGO:2\+MR'FTX\+ERD\+\+\+Patient not known/,
    );
    assert.deepEqual(await outcomes(lab, id), ['not-asked', 'partial']);
    assert.equal(lab.eventsOf(id).at(-1), 'business partial');
  });

  it('an HL7 message that requests both is settled by its commit and its application acknowledgement', async () => {
    const { lab, practice } = await twoParties();
    const { id } = await lab.sendOne(ADT, 'ANY_WORKFLOW');
    assert.deepEqual(await outcomes(lab, id), ['awaited', 'awaited']);
    await practice.collect();
    await acknowledgeLast(practice, lab, accept('infrastructure'));
    assert.deepEqual(await outcomes(lab, id), ['positive', 'awaited']);
    const acknowledgement = await acknowledgeLast(practice, lab, reject('business', 'AR', { text: 'no such ward' }));
    assert.deepEqual(await outcomes(lab, id), ['positive', 'negative']);
    assert.equal(acknowledgement?.received.payload?.toString().includes('SMITH'), false);
  });

  it('the store keeps no patient data of a request', async () => {
    const { lab, practice, storage } = await twoParties();
    await lab.sendOne(ADT, 'ANY_WORKFLOW');
    await practice.collect();
    const row = await storage.store.getIncoming(practice.storeKey, practice.taken.ids()[0] ?? '');
    assert.equal(row?.classification?.['kind'], 'request');
    assert.doesNotMatch(JSON.stringify(row?.classification), /SMITH|PID/);
  });

  it('a late acknowledgement settles an overdue message; a negative one is final; a repeat is not reported', async () => {
    const { lab, practice, storage } = await twoParties();
    const { id } = await lab.sendOne(itk3Request(), TOC);
    await storage.store.changeOutgoing(id, ['accepted', 'acknowledged'], { infrastructure: 'overdue' });
    await practice.collect();
    await acknowledgeLast(practice, lab, reject('infrastructure', '20009'));
    assert.deepEqual(await outcomes(lab, id), ['negative', 'awaited']);
    const eventsBefore = lab.events.length;
    // The same again, and its opposite, from a system that breaks the rules.
    const acknowledgement = lab.taken.deliveries.at(-1)?.received.payload?.toString() ?? '';
    const opposite = acknowledgement.replaceAll('20009', '20013').replaceAll('fatal-error', 'ok');
    for (const payload of [acknowledgement, opposite]) await practice.sendOne(payload, `${TOC}_ACK`);
    await lab.collect();
    assert.equal(lab.taken.deliveries.length, 3);
    assert.deepEqual(
      lab.taken.deliveries.map((delivery) => delivery.acknowledgement?.sentId),
      [id, id, id],
    );
    assert.deepEqual(await outcomes(lab, id), ['negative', 'awaited']);
    assert.equal(lab.events.slice(eventsBefore).filter((event) => event.acknowledgement).length, 0);
    const history = (await lab.outbox.history(id)).map(({ event }) => event);
    assert.equal(history.filter((event) => event === 'answer repeated').length, 2);
    assert.deepEqual(lab.taken.failures, []);
  });

  it('an acknowledgement of nothing, and an unreadable one, is raised once, and delivered', async () => {
    const { lab, practice } = await twoParties();
    await lab.sendOne(itk3Request(), TOC);
    await practice.collect();
    await acknowledgeLast(practice, lab, accept('infrastructure'));
    const acknowledgement = lab.taken.deliveries[0]?.received.payload?.toString() ?? '';
    await practice.sendOne(acknowledgement.replace('msg-1', 'msg-9'), `${TOC}_ACK`);
    await practice.sendOne(acknowledgement.replaceAll('20013', '29999'), `${TOC}_ACK`);
    await practice.sendOne('Thank you!', `${TOC}_ACK`);
    await lab.collect();
    await lab.collect();
    const raised = lab.taken.failures.map(({ messageId, error }) => [messageId, error.code].join(' '));
    const unsettled = lab.taken.ids().slice(1);
    assert.equal(raised.length, 3);
    assert.deepEqual(new Set(raised), new Set(unsettled.map((messageId) => `${messageId} MESH_INVALID_MESSAGE`)));
    const codes = lab.taken.deliveries.map(
      ({ acknowledgement: each }) => `${each?.code} ${each?.sentId === undefined}`,
    );
    assert.equal(codes[0], '20013 false');
    assert.deepEqual(new Set(codes.slice(1)), new Set(['20013 true', 'undefined true']));
    assert.ok(lab.taken.deliveries.every(({ kind }) => kind === 'business-acknowledgement'));
    const texts = lab.taken.failures.map(({ error }) => error.message);
    assert.equal(texts.filter((text) => /not sent from here/.test(text)).length, 1);
    assert.equal(texts.filter((text) => /cannot be read/.test(text)).length, 2);
  });

  it('a control id counts only from the recipient', async () => {
    const { server, storage, lab } = await twoParties();
    const third = party(server, { storage, mailboxId: 'X26ABC3' }, 'X26ABC1');
    const { id } = await lab.sendOne(ADT, 'ANY_WORKFLOW');
    await third.sendOne('MSH|^~\\&|C|D|A|B|20260401||ACK|9|P|2.4\rMSA|AA|M-1\r', 'ANY_WORKFLOW');
    await lab.collect();
    assert.deepEqual(await outcomes(lab, id), ['awaited', 'awaited']);
    assert.equal(lab.taken.deliveries[0]?.kind, 'business-acknowledgement');
    assert.equal(lab.taken.failures.length, 1);
  });

  it('nothing is acknowledged that did not request it, or whose workflow has no acknowledgement', async () => {
    const { lab, practice } = await twoParties();
    const cases = [
      [itk3Request({ inf: 'false', bus: 'false' }), TOC, 'not-asked'],
      [MEDRPT.replace('++1', ''), PATH, 'not-asked'],
      ['x', 'CHANGEOFADDRESS_1', 'no-answer'],
      [R4_MESSAGE, 'ANYTHING', 'no-answer'],
      [NEMS_EVENT, 'SOME_EVENT_1', 'no-answer'],
      ['x', 'ANYTHING', 'no-answer'],
    ] as const;
    for (const [payload, workflow, why] of cases) {
      const { id } = await lab.sendOne(payload, workflow);
      assert.deepEqual(await outcomes(lab, id), ['not-asked', 'not-asked']);
      await practice.collect();
      const result = await practice.sendAcknowledgement(practice.taken.ids().at(-1) ?? '', accept());
      assert.deepEqual(result, { sent: false, why });
    }
    assert.equal((await practice.outbox.list({})).length, 0);
  });

  it('a batch of HL7 messages is answered by a batch, and a negative acknowledgement in one counts', async () => {
    const { lab, practice } = await twoParties();
    const second = ADT.replaceAll('M-1', 'M-2');
    const batch = await lab.sendOne(`BHS|^~\\&|A\r${ADT}${second}BTS|2\r`, 'BATCH', {
      requestedAcknowledgements: { business: true },
    });
    await practice.collect();
    await acknowledgeLast(practice, lab, accept('business', { form: 'hl7v2' }));
    const answer = lab.taken.deliveries.at(-1);
    assert.match(answer?.received.payload?.toString() ?? '', /\rMSA\|AA\|M-1\rMSH.*\rMSA\|AA\|M-2\r$/);
    assert.equal(answer?.acknowledgement?.further?.[0]?.answers, 'M-2');
    assert.equal((await outcomes(lab, batch.id))[1], 'positive');

    const [third, fourth] = ['M-3', 'M-4'].map((id) => ADT.replaceAll('M-1', id));
    const one = await lab.sendOne(third ?? '', 'SINGLE', { requestedAcknowledgements: { business: true } });
    const two = await lab.sendOne(fourth ?? '', 'SINGLE', { requestedAcknowledgements: { business: true } });
    const ack = (code: string, id: string): string => `MSH|^~\\&|C|D|A|B|2026||ACK|9|P|2.4\rMSA|${code}|${id}\r`;
    await practice.sendOne(ack('AA', 'M-3') + ack('AE', 'M-4'), 'SINGLE_ACK');
    await lab.collect();
    assert.deepEqual([(await outcomes(lab, one.id))[1], (await outcomes(lab, two.id))[1]], ['positive', 'negative']);

    const refused = await lab.sendOne(ADT.replaceAll('M-1', 'M-5') + ADT.replaceAll('M-1', 'M-6'), 'BATCH', {
      requestedAcknowledgements: { business: true },
    });
    await practice.sendOne(ack('AA', 'M-5') + ack('AR', 'M-6'), 'BATCH_ACK');
    await lab.collect();
    assert.equal((await outcomes(lab, refused.id))[1], 'negative');
  });

  it('a batch of 2,000 HL7 messages is answered by a batch, each by its own header', async () => {
    const { lab, practice } = await twoParties();
    const header = (id: number): string =>
      `MSH|^~\\&|A${id % 3}|B|C|D|2026||ADT^A0${id % 2}|M-${id}|P|2.4|||AL|${id === 7 ? '' : 'AL'}\r`;
    const messages = Array.from({ length: 2000 }, (_, id) => `${header(id)}PID|1\r`);
    const batch = await lab.sendOne(messages.join(''), 'BATCH', { requestedAcknowledgements: { business: true } });
    await practice.collect();
    await acknowledgeLast(practice, lab, accept('business', { form: 'hl7v2' }));
    const answers = (lab.taken.deliveries.at(-1)?.received.payload?.toString() ?? '').split(/(?=MSH\|)/);
    assert.equal(answers.length, 2000);
    for (const [id, answer] of answers.entries()) {
      assert.equal(answer.split('|')[4], `A${id % 3}`, 'the sender is the receiver of the answer');
      assert.match(answer, new RegExp(`\\rMSA\\|AA\\|M-${id}\\r$`));
    }
    assert.equal((await outcomes(lab, batch.id))[1], 'positive');
  });

  it('one that names an unknown message in a batch of acknowledgements settles nothing, and is reported', async () => {
    const { lab, practice } = await twoParties();
    const adt = (id: string): string => ADT.replaceAll('M-1', id);
    const ack = (code: string, id: string): string => `MSH|^~\\&|C|D|A|B|2026||ACK|9|P|2.4\rMSA|${code}|${id}\r`;
    const rounds = [
      // sent from here, acknowledged, outcome, whether the worst and the other settled it
      [adt('S-1'), ack('AA', 'S-1') + ack('AR', 'ELSEWHERE'), 'positive', false, true],
      [adt('S-2'), ack('AE', 'S-2') + ack('AA', 'ELSEWHERE'), 'negative', true, false],
      [adt('S-3') + adt('S-4'), ack('AA', 'S-3') + ack('AR', 'ELSEWHERE'), 'positive', false, true],
      [adt('S-5') + adt('S-6'), ack('AA', 'S-5') + ack('AR', 'S-6'), 'negative', true, true],
    ] as const;
    for (const [request, acknowledged, outcome, isByWorst, isByOther] of rounds) {
      const { id } = await lab.sendOne(request, 'ADT', { requestedAcknowledgements: { business: true } });
      const failures = lab.taken.failures.length;
      await practice.sendOne(acknowledged, 'ADT_ACK');
      await lab.collect();
      assert.equal((await outcomes(lab, id))[1], outcome, acknowledged);
      const said = lab.taken.deliveries.at(-1)?.acknowledgement;
      assert.deepEqual(
        [said?.sentId, said?.further?.[0]?.sentId],
        [isByWorst ? id : undefined, isByOther ? id : undefined],
        acknowledged,
      );
      const reported = lab.taken.failures.slice(failures).map(({ error }) => error.message);
      if (isByWorst && isByOther) assert.deepEqual(reported, []);
      else assert.match(reported.join(), /has 2 acknowledgements\. 1 of them .* not sent from here/);
    }
  });

  it('one that cannot be read in a batch of acknowledgements is reported; the others settle', async () => {
    const { lab, practice } = await twoParties();
    const ack = (code: string, id: string): string => `MSH|^~\\&|C|D|A|B|2026||ACK|9|P|2.4\rMSA|${code}|${id}\r`;
    const { id } = await lab.sendOne(ADT, 'ADT', { requestedAcknowledgements: { business: true } });
    await practice.sendOne(ack('AA', 'M-1') + ack('OK', 'M-2'), 'ADT_ACK');
    await lab.collect();
    assert.equal((await outcomes(lab, id))[1], 'positive');
    assert.match(
      lab.taken.failures.map(({ error }) => error.message).join(),
      /acknowledgements of which 1 cannot be read/,
    );
  });

  it('a vaccination is acknowledged to the workflow with _ACK, in either spelling', async () => {
    const { lab, practice } = await twoParties();
    for (const workflow of ['DIGIMED_FLU_VAC', 'DIGMED_FLU_VAC', 'DIGMED_EMG_MED', 'DIGMED_MINOR_ILLNESS_PEM']) {
      const { id } = await lab.sendOne(itk3Request({ id: `msg-${workflow}` }), workflow);
      assert.deepEqual(await outcomes(lab, id), ['awaited', 'awaited']);
      await practice.collect();
      const result = await practice.sendAcknowledgement(practice.taken.ids().at(-1) ?? '', accept('infrastructure'));
      assert.ok(result.sent, workflow);
      const acknowledgement = (await practice.outbox.list({})).find((each) => each.workflowId === `${workflow}_ACK`);
      assert.ok(acknowledgement, workflow);
    }
  });

  it('each level is acknowledged once, infrastructure first; a repeat returns the first acknowledgement', async () => {
    const { lab, practice } = await twoParties();
    await lab.sendOne(itk3Request(), TOC);
    await practice.collect();
    const [messageId = ''] = practice.taken.ids();
    const all = await Promise.all(
      [1, 2, 3, 4, 5].map(() => practice.sendAcknowledgement(messageId, accept('infrastructure'))),
    );
    assert.equal(new Set(all.map((each) => each.sent && each.id)).size, 1);
    assert.equal(all.filter((each) => each.sent && each.repeated !== true).length, 1);
    await practice.sendAcknowledgement(messageId, reject('business', '30003'));
    await practice.sendAcknowledgement(messageId, accept('infrastructure'));
    assert.equal((await practice.outbox.list({})).length, 2);
    const history = (await practice.outbox.history(messageId)).filter(({ event }) => event === 'answered');
    assert.deepEqual(
      history.map(({ detail }) => detail['code']),
      ['20013', '30003'],
    );

    await lab.sendOne(itk3Request({ id: 'msg-2' }), TOC);
    await practice.collect();
    const other = practice.taken.ids().at(-1) ?? '';
    await practice.sendAcknowledgement(other, reject('infrastructure', '10001'));
    await failure(InvalidMessageError, practice.sendAcknowledgement(other, accept('business')));
    await failure(InvalidMessageError, practice.sendAcknowledgement(other, reject('business', '20009')));
    await failure(NotFoundError, practice.sendAcknowledgement('NO_SUCH_MESSAGE', accept()));
    // The first one stands, and nobody is told that the other one was sent.
    const turned = await failure(KeyReusedError, practice.sendAcknowledgement(messageId, accept('business')));
    assert.match(turned.message, /business acknowledgement of message .* code 30003 .* Code 30001 was not sent/);
    assert.equal((await practice.outbox.list({})).length, 3);
  });

  it('a copy of a request gets one acknowledgement that says so, and the first keeps its own', async () => {
    const { lab, practice } = await twoParties();
    const { id } = await lab.sendOne(itk3Request(), TOC);
    const copy = await lab.sendOne(itk3Request(), TOC);
    await practice.collect();
    const [first = '', second = ''] = practice.taken.ids();
    for (const level of ['infrastructure', 'business'] as const) {
      const ofCopy = await practice.sendAcknowledgement(second, accept(level));
      assert.equal(ofCopy.sent && ofCopy.code, '20007');
      await practice.sendAcknowledgement(first, accept(level));
    }
    await sent(practice);
    await lab.collect();
    const codes = new Set(lab.taken.deliveries.map(({ acknowledgement }) => acknowledgement?.code));
    assert.deepEqual([lab.taken.deliveries.length, codes], [3, new Set(['20007', '20013', '30001'])]);
    const both = [await outcomes(lab, id), await outcomes(lab, copy.id)].map((each) => each.join(' '));
    assert.deepEqual(new Set(both), new Set(['negative awaited', 'positive positive']));

    await lab.sendOne(MEDRPT, PATH);
    await lab.sendOne(MEDRPT, PATH);
    await practice.collect();
    assert.deepEqual(await practice.sendAcknowledgement(practice.taken.ids().at(-1) ?? '', accept()), {
      sent: false,
      why: 'duplicate',
    });
  });

  it('"duplicate" does not change the outcome of the message that was accepted', async () => {
    const { lab, practice } = await twoParties();
    const { id } = await lab.sendOne(itk3Request(), TOC);
    await practice.collect();
    await acknowledgeLast(practice, lab, accept('infrastructure'));
    const acknowledgement = lab.taken.deliveries.at(-1)?.received.payload?.toString() ?? '';
    await practice.sendOne(
      acknowledgement.replaceAll('20013', '20007').replace('value="ok"', 'value="fatal-error"'),
      `${TOC}_ACK`,
    );
    await lab.collect();
    assert.equal(lab.taken.deliveries.at(-1)?.acknowledgement?.code, '20007');
    assert.deepEqual(await outcomes(lab, id), ['positive', 'awaited']);
  });

  it('a message that cannot be read as an ITK3 request can only be rejected', async () => {
    const { lab, practice } = await twoParties();
    await lab.sendOne('<Bundle><broken', TOC);
    await practice.collect();
    const [messageId = ''] = practice.taken.ids();
    await failure(InvalidMessageError, practice.sendAcknowledgement(messageId, accept('infrastructure')));
    const { code, ...rest } = reject('infrastructure', '');
    assert.equal(code, '');
    const result = await practice.sendAcknowledgement(messageId, rest);
    assert.equal(result.sent && result.code, '10009');
  });
});

describe('an acknowledgement', () => {
  it('gets none on a workflow that a profile names for acknowledgements, whatever it looks like', async () => {
    const { lab, practice } = await twoParties();
    // NHAIS's receipts are of form custom: by its content this is a request for both.
    for (const workflow of ['NHAIS_RECEP', 'ANY_ACK']) await lab.sendOne(itk3Request({ id: workflow }), workflow);
    await practice.collect();
    for (const messageId of practice.taken.ids()) {
      for (const form of ['profile', 'itk3', 'custom'] as const) {
        const result = await practice.sendAcknowledgement(messageId, accept('business', { form, custom: 'x' }));
        assert.deepEqual(result, { sent: false, why: 'acknowledgement' });
      }
    }
    assert.equal(practice.taken.ids().length, 2);
  });

  it('gets none, whatever its flags and workflow: two mailboxes that acknowledge everything come to rest', async () => {
    const { lab, practice } = await twoParties();
    const parties = [lab, practice];
    // Published responses set their flags.
    const flagged = (text: string): string =>
      text.replaceAll('valueBoolean value="false"', 'valueBoolean value="true"');
    await lab.sendOne(itk3Request(), TOC);
    await practice.sendOne(itk3Request({ id: 'msg-2' }), TOC);
    await lab.sendOne(MEDRPT, PATH);
    await practice.sendOne(ADT, 'ANY_WORKFLOW');
    let forwarded = 0;
    let quiet = 0;
    for (let round = 0; quiet < 2; round += 1) {
      assert.ok(round < 20, 'it does not come to rest');
      let deliveries = 0;
      for (const one of parties) {
        const before = one.taken.deliveries.length;
        await one.collect();
        for (const { received, kind } of one.taken.deliveries.slice(before)) {
          deliveries += 1;
          const { messageId } = received.message;
          for (const form of ['profile', 'itk3', 'nhsack', 'hl7v2', 'custom'] as const) {
            for (const level of ['infrastructure', 'business'] as const) {
              const result = await one
                .sendAcknowledgement(messageId, accept(level, { form, custom: flagged(itk3Request({ id: 'custom' })) }))
                .catch(() => undefined);
              if (kind === 'business-acknowledgement') {
                assert.deepEqual(result, { sent: false, why: 'acknowledgement' });
              }
            }
          }
          // Each once with its flags set, on a workflow that is not one of acknowledgements.
          if (kind === 'business-acknowledgement' && forwarded < 4) {
            forwarded += 1;
            await one.sendOne(flagged(received.payload?.toString('latin1') ?? ''), 'ANY_WORKFLOW');
          }
        }
        await sent(one);
      }
      quiet = deliveries === 0 ? quiet + 1 : 0;
    }
    assert.equal(forwarded, 4);
    // Four requests, at most two acknowledgements of each, four forwarded by hand.
    const all = (await Promise.all(parties.map((one) => one.outbox.list({})))).flat();
    assert.ok(all.length <= 4 + 8 + 4, `${all.length} messages`);
  });

  it('of form custom gets none either, when each side takes the other’s acknowledgements for requests', async () => {
    const table = (workflowId: string, ackWorkflowId: string): WorkflowProfiles =>
      loadProfiles(JSON.stringify({ profiles: [{ workflowId, ackWorkflowId, form: 'custom', busAck: true }] }));
    // Two organisations, two tables: neither has a loop, but both together do.
    const { server, storage, lab } = await twoParties({ profiles: table('ORDER', 'RECEIPT') });
    const practice = party(server, { storage, mailboxId: 'X26ABC3', profiles: table('RECEIPT', 'ORDER') }, 'X26ABC1');
    await practice.sendOne('order', 'ORDER');
    let acknowledgements = 0;
    for (let round = 0; round < 4; round += 1) {
      for (const one of [lab, practice]) {
        const before = one.taken.deliveries.length;
        await one.collect();
        for (const messageId of one.taken.ids().slice(before)) {
          for (const form of ['profile', 'custom'] as const) {
            const result = await one.sendAcknowledgement(messageId, accept('business', { form, custom: 'received' }));
            if (result.sent && result.repeated !== true) acknowledgements += 1;
          }
        }
        await sent(one);
      }
    }
    assert.equal(acknowledgements, 1);
    const subject = practice.taken.deliveries.at(-1)?.received.message.subject ?? '';
    assert.equal(subject, `Acknowledgement of MESH message ${lab.taken.ids()[0]}`);
  });
});
