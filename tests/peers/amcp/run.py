"""The published AMCP client, unmodified, against our server: every call it can make, over HTTP, NDJSON and WebSocket."""

import asyncio
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import httpx
from ankaloop.client import AnkaloopClient, SessionNotFoundError
from ankaloop.client.exceptions import PromptError

from peer import Wharf, check, finish, scripted_model

HELLO = "[[say Hello there, na\u00efve caf\u00e9.]]"
SLOW = "[[stamps 400 rate 50]]"
READ = '[[tool read_file {"path": "a.txt"}]]'
SEPARATORS = "[[say one\u2028two\u2029three\u0085four]]"
BIG = "[[big 1300000]]"
# The client takes WebSocket frames of up to 1 MiB, and the finished message is one frame.
WIDE = "[[big 900000]]"
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def text_of(chunks):
    return "".join(c.content for c in chunks if c.chunk_type == "text")


async def collect(stream, on_text=None):
    """All chunks of a stream; `on_text` is called once, at the first text."""
    out = []
    async for chunk in stream:
        out.append(chunk)
        if chunk.chunk_type == "text" and on_text:
            await on_text()
            on_text = None
    return out


async def raises(awaitable, kind):
    try:
        await awaitable
    except kind:
        return True
    return False


class Listener:
    """A session's SSE stream, read with plain httpx: the published SDK has no reader for it."""

    def __init__(self, url, key, session_id):
        self.url = f"{url}/api/v1/sessions/{session_id}/events"
        self.headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
        self.frames, self.changed = [], asyncio.Condition()

    async def run(self):
        async with httpx.AsyncClient(headers=self.headers, timeout=60) as client:
            async with client.stream("GET", self.url) as answer:
                name = None
                async for line in answer.aiter_lines():
                    if line.startswith("event:"):
                        name = line[6:].strip()
                    elif line.startswith("data:"):
                        async with self.changed:
                            self.frames.append((name, json.loads(line[5:])))
                            self.changed.notify_all()

    async def seen(self, name, count=1):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: sum(n == name for n, _ in self.frames) >= count), 20)


async def check_discovery(client):
    check("health", (await client.health()).get("healthy") is True)
    info = await client.info()
    check("info", isinstance(info.get("agents"), list) and isinstance(info.get("tools_count"), int) and info.get("protocol_version") == "1.0", info)
    for name, rows in (("tools", await client.list_tools()), ("agents", await client.list_agents())):
        check(f"list {name}", bool(rows) and all(isinstance(r["name"], str) and isinstance(r["description"], str) for r in rows), rows)


async def check_http(session):
    full = await session.prompt_full(HELLO)
    check("prompt without stream", full == "Hello there, naïve café.", full)
    got = await collect(session.prompt_stream(HELLO))
    check("prompt with stream: the text, then complete", text_of(got) == "Hello there, naïve café." and got[-1].chunk_type == "complete" and got[-1].done, got)
    got = await collect(session.prompt_stream(READ))
    kinds = [c.chunk_type for c in got]
    named = {c.content for c in got if c.chunk_type in ("tool_call", "tool_result")}
    check("a tool call is seen, then its result", kinds.index("tool_call") < kinds.index("tool_result") and named == {"read_file"}, got)
    got = await collect(session.prompt_stream(SEPARATORS))
    check("line separators in the text survive", text_of(got) == "one\u2028two\u2029three\u0085four", text_of(got))
    got = await collect(session.prompt_stream(BIG))
    check("a text over 1 MiB over NDJSON", len(text_of(got)) == 1_300_000, len(text_of(got)))
    got = await collect(session.prompt_stream("[[http 400]]"))
    check("a failed turn ends with error", got[-1].chunk_type == "error", got)


def check_events(listener, session):
    names = [name for name, _ in listener.frames]
    check("sse: connected first", names[0] == "connected", names[:3])
    check("sse: the design's events", {"prompt.received", "prompt.started", "message.chunk"} <= set(names), sorted(set(names)))
    stored = [(name, data) for name, data in listener.frames if name not in ("connected", "heartbeat")]
    check("sse: the type agrees with the frame", all(data.get("type") == name for name, data in stored))
    shaped = all(d.get("session_id") == session.id and "timestamp" in d and isinstance(d.get("payload"), dict) for _, d in stored)
    check("sse: events carry session_id, timestamp, payload", shaped)
    seqs = [data["seq"] for _, data in stored]
    check("sse: each event once, in order", seqs == sorted(set(seqs)), seqs[:50])


