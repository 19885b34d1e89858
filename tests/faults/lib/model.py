"""A scripted model server that speaks chat completions, byte by byte as the script says."""

import json
import socket
import threading
import time


def frame(data):
    """One SSE frame: a dict is encoded, a text or bytes are sent as they are."""
    if isinstance(data, dict):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return b"data: " + data + b"\n\n"


def chunk(delta=None, finish=None, **more):
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return frame({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more})


def raw(delta, finish="null"):
    """A chunk whose delta is raw JSON text, valid or not."""
    delta = delta if isinstance(delta, bytes) else delta.encode()
    return frame(b'{"id":"c1","model":"m","choices":[{"index":0,"delta":' + delta + b',"finish_reason":' + finish.encode() + b"}]}")


DONE = b"data: [DONE]\n\n"


def text(*pieces):
    """A whole reply that says something."""
    return [chunk({"role": "assistant", "content": piece}) for piece in pieces] + [chunk(finish="stop"), DONE]


def call(name, arguments, id="call_1", index=0):
    """A delta with one whole call."""
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": given}}


def calls(*named, prefix="call"):
    """A whole reply that asks for tools: `(name, arguments)` each."""
    made = [call(name, arguments, f"{prefix}_{n}", n) for n, (name, arguments) in enumerate(named)]
    return [chunk({"role": "assistant", "tool_calls": made}), chunk(finish="tool_calls"), DONE]


def status(code, body, headers=()):
    """A refusal, given as the reply of a script."""
    return {"status": code, "body": body if isinstance(body, (bytes, str)) else json.dumps(body), "headers": dict(headers)}


def overflow(tokens=8192):
    message = f"This model's maximum context length is {tokens} tokens. However, your messages resulted in more. Please reduce the length."
    return status(400, {"error": {"message": message, "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}})


class Request:
    """One request as it came."""

    def __init__(self, number, body):
        self.number, self.size = number, len(body)
        self.json = json.loads(body)
        self.messages = self.json.get("messages", [])

    def step(self):
        """How many replies of the model the conversation holds: the same for a repeated try."""
        return sum(m["role"] == "assistant" for m in self.messages)

    def since_prompt(self):
        """How many replies there are since the last text of the user."""
        count = 0
        for message in reversed(self.messages):
            if message["role"] == "user":
                break
            count += message["role"] == "assistant"
        return count

    def content(self, role):
        """The texts of one role."""
        found = []
        for message in self.messages:
            content = message.get("content")
            if message["role"] == role:
                found.append(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
        return found

    def prompts(self):
        """What the user wrote, without the server's own note in front of it."""
        return [content.rpartition("</workspace-note>\n\n")[2] for content in self.content("user")]

    def results(self):
        return self.content("tool")


def by_step(*replies):
    """A script that answers by the conversation's length, so that a repeated try gets the same reply; the last one repeats."""
    return lambda request: replies[min(request.step(), len(replies) - 1)]


class Model:
    """`script(request)` gives the pieces of a reply (bytes, or a number of seconds to wait), or `status(...)`."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.problems = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, connection):
        with connection, connection.makefile("rb") as reader:
            try:
                connection.settimeout(60)
                self._answer(connection, reader)
            except OSError:
                pass  # The program went away, as it may.
            except Exception as error:  # A mistake in a script has to be seen in the row.
                self.problems.append(repr(error))

    def _answer(self, connection, reader):
        line = reader.readline().split()
        if len(line) < 2:
            return
        length = 0
        while (header := reader.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = reader.read(length)
        if line[0] == b"GET":
            found = {"object": "list", "data": [{"id": "m", "object": "model"}]} if line[1].endswith(b"/models") else None
            self._whole(connection, 200 if found else 404, json.dumps(found or {"error": {"message": "no such page"}}))
            return
        with self._lock:
            request = Request(len(self.requests), body)
            self.requests.append(request)
        reply = self.script(request)
        if isinstance(reply, dict):
            self._whole(connection, reply["status"], reply["body"], reply["headers"])
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for piece in reply:
            if self._over.is_set():
                return
            if isinstance(piece, (int, float)):
                time.sleep(piece)
            else:
                connection.sendall(piece)

    @staticmethod
    def _whole(connection, code, body, headers=None):
        body = body if isinstance(body, bytes) else body.encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        connection.sendall(head.encode() + b"\r\n" + body)
