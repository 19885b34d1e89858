-- Schema 3. Released: never edited; later versions are further files.

-- The last seq of what was written before the log came to light: copies, which the stream of all sessions does not have.
-- A log that has not come to light is `deleted`, has an id that is none (`~` and a number), and begins after its last event.
ALTER TABLE logs ADD COLUMN staged INTEGER NOT NULL DEFAULT 0;
