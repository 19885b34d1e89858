"""Rows 32-40: around the conversation."""

import json
import re
import urllib.parse

from lib.acp import Editor
from lib.check import clip, row, wait_for
from lib.mcp import mcp_config
from lib.model import Model, by_step, calls, status, text
from lib.server import Server
from lib.streams import Sse, WebSocket


@row(32, "one limit of a prompt's text, live, with one answer by every door")
def prompt_limit(c):
    """Below and above the limit over REST, WebSocket and ACP, before and after it is raised and lowered."""
    model = c.during(Model(by_step(*[text("taken")] * 100)))
    limit = "[limits]\nprompt_text_bytes = {}\n"
    server = Server(c, model, config=limit.format(1000))
    session = server.session()
    editor = c.during(Editor(server, capabilities={}))
    chat = editor.session()
    socket_ = c.during(WebSocket(server, f"/ws?session_id={session}"))

    def doors(size, tag):
        content = "w" * size
        rest = server.prompt(session, content)
        socket_.send({"type": "request", "id": tag, "payload": {"action": "prompt", "session_id": session, "content": content}})
        ws = socket_.until(
            lambda m: m.get("id") == tag and (m["type"] == "error" or m["payload"].get("type") in ("complete", "error") or m["payload"].get("error")),
            10,
        )
        acp = editor.prompt(chat, content)
        ws = ws if isinstance(ws, dict) else {"payload": {"error": repr(ws)}}
        return {
            "REST": (rest.status == 200, rest.status, (rest.json or {}).get("code")),
            "WebSocket": (
                ws["payload"].get("type") == "complete" or ws["payload"].get("kind") == "complete",
                clip(json.dumps(ws["payload"])),
                ws["payload"].get("code"),
            ),
            "ACP": ("result" in (acp or {}), clip(json.dumps(acp)), ((acp or {}).get("error", {}).get("data") or {}).get("reason")),
        }

    low = doors(500, "a")
    c.need(all(d[0] for d in low.values()), f"a short prompt: {low}")
    over = doors(2000, "b")
    c.need(not any(d[0] for d in over.values()), f"a long prompt is taken: {over}")
    said_reload = server.reload(limit.format(100_000))
    c.need(said_reload.returncode == 0, f"reload: {said_reload.stderr}")
    high = doors(2000, "c")
    c.want(all(d[0] for d in high.values()), f"after the limit was raised: {high}")
    server.reload(limit.format(100))
    after = doors(500, "d")
    c.want(not any(d[0] for d in after.values()), f"after it was lowered: {after}")
    codes = {d[2] for d in after.values() if d[2]} | {d[2] for d in over.values() if d[2]}
    c.want(len(codes) == 1, f"several codes for one limit: {codes}")
    statuses = set()
    for path in ("prompt", "prompt/stream"):
        statuses.add(server.request("POST", f"/api/v1/sessions/{session}/{path}", {"content": "w" * 5000}).status)
    blocks = [{"type": "text", "text": "w" * 3000}, {"type": "text", "text": "w" * 3000}]
    statuses.add(server.request("POST", f"/api/v1/sessions/{session}/prompt", {"content": blocks}).status)
    c.want(len(statuses) == 1 and 200 not in statuses, f"several answers for one limit: {statuses}")


@row(33, "a directory in the list's query is resolved")
def resolved_cwd(c):
    """A slash at the end, `/./`, `..`, a link."""
    server = Server(c)
    inner = server.work / "proj"
    inner.mkdir()
    session = server.session(inner)
    link = server.work / "link"
    link.symlink_to(inner)

    def listed(cwd):
        answer = server.api("GET", "/sessions?" + urllib.parse.urlencode({"cwd": str(cwd)}))
        return session in [s["id"] for s in answer["sessions"]]

    c.need(listed(inner) and not listed(server.work), "the plain query does not work")
    for cwd in (f"{inner}/", f"{server.work}/./proj", f"{inner}/../proj", link, f"{link}/"):
        c.want(listed(cwd), f"not found by {cwd}")


@row(34, "a word from the middle of a Chinese or Japanese title is found")
def middle_of_title(c):
    """Titles and prompts, two characters and more, mixed with Latin."""
    server = Server(c, c.during(Model(by_step(*[text("好")] * 10))))
    titles = {
        "修复登录页面的错误": ("登录", "页面", "错误", "登录页面"),
        "検索機能のテストを追加する": ("テスト", "機能", "追加"),
        "更新README文档": ("README", "文档"),
        "데이터베이스 연결을 고치기": ("연결", "고치기"),
    }
    made = {}
    for title in titles:
        made[title] = server.session()
        server.api("PATCH", f"/sessions/{made[title]}", {"title": title})
    prompted = server.session()
    server.prompt(prompted, "请检查数据库连接的问题")

    def found(word):
        return [s["id"] for s in server.api("GET", "/sessions?" + urllib.parse.urlencode({"q": word}))["sessions"]]

    c.need(made["修复登录页面的错误"] in found("修复登录页面的错误"), "not even the whole title is found")
    c.need(not found("没有这样的"), "anything is found")
    for title, words in titles.items():
        for word in words:
            c.want(made[title] in found(word), f"{word} of {title}")
    c.want(prompted in found("数据库"), "a word of a prompt")


