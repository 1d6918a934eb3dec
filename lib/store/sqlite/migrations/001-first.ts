/**
 * Version 1 of the schema. Never changed after a release: what comes later is a migration of its own.
 *
 * Every query has its index (test/store/sqlite.test.ts reads the plans). Partial indexes hold only what is under way, so
 * that they stay as small as the backlog, however many settled rows there are.
 */
const UNFINISHED = `('queued', 'sending', 'unknown', 'parked')`;

/** A strict message may go only when it is the first unfinished one of its lane: `blocked` says so ahead of the question. */
const BLOCK_WHAT_IS_LATER = `
    UPDATE outgoing SET blocked = 1
      WHERE seq = NEW.seq AND strict_order = 1 AND EXISTS (
        SELECT 1 FROM outgoing AS earlier WHERE earlier.mailbox = NEW.mailbox AND earlier.lane = NEW.lane
          AND earlier.state IN ${UNFINISHED} AND earlier.id < NEW.id);
    UPDATE outgoing SET blocked = 1
      WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ${UNFINISHED} AND id > NEW.id
        AND strict_order = 1 AND blocked = 0;`;

const bytesOf = (row: 'OLD' | 'NEW'): string =>
  `CASE WHEN ${row}.payload_kind IN ('inline', 'spool') THEN ${row}.size ELSE 0 END`;
const COUNT_NEW = `
    INSERT INTO outgoing_count (mailbox, state, messages, bytes)
      VALUES (NEW.mailbox, NEW.state, 1, ${bytesOf('NEW')})
      ON CONFLICT (mailbox, state) DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;`;
const UNCOUNT_OLD = `
    UPDATE outgoing_count SET messages = messages - 1, bytes = bytes - ${bytesOf('OLD')}
      WHERE mailbox = OLD.mailbox AND state = OLD.state;`;

