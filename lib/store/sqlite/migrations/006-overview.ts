import { IS_OVERDUE } from '../../rows/overview';

/** What is overdue, without reading everything that was ever sent: the index is as small as the trouble. */
export const overview = `
  CREATE INDEX outgoing_is_overdue ON outgoing (mailbox, id) WHERE ${IS_OVERDUE};
`;