@row(35, "attempts are counted right")
def attempts(c):
    """`wharf ask` on a 503: from the start, and with another number of attempts; beside a server and in its own process."""
    for number, embedded in ((4, False), (2, False), (3, True)):
        model = c.during(Model(lambda _: status(503, {"error": {"message": "overloaded"}}, {"Retry-After": "0"})))
        server = Server(c, model, config=f"[turns]\nmodel_attempts = {number}\n")
        line = ["ask", "hi"] if not embedded else ["run", "--model", "openai/m", "--base-url", model.url, "hi"]
        asked = server.command(*line, limit_s=40)
        c.need(len(model.requests) == number, f"{len(model.requests)} requests for {number} attempts: {clip(asked.stderr)}")
        shown = [(int(a), int(b)) for a, b in re.findall(r"(\d+) (?:of|/) ?(\d+)", asked.stdout + asked.stderr)]
        c.need(shown, f"nothing is said of attempts: {clip(asked.stderr)}")
        # "attempt 2 of 4", or "retry 1 of 3".
        c.want(all(1 <= a <= b and b in (number, number - 1) for a, b in shown), f"{number} attempts are counted as {shown}")
        c.want(len(set(shown)) == len(shown) and len(shown) <= number, f"told twice: {shown}")


@row(36, "a command that ran into its time limit keeps its output")
def timed_out_output(c):
    """Over REST: little, both streams, much."""
    server = Server(c)
    session = server.session()
    c.need("quick" in server.tool(session, "bash", command="echo quick", timeout_ms=5000).text, "no output at all")
    for command, expected in (
        ("echo so-far; sleep 30", "so-far"),
        ("echo to-stderr >&2; echo more; sleep 30", "to-stderr"),
        ("seq 1 20000; echo at-the-end; sleep 30", "at-the-end"),
    ):
        result = server.tool(session, "bash", command=command, timeout_ms=1500)
        c.need(not result.ok, f"the time limit was no failure: {result}")
        c.want(expected in json.dumps(result.answer), f"{command}: {result}")
        c.want(re.search(r"time|limit", result.text, re.I), f"{command}: the limit is not named: {result}")


@row(37, "a quoted idempotency key and an empty cursor are taken")
def idempotency(c):
    """`"abc"` once, twice, and without the quotes; `?after=` of pages, of SSE, and of all sessions."""
    model = c.during(Model(by_step(*[text("taken")] * 20)))
    server = Server(c, model)
    session = server.session()

    def prompt(key, content="hello"):
        return server.request("POST", f"/api/v1/sessions/{session}/prompt", {"content": content}, {"Idempotency-Key": key})

    plain = prompt("plain-key")
    c.need(plain.status == 200 and prompt("plain-key").json.get("turn_id") == plain.json["turn_id"], f"a plain key: {plain}")
    first = prompt('"abc"')
    c.want(first.status == 200, f"quoted: {first}")
    again = prompt('"abc"')
    c.want(again.status == 200 and again.json.get("turn_id") == (first.json or {}).get("turn_id"), f"quoted, repeated: {again}")
    other = prompt('"abc"', "another")
    c.want(other.status == 422, f"the same key with another body: {other}")
    uuid = prompt('"8e03978e-40d5-43e8-bc93-6894a57f9324"', "third")
    c.want(uuid.status == 200, f"a quoted UUID: {uuid}")
    for path in (
        f"/api/v1/sessions/{session}/events?after=&limit=10",
        f"/api/v1/sessions/{session}/messages?after=",
        f"/api/v1/sessions/{session}/messages?before=",
    ):
        answer = server.request("GET", path, headers={"Accept": "application/json"})
        c.want(answer.status == 200, f"{path}: {answer}")
    for path in (f"/api/v1/sessions/{session}/events?after=", "/api/v1/events?after="):
        with Sse(server, path) as stream:
            wait_for(lambda: stream.status, 5)
            c.want(stream.status == 200 and stream.wait(lambda e, d: e == "connected"), f"{path}: {stream.status}")


