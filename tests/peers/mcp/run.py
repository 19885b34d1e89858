"""MCP's reference server (npm) and the SDK for Python, unmodified: on pipes and both ways over HTTP, used through `wharf acp`."""

import asyncio
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import acp
from acp.schema import (
    AllowedOutcome,
    EnvVariable,
    HttpHeader,
    HttpMcpServer,
    McpServerStdio,
    RequestPermissionResponse,
    SseMcpServer,
    TextContentBlock,
)

from peer import Program, Wharf, check, finish, scripted_model, wait_for

HERE = pathlib.Path(__file__).resolve().parent
INSTALL_LIMIT_S = 300
LIMIT_S = 90


def packages():
    """The packages of the lock file, kept beside the suite's Python until that changes."""
    place = pathlib.Path(sys.prefix) / "node"
    place.mkdir(exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    made = place / "made-from.json"
    if not made.exists() or made.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, place / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True, timeout=INSTALL_LIMIT_S)
        made.write_bytes(lock)
    return place / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Editor:
    def __init__(self):
        self.updates, self.questions = [], []

    async def session_update(self, session_id, update, **_):
        self.updates.append(update)

    async def request_permission(self, session_id, tool_call, options, **_):
        self.questions.append(tool_call)
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id="allow_once"))

    def on_connect(self, conn):
        pass


def shown(update):
    return "".join(getattr(block.content, "text", None) or "" for block in update.content or [] if block.type == "content")


async def call(agent, editor, session, tool, arguments):
    """The status and text of one call's end, and what was shown on the way."""
    editor.updates.clear()
    prompt = [TextContentBlock(type="text", text=f"[[tool {tool} {json.dumps(arguments)}]]")]
    done = await asyncio.wait_for(agent.prompt(session_id=session, prompt=prompt), LIMIT_S)
    updates = [u for u in editor.updates if u.session_update == "tool_call_update"]
    ends = [u for u in updates if u.status in ("completed", "failed")]
    if done.stop_reason != "end_turn" or len(ends) != 1:
        return None, f"{done} {editor.updates}", []
    return ends[0].status, shown(ends[0]), [shown(u) for u in updates if u.status == "in_progress"]


async def everything(agent, editor, session, name):
    tool = f"mcp__{name}__"
    status, said, _ = await call(agent, editor, session, tool + "echo", {"message": "naïve 🦀"})
    check(f"{name}: echo", status == "completed" and "naïve 🦀" in said, said)
    status, said, _ = await call(agent, editor, session, tool + "get-sum", {"a": 2, "b": 40})
    check(f"{name}: a sum", status == "completed" and "42" in said, said)
    status, said, _ = await call(agent, editor, session, tool + "get-tiny-image", {})
    check(f"{name}: a picture", status == "completed" and "image/png" in said, said)
    status, said, _ = await call(agent, editor, session, tool + "get-structured-content", {"location": "New York"})
    check(f"{name}: structured content", status == "completed" and "temperature" in said, said)
    status, said, on_the_way = await call(agent, editor, session, tool + "trigger-long-running-operation", {"duration": 1, "steps": 4})
    check(f"{name}: a long operation", status == "completed" and "ompleted" in said, said)
    check(f"{name}: its progress", any("/4" in text for text in on_the_way), on_the_way)
    status, said, _ = await call(agent, editor, session, tool + "get-sum", {"a": "two"})
    check(f"{name}: wrong arguments are told", status == "failed" and said, said)


async def python(agent, editor, session, name):
    tool = f"mcp__{name}__"
    status, said, _ = await call(agent, editor, session, tool + "add", {"a": 2, "b": 40})
    check(f"{name}: a sum", status == "completed" and "42" in said, said)
    status, said, _ = await call(agent, editor, session, tool + "explode", {})
    check(f"{name}: a failure is told", status == "failed" and "explode" in said, said)
    status, said, on_the_way = await call(agent, editor, session, tool + "slow", {"steps": 5})
    check(f"{name}: a slow tool", status == "completed" and "arrived" in said, said)
    check(f"{name}: its progress", any("step" in text for text in on_the_way), on_the_way)


def node(script, *arguments, port=None):
    env = {**os.environ, **({"PORT": str(port)} if port else {})}
    return Program("node", script, *arguments, env=env, output=os.devnull)


async def drive(server, servers, uses):
    editor = Editor()
    binary = os.environ["PEER_WHARF_BIN"]
    async with acp.spawn_agent_process(editor, binary, "acp", env=server.env, transport_kwargs={"limit": 32 << 20}) as (agent, _):
        about = await agent.initialize(protocol_version=acp.PROTOCOL_VERSION)
        can = about.agent_capabilities.mcp_capabilities
        check("mcp over http and sse is offered", can.http and can.sse, about)
        new = await agent.new_session(cwd=str(server.work), mcp_servers=servers)
        session = new.session_id
        started = time.monotonic()
        tools = [tool["name"] for tool in server.api("GET", f"/sessions/{session}/tools")["tools"]]
        print(f"connected within {time.monotonic() - started:.1f} s: {len(tools)} tools", flush=True)
        states = server.api("GET", f"/sessions/{session}/mcp")["servers"]
        for state in states:
            check(f"{state['name']}: it is connected", state["status"] == "connected" and state["tools"], state)
        check("no name is too long for a provider", all(len(tool) <= 64 for tool in tools), tools)
        for name, use in uses.items():
            await use(agent, editor, session, name)
        check("every call was asked about", editor.questions, editor.questions)
        await agent.close_session(session_id=session)
    return session


def main():
    if not shutil.which("npm"):
        raise SystemExit("npm is needed for this suite")
    script = packages()
    http_port, sse_port, python_port, python_sse_port = (free_port() for _ in range(4))
    pyserver = HERE / "server.py"
    node_path = shutil.which("node")
    with (
        scripted_model() as model,
        node(script, "streamableHttp", port=http_port),
        node(script, "sse", port=sse_port),
        Program(sys.executable, pyserver, "streamable-http", python_port, output=os.devnull),
        Program(sys.executable, pyserver, "sse", python_sse_port, output=os.devnull),
        Wharf("openai/scripted", model.first_line(), permission="ask") as server,
    ):
        for port in (http_port, sse_port, python_port, python_sse_port):
            wait_for(f"a server on port {port}", lambda: listens(port))
        key = [HttpHeader(name="X-Key", value="secret-value")]
        servers = [
            McpServerStdio(name="node_pipes", command=node_path, args=[str(script), "stdio"], env=[]),
            HttpMcpServer(type="http", name="node_http", url=f"http://127.0.0.1:{http_port}/mcp", headers=key),
            SseMcpServer(type="sse", name="node_sse", url=f"http://127.0.0.1:{sse_port}/sse", headers=[]),
            McpServerStdio(name="python_pipes", command=sys.executable, args=[str(pyserver), "stdio"], env=[EnvVariable(name="PYTHONUNBUFFERED", value="1")]),
            HttpMcpServer(type="http", name="python_http", url=f"http://127.0.0.1:{python_port}/mcp", headers=[]),
            SseMcpServer(type="sse", name="python_sse", url=f"http://127.0.0.1:{python_sse_port}/sse", headers=[]),
        ]
        uses = {
            "node_pipes": everything,
            "node_http": everything,
            "node_sse": everything,
            "python_pipes": python,
            "python_http": python,
            "python_sse": python,
        }
        session = asyncio.run(drive(server, servers, uses))
        check("no key is on the log", "secret-value" not in json.dumps(server.events(session)))
    finish()


main()
