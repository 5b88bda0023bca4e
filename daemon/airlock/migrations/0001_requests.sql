-- Requests, their files and their history. Plain SQL that SQLite and PostgreSQL both take.
-- Times are RFC 3339 text in UTC; documents are JSON text.

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('request', 0);

CREATE TABLE request (
    id            TEXT PRIMARY KEY,
    number        BIGINT NOT NULL UNIQUE,
    project       TEXT NOT NULL,
    -- Name of the spool entry, what it looked like when it was read, and whether it is out of the spool.
    entry         TEXT NOT NULL,
    entry_kind    TEXT NOT NULL,
    entry_look    TEXT NOT NULL,
    spool_gone    BIGINT NOT NULL DEFAULT 0,
    requester     TEXT NOT NULL,
    requester_uid BIGINT NOT NULL,
    state         TEXT NOT NULL,
    verdict       TEXT,
    info          TEXT NOT NULL,
    report        TEXT,
    note          TEXT NOT NULL DEFAULT '',
    -- Failed on our side: inspection is tried again.
    retry         BIGINT NOT NULL DEFAULT 0,
    -- The signed decision, kept until the notary has answered, so that a crash loses no signature.
    officer       TEXT,
    statement     TEXT,
    signature     TEXT,
    bag           TEXT,
    received      TEXT NOT NULL,
    updated       TEXT NOT NULL
);
-- One spool entry belongs to at most one request that has not yet cleared it away.
CREATE UNIQUE INDEX request_claims_entry ON request (project, entry) WHERE spool_gone = 0;
CREATE INDEX request_by_state ON request (state);

CREATE TABLE file (
    request      TEXT NOT NULL REFERENCES request (id),
    name         TEXT NOT NULL,
    look         TEXT NOT NULL,
    sha256       TEXT,
    sha512       TEXT,
    bytes        BIGINT,
    owner_uid    BIGINT,
    ledger_index BIGINT,
    PRIMARY KEY (request, name)
);

CREATE TABLE event (
    request TEXT NOT NULL REFERENCES request (id),
    number  BIGINT NOT NULL,
    time    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    words   TEXT NOT NULL,
    PRIMARY KEY (request, number)
);
