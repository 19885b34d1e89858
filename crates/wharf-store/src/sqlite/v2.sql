-- Schema 2. Released: never edited; later versions are further files.

-- CRC-32 of what makes the event (sum.rs). NULL: written by schema 1, which kept none.
ALTER TABLE events ADD COLUMN sum INTEGER;
-- How often the session was begun to be taken up since that last came to its end.
ALTER TABLE logs ADD COLUMN recoveries INTEGER NOT NULL DEFAULT 0;

-- A start looks for sessions whose background commands a dead server left without an end.
-- A view that is damaged is no JSON, and must not keep its row from being written, nor the others from being found.
CREATE INDEX sessions_commands ON sessions (key) WHERE iif(json_valid(view), view ->> '$.running_commands', 0) > 0;
