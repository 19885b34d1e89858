"""Each wire against a real server: llama.cpp speaks chat completions, Responses and Messages, LiteLLM in front of it Gemini.

On each: the loop read, write, run, answer; a cancel; a kill of the server in mid-stream. Then one session over all of them.
"""

import contextlib
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from peer import Program, Wharf, check, finish, wait_for

MODEL = pathlib.Path(__file__).parent.parent / "model"
# LiteLLM starts with a strong key only, and wants it in the header of each wire.
KEY = "sk-" + secrets.token_hex(24)
# LiteLLM takes its time on a busy machine.
PROXY_START_LIMIT_S = 400


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


class Server:
    """A model server that can be killed and started again at the same place."""

    def __init__(self, line, port, health, env=None, limit_s=60):
        self.line, self.port, self.health, self.env, self.limit_s = line, port, health, env, limit_s
        self.log = pathlib.Path(tempfile.mkdtemp(prefix="wires-")) / "server.log"
        self.program = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.program = Program(*self.line, env=self.env, output=self.log).__enter__()
        wait_for(f"{self.line}", lambda: answers(self.url + self.health), self.limit_s)
        return self

    def kill(self):
        self.program.process.send_signal(signal.SIGKILL)
        self.program.process.wait()

    def __exit__(self, *about):
        self.program.__exit__(*about)
        if about[0]:
            print("--- the model server wrote:\n" + self.log.read_text()[-4000:], flush=True)


def of_type(events, *types):
    return [e for e in events if e["type"] in types]


def ends(events):
    return of_type(events, "turn.completed", "turn.cancelled", "turn.failed")


def said(events):
    return "".join(e["payload"]["content"] for e in of_type(events, "message.chunk") if e["payload"].get("role") != "user")


def check_loop(name, server):
    (server.work / "lib.rs").write_text("pub fn add(a: i32, b: i32) -> i32 { a - b }\n")
    session = server.session()
    status, answer = server.prompt(session, "please [[edit]]")
    events = server.events(session)
    check(f"{name}: the loop ends with its answer", (status, (answer or {}).get("response")) == (200, "Done: the test passes now."), answer)
    text = (server.work / "lib.rs").read_text()
    check(f"{name}: the file is changed", text == 'pub fn add(a: i32, b: i32) -> i32 { a + b } // "quoted" \n', text)
    called = [e["payload"]["tool_name"] for e in of_type(events, "tool.call_start")]
    check(f"{name}: three calls in order", called == ["read_file", "write_file", "bash"], called)
    errors = [e["payload"] for e in of_type(events, "tool.call_error")]
    check(f"{name}: no call fails", errors == [], errors)
    started = sorted(e["payload"]["call_id"] for e in of_type(events, "tool.call_start"))
    ended = sorted(e["payload"]["call_id"] for e in of_type(events, "tool.call_complete"))
    check(f"{name}: each call has one outcome", started == ended, (started, ended))


def check_think(name, server):
    session = server.session()
    status, answer = server.prompt(session, "please [[think]]")
    check(f"{name}: the answer has no reasoning in it", status == 200 and answer.get("response", "").strip() == "It is forty-two.", answer)
    thought = "".join(e["payload"]["content"] for e in of_type(server.events(session), "agent.thinking"))
    check(f"{name}: the reasoning is on the log", "let me consider it" in thought, thought)


def has_begun(server, session):
    # One page: a log that grows has no last one.
    return "And so it went" in said(server.api("GET", f"/sessions/{session}/events?after=0&limit=1000")["events"])


def begin_endless(server):
    """A turn that does not end by itself, once some of it was shown."""
    session = server.session()
    body = {"content": "please [[endless]]"}
    server.request("POST", f"/api/v1/sessions/{session}/prompt", body, {"Prefer": "respond-async"})
    wait_for("the first words", lambda: has_begun(server, session))
    return session


def check_goes_on(name, server, session):
    status, answer = server.prompt(session, "please [[text]]")
    check(f"{name}: the session goes on", status == 200 and "real inference server" in (answer or {}).get("response", ""), answer)


