"""Rows 41-44, 46, 48, 49, 51-56: attacks that got through."""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time

from lib.check import clip, row, wait_for
from lib.mcp import mcp_config
from lib.model import Model, by_step, calls, text
from lib.server import Flow, Server
from lib.streams import WebSocket

DEEP = "{" * 20_000 + "a" + "}" * 20_000


@row(41, "deep patterns of a repository do not kill the server")
def deep_patterns(c):
    """Ignore files and globs with deep nesting or huge alternatives, over REST and from a model; and a read-only call that dies with its process."""
    for place in (".gitignore", ".ignore", ".git/info/exclude"):
        server = Server(c)
        target = server.work / place
        target.parent.mkdir(parents=True, exist_ok=True)
        (server.work / ".git").mkdir(exist_ok=True)
        target.write_text(DEEP + "\n*.skip\n")
        (server.work / "found.txt").write_text("needle\n")
        mode = "plan" if place == ".ignore" else "full"
        session = server.session(mode=mode)
        for tool, arguments in (("grep", {"pattern": "needle"}), ("glob", {"pattern": "*.txt"}), ("list_dir", {"depth": 3})):
            result = server.tool_with(session, tool, arguments, 20)
            if not c.want(server.alive(), f"{tool} with {place}, mode {mode}: the server died ({server.process.poll()})"):
                break
            c.want(result.ok and "found.txt" in result.text, f"{tool} with {place}: {result}")
    server = Server(c)
    (server.work / "a.txt").write_text("x\n")
    session = server.session()
    for pattern in ("{" * 300 + "a" + "}" * 300, "{a,b}" * 25, "[" * 5000, DEEP, "**/" * 3000 + "a"):
        for tool, arguments in (("glob", {"pattern": pattern}), ("grep", {"pattern": "x", "glob": pattern})):
            result = server.tool_with(session, tool, arguments, 15)
            c.want(result.status is not None and "panic" not in result.text.lower(), f"{tool} {clip(pattern, 40)}: {result}")
    if c.want(server.alive(), "a glob killed the server"):
        c.need("a.txt" in server.tool(session, "glob", pattern="*.txt").text, "glob finds nothing at all")
    _died_with_it(c)


def _died_with_it(c):
    """A read-only call that was running at two deaths of the server is not begun a third time."""
    model = c.during(Model(by_step(calls(("mcp__t__hang", {})), text("done"))))
    ran = c.place / "ran"
    server = Server(c, model, config=mcp_config(c, tools={"hang": {"read_only": True, "hang": str(ran)}}, trust=True))
    session = server.session()
    count = lambda: len(ran.read_text().split()) if ran.exists() else 0  # noqa: E731
    server.request("POST", f"/api/v1/sessions/{session}/prompt", {"content": "go"}, {"Prefer": "respond-async"})
    c.need(wait_for(lambda: count() == 1, 10), "the read-only call did not begin")
    server.kill()
    server.start()
    wait_for(lambda: count() == 2, 5)
    server.kill()
    server.start()
    outcome = wait_for(lambda: server.events(session, "tool.call_error", "tool.call_complete"), 8)
    c.want(bool(outcome) and outcome[0]["payload"].get("reason") == "interrupted", f"after two deaths the call has the outcome {outcome!r}")
    c.want(count() <= 2, f"the call that died with its process was begun {count()} times")
