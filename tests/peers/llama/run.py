"""A real llama.cpp server with a hand-written model drives whole turns: its tokenizer, grammar and stream, not ours."""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import urllib.request

from peer import Program, Wharf, check, finish, wait_for

MODEL = pathlib.Path(__file__).parent.parent / "model"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def of_type(events, *types):
    return [e for e in events if e["type"] in types]


def ends(events):
    return of_type(events, "turn.completed", "turn.cancelled", "turn.failed")


def run(server, name):
    """One prompt in a session of its own: the answer and the log."""
    session = server.session()
    status, answer = server.prompt(session, f"please [[{name}]]")
    events = server.events(session)
    seqs = [e["seq"] for e in events]
    check(f"{name}: seqs grow", seqs == sorted(set(seqs)), seqs)
    check(f"{name}: exactly one end", len(ends(events)) == 1, ends(events))
    return session, status, answer or {}, events


def check_text(server):
    _, status, answer, events = run(server, "text")
    said = "Hello from a real inference server: naïve café — 🦀 你好!"
    check("text: the answer is the whole text", (status, answer.get("response")) == (200, said), answer)
    chunks = "".join(e["payload"]["content"] for e in of_type(events, "message.chunk") if e["payload"].get("role") != "user")
    check("text: the chunks are the whole text", chunks == said, chunks)


def check_think(server):
    _, status, answer, events = run(server, "think")
    check("think: the answer has no reasoning in it", (status, answer.get("response", "").strip()) == (200, "It is forty-two."), answer)
    thought = "".join(e["payload"]["content"] for e in of_type(events, "agent.thinking"))
    check("think: the reasoning is on the log", "let me consider it" in thought, thought)


def check_edit(server):
    (server.work / "lib.rs").write_text("pub fn add(a: i32, b: i32) -> i32 { a - b }\n")
    _, status, answer, events = run(server, "edit")
    check("edit: the turn completes", (status, answer.get("response")) == (200, "Done: the test passes now."), answer)
    text = (server.work / "lib.rs").read_text()
    check("edit: the file is changed", text == 'pub fn add(a: i32, b: i32) -> i32 { a + b } // "quoted" \n', text)
    started = [e["payload"]["tool_name"] for e in of_type(events, "tool.call_start")]
    errors = [e["payload"] for e in of_type(events, "tool.call_error")]
    check("edit: no call fails", errors == [], errors)
    check("edit: three calls in order", started == ["read_file", "write_file", "bash"], started)
    check_one_outcome("edit", events)
    outputs = json.dumps([e["payload"] for e in of_type(events, "tool.call_complete")][-1:])
    check("edit: the command saw the new file", "a + b" in outputs, outputs)


def check_two(server):
    for name in ("a.txt", "b.txt"):
        (server.work / name).write_text(f"this is {name}\n")
    _, status, answer, events = run(server, "two")
    check("two: the turn completes", status == 200 and answer.get("response", "").endswith("Both were read."), answer)
    results = json.dumps([e["payload"] for e in of_type(events, "tool.call_complete")])
    check("two: both files were read", "this is a.txt" in results and "this is b.txt" in results, results)
    check_one_outcome("two", events)


def check_one_outcome(name, events):
    started = sorted(e["payload"]["call_id"] for e in of_type(events, "tool.call_start"))
    ended = sorted(e["payload"]["call_id"] for e in of_type(events, "tool.call_complete", "tool.call_error"))
    # A call of a tool that does not exist never begins, and has its outcome all the same.
    once = len(ended) == len(set(ended)) and set(started) <= set(ended)
    check(f"{name}: each call has one outcome", once, (started, ended))


def check_bad(server, name):
    """The model writes what cannot be carried out, or what the peer's grammar makes of it: nothing is left open."""
    session, _, _, events = run(server, name)
    check_one_outcome(name, events)
    status, answer = server.prompt(session, "[[text]]")
    check(f"{name}: the session goes on", status == 200 and "inference server" in answer.get("response", ""), answer)


def check_ask(server):
    asked = server.command("ask", "please [[text]]", "--server", server.url)
    check("ask: prints the answer", asked.returncode == 0 and "naïve café — 🦀 你好!" in asked.stdout, asked)


def main():
    with tempfile.TemporaryDirectory(prefix="wharf-model-") as made:
        subprocess.run([sys.executable, MODEL / "mkmodel.py", MODEL / "scripts.json", made], check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        log = pathlib.Path(made) / "llama.log"
        with Program(sys.executable, MODEL / "serve.py", f"{made}/model.gguf", port, "tiny", output=log):
            wait_for("the llama.cpp server", lambda: answers(base + "/health"))
            with Wharf("openai/tiny", base + "/v1") as server:
                check_text(server)
                check_think(server)
                check_edit(server)
                check_two(server)
                check_bad(server, "badjson")
                check_bad(server, "badtool")
                check_ask(server)
    finish()


main()