@row(38, "a WebSocket frame with invalid UTF-8 closes with 1007")
def invalid_utf8(c):
    """One frame, a message in pieces, a half character at the end; on `/ws` and `/acp`."""
    server = Server(c)
    cases = {
        "one frame": [(b'{"type":"\xff\xfe"}', 1, True)],
        "in pieces": [(b'{"type":"', 1, False), (b'\xc3\x28"}', 0, True)],
        "a half character": [("{}é".encode()[:-1], 1, True)],
        "a surrogate": [(b"\xed\xa0\x80", 1, True)],
    }
    for path in ("/ws", "/acp"):
        with WebSocket(server, path) as socket_:
            c.need(socket_.status == 101, f"{path}: {socket_.status}")
            if path == "/ws":
                whole = '{"type":"request","id":"1","payload":{"action":"ping","note":"é"}}'.encode()
                cut = whole.index("é".encode()) + 1
                socket_.send_frame(whole[:cut], 1, False)
                socket_.send_frame(whole[cut:], 0, True)
                answer = socket_.until(lambda m: m.get("id") == "1", 5)
                c.need(isinstance(answer, dict), f"a character cut by frames: {answer}")
        for name, frames in cases.items():
            with WebSocket(server, path) as socket_:
                for payload, opcode, fin in frames:
                    socket_.send_frame(payload, opcode, fin)
                closed = socket_.until(lambda _: False, 5)
                c.want(closed == ("close", 1007), f"{path}, {name}: {closed}")


BOM = b"\xef\xbb\xbf"


@row(39, "a byte-order mark is skipped")
def byte_order_mark(c):
    """Before a REST body, an import, a line of an editor, a frame."""
    model = c.during(Model(by_step(*[text("taken")] * 5)))
    server = Server(c, model)
    session = server.session()
    c.need(server.prompt(session, "hi").status == 200, "no prompt works")
    answer = server.request("POST", f"/api/v1/sessions/{session}/prompt", BOM + b'{"content":"hello"}')
    c.want(answer.status == 200, f"REST: {answer}")
    answer = server.request("POST", "/api/v1/sessions", BOM + json.dumps({"cwd": str(server.work)}).encode())
    c.want(answer.status in (200, 201), f"REST, a session: {answer}")
    export = server.request("GET", f"/api/v1/sessions/{session}/export").body
    c.need(server.request("POST", "/api/v1/sessions/import?session_id=plain", export).status in (200, 201), "a plain import fails")
    answer = server.request("POST", "/api/v1/sessions/import?session_id=marked", BOM + export)
    c.want(answer.status in (200, 201), f"import: {answer}")
    file = c.place / "export.jsonl"
    file.write_bytes(BOM + export)
    done = server.command("sessions", "import", file)
    c.want(done.returncode == 0, f"wharf sessions import: {clip(done.stderr)}")
    hello = json.dumps({"jsonrpc": "2.0", "id": 77, "method": "initialize", "params": {"protocolVersion": 1, "clientCapabilities": {}}}).encode()
    with Editor(server) as editor:
        editor.expect(77)
        editor.write_raw(hello + b"\n")
        c.need(editor.answer(77, 10), "initialize is not answered")
    with Editor(server) as editor:
        editor.expect(77)
        editor.write_raw(BOM + hello + b"\n")
        found = editor.answer(77, 8)
        c.want(found and "result" in found, f"an editor's first line: {clip(repr(found or editor.lines))}")
        if found:
            editor.expect(78)
            editor.write_raw(BOM + json.dumps({"jsonrpc": "2.0", "id": 78, "method": "session/list", "params": {}}).encode() + b"\n")
            later = editor.answer(78, 8)
            c.want(later and "result" in later, f"a later line: {clip(repr(later))}")
    with WebSocket(server, "/acp") as socket_:
        socket_.send_frame(BOM + hello)
        found = socket_.until(lambda m: m.get("id") == 77, 5)
        c.want(isinstance(found, dict) and "result" in found, f"a frame on /acp: {clip(repr(found))}")


@row(40, "an MCP result whose content is a text is shown")
def mcp_text(c):
    """A text, one block without its list, a list of texts, an error of that kind; called over REST and by a model."""
    tools = {
        "text": {"content": "the-text-itself", "read_only": True},
        "block": {"content": {"type": "text", "text": "one-block"}, "read_only": True},
        "texts": {"content": ["first-of-two", "second-of-two"], "read_only": True},
        "wrong": {"content": "what-went-wrong", "more": {"isError": True}, "read_only": True},
        "plain": {"content": [{"type": "text", "text": "as-it-should-be"}], "read_only": True},
    }
    model = c.during(Model(by_step(text("started"), calls(("mcp__t__text", {})), text("done"))))
    server = Server(c, model, config=mcp_config(c, tools))
    session = server.session()
    c.need(server.prompt(session, "hi").status == 200, "no prompt works")
    c.need("as-it-should-be" in server.tool_with(session, "mcp__t__plain", {}).text, "a plain result is not shown")
    for name, expected in (("text", "the-text-itself"), ("block", "one-block"), ("texts", "second-of-two"), ("wrong", "what-went-wrong")):
        result = server.tool_with(session, f"mcp__t__{name}", {})
        c.want(expected in result.text and result.ok == (name != "wrong"), f"{name}: {result}")
    server.prompt(session, "again")
    c.want(any("the-text-itself" in r for r in model.requests[-1].results()), f"the model gets {model.requests[-1].results()}")
