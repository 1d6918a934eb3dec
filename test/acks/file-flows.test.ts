/** The shipped profiles of file flows against the sandbox's national services, whose bodies follow the published forms. */
import assert from 'node:assert/strict';
import { ReplyContent } from '../../lib/acks/replies/content';
import { readReply } from '../../lib/acks/replies/read';
import { loadProfiles } from '../../lib/index';
import { tgz } from '../harness/tar';
import { assertNoNhsNumber } from '../harness/nhs-numbers';
import { FILE_FLOWS } from '../harness/file-flows/cases';
import { runFlow, type FlowResult } from '../harness/file-flows/run';

/** Five requests: one good, one refused, one without an answer, one answered twice, one answered after its time. */
const FIVE = { requests: 5, settled: 4, negative: 1, missing: 1, late: 1 };

async function* of(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** What a shipped profile reads in a reply. */
async function outcomeOf(headers: Parameters<typeof readReply>[0], bytes: Buffer): Promise<string | undefined> {
  const source = { size: bytes.length, bytes, open: (from: number, to: number) => of(bytes.subarray(from, to)) };
  const reply = await readReply(headers, new ReplyContent(source), loadProfiles());
  return reply?.readings[0]?.outcome;
}

describe('a file flow on the sandbox', () => {
  const expected: Record<string, Omit<FlowResult, 'flow'>> = {
    // The sixth gets an empty list, which settles nothing.
    'opt-out': { ...FIVE, requests: 6, missing: 2, duplicates: 2 },
    vaccination: { ...FIVE, duplicates: 2 },
    notify: { ...FIVE, duplicates: 3 },
    'digital-letter': { ...FIVE, duplicates: 2 },
    dlp: { ...FIVE, duplicates: 1 },
    'pds-trace': { ...FIVE, duplicates: 1 },
    nhais: { requests: 3, settled: 2, negative: 0, missing: 1, late: 0, duplicates: 1 },
  };
  for (const flow of Object.keys(FILE_FLOWS)) {
    it(`settles every request of ${flow} once, and raises the one that is not answered`, async () => {
      const said: string[] = [];
      const result = await runFlow(flow, (line) => said.push(line));
      assert.deepEqual(result, { flow, ...expected[flow] }, said.join('\n'));
      // What the flow says is fit for a log.
      assertNoNhsNumber(said.join('\n'));
    });
  }

  it('is answered unclearly by rows of which one cannot be read: a failure may stand behind it', async () => {
    const headers = {
      workflowId: 'SANDBOX_VACCINATION_BATCH_ACK',
      from: 'X26IMMS',
      fileName: 'FLU_Vaccinations_v5_X99999_20260227T14101500_BusAck_20260227T14200000.csv',
    };
    const outcome = (text: string): Promise<string | undefined> => outcomeOf(headers, Buffer.from(text));
    const columns = 'HEADER_RESPONSE_CODE|LOCAL_ID|OPERATION_OUTCOME\n';
    const failed = 'Fatal Error|a^urn:example|must be in the format "YYYYMMDD"\n';
    assert.equal(await outcome(columns), 'positive');
    assert.equal(await outcome(columns + failed), 'partial');
    assert.equal(await outcome(`${columns}"OK|b^urn:example|\n${failed}`), 'unclear');
  });

  it('is answered unclearly by an archive that is refused: neither that a file is in it is proved, nor that it is not', async () => {
    const headers = { workflowId: 'DSP_EXTRACT', from: 'X26HC010', subject: 'DLPv3', localId: 'list.tar.gz' };
    const list = { name: 'data/list.csv', content: 'hello' };
    const good = tgz([list]);
    assert.equal(await outcomeOf(headers, good), 'positive');
    assert.equal(await outcomeOf(headers, tgz([{ ...list, name: 'report.txt' }])), 'negative');
    const refused = [
      tgz([list, { name: 'a', content: '', type: '2' }]),
      tgz([list, list]),
      tgz([list, { name: '../a', content: 'x' }]),
      tgz([list, { name: 'zeros', content: Buffer.alloc(20_000_000) }]),
      good.subarray(0, -9),
      Buffer.concat([good, good]),
      Buffer.from('no archive'),
    ];
    for (const [index, bytes] of refused.entries()) {
      assert.equal(await outcomeOf(headers, bytes), 'unclear', `${index}`);
    }
  });
});
