"""The published Agent Client Protocol SDK for Python, unmodified: `wharf acp` on pipes, and `/acp` on a WebSocket."""

import asyncio
import os

import acp
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    CreateTerminalResponse,
    FileSystemCapabilities,
    ReadTextFileResponse,
    RequestPermissionResponse,
    ResourceContentBlock,
    TerminalExitStatus,
    TerminalOutputResponse,
    TextContentBlock,
    WaitForTerminalExitResponse,
)
from acp.ws import create_websocket_stream

from peer import Wharf, check, finish, scripted_model

LIMIT_S = 60


def text(words):
    return [TextContentBlock(type="text", text=words)]


class Terminal:
    """A process whose output is kept."""

    def __init__(self, process):
        self.process, self.output, self.reading = process, b"", None

    async def read(self):
        while piece := await self.process.stdout.read(4096):
            self.output += piece
        await self.process.wait()

    def status(self):
        code = self.process.returncode
        if code is None:
            return None
        return TerminalExitStatus(exit_code=code) if code >= 0 else TerminalExitStatus(signal=str(-code))


class Editor:
    """What an editor does with what it is told: it keeps it, and answers questions as it was set."""

    def __init__(self):
        self.updates, self.questions, self.option = [], [], "allow_once"
        self.buffers, self.terminals, self.ended = {}, {}, []
        self.changed = asyncio.Condition()

    async def session_update(self, session_id, update, **_):
        async with self.changed:
            self.updates.append(update)
            self.changed.notify_all()

    async def request_permission(self, session_id, tool_call, options, **_):
        self.questions.append(tool_call)
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=self.option))

    async def read_text_file(self, session_id, path, **_):
        if path not in self.buffers:
            if not os.path.exists(path):
                raise acp.RequestError.resource_not_found(path)
            with open(path) as file:
                self.buffers[path] = file.read()
        return ReadTextFileResponse(content=self.buffers[path])

    async def write_text_file(self, session_id, path, content, **_):
        self.buffers[path] = content
        return None

    async def create_terminal(self, session_id, command, args=None, env=None, cwd=None, output_byte_limit=None, **_):
        variables = {**os.environ, **{v.name: v.value for v in env or []}}
        process = await asyncio.create_subprocess_exec(
            command, *(args or []), cwd=cwd, env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        terminal = Terminal(process)
        terminal.reading = asyncio.ensure_future(terminal.read())
        self.terminals[f"t{len(self.terminals) + len(self.ended) + 1}"] = terminal
        return CreateTerminalResponse(terminal_id=list(self.terminals)[-1])

    async def terminal_output(self, session_id, terminal_id, **_):
        terminal = self.terminals[terminal_id]
        return TerminalOutputResponse(output=terminal.output.decode(), truncated=False, exit_status=terminal.status())

    async def wait_for_terminal_exit(self, session_id, terminal_id, **_):
        terminal = self.terminals[terminal_id]
        await terminal.reading
        status = terminal.status()
        return WaitForTerminalExitResponse(exit_code=status.exit_code, signal=status.signal)

    async def kill_terminal(self, session_id, terminal_id, **_):
        if self.terminals[terminal_id].process.returncode is None:
            self.terminals[terminal_id].process.kill()
        return None

    async def release_terminal(self, session_id, terminal_id, **_):
        terminal = self.terminals.pop(terminal_id)
        async with self.changed:
            self.ended.append(terminal)
            self.changed.notify_all()
        return None

    async def until_released(self):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.ended and not self.terminals), LIMIT_S)
        return self.ended.pop()

    async def ext_method(self, method, params):
        if method == "discover_tools":
            usages = {"name": "usages", "kind": "search", "description": "Finds usages.", "requires_permission": False}
            return {"tools": [usages]}
        if method == "call_tool":
            return {"content": [{"type": "text", "text": f"usages of {params['arguments']['of']}: two"}]}
        raise acp.RequestError.method_not_found(method)

    def on_connect(self, conn):
        pass

    def of(self, kind):
        return [u for u in self.updates if u.session_update == kind]

    def said(self, kind="agent_message_chunk"):
        return "".join(getattr(u.content, "text", None) or "" for u in self.of(kind))

    async def until(self, kind):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.of(kind)), LIMIT_S)

    def forget(self):
        self.updates.clear()
        self.questions.clear()


