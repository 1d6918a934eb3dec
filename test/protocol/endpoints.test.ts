import assert from 'node:assert/strict';
import { endpoints } from '../../lib/protocol/endpoints';

describe('the paths of MESH', () => {
  it('are those of mesh-api.yaml', () => {
    assert.equal(endpoints.handshake('M'), '/messageexchange/M');
    assert.equal(endpoints.inbox('M', new URLSearchParams()), '/messageexchange/M/inbox');
    assert.equal(endpoints.message('M', 'I'), '/messageexchange/M/inbox/I');
    assert.equal(endpoints.messageChunk('M', 'I', 2), '/messageexchange/M/inbox/I/2');
    assert.equal(endpoints.acknowledge('M', 'I'), '/messageexchange/M/inbox/I/status/acknowledged');
    assert.equal(endpoints.outbox('M'), '/messageexchange/M/outbox');
    assert.equal(endpoints.outboxChunk('M', 'I', 3), '/messageexchange/M/outbox/I/3');
    assert.equal(endpoints.tracking('M', 'I'), '/messageexchange/M/outbox/tracking?messageID=I');
    assert.equal(endpoints.trackingByLocalId('M', 'L'), '/messageexchange/M/outbox/tracking/L');
    assert.equal(endpoints.endpointLookup('O', 'W'), '/messageexchange/endpointlookup/O/W');
    assert.equal(endpoints.workflowSearch('W'), '/messageexchange/workflowsearch/W');
  });

  it('keep ids from a flow within their part of the path', () => {
    const hostile = '../../admin?x=1&y#z /é';
    const escaped = '..%2F..%2Fadmin%3Fx%3D1%26y%23z%20%2F%C3%A9';
    assert.equal(endpoints.message('M', hostile), `/messageexchange/M/inbox/${escaped}`);
    assert.equal(endpoints.tracking('M', hostile), `/messageexchange/M/outbox/tracking?messageID=${escaped}`);
    assert.equal(endpoints.trackingByLocalId('M', hostile), `/messageexchange/M/outbox/tracking/${escaped}`);
    assert.equal(endpoints.endpointLookup(hostile, hostile), `/messageexchange/endpointlookup/${escaped}/${escaped}`);
    assert.equal(
      endpoints.inbox('M', new URLSearchParams({ workflow_filter: '!A&b=c' })),
      '/messageexchange/M/inbox?workflow_filter=%21A%26b%3Dc',
    );
  });
});
