/** docs/file-flows.html, the index of the profiles that a person can search. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { SHIPPED_PROFILES } from '../../lib/acks/profiles';
import { describedFlows, FILE_FLOWS_PAGE, fileFlowsPage } from '../harness/file-flows-page';

describe('the index of workflow profiles', () => {
  it('is what the shipped profiles say (`npx tsx scripts/file-flows-page.ts` writes it anew)', () => {
    const page = readFileSync(FILE_FLOWS_PAGE, 'utf8');
    assert.equal(page, fileFlowsPage());
    for (const { workflowId } of SHIPPED_PROFILES) assert.ok(page.includes(`<td>${workflowId}</td>`), workflowId);
  });

  it('has parties, format and certainty of every file flow, from the table of docs/file-flows.md', () => {
    const described = describedFlows();
    for (const { workflowId, about } of SHIPPED_PROFILES.filter((profile) => profile.about !== undefined)) {
      const { parties = '', format = '', certainty = '' } = described.get(workflowId) ?? {};
      assert.ok(parties !== '' && format !== '' && certainty !== '', `${workflowId}: ${about}`);
    }
  });

  it('says of every file flow in one line what it does, which the dialogs suggest it with', () => {
    for (const { replies, about = '' } of SHIPPED_PROFILES) {
      if (replies !== undefined) assert.ok(about.length >= 40 && about.length <= 140);
    }
  });
});
