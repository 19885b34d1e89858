"""acpx, a command-line client of the Agent Client Protocol, unmodified: it starts `wharf acp` for each command."""

import json
import os
import pathlib
import subprocess
import tempfile

from peer import Wharf, check, finish, node_packages, scripted_model, wait_for

HERE = pathlib.Path(__file__).resolve().parent
RUN_LIMIT_S = 120
# A process of acpx stays behind for its sessions; the suite does not wait for it.
OWNER_TTL_S = 5


class Acpx:
    def __init__(self, packages, server, home, agent):
        search = f"{packages}/node_modules/.bin:{server.env['PATH']}"
        # Where it keeps what it knows of sessions.
        self.env = {**server.env, "HOME": home, "PATH": search}
        self.server, self.agent = server, agent

    def start(self, *arguments):
        line = ["acpx", "--agent", self.agent, "--ttl", str(OWNER_TTL_S), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(line, env=self.env, cwd=self.server.work, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments):
        """The exit code and all that was written."""
        running = self.start(*arguments)
        out, err = running.communicate(timeout=RUN_LIMIT_S)
        return running.returncode, out + err

    def messages(self, *arguments):
        """The exit code and the lines of JSON that were written."""
        running = self.start("--format", "json", *arguments)
        out, _ = running.communicate(timeout=RUN_LIMIT_S)
        return running.returncode, [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def updates(messages, kind):
    found = (message.get("params", {}).get("update", {}) for message in messages)
    return [update for update in found if update.get("sessionUpdate") == kind]


def one_shot(acpx, server):
    code, text = acpx.run("--approve-all", "exec", "[[say Hello there.]]")
    check("exec: a prompt is answered", code == 0 and "Hello there." in text and "end_turn" in text, text)
    file = server.work / "made.txt"
    ask = '[[tool write_file {"path": "made.txt", "content": "new\\n"}]]'
    code, text = acpx.run("--deny-all", "exec", ask)
    check("exec --deny-all: it says so", code == 5 and "refused" in text, text)
    check("exec --deny-all: nothing changes on disk", not file.exists() and not list(server.work.iterdir()))
    code, messages = acpx.messages("--approve-all", "exec", ask)
    asked = [message for message in messages if message.get("method") == "session/request_permission"]
    check("exec --approve-all: it is asked once", code == 0 and len(asked) == 1, messages)
    check("exec --approve-all: the file is there", file.exists() and file.read_text() == "new\n")
    parts = [part for update in updates(messages, "tool_call_update") for part in update.get("content") or []]
    diffs = [part for part in parts if part["type"] == "diff"]
    check("exec: the call ends with its diff", len(diffs) == 1 and diffs[0]["newText"] == "new\n", messages)
    code, messages = acpx.messages("--approve-all", "exec", "[[http 400]]")
    failed = [message for message in messages if "error" in message]
    check("exec: a failed turn fails", code != 0 and failed, messages)


def sessions(acpx, server):
    code, made = acpx.messages("sessions", "new", "--name", "one")
    session = made[0].get("acpxSessionId") if made else None
    check("sessions new", code == 0 and session in [known["id"] for known in server.api("GET", "/sessions")["sessions"]], made)
    code, listed = acpx.messages("sessions", "list")
    found = listed[0]["sessions"] if listed else []
    check("sessions list: it is there", code == 0 and session in [known["sessionId"] for known in found], listed)
    code, text = acpx.run("--approve-all", "prompt", "-s", "one", "[[say in the session]]")
    check("prompt -s", code == 0 and "in the session" in text, text)
    events = server.events(session)
    check("prompt -s: it is on the session's log", any(event["type"] == "turn.completed" for event in events), events)

    code, done = acpx.messages("set-mode", "-s", "one", "plan")
    mode = server.api("GET", f"/sessions/{session}")["mode"]
    check("set-mode", code == 0 and mode == "plan", (done, mode))
    code, text = acpx.run("--approve-all", "prompt", "-s", "one", '[[tool write_file {"path": "planned.txt", "content": "x"}]]')
    check("set-mode: it holds", not (server.work / "planned.txt").exists(), text)
    code, done = acpx.messages("set", "-s", "one", "mode", "full")
    options = done[0].get("configOptions", []) if done else []
    shown = {option["id"]: option["currentValue"] for option in options}
    check("set mode: the options come back complete", code == 0 and shown.get("mode") == "full" and "model" in shown, done)
    code, done = acpx.messages("set", "-s", "one", "model", "demo/demo")
    model = server.api("GET", f"/sessions/{session}")["model"]
    check("set model", code == 0 and model == "demo/demo", (done, model))
    code, done = acpx.messages("set", "-s", "one", "model", "openai/scripted")
    check("set model: and back", code == 0, done)
    code, done = acpx.messages("set", "-s", "one", "model", "no/such")
    check("set model: one that is not there is refused", code != 0, done)

    before = len(server.events(session))
    running = acpx.start("prompt", "-s", "one", "[[stream 4000 rate 20]]")
    streaming = lambda: any(event["type"] == "message.chunk" for event in server.events(session)[before:])
    wait_for("the turn to stream", streaming)
    code, text = acpx.run("cancel", "-s", "one")
    said, _ = running.communicate(timeout=RUN_LIMIT_S)
    check("cancel: the prompt ends as cancelled", code == 0 and "cancelled" in said, (text, said))
    ended = [event["type"] for event in server.events(session) if event["type"].startswith("turn.c")]
    check("cancel: so does the turn", ended[-1] == "turn.cancelled", ended)

    code, text = acpx.run("sessions", "close", "one")
    check("sessions close", code == 0, text)
    code, _ = acpx.run("prompt", "-s", "one", "[[say closed]]")
    check("sessions close: acpx knows it no longer", code != 0)
    check("sessions close: the log stays", len(server.events(session)) > 10)


def main():
    packages = node_packages(HERE)
    with scripted_model() as model, Wharf("openai/scripted", model.first_line(), permission="ask") as server:
        with tempfile.TemporaryDirectory(prefix="wharf-peer-", ignore_cleanup_errors=True) as home:
            acpx = Acpx(packages, server, home, f"{os.environ['PEER_WHARF_BIN']} acp")
            one_shot(acpx, server)
            sessions(acpx, server)
    finish()


main()
