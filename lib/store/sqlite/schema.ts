/**
 * The schema of a SQLite store, made in one transaction when the file is empty. There are no migrations before the
 * first release: edit the schema in place and raise SCHEMA_VERSION (lib/store/rules/schema-version.ts); a store of any
 * other number is refused.
 *
 * Every query has its index (test/store/sqlite.test.ts reads the plans). Partial indexes hold only what is under way,
 * so that they stay as small as the backlog, however many settled rows there are. A change of state touches few pages,
 * each of which is a write and a checksum in every commit: a queued message is in one index by state, and in a second
 * only while it waits for its time; nothing asks the store which deliveries are due, because running leases are counted
 * in memory.
 */
import { IS_CONDITION_EVENT } from '../rules/condition-events';
import { IS_OVERDUE, LIMITS, NEVER_OVERDUE } from '../rules/overdue';
import { blockLater, countedBytes, PENDING_LIST } from '../rules/outgoing-triggers';
import {
  PARKED_PAYLOAD,
  PAYLOAD_RULE,
  PAYLOAD_SINCE,
  RECEIVED_PAYLOAD_DUE,
  RECEIVED_ROW_DUE,
  ROW_SINCE,
} from '../rules/retention';
import { RECEIVED_IN_SANDBOX, SENT_IN_SANDBOX } from '../rules/sandbox-instances';

const COUNT_NEW = `
    INSERT INTO outgoing_count (mailbox, state, messages, bytes)
      VALUES (NEW.mailbox, NEW.state, 1, ${countedBytes('NEW')})
      ON CONFLICT (mailbox, state) DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;`;
const UNCOUNT_OLD = `
    UPDATE outgoing_count SET messages = messages - 1, bytes = bytes - ${countedBytes('OLD')}
      WHERE mailbox = OLD.mailbox AND state = OLD.state;`;

// The triggers of strict order look first whether there is anything to block or to unblock, in two indexes that have an
// entry only where there is: an UPDATE opens every index of the table before it finds no row, and nearly every message
// goes without strict order.
const HAS_TO_BLOCK = `(NEW.strict_order = 1 OR EXISTS (
      SELECT 1 FROM outgoing INDEXED BY outgoing_strict
        WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND seq > NEW.seq AND strict_order = 1
          AND blocked = 0 AND state IN ${PENDING_LIST}))`;
const HAS_TO_UNBLOCK = `EXISTS (
      SELECT 1 FROM outgoing INDEXED BY outgoing_blocked
        WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND blocked = 1)`;
const FIRST_OF_LANE = `(
      SELECT seq FROM outgoing INDEXED BY outgoing_lane
        WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ${PENDING_LIST} ORDER BY seq LIMIT 1)`;

const EARLIEST_LIMIT = `nullif(min(
        ${LIMITS.map(({ limit, counts }) => `CASE WHEN ${counts} THEN ifnull(${limit}, 9e15) ELSE 9e15 END`).join(`,
        `)}), 9e15)`;

