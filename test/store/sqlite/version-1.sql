-- A database of version 1 with two messages sent and one received, dumped when version 1 was frozen.
-- Made by filling a store of version 1 and Python's sqlite3 iterdump().
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
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
INSERT INTO "incoming" VALUES(1,1,'20260101120000_ABC',NULL,'WORKFLOW_1','DATA','{"from":"X26ABC9"}',5,'abababababababababababababababababababababababababababababababab',1790000000000,'acknowledged','inline',NULL,NULL,1790000000000,0,NULL,NULL,NULL);
CREATE TABLE incoming_payload (
    seq INTEGER PRIMARY KEY REFERENCES incoming (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
  );
INSERT INTO "incoming_payload" VALUES(1,X'68656C6C6F');
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
INSERT INTO "ledger" VALUES(1,1790000000000,1,'out','019a0000-0000-7000-8000-000000000001',NULL,'queued','{}');
INSERT INTO "ledger" VALUES(2,1790000000000,1,'out','019a0000-0000-7000-8000-000000000002',NULL,'queued','{}');
INSERT INTO "ledger" VALUES(3,1790000000001,1,'out','019a0000-0000-7000-8000-000000000002','M1','accepted','{}');
INSERT INTO "ledger" VALUES(4,1790000000000,1,'in','20260101120000_ABC','20260101120000_ABC','spooled','{}');
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
  );
INSERT INTO "mailbox" VALUES(1,'https://localhost:8700 X26ABC1');
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
INSERT INTO "outgoing" VALUES(1,'019a0000-0000-7000-8000-000000000001',1,NULL,'K1','X26ABC9 WORKFLOW_1',1,'local-019a0000-0000-7000-8000-000000000001',1,'WORKFLOW_1','{"to":"X26ABC9"}',5,1790000000000,NULL,'queued','inline',NULL,NULL,NULL,0,NULL,0,0,NULL,NULL,NULL,NULL,0,NULL,'not-asked','not-asked',NULL,NULL,NULL,0);
INSERT INTO "outgoing" VALUES(2,'019a0000-0000-7000-8000-000000000002',1,NULL,NULL,'X26ABC9 WORKFLOW_1',0,'local-019a0000-0000-7000-8000-000000000002',1,'WORKFLOW_1','{"to":"X26ABC9"}',5,1790000000000,NULL,'accepted','spool','ab',NULL,'{"compression":"gzip","maxChunkBytes":1000,"totalChunks":2}',0,'M1',0,0,NULL,1790000000000,NULL,1790000000000,0,NULL,'not-asked','not-asked',NULL,NULL,NULL,0);
CREATE TABLE outgoing_count (
    mailbox INTEGER NOT NULL,
    state TEXT NOT NULL,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (mailbox, state)
  ) WITHOUT ROWID;
INSERT INTO "outgoing_count" VALUES(1,'accepted',1,5);
INSERT INTO "outgoing_count" VALUES(1,'queued',1,5);
CREATE TABLE outgoing_payload (
    seq INTEGER PRIMARY KEY REFERENCES outgoing (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
  );
INSERT INTO "outgoing_payload" VALUES(1,X'68656C6C6F');
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, migrated_at INTEGER NOT NULL);
INSERT INTO "schema_version" VALUES(1,1795375378224);
CREATE UNIQUE INDEX outgoing_once ON outgoing (once_key, mailbox) WHERE once_key IS NOT NULL;
CREATE INDEX outgoing_state ON outgoing (mailbox, state, id);
CREATE INDEX outgoing_sendable ON outgoing (mailbox, id, next_attempt_at) WHERE state = 'queued' AND blocked = 0;
CREATE INDEX outgoing_wake ON outgoing (mailbox, next_attempt_at) WHERE state = 'queued' AND blocked = 0;
CREATE INDEX outgoing_lane ON outgoing (mailbox, lane, id) WHERE state IN ('queued', 'sending', 'unknown', 'parked');
CREATE INDEX outgoing_message ON outgoing (message_id, id) WHERE message_id IS NOT NULL;
CREATE INDEX outgoing_local ON outgoing (local_id, id);
CREATE INDEX outgoing_resend ON outgoing (resend_of, id) WHERE resend_of IS NOT NULL;
CREATE INDEX outgoing_track ON outgoing (mailbox, next_track_at, id) WHERE next_track_at IS NOT NULL;
CREATE INDEX outgoing_overdue ON outgoing (mailbox, overdue_at, id) WHERE overdue_at IS NOT NULL;
CREATE INDEX outgoing_payload_due ON outgoing (payload_rule, payload_since) WHERE payload_rule IS NOT NULL;
CREATE INDEX outgoing_row_due ON outgoing (row_since) WHERE row_since IS NOT NULL;
CREATE INDEX outgoing_spool ON outgoing (payload_name) WHERE payload_name IS NOT NULL;
CREATE INDEX outgoing_instance ON outgoing (mailbox, instance) WHERE instance IS NOT NULL;
CREATE TRIGGER outgoing_count_added AFTER INSERT ON outgoing BEGIN 
    INSERT INTO outgoing_count (mailbox, state, messages, bytes)
      VALUES (NEW.mailbox, NEW.state, 1, CASE WHEN NEW.payload_kind IN ('inline', 'spool') THEN NEW.size ELSE 0 END)
      ON CONFLICT (mailbox, state) DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;
  END;
