"""What the peer suites share: programs that are started and ended, a plain HTTP client, and checks that are counted."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_LIMIT_S = 60
STOP_LIMIT_S = 30
INSTALL_LIMIT_S = 400

_checked, _failed = 0, 0


def check(name, ok, seen=""):
    """Counts one check; what was seen is shown where it does not hold."""
    global _checked, _failed
    _checked += 1
    _failed += not ok
    print(("ok   " if ok else "FAIL ") + name + ("" if ok else f"  -- {seen!r:.600}"), flush=True)
    return ok


def finish():
    """Ends the program with what was counted."""
    print(f"{_checked} checks, {_failed} failed", flush=True)
    sys.exit(bool(_failed or not _checked))


def wait_for(what, condition, limit_s=START_LIMIT_S):
    """Polls until `condition` gives something true, and returns it."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit(f"waited {limit_s} s in vain for {what}")


def node_packages(here):
    """The directory with the packages of a suite's lock file, kept beside its Python until that changes."""
    if not shutil.which("npm"):
        raise SystemExit("npm is needed for this suite")
    place = pathlib.Path(sys.prefix) / "node"
    place.mkdir(exist_ok=True)
    wanted = b"".join((here / name).read_bytes() for name in ("package.json", "package-lock.json"))
    made = place / "made-from"
    if not made.exists() or made.read_bytes() != wanted:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(here / name, place / name)
        # Not `npm ci`: it refuses a lock file without the optional packages of other systems, which some registries lack.
        line = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(line, cwd=place, check=True, timeout=INSTALL_LIMIT_S)
        made.write_bytes(wanted)
    return place


class Program:
    """A child process, ended with the block."""

    def __init__(self, *arguments, env=None, output=None):
        self.output = output
        stream = open(output, "ab") if output else subprocess.PIPE
        self.process = subprocess.Popen(
            [str(a) for a in arguments], env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream if output else None
        )

    def first_line(self):
        return self.process.stdout.readline().decode().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def scripted_model():
    """Our own model server; `first_line()` of it is its base URL."""
    return Program(os.environ["PEER_MODEL_BIN"])


class Wharf(Program):
    """A server with a state directory and a workspace of its own."""

    def __init__(self, model, base_url, permission="full", protocol=None, environment=None):
        self._dirs = [tempfile.TemporaryDirectory(prefix="wharf-peer-") for _ in range(2)]
        self.state, self.work = (pathlib.Path(d.name).resolve() for d in self._dirs)
        self.env = {**os.environ, "WHARF_STATE_DIR": str(self.state), "XDG_CONFIG_HOME": str(self.state), "OPENAI_API_KEY": "sk-test", **(environment or {})}
        arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--work-dir", self.work, "--model", model]
        arguments += ["--base-url", base_url, "--permission", permission, "--auth", "key"]
        arguments += ["--protocol", protocol] if protocol else []
        super().__init__(os.environ["PEER_WHARF_BIN"], *arguments, env=self.env, output=self.state / "output.log")
        self.url = wait_for("the server's discovery file", self._discover)
        self.key = (self.state / "key").read_text().strip()
        wait_for("a healthy server", lambda: self._healthy())

    def __exit__(self, *about):
        super().__exit__(*about)
        if _failed or about[0]:
            print("--- the server wrote:\n" + self.output.read_text()[-4000:], flush=True)
        for directory in self._dirs:
            directory.cleanup()

    def _discover(self):
        if self.process.poll() is not None:
            raise SystemExit("the server ended at once:\n" + self.output.read_text())
        try:
            return json.loads((self.state / "server.json").read_text())["url"].rstrip("/")
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def _healthy(self):
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, headers=None, limit_s=120):
        """The status and the JSON of an answer."""
        host = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=limit_s)
        try:
            data = None if body is None else json.dumps(body)
            given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def api(self, method, path, body=None):
        """An answer that has to be a success."""
        status, answer = self.request(method, "/api/v1" + path, body)
        if not 200 <= status < 300:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer

    def session(self):
        return self.api("POST", "/sessions", {"cwd": str(self.work)})["id"]

    def prompt(self, session, content):
        """The status and the answer of a prompt that waits for its turn."""
        return self.request("POST", f"/api/v1/sessions/{session}/prompt", {"content": content})

    def events(self, session):
        """The whole log."""
        events, after = [], 0
        while True:
            page = self.api("GET", f"/sessions/{session}/events?after={after}&limit=1000")["events"]
            events += page
            if not page:
                return events
            after = page[-1]["seq"]

    def command(self, *arguments, limit_s=120):
        """Runs another `wharf` command beside the server."""
        line = [os.environ["PEER_WHARF_BIN"], *arguments]
        return subprocess.run(line, env=self.env, cwd=self.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s)
