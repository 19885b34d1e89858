"""Rows 92-94 and 101: editors."""

import json
import re
import time

from lib.acp import Editor, Terminals
from lib.check import clip, row, wait_for
from lib.model import Model, by_step, calls, text
from lib.server import Flow, Server
from lib.terminal import Terminal

ASK = "[turns]\npermission_ms = 8000\nunattended_permission_ms = 6000\n"

EDITS = {
    "edit_file": {"path": "a.txt", "old_string": "old-line", "new_string": "new-line"},
    "write_file": {"path": "a.txt", "content": "first\nnew-line\n"},
    "write_file (new)": {"path": "fresh.txt", "content": "new-line\n"},
    "apply_patch": {"patch": "*** Begin Patch\n*** Update File: a.txt\n@@\n first\n-old-line\n+new-line\n*** End Patch\n"},
}


def _diffs(value):
    """Whether some structure shows what goes and what comes."""
    shown = json.dumps(value)
    return "new-line" in shown


@row(92, "a question about an edit shows the diff")
def diff_in_question(c):
    """Over REST and on the log (`preview.diffs`), and to an editor, whose first content it is; edits, writes, new files, patches."""
    server = Server(c, permission="ask", config=ASK)
    session = server.session()
    for name, arguments in EDITS.items():
        (server.work / "a.txt").write_text("first\nold-line\n")
        flow = Flow(server.tool_with, session, name.split()[0], arguments)
        asked = server.asked(session)
        c.need(asked, f"{name}: nothing was asked")
        logged = server.events(session, "permission.requested")[-1]["payload"]
        server.api("POST", f"/sessions/{session}/permissions/{asked['permission_id']}", {"option": "reject_once"})
        c.need(not flow.done(10).ok, f"{name}: ran although it was refused")
        for where, payload in (("the log", logged), ("the list", asked)):
            diffs = (payload.get("preview") or {}).get("diffs")
            fits = isinstance(diffs, list) and len(diffs) == 1 and _diffs(diffs) and ("(new)" in name or "old-line" in json.dumps(diffs))
            c.want(fits, f"{name}: {where} has no diff: {clip(json.dumps(payload.get('preview')))}")
    c.need((server.work / "a.txt").read_text() == "first\nold-line\n", "an edit was made that was refused")
    _to_editor(c)
    _to_terminal(c)


def _to_terminal(c):
    """`wharf attach` and `wharf ask` show it before the answer."""
    for name, arguments in (("attach", ["attach"]), ("ask", ["ask", "go"])):
        model = c.during(Model(by_step(calls(("edit_file", EDITS["edit_file"])), text("done"))))
        server = Server(c, model, permission="ask", config=ASK)
        (server.work / "a.txt").write_text("first\nold-line\n")
        with Terminal(server, *arguments) as terminal:
            if name == "attach":
                c.need(terminal.wait("mode ask"), f"attach does not start: {clip(repr(terminal.shown))}")
                terminal.type("go\r")
            c.need(terminal.wait("edit_file", 15), f"{name}: nothing is asked: {clip(repr(terminal.shown))}")
            c.want(
                b"new-line" in terminal.shown and b"old-line" in terminal.shown,
                f"{name} shows no diff with its question: {clip(repr(terminal.shown))}",
            )
        server.stop()


def _to_editor(c):
    for name, arguments in EDITS.items():
        model = c.during(Model(by_step(calls((name.split()[0], arguments)), text("done"))))
        server = Server(c, model, permission="ask", config=ASK)
        (server.work / "a.txt").write_text("first\nold-line\n")
        reject = lambda params: {
            "outcome": {"outcome": "selected", "optionId": next(o["optionId"] for o in params["options"] if o["kind"] == "reject_once")}
        }  # noqa: E731
        with Editor(server, capabilities={}, handlers={"session/request_permission": reject}) as editor:
            chat = editor.session()
            id = editor.send("session/prompt", {"sessionId": chat, "prompt": [{"type": "text", "text": "go"}]})
            asked = editor.asked("session/request_permission")
            c.need(asked, f"{name}: the editor was not asked")
            editor.answer(id, 10)
            content = asked["params"]["toolCall"].get("content") or [{}]
            first = content[0]
            c.want(
                first.get("type") == "diff" and "new-line" in str(first.get("newText")),
                f"{name}: the first content for the editor is {clip(json.dumps(first))}",
            )
            c.want(str(first.get("path", "")).startswith("/") or first.get("type") != "diff", f"{name}: the diff's path is {first.get('path')}")
        server.stop()
    model = c.during(Model(by_step(calls(("bash", {"command": "echo start; " + ": pad; " * 500 + "touch the-end"})), text("done"))))
    server = Server(c, model, permission="ask", config=ASK)
    with Editor(server, capabilities={}, handlers={"session/request_permission": reject}) as editor:
        chat = editor.session()
        id = editor.send("session/prompt", {"sessionId": chat, "prompt": [{"type": "text", "text": "go"}]})
        asked = editor.asked("session/request_permission")
        c.need(asked, "the editor raised no question a command")
        editor.answer(id, 10)
        call = asked["params"]["toolCall"]
        c.want(
            "the-end" in json.dumps({k: v for k, v in call.items() if k in ("content", "title")}),
            f"a command is not shown whole: {clip(json.dumps(call))}",
        )