export const SCHEMA = `
  CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL
  );

  -- One row: the store's own id, and its generation, which every copy renews. Its spool folders are marked with the one
  -- and its send marks with the other (docs/design.md, rule 7).
  CREATE TABLE store_identity (
    id TEXT NOT NULL,
    generation TEXT NOT NULL,
    -- Random, and the same in every copy: names the files of a message (lib/payload/spool-names.ts).
    spool_key TEXT NOT NULL,
    -- The latest confirmed time (lib/store/trusted-time.ts).
    trusted_time INTEGER
  );

  -- Every folder that has ever had files of messages of this store: erasing a message looks there. Some have only what
  -- is under way, and not the payloads that rows name.
  CREATE TABLE spool_folder (
    path TEXT PRIMARY KEY,
    has_payloads INTEGER NOT NULL
  );

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
    once_digest TEXT,
    lane TEXT NOT NULL,
    strict_order INTEGER NOT NULL,
    local_id TEXT NOT NULL,
    local_id_is_unique INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    envelope TEXT NOT NULL,
    size INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    resend_of TEXT,
    acknowledgement_reference TEXT,
    state TEXT NOT NULL,
    payload_kind TEXT CHECK (payload_kind IN ('inline', 'spool', 'file')),
    payload_name TEXT,
    payload_file TEXT,
    payload_digest TEXT,
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
    stages TEXT,
    -- A JSON array: outgoing_reply_key has each of them.
    reply_keys TEXT,
    replies TEXT NOT NULL DEFAULT 'not-asked',
    replies_revision INTEGER NOT NULL DEFAULT 0,
    collect_by INTEGER,
    infrastructure_by INTEGER,
    business_by INTEGER,
    replies_by INTEGER,
    blocked INTEGER NOT NULL DEFAULT 0,

    -- The earliest of the limits that still count.
    earliest_limit INTEGER GENERATED ALWAYS AS (
      CASE WHEN ${NEVER_OVERDUE} THEN NULL ELSE ${EARLIEST_LIMIT} END) VIRTUAL,
    -- A copy of earliest_limit that is written only when it changes: an index on a column that depends on the state is
    -- written anew with every change of state. Measured (64 messages a commit): an intent and its end 178 µs with such
    -- an index, 141 without.
    overdue_at INTEGER,

    payload_rule INTEGER GENERATED ALWAYS AS (
      ${PAYLOAD_RULE}) VIRTUAL,
    payload_since INTEGER GENERATED ALWAYS AS (${PAYLOAD_SINCE}) VIRTUAL,
    row_since INTEGER GENERATED ALWAYS AS (
      ${ROW_SINCE}) VIRTUAL
  );
  CREATE UNIQUE INDEX outgoing_once ON outgoing (once_key, mailbox) WHERE once_key IS NOT NULL;
  CREATE INDEX outgoing_state ON outgoing (mailbox, state, blocked, seq, next_attempt_at, id);
  CREATE INDEX outgoing_wake ON outgoing (mailbox, next_attempt_at)
    WHERE state = 'queued' AND blocked = 0 AND next_attempt_at > 0;
  CREATE INDEX outgoing_lane ON outgoing (mailbox, lane, seq) WHERE state IN ${PENDING_LIST};
  CREATE INDEX outgoing_strict ON outgoing (mailbox, lane, seq) WHERE strict_order = 1;
  CREATE INDEX outgoing_blocked ON outgoing (mailbox, lane) WHERE blocked = 1;
  CREATE INDEX outgoing_message ON outgoing (message_id, seq) WHERE message_id IS NOT NULL;
  CREATE INDEX outgoing_local ON outgoing (local_id, seq);
  CREATE INDEX outgoing_resend ON outgoing (resend_of, seq) WHERE resend_of IS NOT NULL;
  CREATE INDEX outgoing_acknowledgement ON outgoing (mailbox, acknowledgement_reference, seq)
    WHERE acknowledgement_reference IS NOT NULL;
  CREATE INDEX outgoing_track ON outgoing (mailbox, next_track_at, seq) WHERE next_track_at IS NOT NULL;
  CREATE INDEX outgoing_overdue ON outgoing (mailbox, overdue_at, seq) WHERE overdue_at IS NOT NULL;
  CREATE INDEX outgoing_is_overdue ON outgoing (mailbox, seq) WHERE ${IS_OVERDUE};
  CREATE INDEX outgoing_payload_due ON outgoing (payload_rule, payload_since) WHERE payload_rule IS NOT NULL;
  CREATE INDEX outgoing_row_due ON outgoing (row_since) WHERE row_since IS NOT NULL;
  CREATE INDEX outgoing_spool ON outgoing (payload_name) WHERE payload_name IS NOT NULL;
  CREATE INDEX outgoing_instance ON outgoing (mailbox, instance) WHERE ${SENT_IN_SANDBOX};

  -- Apart, so that lists, indexes and changes of the row do not carry 64 KiB with them.
  CREATE TABLE outgoing_payload (
    seq INTEGER PRIMARY KEY REFERENCES outgoing (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
  );

  -- What replies may name a message by.
  CREATE TABLE outgoing_reply_key (
    key TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES outgoing (seq) ON DELETE CASCADE,
    PRIMARY KEY (key, seq)
  ) WITHOUT ROWID;
  CREATE INDEX outgoing_reply_key_seq ON outgoing_reply_key (seq);
  CREATE TRIGGER outgoing_reply_key_added AFTER INSERT ON outgoing WHEN NEW.reply_keys IS NOT NULL BEGIN
    INSERT OR IGNORE INTO outgoing_reply_key (key, seq) SELECT value, NEW.seq FROM json_each(NEW.reply_keys);
  END;
  CREATE TRIGGER outgoing_reply_key_removed AFTER UPDATE OF reply_keys ON outgoing
    WHEN OLD.reply_keys IS NOT NULL AND NEW.reply_keys IS NULL BEGIN
    DELETE FROM outgoing_reply_key WHERE seq = NEW.seq;
  END;

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
    WHEN NEW.state IN ${PENDING_LIST} AND ${HAS_TO_BLOCK} BEGIN ${blockLater((table = '') => `${table}seq`)}
  END;
  CREATE TRIGGER outgoing_lane_returned AFTER UPDATE OF state ON outgoing
    WHEN NEW.state IN ${PENDING_LIST} AND OLD.state NOT IN ${PENDING_LIST} AND ${HAS_TO_BLOCK} BEGIN ${blockLater((table = '') => `${table}seq`)}
  END;
  CREATE TRIGGER outgoing_lane_finished AFTER UPDATE OF state ON outgoing
    WHEN OLD.state IN ${PENDING_LIST} AND NEW.state NOT IN ${PENDING_LIST} AND ${HAS_TO_UNBLOCK} BEGIN
    UPDATE outgoing SET blocked = 0 WHERE blocked = 1 AND seq = ${FIRST_OF_LANE};
  END;

  CREATE TRIGGER outgoing_overdue_added AFTER INSERT ON outgoing
    WHEN NEW.overdue_at IS NOT NEW.earliest_limit BEGIN
    UPDATE outgoing SET overdue_at = NEW.earliest_limit WHERE seq = NEW.seq;
  END;
  CREATE TRIGGER outgoing_overdue_changed
    AFTER UPDATE OF state, infrastructure, business, collect_by, infrastructure_by, business_by, replies_by ON outgoing
    WHEN NEW.overdue_at IS NOT NEW.earliest_limit BEGIN
    UPDATE outgoing SET overdue_at = NEW.earliest_limit WHERE seq = NEW.seq;
  END;

  -- How far the sender of each mailbox has come, for the send marks (lib/send/send-marks.ts).
  CREATE TABLE sending (
    mailbox INTEGER PRIMARY KEY REFERENCES mailbox (id),
    commits INTEGER NOT NULL,
    begun INTEGER NOT NULL
  );

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
    request_key TEXT,
    classification TEXT,
    state TEXT NOT NULL,
    payload_kind TEXT CHECK (payload_kind IN ('inline', 'spool', 'file')),
    payload_name TEXT,
    payload_file TEXT,
    payload_digest TEXT,
    acknowledged_at INTEGER,
    delivery_count INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    settled_at INTEGER,
    error TEXT,
    UNIQUE (mailbox, message_id)
  );
  CREATE INDEX incoming_state ON incoming (mailbox, state, seq);
  CREATE INDEX incoming_unacknowledged ON incoming (mailbox, seq) WHERE acknowledged_at IS NULL;
  CREATE INDEX incoming_request ON incoming (mailbox, request_key, seq)
    WHERE request_key IS NOT NULL;
  CREATE INDEX incoming_parked ON incoming (mailbox, size) WHERE ${PARKED_PAYLOAD};
  CREATE INDEX incoming_payload_due ON incoming (settled_at) WHERE ${RECEIVED_PAYLOAD_DUE};
  CREATE INDEX incoming_row_due ON incoming (settled_at) WHERE ${RECEIVED_ROW_DUE};
  CREATE INDEX incoming_spool ON incoming (payload_name) WHERE payload_name IS NOT NULL;
  CREATE INDEX incoming_instance ON incoming (mailbox, instance) WHERE ${RECEIVED_IN_SANDBOX};

  CREATE TABLE incoming_payload (
    seq INTEGER PRIMARY KEY REFERENCES incoming (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
  );

  -- AUTOINCREMENT: a sequence number is never used again, even when the retention has emptied the table.
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
  CREATE INDEX ledger_condition ON ledger (mailbox, time) WHERE ${IS_CONDITION_EVENT};
  CREATE INDEX ledger_reference ON ledger (mailbox, reference);
  CREATE INDEX ledger_message ON ledger (mailbox, message_id) WHERE message_id IS NOT NULL AND message_id <> reference;
`;