async def scenario(name, agent, editor, work):
    """One client's day; `agent` is the SDK's connection."""
    answer = await agent.initialize(protocol_version=acp.PROTOCOL_VERSION)
    check(f"{name}: version 1, and it says who it is", answer.protocol_version == 1 and answer.agent_info.name == "wharf", answer)
    new = await agent.new_session(cwd=str(work), mcp_servers=[])
    session = new.session_id
    check(f"{name}: modes and options come with the session", new.modes and len(new.config_options) == 4, new)

    done = await agent.prompt(session_id=session, prompt=text("[[say Hello there, naïve café.]]"))
    check(f"{name}: a prompt is answered", done.stop_reason == "end_turn", done)
    check(f"{name}: the text came whole", editor.said() == "Hello there, naïve café.", editor.said())
    check(f"{name}: its own prompt is not repeated", editor.said("user_message_chunk") == "", editor.updates)
    await editor.until("available_commands_update")

    for option, exists in [("reject_once", False), ("allow_once", True)]:
        editor.forget()
        editor.option = option
        path = work / f"{name}.txt"
        call = '[[tool write_file {"path": "%s.txt", "content": "new\\n"}]]' % name
        done = await agent.prompt(session_id=session, prompt=text(call))
        check(f"{name}: {option} is asked for and heeded", len(editor.questions) == 1 and path.exists() == exists, editor.questions)
        statuses = [u.status for u in editor.of("tool_call_update")]
        check(f"{name}: the call's end is told ({option})", statuses[-1] == ("completed" if exists else "failed"), statuses)
    diffs = [c for u in editor.of("tool_call_update") for c in u.content or [] if c.type == "diff"]
    check(f"{name}: with its diff", len(diffs) == 1 and diffs[0].new_text == "new\n" and diffs[0].path == str(path), diffs)

    editor.forget()
    running = asyncio.ensure_future(agent.prompt(session_id=session, prompt=text("[[stream 400 rate 20]]")))
    await editor.until("agent_message_chunk")
    await agent.cancel(session_id=session)
    done = await asyncio.wait_for(running, LIMIT_S)
    check(f"{name}: a cancelled prompt says so", done.stop_reason == "cancelled", done)

    link = ResourceContentBlock(type="resource_link", name="notes", uri="file:///notes.txt")
    done = await agent.prompt(session_id=session, prompt=[*text("[[say linked]]"), link])
    check(f"{name}: a link is taken", done.stop_reason == "end_turn", done)

    editor.forget()
    await agent.set_session_mode(session_id=session, mode_id="plan")
    await editor.until("current_mode_update")
    options = await agent.set_config_option(config_id="mode", session_id=session, value="ask")
    check(f"{name}: options come back complete", len(options.config_options) == 4, options)

    listed = await agent.list_sessions(cwd=str(work))
    check(f"{name}: the session is listed", session in [s.session_id for s in listed.sessions], listed)
    await agent.close_session(session_id=session)

    editor.forget()
    await agent.load_session(cwd=str(work), session_id=session, mcp_servers=[])
    shown = editor.said("user_message_chunk")
    check(f"{name}: a load shows the conversation", "[[say Hello there" in shown and "Hello there" in editor.said(), shown)
    await agent.close_session(session_id=session)
    editor.forget()
    await agent.resume_session(session_id=session, cwd=str(work))
    check(f"{name}: a resume shows nothing", not editor.of("agent_message_chunk"), editor.updates)
    done = await agent.prompt(session_id=session, prompt=text("[[say on]]"))
    check(f"{name}: and the session goes on", done.stop_reason == "end_turn" and editor.said() == "on", editor.said())

    try:
        await agent.ext_method("wharf/none", {})
        check(f"{name}: an unknown method is refused", False)
    except acp.RequestError as error:
        check(f"{name}: an unknown method is refused", error.code == -32601, error)


