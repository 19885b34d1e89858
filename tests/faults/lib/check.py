"""A row's context: what it wants, what it needs to be able to judge, and what it has to tidy up."""

import contextlib
import os
import pathlib
import pwd
import time

ROWS = {}


class SetUp(Exception):
    """The row could not come to the point where it could judge."""


def row(number, what):
    """Registers a function as the check of one row of the list of faults."""

    def register(function):
        assert number not in ROWS, f"row {number} twice"
        ROWS[number] = (what, function)
        return function

    return register


class Row:
    """Handed to a row's function. `want` is a judgement, `need` a positive control; rows go on after a `want` that fails."""

    def __init__(self, binary, place):
        self.binary, self.place = pathlib.Path(binary), pathlib.Path(place)
        self.failed = []
        self.judged = 0
        self._count = 0
        self._stack = contextlib.ExitStack()

    def want(self, ok, seen):
        self.judged += 1
        if not ok:
            self.failed.append(str(seen))
        return ok

    def need(self, ok, seen):
        if not ok:
            raise SetUp(str(seen))
        return ok

    def directory(self, name="dir", mode=0o755):
        """A new directory of the row."""
        self._count += 1
        path = self.place / f"{name}{self._count}"
        path.mkdir()
        path.chmod(mode)
        return path

    def during(self, manager):
        """Enters a context that ends with the row."""
        return self._stack.enter_context(manager)

    def later(self, function, *arguments):
        self._stack.callback(function, *arguments)

    def user(self):
        """The ordinary user that `run` has made."""
        name = os.environ.get("FAULTS_USER")
        self.need(name, "this row needs an ordinary user, and cannot make one: run it as root")
        return pwd.getpwnam(name)

    def close(self):
        self._stack.close()


def wait_for(condition, limit_s=10.0, every_s=0.03):
    """Polls until `condition` gives something true, and returns that; at the limit whatever it gave last."""
    deadline = time.monotonic() + limit_s
    while True:
        found = condition()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(every_s)


def clip(value, size=300):
    """A value on one line, cut in the middle."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode().encode("unicode_escape").decode()
    return shorten(text, size)


def shorten(text, size):
    """Head and tail of a long text."""
    return text if len(text) <= size else text[: size // 2] + " ... " + text[-size // 2 :]
