/**
 * Version 3 of the schema: large payloads in slices, for instances without a folder that they share. A payload is there once
 * a row names it; what none names a day after it was begun was never finished, and goes.
 */
export const slices = `
  CREATE TABLE payload (
    name TEXT COLLATE "C" PRIMARY KEY,
    begun_at TIMESTAMPTZ NOT NULL
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
