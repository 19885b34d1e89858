"""Small clients for SSE and WebSocket, with time limits, that can also send what no library would."""

import base64
import json
import os
import socket
import struct
import threading
import time

from .check import wait_for


class Sse:
    """Reads an event stream in a thread and keeps its events."""

    def __init__(self, server, path):
        self.events, self.status, self.ended = [], None, False
        self._socket = server.connect()
        head = f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: Bearer {server.key}\r\nAccept: text/event-stream\r\n\r\n"
        self._socket.sendall(head.encode())
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        event, data = None, []
        try:
            with self._socket.makefile("rb") as reader:
                self.status = int(reader.readline().split()[1])
                while reader.readline().strip():
                    pass
                # Sizes of chunks stand on lines of their own, which no field of an event looks like.
                for line in reader:
                    line = line.rstrip(b"\r\n").decode("utf-8", "replace")
                    if line.startswith("event:"):
                        event = line[6:].strip()
                    elif line.startswith("data:"):
                        data.append(line[5:].strip())
                    elif not line and data:
                        try:
                            self.events.append((event, json.loads("\n".join(data)), time.monotonic()))
                        except ValueError:
                            pass
                        event, data = None, []
        except (OSError, ValueError, IndexError):
            pass
        self.ended = True

    def wait(self, condition, limit_s=10):
        return wait_for(lambda: next((e for e in list(self.events) if condition(*e[:2])), None), limit_s)

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class WebSocket:
    """One connection; `protocol` names a subprotocol."""

    def __init__(self, server, path, protocol=None, limit_s=10):
        self.socket = server.connect(limit_s)
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {server.key}\r\n"
        )
        if protocol:
            head += f"Sec-WebSocket-Protocol: {protocol}\r\n"
        self.socket.sendall(head.encode() + b"\r\n")
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        answer, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        self.status = int(answer.split()[1])
        self._pieces = b""

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise OSError("the connection ended")
        self._buffer += data

    def send_frame(self, payload, opcode=1, fin=True):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        head += (
            bytes([0x80 | size])
            if size < 126
            else bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536 else bytes([0x80 | 127]) + struct.pack(">Q", size)
        )
        masked = bytes(b ^ mask[n % 4] for n, b in enumerate(payload)) if size < 100_000 else payload
        if size >= 100_000:
            mask = bytes(4)
        self.socket.sendall(head + mask + masked)

    def begin_frame(self, size, opcode=1):
        """The head of a frame whose payload is to come, with a mask of zeros."""
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", size) + bytes(4))

    def send(self, value):
        self.send_frame(json.dumps(value).encode())

    def frame(self):
        """The next frame: opcode, fin, payload."""
        while len(self._buffer) < 2:
            self._more()
        first, second = self._buffer[0], self._buffer[1]
        size, at = second & 127, 2
        if size == 126:
            while len(self._buffer) < 4:
                self._more()
            size, at = struct.unpack(">H", self._buffer[2:4])[0], 4
        elif size == 127:
            while len(self._buffer) < 10:
                self._more()
            size, at = struct.unpack(">Q", self._buffer[2:10])[0], 10
        while len(self._buffer) < at + size:
            self._more()
        payload, self._buffer = self._buffer[at : at + size], self._buffer[at + size :]
        return first & 15, bool(first & 128), payload

    def message(self):
        """The next JSON message, or `("close", code)`; pings are answered."""
        while True:
            opcode, fin, payload = self.frame()
            if opcode == 9:
                self.send_frame(payload, 10)
            elif opcode == 8:
                return "close", struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
            elif opcode in (0, 1, 2):
                self._pieces += payload
                if fin:
                    whole, self._pieces = self._pieces, b""
                    return json.loads(whole)

    def until(self, condition, limit_s=10):
        """The first message that fits, or the close, or `None` at the limit."""
        deadline = time.monotonic() + limit_s
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                message = self.message()
                if isinstance(message, tuple) or condition(message):
                    return message
        except socket.timeout:
            return None
        except OSError as error:
            return "ended", str(error)
        return None

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
