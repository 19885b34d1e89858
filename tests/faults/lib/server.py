"""The program under test: a server with places of its own, reached from outside."""

import http.client
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

from .check import SetUp, clip, wait_for

START_LIMIT_S = 20
STOP_LIMIT_S = 3
ANSWER_LIMIT_S = 40


class Answer:
    """A status, headers, and a body that may be JSON."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")
        try:
            self.json = json.loads(self.text)
        except ValueError:
            self.json = None

    def __repr__(self):
        known = self.json if isinstance(self.json, dict) else {}
        short = {name: known[name] for name in ("error", "code", "status", "response", "stop_reason") if name in known}
        return f"{self.status} {clip(repr(short) if short else self.text)}"


class Server:
    """`config` is TOML below what the rows always want; `user` an entry of the user database; `wrap` a command line that
    starts the server (and drops to the user by itself); `descriptors` soft and hard limit."""

    def __init__(
        self, row, model=None, config="", permission="full", user=None, env=None, arguments=(), work=None, key=True, descriptors=None, wrap=()
    ):
        self.row, self.user, self.wrap = row, user, wrap
        self.home = row.directory("home")
        self.state, self.config_home = self.home / "state", self.home / "config"
        self.work = work or row.directory("work")
        (self.config_home / "wharf").mkdir(parents=True)
        self.state.mkdir(mode=0o700)
        self.config = self.config_home / "wharf" / "config.toml"
        self.config.write_text(config)
        if user:
            for place in (self.home, self.state, self.config_home, self.config.parent, self.config, self.work):
                os.chown(place, user.pw_uid, user.pw_gid)
        self.env = {
            "PATH": os.environ["PATH"] if not user else "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home), "LANG": "C.UTF-8", "SHELL": "/bin/bash",
            "WHARF_STATE_DIR": str(self.state), "XDG_CONFIG_HOME": str(self.config_home),
            "GIT_CONFIG_NOSYSTEM": "1",
            **(env or {}),
        }  # fmt: skip
        if model is not None and key:
            self.env.setdefault("OPENAI_API_KEY", "sk-test")
        self.model = model
        line = ["serve", "--host", "127.0.0.1", "--port", "0", "--work-dir", str(self.work), "--permission", permission]
        line += ["--model", "openai/m", "--base-url", model.url] if model is not None else ["--model", "demo"]
        self.line = [*wrap, str(row.binary), *line, *arguments]
        self.descriptors = descriptors
        self.output = self.home / "output.log"
        self.process = None
        self.start()
        row.later(self.stop)

    def start(self):
        """Starts it (again) and waits until it answers."""
        (self.state / "server.json").unlink(missing_ok=True)
        with open(self.output, "ab") as output:
            self.process = self.spawn(self.line, drop=not self.wrap, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.url = wait_for(self._discover, START_LIMIT_S)
        if not self.url:
            raise SetUp("the server did not start: " + clip(self.output.read_text(errors="replace")))
        self.host = self.url.removeprefix("http://")
        self.address = (self.host.rsplit(":", 1)[0], int(self.host.rsplit(":", 1)[1]))
        self.key = (self.state / "key").read_text().strip()
        if not wait_for(self.healthy, START_LIMIT_S):
            raise SetUp("the server is not healthy: " + clip(self.output.read_text(errors="replace")))

    def spawn(self, line, drop=True, **more):
        """Starts a program with the server's environment, as its user."""
        if self.user and drop:
            more.update(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=os.getgrouplist(self.user.pw_name, self.user.pw_gid))
        if self.descriptors:
            soft, hard = self.descriptors
            more["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return subprocess.Popen(line, env=self.env, cwd=more.pop("cwd", self.work), **more)

    def _discover(self):
        if self.process.poll() is not None:
            raise SetUp(f"the server ended at once ({self.process.returncode}): " + clip(self.output.read_text(errors="replace")))
        try:
            return json.loads((self.state / "server.json").read_text())["url"].rstrip("/")
        except (OSError, ValueError, KeyError):
            return None

    @property
    def pid(self):
        return json.loads((self.state / "server.json").read_text())["pid"]

    def healthy(self):
        try:
            return self.request("GET", "/health", limit_s=5).status == 200
        except OSError:
            return False

    def alive(self):
        """Whether the first process still runs and answers."""
        return self.process.poll() is None and self.healthy()

    def kill(self):
        """As a crash does it."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def reload(self, config):
        """Writes another configuration and lets the server read it."""
        self.config.write_text(config)
        return self.command("config", "reload")

    def request(self, method, path, body=None, headers=None, limit_s=ANSWER_LIMIT_S, key=True):
        """One request on a connection of its own. A dict is sent as JSON, bytes as they are."""
        connection = http.client.HTTPConnection(self.host, timeout=limit_s)
        try:
            return self.over(connection, method, path, body, headers, key)
        except http.client.HTTPException as error:
            raise OSError(f"broken answer: {error!r}") from error
        finally:
            connection.close()

    def over(self, connection, method, path, body=None, headers=None, key=True):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if key else {}), **(headers or {})}
        connection.request(method, path, data, given)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def api(self, method, path, body=None, headers=None, limit_s=ANSWER_LIMIT_S):
        """An answer that the row needs to be a success."""
        answer = self.request(method, "/api/v1" + path, body, headers, limit_s)
        if not 200 <= answer.status < 300:
            raise SetUp(f"{method} {path}: {answer}")
        return answer.json

    def session(self, cwd=None, **more):
        return self.api("POST", "/sessions", {"cwd": str(cwd or self.work), **more})["id"]

    def tool(self, session, name, limit_s=ANSWER_LIMIT_S, **arguments):
        """Runs a tool; the answer is a `Result` also where the server is gone."""
        return self.tool_with(session, name, arguments, limit_s)

    def tool_with(self, session, name, arguments, limit_s=ANSWER_LIMIT_S):
        try:
            answer = self.request("POST", f"/api/v1/tools/{name}/execute", {"session_id": session, "arguments": arguments}, limit_s=limit_s)
        except OSError as error:
            return Result(None, {"error": f"no answer: {error}"})
        return Result(answer.status, answer.json if isinstance(answer.json, dict) else {"error": answer.text})

    def prompt(self, session, content, limit_s=ANSWER_LIMIT_S, **more):
        """A prompt that waits for its turn; the answer may be an error. The text of a success is `said(answer)`."""
        return self.request("POST", f"/api/v1/sessions/{session}/prompt", {"content": content, **more}, limit_s=limit_s)

    def events(self, session, *types):
        """The whole log, or those of some types."""
        found, after = [], 0
        while True:
            page = self.api("GET", f"/sessions/{session}/events?after={after}&limit=1000", headers={"Accept": "application/json"})["events"]
            found += page
            if not page:
                return [e for e in found if not types or e["type"] in types]
            after = page[-1]["seq"]

    def asked(self, session, limit_s=8):
        """The open question of a session, once there is one."""
        found = wait_for(lambda: self.api("GET", f"/sessions/{session}/permissions").get("permissions"), limit_s)
        return found[0] if found else None

    def command(self, *arguments, limit_s=30, env=None, stdin=subprocess.DEVNULL, cwd=None):
        """Runs another `wharf` command beside the server."""
        more = {}
        if self.user:
            more.update(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        line = [str(self.row.binary), *map(str, arguments)]
        return subprocess.run(
            line, env={**self.env, **(env or {})}, cwd=cwd or self.work, stdin=stdin,
            capture_output=True, text=True, errors="replace", timeout=limit_s, **more,
        )  # fmt: skip

    def memory(self):
        """The resident bytes of the server's process."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def connect(self, limit_s=ANSWER_LIMIT_S):
        return socket.create_connection(self.address, timeout=limit_s)


class Result:
    """A tool's outcome over REST."""

    def __init__(self, status, answer):
        self.status, self.answer = status, answer
        self.ok = status == 200 and answer.get("success") is True
        result = answer.get("result", answer.get("error", ""))
        self.text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)

    def __repr__(self):
        outcome = "ok" if self.ok else "failed"
        return f"{self.status} {outcome} {clip(self.text)}"


def said(answer):
    """What the agent said in the answer of a prompt."""
    found = answer.json or {}
    return found.get("response") if isinstance(found, dict) else None


class Flow:
    """Work that goes on in a thread, with its outcome."""

    def __init__(self, function, *arguments, **named):
        import threading

        self.outcome, self.error = None, None
        self._thread = threading.Thread(target=self._run, args=(function, arguments, named), daemon=True)
        self._started = time.monotonic()
        self._thread.start()

    def _run(self, function, arguments, named):
        try:
            self.outcome = function(*arguments, **named)
        except Exception as error:
            self.error = error
        self.took_s = time.monotonic() - self._started

    def done(self, limit_s=ANSWER_LIMIT_S):
        """The outcome, or `None` at the limit."""
        self._thread.join(limit_s)
        if self.error:
            raise self.error
        return self.outcome

    def running(self):
        return self._thread.is_alive()
