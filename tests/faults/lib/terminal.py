"""A person at a terminal: a command in a pseudo-terminal, what it shows, and what is typed."""

import os
import pty
import threading
import time

from .check import wait_for


class Terminal:
    """One command; `shown` is every byte that it has written."""

    def __init__(self, server, *arguments):
        self._end, other = pty.openpty()
        self.process = server.spawn([str(server.row.binary), *arguments], stdin=other, stdout=other, stderr=other)
        os.close(other)
        self.shown = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while data := os.read(self._end, 65536):
                self.shown += data
        except OSError:
            pass  # The command has ended.

    def wait(self, text, limit_s=10):
        """Whether it has shown a text, and what followed at once."""
        found = wait_for(lambda: text.encode() in self.shown, limit_s)
        time.sleep(0.3)
        return found

    def type(self, text):
        os.write(self._end, text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._end)