class Normalising:
    """An editor's `fs/*`: it hands out text with LF, without a mark, and writes what it is given as its own kind of text."""

    def __init__(self, final_newline=False):
        self.final_newline, self.reads, self.writes = final_newline, 0, 0

    def handlers(self):
        allow = lambda params: {"outcome": {"outcome": "selected", "optionId": params["options"][0]["optionId"]}}  # noqa: E731
        return {"fs/read_text_file": self.read, "fs/write_text_file": self.write, "session/request_permission": allow}

    def read(self, params):
        self.reads += 1
        with open(params["path"], "rb") as file:
            content = file.read().decode("utf-8", "replace").removeprefix("\ufeff")
        lines = content.replace("\r\n", "\n").split("\n")
        if params.get("line") or params.get("limit"):
            start = (params.get("line") or 1) - 1
            lines = lines[start : start + params["limit"]] if params.get("limit") else lines[start:]
        return {"content": "\n".join(lines)}

    def write(self, params):
        self.writes += 1
        content = params["content"]
        if self.final_newline and not content.endswith("\n"):
            content += "\n"
        with open(params["path"], "wb") as file:
            file.write(content.encode())
        return {}


FS = {"fs": {"readTextFile": True, "writeTextFile": True}}


@row(93, "an edit through an editor damages no file")
def edit_through_editor(c):
    """CRLF, mixed ends, Latin-1, a BOM, no final newline with an editor that adds one, CR only; by edit, write and patch."""
    files = {
        "plain": (b"one\nold\nthree\n", {}),
        "CRLF": (b"one\r\nold\r\nthree\r\n", {}),
        "mixed, mostly CRLF": (b"one\r\ntwo\r\nodd\nold\r\nfive\r\n", {}),
        "mixed, mostly LF": (b"one\ntwo\nodd\r\nold\nfive\n", {}),
        "Latin-1": (b"caf\xe9\nold\nna\xefve\n", {}),
        "a BOM": (b"\xef\xbb\xbfone\nold\nthree\n", {}),
        "a BOM and CRLF": (b"\xef\xbb\xbfone\r\nold\r\nthree\r\n", {}),
        "no final newline": (b"one\nold\nthree", {"final_newline": True}),
        "Windows-1252 and CRLF": (b"\x93one\x94\r\nold\r\n", {}),
    }
    ways = {
        "edit_file": {"path": "a.txt", "old_string": "old", "new_string": "new"},
        "apply_patch": {"patch": "*** Begin Patch\n*** Update File: a.txt\n@@\n-old\n+new\n*** End Patch\n"},
    }
    model = c.during(
        Model(lambda request: calls((plan["tool"], ways[plan["tool"]]), prefix=f"n{request.step()}-") if not request.since_prompt() else text("done"))
    )
    plan = {}
    server = Server(c, model)
    path = server.work / "a.txt"
    for tool in ways:
        for name, (content, kind) in files.items():
            if tool != "edit_file" and name not in ("CRLF", "Latin-1", "no final newline"):
                continue
            plan["tool"] = tool
            path.write_bytes(content)
            editing = Normalising(**kind)
            with Editor(server, capabilities=FS, handlers=editing.handlers()) as editor:
                chat = editor.session()
                done = editor.prompt(chat, "go")
                c.need(done and "result" in done, f"{name}: {done}")
            outcome = server.events(chat, "tool.call_complete", "tool.call_error")
            c.need(outcome, f"{name}: no outcome")
            ok = outcome[-1]["type"] == "tool.call_complete"
            now, meant = path.read_bytes(), content.replace(b"old", b"new")
            if name == "plain":
                c.need(ok and now == meant and editing.writes, f"{tool}, plain: {now!r}, {editing.writes} writes: {clip(repr(outcome))}")
                continue
            said_so = json.dumps(outcome[-1]["payload"])
            if ok:
                c.want(now == meant, f"{tool}, {name}: told as done, and the file is {now!r}")
            else:
                # Refused before the write, or found by the comparison after it.
                c.want(
                    now == content or (editing.writes and re.search(r"differ|other|not what|instead|was meant", said_so, re.I)),
                    f"{tool}, {name}: an error, and the file is {now!r}: {clip(said_so)}",
                )