def check_cancel(name, server):
    session = begin_endless(server)
    started = time.monotonic()
    server.api("POST", f"/sessions/{session}/cancel", {})
    wait_for("the end of the turn", lambda: ends(server.events(session)), 30)
    kinds = [e["type"] for e in ends(server.events(session))]
    check(f"{name}: a cancel ends the turn", kinds == ["turn.cancelled"], (kinds, time.monotonic() - started))
    check_goes_on(f"{name}: after a cancel", server, session)


def check_kill(name, server, model_server):
    session = begin_endless(server)
    model_server.kill()
    wait_for("the end of the turn", lambda: ends(server.events(session)), 120)
    events = server.events(session)
    check(f"{name}: a killed server ends the turn", [e["type"] for e in ends(events)] == ["turn.failed"], ends(events))
    check(f"{name}: what was said stays on the log", "And so it went" in said(events), said(events)[:200])
    model_server.__enter__()
    check_goes_on(f"{name}: after a kill", server, session)


# The server that is set has a key of its own.
OWN_KEY = {"WHARF_API_KEY_ENV": "PEER_KEY", "PEER_KEY": KEY}


def check_wire(name, protocol, base, model_server, thinks=True):
    with Wharf("peer/tiny", base, protocol=protocol, environment=OWN_KEY) as server:
        check_loop(name, server)
        if thinks:
            check_think(name, server)
        check_cancel(name, server)
        check_kill(name, server, model_server)


def check_change(llama, proxy):
    """One session over all wires: what one model said for itself must not trouble the next one."""
    environment = {
        **OWN_KEY,
        "OPENAI_BASE_URL": llama.url + "/v1",
        "ANTHROPIC_BASE_URL": llama.url,
        "ANTHROPIC_API_KEY": KEY,
        "GEMINI_BASE_URL": proxy.url + "/v1beta",
        "GEMINI_API_KEY": KEY,
    }
    with Wharf("peer/tiny", llama.url + "/v1", protocol="responses", environment=environment) as server:
        for name in ("a.txt", "b.txt"):
            (server.work / name).write_text(f"this is {name}\n")
        session = server.session()
        for model in ("peer/tiny", "openai/tiny", "anthropic/tiny", "gemini/tiny", "peer/tiny", "anthropic/tiny", "gemini/tiny", "openai/tiny", "anthropic/tiny"):
            server.api("PATCH", f"/sessions/{session}", {"model": model})
            status, answer = server.prompt(session, "please [[two]]")
            response = (answer or {}).get("response", "")
            check(f"change: {model} takes over", status == 200 and response.endswith("Both were read."), answer)
        events = server.events(session)
        failed = of_type(events, "turn.failed", "message.error", "tool.call_error")
        check("change: nothing fails", failed == [], failed)


def main():
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="wharf-wires-"))
        subprocess.run([sys.executable, MODEL / "mkmodel.py", MODEL / "scripts.json", made], check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        line = [sys.executable, MODEL / "serve.py", f"{made}/model.gguf", port, "tiny"]
        llama = stack.enter_context(Server(line, port, "/health"))
        config = pathlib.Path(made) / "litellm.yaml"
        config.write_text(
            "model_list:\n- model_name: tiny\n  litellm_params:\n    model: openai/tiny\n"
            f"    api_base: {llama.url}/v1\n    api_key: sk-test\n"
            # It goes on reading what its own client has left.
            "    max_tokens: 2000\n"
        )
        port = free_port()
        # Nothing is fetched or reported.
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_MASTER_KEY": KEY}
        line = [sys.executable, "-m", "litellm.proxy.proxy_cli", "--config", config, "--host", "127.0.0.1", "--port", port]
        proxy = stack.enter_context(Server(line, port, "/health/liveliness", env, PROXY_START_LIMIT_S))
        check_wire("chat, llama.cpp", "openai", llama.url + "/v1", llama)
        check_wire("responses, llama.cpp", "responses", llama.url + "/v1", llama)
        check_wire("messages, llama.cpp", "anthropic", llama.url, llama)
        # LiteLLM leaves the reasoning out on these two.
        check_wire("messages, LiteLLM", "anthropic", proxy.url, proxy, thinks=False)
        check_wire("gemini, LiteLLM", "gemini", proxy.url + "/v1beta", proxy, thinks=False)
        check_change(llama, proxy)
    finish()


main()
