/** Version 2: finds what MESH has to be told of without reading everything that was ever received. */
export const untold = `
  CREATE INDEX incoming_untold ON incoming (mailbox, received_at, message_id) WHERE acknowledged_at IS NULL;
`;