export const first = `
  -- A mailbox key is long (URL and id) and would be in every row and index: a number stands for it.
  CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
  );

  CREATE TABLE outgoing (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    instance TEXT,
    once_key TEXT,
    lane TEXT NOT NULL,
    strict_order INTEGER NOT NULL,
    local_id TEXT NOT NULL,
    local_id_is_unique INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    envelope TEXT NOT NULL,
    size INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    resend_of TEXT,
    state TEXT NOT NULL,
    payload_kind TEXT CHECK (payload_kind IN ('inline', 'spool', 'file')),
    payload_name TEXT,
    payload_file TEXT,
    plan TEXT,
    chunks_sent INTEGER NOT NULL DEFAULT 0,
    message_id TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    accepted_at INTEGER,
    settled_at INTEGER,
    next_track_at INTEGER,
    tracked INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    infrastructure TEXT NOT NULL,
    business TEXT NOT NULL,
    collect_by INTEGER,
    infrastructure_by INTEGER,
    business_by INTEGER,
    blocked INTEGER NOT NULL DEFAULT 0,

    -- The earliest of the limits that still count.
    overdue_at INTEGER GENERATED ALWAYS AS (
      CASE WHEN state IN ('undelivered', 'rejected', 'closed') THEN NULL ELSE nullif(min(
        CASE WHEN state <> 'acknowledged' THEN ifnull(collect_by, 9e15) ELSE 9e15 END,
        CASE WHEN infrastructure = 'awaited' THEN ifnull(infrastructure_by, 9e15) ELSE 9e15 END,
        CASE WHEN business = 'awaited' THEN ifnull(business_by, 9e15) ELSE 9e15 END), 9e15) END) VIRTUAL,

    -- Whose payload may go: after Retention.settledPayloadMs (1), after unsettledPayloadMs (2), not at all (NULL).
    payload_rule INTEGER GENERATED ALWAYS AS (
      CASE
        WHEN payload_kind IS NULL THEN NULL
        WHEN state = 'unknown' THEN 2
        WHEN settled_at IS NULL OR state NOT IN ('acknowledged', 'undelivered', 'rejected', 'closed') THEN NULL
        WHEN business = 'positive' THEN 1
        WHEN state <> 'acknowledged' THEN 2
        WHEN business IN ('partial', 'negative', 'overdue') THEN 2
        WHEN infrastructure IN ('partial', 'negative', 'overdue') AND business = 'not-asked' THEN 2
        WHEN infrastructure IN ('not-asked', 'positive') AND business = 'not-asked' THEN 1
      END) VIRTUAL,
    payload_since INTEGER GENERATED ALWAYS AS (coalesce(settled_at, first_attempt_at, queued_at)) VIRTUAL,

    -- Since when the row itself has been of no more use: settled, its payload gone, no answer awaited.
    row_since INTEGER GENERATED ALWAYS AS (
      CASE WHEN payload_kind IS NULL AND (
        state IN ('undelivered', 'rejected', 'closed')
        OR (state = 'acknowledged' AND infrastructure <> 'awaited' AND business <> 'awaited')
      ) THEN settled_at END) VIRTUAL
  );
  CREATE UNIQUE INDEX outgoing_once ON outgoing (once_key, mailbox) WHERE once_key IS NOT NULL;
  CREATE INDEX outgoing_state ON outgoing (mailbox, state, id);
  CREATE INDEX outgoing_sendable ON outgoing (mailbox, id, next_attempt_at) WHERE state = 'queued' AND blocked = 0;
  CREATE INDEX outgoing_wake ON outgoing (mailbox, next_attempt_at) WHERE state = 'queued' AND blocked = 0;
  CREATE INDEX outgoing_lane ON outgoing (mailbox, lane, id) WHERE state IN ${UNFINISHED};
  CREATE INDEX outgoing_message ON outgoing (message_id, id) WHERE message_id IS NOT NULL;
  CREATE INDEX outgoing_local ON outgoing (local_id, id);
  CREATE INDEX outgoing_resend ON outgoing (resend_of, id) WHERE resend_of IS NOT NULL;
  CREATE INDEX outgoing_track ON outgoing (mailbox, next_track_at, id) WHERE next_track_at IS NOT NULL;
  CREATE INDEX outgoing_overdue ON outgoing (mailbox, overdue_at, id) WHERE overdue_at IS NOT NULL;
  CREATE INDEX outgoing_payload_due ON outgoing (payload_rule, payload_since) WHERE payload_rule IS NOT NULL;
  CREATE INDEX outgoing_row_due ON outgoing (row_since) WHERE row_since IS NOT NULL;
  CREATE INDEX outgoing_spool ON outgoing (payload_name) WHERE payload_name IS NOT NULL;
  CREATE INDEX outgoing_instance ON outgoing (mailbox, instance) WHERE instance IS NOT NULL;

  -- Apart, so that lists, indexes and changes of the row do not carry 64 KiB with them.
  CREATE TABLE outgoing_payload (
    seq INTEGER PRIMARY KEY REFERENCES outgoing (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
  );

  -- Counted as it changes: counting millions of settled rows would hold the worker for seconds.
  CREATE TABLE outgoing_count (
    mailbox INTEGER NOT NULL,
    state TEXT NOT NULL,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (mailbox, state)
  ) WITHOUT ROWID;
  CREATE TRIGGER outgoing_count_added AFTER INSERT ON outgoing BEGIN ${COUNT_NEW}
  END;
  CREATE TRIGGER outgoing_count_changed AFTER UPDATE OF state, payload_kind ON outgoing
    WHEN OLD.state <> NEW.state OR OLD.payload_kind IS NOT NEW.payload_kind BEGIN ${UNCOUNT_OLD} ${COUNT_NEW}
  END;
  CREATE TRIGGER outgoing_count_removed AFTER DELETE ON outgoing BEGIN ${UNCOUNT_OLD}
  END;

  CREATE TRIGGER outgoing_lane_added AFTER INSERT ON outgoing
    WHEN NEW.state IN ${UNFINISHED} BEGIN ${BLOCK_WHAT_IS_LATER}
  END;
  CREATE TRIGGER outgoing_lane_returned AFTER UPDATE OF state ON outgoing
    WHEN NEW.state IN ${UNFINISHED} AND OLD.state NOT IN ${UNFINISHED} BEGIN ${BLOCK_WHAT_IS_LATER}
  END;
  CREATE TRIGGER outgoing_lane_finished AFTER UPDATE OF state ON outgoing
    WHEN OLD.state IN ${UNFINISHED} AND NEW.state NOT IN ${UNFINISHED} BEGIN
    UPDATE outgoing SET blocked = 0 WHERE blocked = 1 AND seq = (
      SELECT seq FROM outgoing WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ${UNFINISHED}
        ORDER BY id LIMIT 1);
  END;

  CREATE TABLE incoming (
    seq INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    message_id TEXT NOT NULL,
    instance TEXT,
    workflow_id TEXT NOT NULL,
    message_type TEXT NOT NULL,
    headers TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    payload_kind TEXT CHECK (payload_kind IN ('inline', 'spool', 'file')),
    payload_name TEXT,
    payload_file TEXT,
    acknowledged_at INTEGER,
    delivery_count INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    settled_at INTEGER,
    error TEXT,
    UNIQUE (mailbox, message_id)
  );
  CREATE INDEX incoming_state ON incoming (mailbox, state, received_at, message_id);
  CREATE INDEX incoming_due ON incoming (mailbox, received_at, message_id, state, lease_until)
    WHERE state IN ('acknowledged', 'delivered');
  CREATE INDEX incoming_payload_due ON incoming (settled_at)
    WHERE state = 'done' AND payload_kind IS NOT NULL AND settled_at IS NOT NULL;
  CREATE INDEX incoming_row_due ON incoming (settled_at)
    WHERE state = 'done' AND payload_kind IS NULL AND settled_at IS NOT NULL;
  CREATE INDEX incoming_spool ON incoming (payload_name) WHERE payload_name IS NOT NULL;
  CREATE INDEX incoming_instance ON incoming (mailbox, instance) WHERE instance IS NOT NULL;

  CREATE TABLE incoming_payload (
    seq INTEGER PRIMARY KEY REFERENCES incoming (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
  );

  -- AUTOINCREMENT: a sequence is never given twice, even when the retention has emptied the table.
  CREATE TABLE ledger (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    direction TEXT NOT NULL,
    reference TEXT NOT NULL,
    message_id TEXT,
    event TEXT NOT NULL,
    detail TEXT NOT NULL
  );
  CREATE INDEX ledger_time ON ledger (mailbox, time);
  CREATE INDEX ledger_reference ON ledger (mailbox, reference);
  CREATE INDEX ledger_message ON ledger (mailbox, message_id) WHERE message_id IS NOT NULL AND message_id <> reference;
`;
