"""An editor: a client of the Agent Client Protocol on the pipes of `wharf acp`, or on a WebSocket at `/acp`."""

import json
import queue
import subprocess
import threading
import time

from .check import SetUp, clip, wait_for
from .streams import WebSocket


class Editor:
    """`handlers` answer the agent's requests by method: a function of the parameters that gives the result, or raises."""

    def __init__(self, server, arguments=(), capabilities=None, handlers=None, direct=False):
        self.server = server
        self.handlers = handlers or {}
        self.updates, self.requests, self.notifications, self.lines = [], [], [], []
        self._answers, self._next = {}, 0
        self._lock = threading.Lock()
        self._errors, self.process, self.socket = [], None, None
        if direct:
            self.socket = WebSocket(server, "/acp")
            self.socket.socket.settimeout(None)
            threading.Thread(target=self._receive, daemon=True).start()
        else:
            self._start(server, arguments)
        if capabilities is not None:
            self.hello = self.ask(
                "initialize", {"protocolVersion": 1, "clientCapabilities": capabilities, "clientInfo": {"name": "faults", "version": "1"}}
            )

    def _start(self, server, arguments):
        self.process = server.spawn(
            [str(server.row.binary), "acp", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self._errors.extend(self.process.stderr), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.socket:
            self.socket.close()
        else:
            self.process.kill()
            self.process.wait()

    def _read(self):
        for line in self.process.stdout:
            try:
                self._take(json.loads(line))
            except ValueError:
                continue

    def _receive(self):
        try:
            while not isinstance(message := self.socket.message(), tuple):
                self._take(message)
        except (OSError, ValueError):
            pass  # The connection ended, as the row may want.

    def _take(self, message):
        self.lines.append(message)
        if "method" not in message:
            answers = self._answers.get(message.get("id"))
            if answers:
                answers.put(message)
        elif "id" in message:
            self.requests.append(message)
            threading.Thread(target=self._handle, args=(message,), daemon=True).start()
        elif message["method"] == "session/update":
            self.updates.append(message["params"]["update"])
        else:
            self.notifications.append(message)

    def _handle(self, message):
        handler = self.handlers.get(message["method"])
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        if handler is None:
            answer["error"] = {"code": -32601, "message": "no such method"}
        else:
            try:
                answer["result"] = handler(message["params"])
            except Exception as error:
                answer["error"] = {"code": -32000, "message": str(error)}
        self.write(answer)

    def write(self, message):
        self.write_raw(json.dumps(message).encode() + b"\n")

    def write_raw(self, line):
        with self._lock:
            try:
                if self.socket:
                    self.socket.send_frame(line.rstrip(b"\n"))
                else:
                    self.process.stdin.write(line)
                    self.process.stdin.flush()
            except OSError:
                pass  # It went away: who waits for an answer finds out.

    def send(self, method, params):
        """A request; its id, for `answer`."""
        self._next += 1
        self._answers[self._next] = queue.Queue()
        self.write({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        return self._next

    def expect(self, id):
        """An answer to come for an id that `write_raw` uses."""
        self._answers[id] = queue.Queue()
        return id

    def answer(self, id, limit_s=30):
        """The answer of a request, or `None` at the limit."""
        try:
            return self._answers[id].get(timeout=limit_s)
        except queue.Empty:
            return None

    def ask(self, method, params, limit_s=30):
        """A request that the row needs to succeed."""
        answer = self.answer(self.send(method, params), limit_s)
        if answer is None or "error" in answer:
            raise SetUp(f"{method}: {clip(repr(answer))} {clip(repr(self._errors[-3:]))}")
        return answer["result"]

    def session(self, cwd=None):
        return self.ask("session/new", {"cwd": str(cwd or self.server.work), "mcpServers": []})["sessionId"]

    def prompt(self, session, text, limit_s=30):
        return self.answer(self.send("session/prompt", {"sessionId": session, "prompt": [{"type": "text", "text": text}]}), limit_s)

    def asked(self, method, limit_s=10):
        """The first request of a method that the agent has sent."""
        return wait_for(lambda: next((r for r in list(self.requests) if r["method"] == method), None), limit_s)


class Terminals:
    """`terminal/*` of an editor: commands run for real, and each terminal says what became of it."""

    def __init__(self):
        self.made, self._lock = {}, threading.Lock()

    def handlers(self):
        return {
            "terminal/create": self.create, "terminal/output": self.output, "terminal/wait_for_exit": self.wait,
            "terminal/kill": self.kill, "terminal/release": self.release,
        }  # fmt: skip

    def create(self, params):
        line = [params["command"], *params.get("args", [])]
        process = subprocess.Popen(
            line, cwd=params.get("cwd"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        with self._lock:
            id = f"term-{len(self.made) + 1}"
            self.made[id] = {"process": process, "killed": False, "released": False, "at": time.monotonic()}
        return {"terminalId": id}

    def output(self, params):
        code = self.made[params["terminalId"]]["process"].poll()
        exited = None if code is None else {"exitCode": max(code, 0), "signal": None}
        return {"output": "", "truncated": False, "exitStatus": exited}

    def wait(self, params):
        code = self.made[params["terminalId"]]["process"].wait()
        return {"exitCode": code if code >= 0 else None, "signal": None if code >= 0 else str(-code)}

    def kill(self, params):
        terminal = self.made[params["terminalId"]]
        terminal["killed"] = True
        terminal["process"].kill()
        return {}

    def release(self, params):
        terminal = self.made[params["terminalId"]]
        terminal["released"] = True
        terminal["process"].kill()
        return {}

    def close(self):
        for terminal in self.made.values():
            terminal["process"].kill()
            terminal["process"].wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