@row(94, "unsaved lines of an editor survive")
def unsaved_lines(c):
    """An editor that reads from disk and writes its buffer, as our own set-up for it starts us; and one whose buffer changes meanwhile."""
    server = Server(c, c.during(Model(by_step(calls(("edit_file", {"path": "a.txt", "old_string": "old", "new_string": "new"})), text("done")))))
    shown = server.command("init", "neovim", "--print").stdout
    c.need("codecompanion" in shown.lower() and "acp" in shown, f"wharf init neovim: {clip(shown)}")
    path = server.work / "a.txt"
    path.write_text("one\nold\n")
    buffer = {"text": "one\nold\nunsaved line\n"}

    def write(params):
        buffer["text"] = params["content"]
        path.write_text(params["content"])
        return {}

    handlers = {"fs/read_text_file": lambda params: {"content": path.read_text()}, "fs/write_text_file": write}
    lua = re.sub(r"(?m)^\+?\s*--.*$", "", shown)
    off = (
        re.search(r"readTextFile\s*=\s*false", lua)
        and re.search(r"writeTextFile\s*=\s*false", lua)
        or re.search(r"\bfs\s*=\s*(false|nil|\{\s*\})", lua)
    )
    lists = re.findall(r"(?:M\.command|args)\s*=\s*\{(.*?)\}", lua, re.S)
    ways = [[w for w in re.findall(r'"([^"]*)"', words) if w not in ("acp", "--start-server") and not w.endswith("wharf")] for words in lists]
    c.need(ways, f"no command in what init writes: {clip(lua)}")
    for arguments in ways:
        path.write_text("one\nold\n")
        buffer["text"] = "one\nold\nunsaved line\n"
        with Editor(server, arguments, capabilities={} if off else FS, handlers={} if off else handlers) as editor:
            chat = editor.session()
            done = editor.prompt(chat, "go")
            c.need(done and "result" in done, f"the turn: {done}")
        c.need("new" in path.read_text(), f"the edit was not made: {clip(repr(server.events(chat, 'tool.call_error')))}")
        c.want("unsaved line" in buffer["text"], f"the user's line is overwritten (set up with {arguments}, fs {'off' if off else 'on'})")

    # The control: an editor whose unsaved text is what it hands out keeps it.
    path.write_text("one\nold\n")
    buffer["text"] = "one\nold\nunsaved line\n"
    handlers = {"fs/read_text_file": lambda params: {"content": buffer["text"]}, "fs/write_text_file": write}
    with Editor(server, capabilities=FS, handlers=handlers) as editor:
        editor.prompt(editor.session(), "go")
    c.want("unsaved line" in buffer["text"], "an editor that hands out its buffer loses it")


@row(101, "a command in an editor's terminal ends with a killed server")
def released_terminal(c):
    """After `kill -9` and a restart the terminal is killed or released when the client is there again: on `/acp` with load and resume, and on pipes."""
    for name, direct, again in (("load", True, "session/load"), ("resume", True, "session/resume"), ("pipes", False, None)):
        model = c.during(Model(by_step(calls(("bash", {"command": "while true; do echo x; sleep 0.2; done"})), text("done"))))
        server = Server(c, model)
        terminals = c.during(Terminals())
        with Editor(server, capabilities={"terminal": True, **FS}, handlers=terminals.handlers(), direct=direct) as editor:
            chat = editor.session()
            editor.send("session/prompt", {"sessionId": chat, "prompt": [{"type": "text", "text": "go"}]})
            c.need(wait_for(lambda: terminals.made, 10), f"{name}: the command does not run in the editor's terminal")
            terminal = next(iter(terminals.made.values()))
            time.sleep(0.5)
            c.need(terminal["process"].poll() is None, f"{name}: the command ended by itself")
            server.kill()
            server.start()
            outcome = wait_for(lambda: server.events(chat, "tool.call_error", "tool.call_complete"), 15)
            c.need(outcome, f"{name}: the call has no end")
            if direct:
                back = c.during(Editor(server, capabilities={"terminal": True, **FS}, handlers=terminals.handlers(), direct=True))
                back.ask(again, {"sessionId": chat, "cwd": str(server.work), "mcpServers": []})
            ended = wait_for(lambda: terminal["killed"] or terminal["released"], 6)
            c.want(ended, f"{name}: the call ended ({outcome[0]['payload'].get('reason')}), the command runs on in its terminal")
        server.stop()
