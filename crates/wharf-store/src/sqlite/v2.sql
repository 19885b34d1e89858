-- Schema 2. A start looks for sessions whose background commands a dead server left without an end.

CREATE INDEX sessions_commands ON sessions (key) WHERE view ->> '$.running_commands' > 0;