async def check_websocket(client, session):
    ws = await client.websocket_session(session.id)
    check("ws: ping", await ws.ping() is True)
    await ws.subscribe(session.id)
    got = await collect(ws.prompt_stream(HELLO))
    check("ws: the text, then complete", text_of(got) == "Hello there, naïve café." and got[-1].chunk_type == "complete", got)
    await ws.ping()
    # The client keeps pushed frames in a queue of its own.
    raw = [ws._message_queue.get_nowait() for _ in range(ws._message_queue.qsize())]
    pushed = [m for m in raw if m["type"] == "event" and m["payload"]["kind"] == "message.chunk"]
    # Requests have UUIDs; a pushed frame that had one would be taken for an answer.
    check("ws: pushed events carry no request id", bool(pushed) and not any(UUID.fullmatch(m.get("id") or "") for m in pushed), raw[:5])
    seqs = [m["payload"]["seq"] for m in raw if "seq" in m["payload"]]
    check("ws: each event once", len(seqs) == len(set(seqs)), seqs)
    got = await collect(ws.prompt_stream(READ))
    kinds = [c.chunk_type for c in got]
    check("ws: a tool call, then its result", "tool_call" in kinds and kinds.index("tool_call") < kinds.index("tool_result"), got)
    check("ws: an unknown session", await raises(collect(ws.prompt_stream(HELLO, "session-not-there")), SessionNotFoundError))
    got = await collect(ws.prompt_stream(WIDE))
    check("ws: a text of nearly 1 MiB", len(text_of(got)) == 900_000, len(text_of(got)))
    check("ws: the connection is still good", await ws.ping() is True)
    return ws


async def check_cancel(session, ws):
    got = await collect(session.prompt_stream(SLOW), session.cancel)
    check("cancel: the stream ends with TURN_CANCELLED", got[-1].chunk_type == "error" and got[-1].metadata.get("code") == "TURN_CANCELLED", got[-1].metadata)
    try:
        await collect(ws.prompt_stream(SLOW), ws.send_cancel)
        check("ws cancel: raises PromptError", False, "the stream completed")
    except PromptError as error:
        check("ws cancel: raises PromptError", not isinstance(error, SessionNotFoundError), error)
    check("usable after a cancel", await session.prompt_full(HELLO) == "Hello there, naïve café.")
    await session.cancel(force=True)
    check("cancel of an idle session is fine", True)


async def drive(server):
    (server.work / "a.txt").write_text("the content of a.txt\n")
    async with AnkaloopClient(server.url, api_key=server.key, timeout=15) as client:
        await check_discovery(client)
        session = await client.create_session(cwd=str(server.work))
        check("a session echoes its directory", session.cwd == str(server.work) and bool(session.agent_name), (session.cwd, session.agent_name))
        check("a session is listed", session.id in [row["id"] for row in await client.list_sessions()])
        listener = Listener(server.url, server.key, session.id)
        listening = asyncio.create_task(listener.run())
        await listener.seen("connected")
        await check_http(session)
        await listener.seen("turn.failed")
        check_events(listener, session)
        ws = await check_websocket(client, session)
        await check_cancel(session, ws)
        await ws.close()
        listening.cancel()
        await session.delete()
        check("a deleted session is gone", await raises(session.info(), SessionNotFoundError))


def check_attach(server):
    """The client's own terminal program, with a piped keyboard."""
    with tempfile.TemporaryDirectory(prefix="wharf-home-") as home:
        env = {**os.environ, "HOME": home, "ANKA_SERVER_API_KEY": server.key}
        typed = f"/tools\n/sessions\n/info\n{HELLO}\n/cancel\n/new\n/exit\n"
        anka = pathlib.Path(sys.executable).parent / "anka"
        ran = subprocess.run([anka, "attach", server.url, "-w", str(server.work)], input=typed, env=env, capture_output=True, text=True, timeout=60)
        check("attach: ends well", ran.returncode == 0, (ran.returncode, ran.stdout[-400:], ran.stderr[-400:]))
        check("attach: shows the tools and the answer", "read_file" in ran.stdout and "naïve café" in ran.stdout, ran.stdout)


def main():
    with scripted_model() as model, Wharf("openai/scripted", model.first_line()) as server:
        asyncio.run(asyncio.wait_for(drive(server), 240))
        check_attach(server)
    finish()


main()