async def tools(name, agent, editor, work):
    """Files and commands of the agent, in the client."""
    offers = ClientCapabilities(
        fs=FileSystemCapabilities(read_text_file=True, write_text_file=True), terminal=True, field_meta={"_discover_tools": {}}
    )
    await agent.initialize(protocol_version=acp.PROTOCOL_VERSION, client_capabilities=offers)
    new = await agent.new_session(cwd=str(work), mcp_servers=[])
    session = new.session_id
    check(f"{name}: where tools work can be chosen", "tool_location" in [o.id for o in new.config_options], new)
    path = work.resolve() / f"{name}-buffer.txt"
    path.write_text("saved\n")
    editor.buffers[str(path)] = "typed, not saved\n"
    edit = '[[tool edit_file {"path": "%s", "old_string": "typed", "new_string": "changed"}]]' % path.name
    done = await agent.prompt(session_id=session, prompt=text(edit))
    seen = editor.buffers[str(path)]
    check(f"{name}: an edit is of what is not saved", done.stop_reason == "end_turn" and seen == "changed, not saved\n", seen)
    check(f"{name}: and the client saves when it likes", path.read_text() == "saved\n")
    diffs = [c for u in editor.of("tool_call_update") for c in u.content or [] if c.type == "diff"]
    check(f"{name}: the diff is of the buffer", diffs and diffs[0].old_text == "typed, not saved\n", diffs)
    create = '[[tool write_file {"path": "%s", "content": "made"}]]' % f"{name}-made.txt"
    await agent.prompt(session_id=session, prompt=text(create))
    made = str(work.resolve() / f"{name}-made.txt")
    check(f"{name}: a new file is the client's", editor.buffers.get(made) == "made", editor.buffers)

    editor.forget()
    run = '[[tool bash {"command": "echo in the $0 terminal; exit 3"}]]'
    done = await agent.prompt(session_id=session, prompt=text(run))
    ended = await editor.until_released()
    check(f"{name}: a command runs in the client", b"in the bash terminal" in ended.output and ended.process.returncode == 3, ended.output)
    shown = [c.type for u in editor.of("tool_call_update") for c in u.content or []]
    check(f"{name}: and its terminal is in the call", shown and set(shown) <= {"terminal", "content"} and shown[-1] == "terminal", shown)
    outcome = editor.of("tool_call_update")[-1].raw_output
    check(f"{name}: its outcome is the call's", outcome["exit_code"] == 3 and "in the bash terminal" in outcome["output"], outcome)

    running = asyncio.ensure_future(agent.prompt(session_id=session, prompt=text('[[tool bash {"command": "sleep 600"}]]')))
    while not editor.terminals:
        await asyncio.sleep(0.01)
    await agent.cancel(session_id=session)
    done = await asyncio.wait_for(running, LIMIT_S)
    ended = await editor.until_released()
    await asyncio.wait_for(ended.process.wait(), LIMIT_S)
    check(f"{name}: a cancel kills the terminal", done.stop_reason == "cancelled" and ended.process.returncode == -9, done)

    editor.forget()
    done = await agent.prompt(session_id=session, prompt=text('[[tool client__usages {"of": "main"}]]'))
    outcome = editor.of("tool_call_update")[-1]
    found = outcome.status == "completed" and "usages of main: two" in str(outcome.content)
    check(f"{name}: a tool of the client's own is found and run", found, outcome)

    await agent.set_config_option(config_id="tool_location", session_id=session, value="server")
    done = await agent.prompt(session_id=session, prompt=text(edit.replace("typed", "saved")))
    check(f"{name}: on the server it is the disk", path.read_text() == "changed\n", path.read_text())


async def over_pipes(server):
    editor = Editor()
    binary = os.environ["PEER_WHARF_BIN"]
    async with acp.spawn_agent_process(editor, binary, "acp", env=server.env, transport_kwargs={"limit": 32 << 20}) as (agent, process):
        await scenario("stdio", agent, editor, server.work)
    check("stdio: it ends with its input", process.returncode == 0, process.returncode)
    editor = Editor()
    async with acp.spawn_agent_process(editor, binary, "acp", env=server.env, transport_kwargs={"limit": 32 << 20}) as (agent, process):
        await tools("stdio", agent, editor, server.work)


async def over_websocket(server):
    editor = Editor()
    url = server.url.replace("http", "ws", 1) + "/acp"
    stream = await create_websocket_stream(url, headers={"Authorization": f"Bearer {server.key}"})
    agent = acp.connect_to_agent(editor, stream)
    await scenario("websocket", agent, editor, server.work)
    await agent.close()
    editor = Editor()
    stream = await create_websocket_stream(url, headers={"Authorization": f"Bearer {server.key}"})
    agent = acp.connect_to_agent(editor, stream)
    await tools("websocket", agent, editor, server.work)
    await agent.close()


async def together(server):
    """Two editors and a REST client on one session."""
    one, two = Editor(), Editor()
    url = server.url.replace("http", "ws", 1) + "/acp"
    headers = {"Authorization": f"Bearer {server.key}"}
    agents = [acp.connect_to_agent(e, await create_websocket_stream(url, headers=headers)) for e in (one, two)]
    for agent in agents:
        await agent.initialize(protocol_version=acp.PROTOCOL_VERSION)
    session = (await agents[0].new_session(cwd=str(server.work), mcp_servers=[])).session_id
    await agents[1].resume_session(session_id=session, cwd=str(server.work))
    await agents[0].prompt(session_id=session, prompt=text("[[say shared]]"))
    await two.until("agent_message_chunk")
    check("together: the other one sees the prompt", two.said("user_message_chunk") == "[[say shared]]", two.updates)
    one.forget()
    await asyncio.to_thread(server.prompt, session, "[[say by rest]]")
    await one.until("agent_message_chunk")
    check("together: and the prompts of REST", one.said("user_message_chunk") == "[[say by rest]]", one.updates)
    for agent in agents:
        await agent.close()


def main():
    with scripted_model() as model, Wharf("openai/scripted", model.first_line(), permission="ask") as server:
        for part in (over_pipes, over_websocket, together):
            asyncio.run(asyncio.wait_for(part(server), 5 * LIMIT_S))
    finish()


main()