CREATE TRIGGER outgoing_count_changed AFTER UPDATE OF state, payload_kind ON outgoing
    WHEN OLD.state <> NEW.state OR OLD.payload_kind IS NOT NEW.payload_kind BEGIN 
    UPDATE outgoing_count SET messages = messages - 1, bytes = bytes - CASE WHEN OLD.payload_kind IN ('inline', 'spool') THEN OLD.size ELSE 0 END
      WHERE mailbox = OLD.mailbox AND state = OLD.state; 
    INSERT INTO outgoing_count (mailbox, state, messages, bytes)
      VALUES (NEW.mailbox, NEW.state, 1, CASE WHEN NEW.payload_kind IN ('inline', 'spool') THEN NEW.size ELSE 0 END)
      ON CONFLICT (mailbox, state) DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;
  END;
CREATE TRIGGER outgoing_count_removed AFTER DELETE ON outgoing BEGIN 
    UPDATE outgoing_count SET messages = messages - 1, bytes = bytes - CASE WHEN OLD.payload_kind IN ('inline', 'spool') THEN OLD.size ELSE 0 END
      WHERE mailbox = OLD.mailbox AND state = OLD.state;
  END;
CREATE TRIGGER outgoing_lane_added AFTER INSERT ON outgoing
    WHEN NEW.state IN ('queued', 'sending', 'unknown', 'parked') BEGIN 
    UPDATE outgoing SET blocked = 1
      WHERE seq = NEW.seq AND strict_order = 1 AND EXISTS (
        SELECT 1 FROM outgoing AS earlier WHERE earlier.mailbox = NEW.mailbox AND earlier.lane = NEW.lane
          AND earlier.state IN ('queued', 'sending', 'unknown', 'parked') AND earlier.id < NEW.id);
    UPDATE outgoing SET blocked = 1
      WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ('queued', 'sending', 'unknown', 'parked') AND id > NEW.id
        AND strict_order = 1 AND blocked = 0;
  END;
CREATE TRIGGER outgoing_lane_returned AFTER UPDATE OF state ON outgoing
    WHEN NEW.state IN ('queued', 'sending', 'unknown', 'parked') AND OLD.state NOT IN ('queued', 'sending', 'unknown', 'parked') BEGIN 
    UPDATE outgoing SET blocked = 1
      WHERE seq = NEW.seq AND strict_order = 1 AND EXISTS (
        SELECT 1 FROM outgoing AS earlier WHERE earlier.mailbox = NEW.mailbox AND earlier.lane = NEW.lane
          AND earlier.state IN ('queued', 'sending', 'unknown', 'parked') AND earlier.id < NEW.id);
    UPDATE outgoing SET blocked = 1
      WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ('queued', 'sending', 'unknown', 'parked') AND id > NEW.id
        AND strict_order = 1 AND blocked = 0;
  END;
CREATE TRIGGER outgoing_lane_finished AFTER UPDATE OF state ON outgoing
    WHEN OLD.state IN ('queued', 'sending', 'unknown', 'parked') AND NEW.state NOT IN ('queued', 'sending', 'unknown', 'parked') BEGIN
    UPDATE outgoing SET blocked = 0 WHERE blocked = 1 AND seq = (
      SELECT seq FROM outgoing WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ('queued', 'sending', 'unknown', 'parked')
        ORDER BY id LIMIT 1);
  END;
CREATE INDEX incoming_state ON incoming (mailbox, state, received_at, message_id);
CREATE INDEX incoming_due ON incoming (mailbox, received_at, message_id, state, lease_until)
    WHERE state IN ('acknowledged', 'delivered');
CREATE INDEX incoming_payload_due ON incoming (settled_at)
    WHERE state = 'done' AND payload_kind IS NOT NULL AND settled_at IS NOT NULL;
CREATE INDEX incoming_row_due ON incoming (settled_at)
    WHERE state = 'done' AND payload_kind IS NULL AND settled_at IS NOT NULL;
CREATE INDEX incoming_spool ON incoming (payload_name) WHERE payload_name IS NOT NULL;
CREATE INDEX incoming_instance ON incoming (mailbox, instance) WHERE instance IS NOT NULL;
CREATE INDEX ledger_time ON ledger (mailbox, time);
CREATE INDEX ledger_reference ON ledger (mailbox, reference);
CREATE INDEX ledger_message ON ledger (mailbox, message_id) WHERE message_id IS NOT NULL AND message_id <> reference;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('ledger',4);
COMMIT;
PRAGMA foreign_keys = ON;
