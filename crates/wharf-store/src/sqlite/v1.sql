-- Schema 1. Released: never edited; later versions are further files.

-- Where the next event goes: no position below this was ever free, even when the newest events are removed.
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('position_floor', 0), ('checks', 0);

-- Starts of the machine, so that a row can name one with a small number.
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE);

-- What changes with every append. Narrow, so that appends of many sessions touch few pages.
CREATE TABLE logs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    -- On disk before any seq up to it is shown.
    seq_ceiling INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    -- The boot of the last write; NULL once the lease was given back.
    boot INTEGER,
    owner TEXT,
    deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX logs_owned ON logs (owner) WHERE owner IS NOT NULL;

-- Appended at the end only: a table clustered by session would write all over the file.
-- `kind` is a code of our own, 100 and above for chunks; `json` are the bytes that clients get.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    json BLOB NOT NULL
);
CREATE UNIQUE INDEX events_seq ON events (session, seq);
CREATE INDEX events_meaning ON events (session, seq, kind) WHERE kind < 100;

-- The view of a session when its log was cut; what a rebuild starts from.
CREATE TABLE bases (session INTEGER PRIMARY KEY, view TEXT NOT NULL);
-- Logs whose removed events still lie in the file.
CREATE TABLE purges (session INTEGER PRIMARY KEY);

-- Read models: all below follows from the events.
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    archived INTEGER NOT NULL,
    cwd TEXT NOT NULL,
    view TEXT NOT NULL
);
CREATE INDEX sessions_newest ON sessions (archived, updated_at, id);
CREATE INDEX sessions_status ON sessions (archived, status, updated_at, id);
CREATE INDEX sessions_cwd ON sessions (archived, cwd, updated_at, id);

CREATE TABLE counts (
    archived INTEGER NOT NULL,
    status TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (archived, status)
) WITHOUT ROWID;

CREATE TABLE turns (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    turn_id TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER,
    ended_at INTEGER,
    -- 0 once its chunks were dropped.
    chunks INTEGER NOT NULL,
    view TEXT NOT NULL,
    UNIQUE (session, turn_id)
);
CREATE INDEX turns_newest ON turns (session, first_seq);
CREATE INDEX turns_open ON turns (session) WHERE ended_at IS NULL;
CREATE INDEX turns_chunks ON turns (ended_at, session, first_seq) WHERE chunks = 1 AND ended_at IS NOT NULL;

CREATE TABLE prompts (
    session INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    turn_id TEXT,
    -- The turn it was accepted for, where it joined another one.
    own_turn TEXT,
    body_hash TEXT NOT NULL,
    PRIMARY KEY (session, message_id)
) WITHOUT ROWID;
CREATE INDEX prompts_joined ON prompts (session, own_turn) WHERE own_turn IS NOT NULL;

-- One for each title (seq 0) and prompt. The index keeps no copy of the text.
CREATE TABLE docs (id INTEGER PRIMARY KEY, session INTEGER NOT NULL, seq INTEGER NOT NULL, UNIQUE (session, seq));
CREATE VIRTUAL TABLE search USING fts5 (
    text, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2'
);
