-- Schema 4. Released: never edited; later versions are further files.

-- What model calls took and cost, by day (UTC), model and directory. Counted when a call is appended, once; copies of sessions do not
-- count again, and a session that is deleted was paid for all the same.
CREATE TABLE spending (
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    cwd TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,
    priced_calls INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    PRIMARY KEY (day, model, cwd)
) WITHOUT ROWID;
