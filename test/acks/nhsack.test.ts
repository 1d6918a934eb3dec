import assert from 'node:assert/strict';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { requestsNhsAck, buildNhsAck, interchangeFault, isNhsAck, readNhsAck } from '../../lib/acks/nhsack/nhsack';
import { readEdifact } from '../../lib/formats/edifact/interchange';
import { haveSamples, sample } from '../harness/samples';
import { MEDRPT } from './fixtures';

const now = new Date('2026-07-01T11:00:00Z');
const request = readEdifact(MEDRPT);

describe('NHSACK', () => {
  it('accepts in full, in part or not at all, with the reason of each rejected message', () => {
    assert.equal(
      buildNhsAck(request, { controlReference: '5', now }),
      "UNA:+.? 'UNB+UNOC:3+GP:80+LAB:80+260701:1200+5++NHSACK'UNH+1+NHSACK:D:1:NH:NHS001'BGM+AKR'DTM+137:20260701:102'NIR+SIR:77+LAB:80+GP:80+IAF'NMR+AGO:1+MA'NMR+AGO:2+MA'UNT+7+1'UNZ+1+5'",
    );
    const part = buildNhsAck(request, { controlReference: '5', now, rejected: { '1': "don't know" } });
    assert.match(part, /\+IAP'NMR\+AGO:1\+MR'FTX\+ERD\+\+\+don\?'t know'NMR\+AGO:2\+MA'UNT\+8\+1'/);
    assert.deepEqual(readNhsAck(part), {
      form: 'nhsack',
      acknowledges: '77',
      sender: 'LAB',
      level: 'business',
      result: 'partial',
      code: 'IAP',
      meaning: 'Some messages of the interchange were rejected',
    });
    const none = buildNhsAck(request, { controlReference: '5', now, rejected: { '1': 'a', '2': 'b' } });
    assert.equal(readNhsAck(none).code, 'IRA');
    assert.equal(readNhsAck(none).result, 'negative');
  });

  it('is requested by UNB, and gets no acknowledgement itself', () => {
    assert.equal(requestsNhsAck(request), true);
    const ack = readEdifact(buildNhsAck(request, { controlReference: '5', now }));
    assert.equal(requestsNhsAck(ack), false);
    assert.equal(isNhsAck(ack), true);
    assert.throws(() => buildNhsAck(ack, { controlReference: '6', now }), InvalidMessageError);
    assert.throws(() => buildNhsAck(readEdifact("UNB+UNOC:3'"), { controlReference: '6', now }), InvalidMessageError);
    assert.throws(() => readNhsAck(MEDRPT), UnreadableError);
  });

  it('matches every pair of samples', function () {
    if (!haveSamples) return this.skip();
    for (const status of ['IAF', 'IRI'] as const) {
      const interchange = readEdifact(sample('edifact-pathology', `pathology_${status}.edifact.dat`));
      const reason = interchangeFault(interchange);
      assert.equal(reason === undefined, status === 'IAF');
      const ack = buildNhsAck(interchange, {
        controlReference: '12',
        now,
        ...(reason === undefined ? {} : { unreadable: { status: 'IRI', reason } }),
      });
      const pattern = sample('edifact-pathology', `pathology_${status}_regex.nhsack.dat`)
        .toString()
        .replaceAll(/\r?\n/g, '');
      assert.match(ack, new RegExp(pattern));
      assert.equal(readNhsAck(ack).code, status);
    }
    const pair = readEdifact(sample('edifact-pathology', 'pathology_IAF.edifact.dat'));
    const expected = sample('edifact-pathology', 'pathology.nhsack.dat').toString();
    const built = buildNhsAck(pair, { controlReference: '1015', now: new Date('2020-04-27T15:37:00Z') });
    assert.equal(built, expected.replaceAll(/\r?\n/g, ''));
    assert.equal(readNhsAck(expected).result, 'positive');
  });
});
