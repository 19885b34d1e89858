-- Schema 2. Released: never edited; later versions are further files.

-- CRC-32 of what makes the event (sum.rs). NULL: written by schema 1, which kept none.
ALTER TABLE events ADD COLUMN sum INTEGER;
-- How often the session was begun to be taken up since that last came to its end.
ALTER TABLE logs ADD COLUMN recoveries INTEGER NOT NULL DEFAULT 0;

-- A start looks for sessions whose background commands a dead server left without an end.
CREATE INDEX sessions_commands ON sessions (key) WHERE view ->> '$.running_commands' > 0;
