/** Version 2: what an answer will name, of what was sent; what a received payload says of itself, so far as answering needs it. */
export const answers = `
  ALTER TABLE outgoing ADD COLUMN acknowledgement_reference TEXT;
  CREATE INDEX outgoing_answer ON outgoing (mailbox, acknowledgement_reference, id) WHERE acknowledgement_reference IS NOT NULL;

  ALTER TABLE incoming ADD COLUMN request_key TEXT;
  ALTER TABLE incoming ADD COLUMN classification TEXT;
  CREATE INDEX incoming_request ON incoming (mailbox, request_key, received_at, message_id) WHERE request_key IS NOT NULL;
`;
