/**
 * The schema of a PostgreSQL store, made in one transaction when it is not there. There are no migrations before the
 * first release: edit the schema in place and raise SCHEMA_VERSION (lib/store/rules/schema-version.ts); a store of any
 * other number is refused.
 *
 * Tables, columns and indexes are those of the SQLite back end (lib/store/sqlite/schema.ts) in PostgreSQL's words.
 * Times are milliseconds as JavaScript has them (double precision). JSON is text: jsonb refuses the zero character, and
 * nothing here asks what is in it. Ids sort by their bytes (COLLATE "C"), as they do in JavaScript.
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
import { orderOf } from './order';

const EARLIEST_LIMIT = `least(
        ${LIMITS.map(({ limit, counts }) => `CASE WHEN ${counts} THEN ${limit} END`).join(`,
        `)})`;

const PAYLOAD_COLUMNS = `
    payload_kind TEXT CHECK (payload_kind IN ('inline', 'spool', 'file')),
    payload_name TEXT,
    payload_file TEXT,
    payload_digest TEXT,`;

/** Rows that change often: free space on their page keeps a new version beside the old one. */
const OFTEN_CHANGED = `WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)`;

export const SCHEMA = `
  CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL
  );

  -- One row: the store's own id, and its generation, which every copy renews. Its spool folders are marked with the one
  -- and its send marks with the other (docs/design.md, rule 7).
  CREATE TABLE store_identity (
    id TEXT NOT NULL,
    generation TEXT NOT NULL,
    -- Random, and the same in every copy: names the files of a message (lib/payload/spool-names.ts).
    spool_key TEXT NOT NULL,
    -- The latest confirmed time (lib/store/trusted-time.ts).
    trusted_time DOUBLE PRECISION
  );

  -- Every folder that has ever had files of messages of this store: erasing a message looks there. Some have only what
  -- is under way, and not the payloads that rows name.
  CREATE TABLE spool_folder (
    path TEXT PRIMARY KEY,
    has_payloads BOOLEAN NOT NULL
  );

  -- A mailbox key is long (URL and id) and would be in every row and index: a number stands for it.
  CREATE TABLE mailbox (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
  );

  CREATE TABLE outgoing (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    instance TEXT,
    once_key TEXT,
    once_digest TEXT,
    lane TEXT NOT NULL,
    strict_order SMALLINT NOT NULL,
    local_id TEXT NOT NULL,
    local_id_is_unique SMALLINT NOT NULL,
    workflow_id TEXT NOT NULL,
    envelope TEXT NOT NULL,
    size BIGINT NOT NULL,
    queued_at DOUBLE PRECISION NOT NULL,
    resend_of TEXT,
    acknowledgement_reference TEXT,
    state TEXT NOT NULL,${PAYLOAD_COLUMNS}
    plan TEXT,
    chunks_sent INTEGER NOT NULL DEFAULT 0,
    message_id TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at DOUBLE PRECISION NOT NULL DEFAULT 0,
    first_attempt_at DOUBLE PRECISION,
    accepted_at DOUBLE PRECISION,
    settled_at DOUBLE PRECISION,
    next_track_at DOUBLE PRECISION,
    tracked INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    infrastructure TEXT NOT NULL,
    business TEXT NOT NULL,
    stages TEXT,
    -- A JSON array: outgoing_reply_key has each of them.
    reply_keys TEXT,
    replies TEXT NOT NULL DEFAULT 'not-asked',
    replies_revision INTEGER NOT NULL DEFAULT 0,
    collect_by DOUBLE PRECISION,
    infrastructure_by DOUBLE PRECISION,
    business_by DOUBLE PRECISION,
    replies_by DOUBLE PRECISION,
    blocked SMALLINT NOT NULL DEFAULT 0,

    -- The earliest of the limits that still count.
    overdue_at DOUBLE PRECISION GENERATED ALWAYS AS (
      CASE WHEN ${NEVER_OVERDUE} THEN NULL ELSE ${EARLIEST_LIMIT} END) STORED,

    payload_rule SMALLINT GENERATED ALWAYS AS (
      ${PAYLOAD_RULE}) STORED,
    payload_since DOUBLE PRECISION GENERATED ALWAYS AS (${PAYLOAD_SINCE}) STORED,
    row_since DOUBLE PRECISION GENERATED ALWAYS AS (
      ${ROW_SINCE}) STORED
  ) ${OFTEN_CHANGED};
  CREATE UNIQUE INDEX outgoing_once ON outgoing (once_key, mailbox) WHERE once_key IS NOT NULL;
  CREATE INDEX outgoing_state ON outgoing (mailbox, state, ${orderOf()});
  CREATE INDEX outgoing_sendable ON outgoing (mailbox, ${orderOf()}, next_attempt_at) WHERE state = 'queued' AND blocked = 0;
  CREATE INDEX outgoing_wake ON outgoing (mailbox, next_attempt_at) WHERE state = 'queued' AND blocked = 0;
  CREATE INDEX outgoing_lane ON outgoing (mailbox, lane, ${orderOf()}) WHERE state IN ${PENDING_LIST};
  CREATE INDEX outgoing_strict ON outgoing (mailbox, lane, ${orderOf()})
    WHERE strict_order = 1 AND blocked = 0 AND state IN ${PENDING_LIST};
  CREATE INDEX outgoing_blocked ON outgoing (mailbox, lane) WHERE blocked = 1;
  CREATE INDEX outgoing_message ON outgoing (message_id, ${orderOf()}) WHERE message_id IS NOT NULL;
  CREATE INDEX outgoing_local ON outgoing (local_id, ${orderOf()});
  CREATE INDEX outgoing_resend ON outgoing (resend_of, ${orderOf()}) WHERE resend_of IS NOT NULL;
  CREATE INDEX outgoing_acknowledgement ON outgoing (mailbox, acknowledgement_reference, ${orderOf()})
    WHERE acknowledgement_reference IS NOT NULL;
  CREATE INDEX outgoing_track ON outgoing (mailbox, next_track_at, seq) WHERE next_track_at IS NOT NULL;
  CREATE INDEX outgoing_overdue ON outgoing (mailbox, overdue_at, seq) WHERE overdue_at IS NOT NULL;
  CREATE INDEX outgoing_is_overdue ON outgoing (mailbox, ${orderOf()}) WHERE ${IS_OVERDUE};
  CREATE INDEX outgoing_payload_due ON outgoing (payload_rule, payload_since) WHERE payload_rule IS NOT NULL;
  CREATE INDEX outgoing_row_due ON outgoing (row_since) WHERE row_since IS NOT NULL;
  CREATE INDEX outgoing_spool ON outgoing (payload_name) WHERE payload_name IS NOT NULL;
  CREATE INDEX outgoing_instance ON outgoing (mailbox, instance) WHERE ${SENT_IN_SANDBOX};

  -- Apart, so that a change of the row does not carry 64 KiB with it. Payloads are compressed by their sender, if at
  -- all.
  CREATE TABLE outgoing_payload (
    seq BIGINT PRIMARY KEY REFERENCES outgoing (seq) ON DELETE CASCADE,
    bytes BYTEA NOT NULL
  );
  ALTER TABLE outgoing_payload ALTER bytes SET STORAGE EXTERNAL;

  -- What replies may name a message by.
  CREATE TABLE outgoing_reply_key (
    key TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL REFERENCES outgoing (seq) ON DELETE CASCADE,
    PRIMARY KEY (key, seq)
  );
  CREATE INDEX outgoing_reply_key_seq ON outgoing_reply_key (seq);
  CREATE FUNCTION reply_keys_added() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO outgoing_reply_key (key, seq)
      SELECT value, NEW.seq FROM json_array_elements_text(NEW.reply_keys::json) ON CONFLICT DO NOTHING;
    RETURN NULL;
  END $$;
  CREATE TRIGGER outgoing_reply_key_added AFTER INSERT ON outgoing FOR EACH ROW WHEN (NEW.reply_keys IS NOT NULL)
    EXECUTE FUNCTION reply_keys_added();
  CREATE FUNCTION reply_keys_removed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM outgoing_reply_key WHERE seq = NEW.seq;
    RETURN NULL;
  END $$;
  CREATE TRIGGER outgoing_reply_key_removed AFTER UPDATE OF reply_keys ON outgoing FOR EACH ROW
    WHEN (OLD.reply_keys IS NOT NULL AND NEW.reply_keys IS NULL) EXECUTE FUNCTION reply_keys_removed();

  -- Counted as it changes: counting millions of settled rows would take seconds.
  CREATE TABLE outgoing_count (
    mailbox INTEGER NOT NULL,
    state TEXT NOT NULL,
    messages BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (mailbox, state)
  ) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

  CREATE FUNCTION count_added() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO outgoing_count AS counted (mailbox, state, messages, bytes)
      SELECT mailbox, state, count(*), sum(${countedBytes('row_added')})::bigint FROM added AS row_added
        GROUP BY mailbox, state
      ON CONFLICT (mailbox, state) DO UPDATE
        SET messages = counted.messages + excluded.messages, bytes = counted.bytes + excluded.bytes;
    RETURN NULL;
  END $$;
  CREATE FUNCTION count_removed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE outgoing_count AS counted SET messages = counted.messages - gone.messages, bytes = counted.bytes - gone.bytes
      FROM (SELECT mailbox, state, count(*) AS messages, sum(${countedBytes('row_removed')})::bigint AS bytes
        FROM removed AS row_removed GROUP BY mailbox, state) AS gone
      WHERE counted.mailbox = gone.mailbox AND counted.state = gone.state;
    RETURN NULL;
  END $$;
  CREATE FUNCTION count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE outgoing_count SET messages = messages - 1, bytes = bytes - ${countedBytes('OLD')}
      WHERE mailbox = OLD.mailbox AND state = OLD.state;
    INSERT INTO outgoing_count AS counted (mailbox, state, messages, bytes)
      VALUES (NEW.mailbox, NEW.state, 1, ${countedBytes('NEW')})
      ON CONFLICT (mailbox, state) DO UPDATE
        SET messages = counted.messages + 1, bytes = counted.bytes + excluded.bytes;
    RETURN NULL;
  END $$;
  CREATE TRIGGER outgoing_count_added AFTER INSERT ON outgoing REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added();
  CREATE TRIGGER outgoing_count_removed AFTER DELETE ON outgoing REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed();
  CREATE TRIGGER outgoing_count_changed AFTER UPDATE ON outgoing FOR EACH ROW
    WHEN (OLD.state <> NEW.state OR OLD.payload_kind IS DISTINCT FROM NEW.payload_kind)
    EXECUTE FUNCTION count_changed();

  -- As in SQLite, the triggers of strict order look first whether there is anything to block or to unblock, in two
  -- indexes that have an entry only where there is.
  CREATE FUNCTION block_added() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    -- Nothing that is added has a later message in its lane, except one of the same statement.
    IF EXISTS (SELECT 1 FROM added WHERE strict_order = 1 AND state IN ${PENDING_LIST}) THEN
      UPDATE outgoing SET blocked = 1 WHERE seq = ANY(ARRAY(
        SELECT seq FROM added WHERE strict_order = 1 AND state IN ${PENDING_LIST} AND EXISTS (
          SELECT 1 FROM outgoing AS earlier WHERE earlier.mailbox = added.mailbox AND earlier.lane = added.lane
            AND earlier.state IN ${PENDING_LIST} AND ${orderOf('earlier.')} < added.seq)));
    END IF;
    RETURN NULL;
  END $$;
  CREATE FUNCTION block_later() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.strict_order = 1 OR EXISTS (
        SELECT 1 FROM outgoing WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND ${orderOf()} > NEW.seq AND strict_order = 1
          AND blocked = 0 AND state IN ${PENDING_LIST}) THEN${blockLater(orderOf)}
    END IF;
    RETURN NULL;
  END $$;
  CREATE FUNCTION unblock_next() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF EXISTS (SELECT 1 FROM outgoing WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND blocked = 1) THEN
      UPDATE outgoing SET blocked = 0 WHERE blocked = 1 AND seq = (
        SELECT seq FROM outgoing WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ${PENDING_LIST}
          ORDER BY ${orderOf()} LIMIT 1);
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER outgoing_lane_added AFTER INSERT ON outgoing REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION block_added();
  CREATE TRIGGER outgoing_lane_returned AFTER UPDATE OF state ON outgoing FOR EACH ROW
    WHEN (NEW.state IN ${PENDING_LIST} AND OLD.state NOT IN ${PENDING_LIST}) EXECUTE FUNCTION block_later();
  CREATE TRIGGER outgoing_lane_finished AFTER UPDATE OF state ON outgoing FOR EACH ROW
    WHEN (OLD.state IN ${PENDING_LIST} AND NEW.state NOT IN ${PENDING_LIST}) EXECUTE FUNCTION unblock_next();

  -- How far the sender of each mailbox has come, for the send marks (lib/send/send-marks.ts).
  CREATE TABLE sending (
    mailbox INTEGER PRIMARY KEY REFERENCES mailbox (id),
    commits BIGINT NOT NULL,
    begun BIGINT NOT NULL
  );

  CREATE TABLE incoming (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    message_id TEXT COLLATE "C" NOT NULL,
    instance TEXT,
    workflow_id TEXT NOT NULL,
    message_type TEXT NOT NULL,
    headers TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    received_at DOUBLE PRECISION NOT NULL,
    request_key TEXT,
    classification TEXT,
    state TEXT NOT NULL,${PAYLOAD_COLUMNS}
    acknowledged_at DOUBLE PRECISION,
    delivery_count INTEGER NOT NULL DEFAULT 0,
    lease_until DOUBLE PRECISION,
    -- The instance whose flow has it.
    delivered_by TEXT,
    settled_at DOUBLE PRECISION,
    error TEXT,
    UNIQUE (mailbox, message_id)
  ) ${OFTEN_CHANGED};
  CREATE INDEX incoming_state ON incoming (mailbox, state, ${orderOf()});
  CREATE INDEX incoming_unacknowledged ON incoming (mailbox, ${orderOf()}) WHERE acknowledged_at IS NULL;
  CREATE INDEX incoming_request ON incoming (mailbox, request_key, ${orderOf()})
    WHERE request_key IS NOT NULL;
  CREATE INDEX incoming_parked ON incoming (mailbox, size) WHERE ${PARKED_PAYLOAD};
  CREATE INDEX incoming_payload_due ON incoming (settled_at) WHERE ${RECEIVED_PAYLOAD_DUE};
  CREATE INDEX incoming_row_due ON incoming (settled_at) WHERE ${RECEIVED_ROW_DUE};
  CREATE INDEX incoming_spool ON incoming (payload_name) WHERE payload_name IS NOT NULL;
  CREATE INDEX incoming_instance ON incoming (mailbox, instance) WHERE ${RECEIVED_IN_SANDBOX};

  CREATE TABLE incoming_payload (
    seq BIGINT PRIMARY KEY REFERENCES incoming (seq) ON DELETE CASCADE,
    bytes BYTEA NOT NULL
  );
  ALTER TABLE incoming_payload ALTER bytes SET STORAGE EXTERNAL;

  CREATE TABLE ledger (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time DOUBLE PRECISION NOT NULL,
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    direction TEXT NOT NULL,
    reference TEXT NOT NULL,
    message_id TEXT,
    event TEXT NOT NULL,
    detail TEXT NOT NULL
  );
  CREATE INDEX ledger_time ON ledger (mailbox, time, sequence);
  CREATE INDEX ledger_condition ON ledger (mailbox, time, sequence) WHERE ${IS_CONDITION_EVENT};
  CREATE INDEX ledger_reference ON ledger (mailbox, reference, sequence);
  CREATE INDEX ledger_message ON ledger (mailbox, message_id) WHERE message_id IS NOT NULL AND message_id <> reference;

  -- Each process that has the store open, with the number of its last commit: a process whose COMMIT got no answer
  -- looks here. A transaction's own number would not do: after a crash PostgreSQL gives it to another, if nothing of it
  -- was on the disk.
  CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    batch BIGINT NOT NULL,
    seen TIMESTAMPTZ NOT NULL
  ) WITH (fillfactor = 20);

  -- Who may send from, or poll, a mailbox; by this server's clock, which all instances share.
  CREATE TABLE mailbox_lease (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    role TEXT NOT NULL,
    owner TEXT NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (mailbox, role)
  ) WITH (fillfactor = 20);

  -- Large payloads in slices, for instances without a folder that they share. A payload is there once a row names it;
  -- what no row names a day after it was begun was never finished, and is removed.
  CREATE TABLE payload (
    name TEXT COLLATE "C" PRIMARY KEY,
    -- Milliseconds since 1970: never earlier than the confirmed time (lib/store/postgres/slices.ts).
    begun_at DOUBLE PRECISION NOT NULL
  );
  CREATE INDEX payload_begun ON payload (begun_at);

  CREATE TABLE payload_slice (
    name TEXT COLLATE "C" NOT NULL REFERENCES payload (name) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (name, number)
  );
  ALTER TABLE payload_slice ALTER bytes SET STORAGE EXTERNAL;
`;
