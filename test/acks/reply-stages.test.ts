import assert from 'node:assert/strict';
import { loadProfiles, isAckWorkflow, ackWorkflows } from '../../lib/acks/profiles';
import { ConfigurationError } from '../../lib/errors';

const file = (...profiles: object[]): string => JSON.stringify({ profiles });

/** The shape of the opt-out check: a receipt and a list, both on the request's own workflow. */
const CHECK = {
  workflowId: 'LIST_CHECK',
  about: 'Sends a list, and gets back who is left of it.',
  certainty: 'code',
  replies: [
    {
      name: 'receipt',
      kind: 'receipt',
      dueWithin: { minutes: 60 },
      when: { subject: 'SUCCESS', json: { path: 'dataset_id', equals: 'list' } },
      match: [
        { in: 'localId', request: 'localId' },
        { in: 'json', path: 'metadata.request.extra.message_id', request: 'messageId' },
      ],
    },
    {
      name: 'list',
      kind: 'result',
      dueWithin: { hours: 24 },
      match: [{ in: 'localId', request: 'localId' }],
      outcomes: [{ outcome: 'positive', when: { firstLine: '^\\d{10},?$' } }],
      otherwise: 'negative',
    },
  ],
} as const;
const stage = (change: object): object => ({ ...CHECK, replies: [{ ...CHECK.replies[0], ...change }] });

describe('a workflow profile with replies', () => {
  it('needs no acknowledgement beside them, and has the defaults of each stage', () => {
    const profile = loadProfiles(file(CHECK)).find('LIST_CHECK');
    assert.deepEqual([profile?.form, profile?.ackWorkflowId], ['none', null]);
    const [receipt, list] = profile?.replies ?? [];
    assert.deepEqual(
      [receipt?.occurs, receipt?.from, receipt?.outcomes, receipt?.otherwise],
      ['expected', 'recipient', [], 'positive'],
    );
    assert.deepEqual([list?.when, list?.otherwise], [{}, 'negative']);
  });

  it('makes another workflow one of replies, which get none; its own stays open for requests', () => {
    const elsewhere = loadProfiles(file(stage({ when: { workflowId: 'List_Report' } })));
    assert.equal(isAckWorkflow(elsewhere, 'LIST_REPORT'), true);
    assert.ok(ackWorkflows(elsewhere).includes('List_Report'));
    const own = loadProfiles(file(CHECK));
    assert.equal(isAckWorkflow(own, 'LIST_CHECK'), false);
    assert.deepEqual(
      own.forReplyWorkflow('list_check').map(({ workflowId }) => workflowId),
      ['LIST_CHECK'],
    );
  });

  it('is refused with the row and the field that is wrong', () => {
    const wrong: Array<[object, RegExp]> = [
      [stage({ dueWithin: undefined }), /profiles\[0\]\.replies\[0\]\.dueWithin: is missing: an expected reply/],
      [stage({ match: [] }), /profiles\[0\]\.replies\[0\]\.match/],
      [stage({ match: [{ in: 'json', request: 'localId' }] }), /match\[0\]\.path: is missing/],
      [stage({ match: [{ in: 'rows', request: 'localId' }] }), /match\[0\]\.column: is missing/],
      [stage({ match: [{ in: 'subject', request: 'key' }] }), /match\[0\]\.request: is key, and the profile has no/],
      [stage({ when: { subjectPattern: '(' } }), /when\.subjectPattern: is no regular expression/],
      [stage({ when: { firstLine: '(a+)+$' } }), /when\.firstLine: repeats a group/],
      [stage({ when: { beginning: '^(?:a|ab)*$' } }), /when\.beginning: repeats a group/],
      [stage({ name: '<b>' }), /name: must be a name/],
      [
        { ...CHECK, replies: [CHECK.replies[0], { ...CHECK.replies[1], name: 'Receipt' }] },
        /replies\[1\]\.name: is the name/,
      ],
    ];
    for (const [row, message] of wrong) {
      assert.throws(
        () => loadProfiles(file(row)),
        (error) => error instanceof ConfigurationError && message.test(error.message),
        String(message),
      );
    }
  });

  it('cannot be sent on a workflow of another one’s replies', () => {
    const other = {
      ...CHECK,
      workflowId: 'OTHER',
      replies: [{ ...CHECK.replies[0], when: { workflowId: 'LIST_CHECK' } }],
    };
    assert.throws(() => loadProfiles(file(CHECK, other)), /LIST_CHECK is a workflow of acknowledgements/);
  });
});
