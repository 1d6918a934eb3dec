/**
 * Version 5: a change of state touches fewer pages, each of which is a write and a checksum in every commit. What is queued was
 * in three indexes (by state, what may be sent, when to wake); now it is in one, and in a second only while it waits for its
 * time.
 */
export const fewerIndexes = `
  DROP INDEX outgoing_state;
  DROP INDEX outgoing_sendable;
  DROP INDEX outgoing_wake;
  CREATE INDEX outgoing_state ON outgoing (mailbox, state, blocked, id, next_attempt_at);
  CREATE INDEX outgoing_wake ON outgoing (mailbox, next_attempt_at)
    WHERE state = 'queued' AND blocked = 0 AND next_attempt_at > 0;
`;
