/** The evidence page shows whatever the findings have as text. */
import assert from 'node:assert/strict';
import { evidencePage } from '../../lib/conformance/evidence-page';
import type { Findings } from '../../lib/conformance/types';

const HOSTILE = `</pre><script>alert("1")</script><img src=x onerror='a'>&amp;\u0000\u001b`;

describe('the evidence page', () => {
  const findings: Findings = {
    product: HOSTILE,
    version: HOSTILE,
    node: HOSTILE,
    system: HOSTILE,
    environment: HOSTILE,
    url: HOSTILE,
    mailboxIds: [HOSTILE],
    workflowId: HOSTILE,
    startedAt: HOSTILE,
    finishedAt: HOSTILE,
    pending: { messageId: HOSTILE, from: HOSTILE, to: HOSTILE, acceptedAt: HOSTILE },
    items: [
      {
        id: HOSTILE,
        title: HOSTILE,
        verdict: 'passed',
        reason: HOSTILE,
        startedAt: HOSTILE,
        finishedAt: HOSTILE,
        messageIds: [HOSTILE],
        checks: [{ what: HOSTILE, ok: true, seen: HOSTILE }],
        exchanges: [
          {
            number: 1,
            at: HOSTILE,
            method: HOSTILE,
            path: HOSTILE,
            requestHeaders: [[HOSTILE, HOSTILE]],
            requestBytes: 1,
            status: 200,
            responseHeaders: [[HOSTILE, HOSTILE]],
            responseBytes: 1,
            tls: HOSTILE,
          },
        ],
        exchangeCount: 1,
      },
    ],
  };

  it('escapes every value, in text and in attributes', () => {
    const page = evidencePage(findings);
    assert.ok(!/<script|<img|onerror='/i.test(page));
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    assert.ok(!/[\u0000\u001b]/.test(page));
    assert.ok(page.includes('&lt;script&gt;alert(&quot;1&quot;)'));
    assert.ok(page.includes('&amp;amp;␀␛'));
  });

  it('loads nothing and runs no script, by its own policy', () => {
    const page = evidencePage({ ...findings, items: [] });
    assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
    assert.ok(!/\s(src|href)="(?!#)/.test(page));
  });
});
