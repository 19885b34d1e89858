-- One session with a title, as schema 1 holds it.
INSERT INTO boots (id, boot) VALUES (1, 'an older start');
INSERT INTO logs (key, id, first_seq, last_seq, seq_ceiling, fence, boot, owner)
VALUES (1, 'session-old', 1, 2, 4098, 1, NULL, NULL);
INSERT INTO events (id, session, seq, kind, json) VALUES
(1, 1, 1, 1, CAST('{"seq":1,"type":"session.created","session_id":"session-old","timestamp":"2026-11-20T10:00:00.000Z","payload":{"cwd":"/work","agent_name":"coder","model":"demo/demo","mode":"ask"}}' AS BLOB)),
(2, 1, 2, 2, CAST('{"seq":2,"type":"session.updated","session_id":"session-old","timestamp":"2026-11-20T10:00:01.000Z","payload":{"title":"old words"}}' AS BLOB));
INSERT INTO sessions (key, id, updated_at, status, archived, cwd, view) VALUES (1, 'session-old', 1795168801000, 'idle', 0, '/work',
'{"id":"session-old","created_at":"2026-11-20T10:00:00.000Z","updated_at":"2026-11-20T10:00:01.000Z","cwd":"/work","agent_name":"coder","model":"demo/demo","mode":"ask","title":"old words","archived":false,"status":"idle","message_count":0,"token_usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0},"queued_count":0,"last_seq":2,"first_seq":1}');
INSERT INTO counts (archived, status, sessions) VALUES (0, 'idle', 1);
INSERT INTO docs (id, session, seq) VALUES (1, 1, 0);
INSERT INTO search (rowid, text) VALUES (1, 'old words');
