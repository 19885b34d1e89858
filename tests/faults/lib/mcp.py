"""An MCP server on pipes, whose tools a row describes; the description is read anew with each `tools/list`."""

import json
import pathlib
import sys


def mcp_config(row, tools, trust=False, name="t"):
    """The TOML for a server with these tools; each `{description, schema, read_only, content, hang}`."""
    path = row.place / f"mcp-{name}.json"
    path.write_text(json.dumps(tools))
    return f"""
[mcp.{name}]
command = {json.dumps(sys.executable)}
args = [{json.dumps(__file__)}, {json.dumps(str(path))}]
trust_annotations = {"true" if trust else "false"}
"""


def change(row, tools, name="t"):
    """Changes the tools; the running server notices at the next call and says so."""
    path = row.place / f"mcp-{name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(tools))
    new.replace(path)


def main(path):
    """The server itself."""
    import threading
    import time

    lock = threading.Lock()
    path = pathlib.Path(path)

    def write(message):
        with lock:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()

    def watch():
        last = path.stat().st_mtime_ns
        while True:
            time.sleep(0.1)
            now = path.stat().st_mtime_ns
            if now != last:
                last = now
                write({"method": "notifications/tools/list_changed"})

    def handle(message):
        method, id = message.get("method"), message.get("id")
        if id is None:
            return
        tools = json.loads(path.read_text())
        if method == "initialize":
            version = message["params"].get("protocolVersion", "2025-06-18")
            write(
                {
                    "id": id,
                    "result": {
                        "protocolVersion": version,
                        "capabilities": {"tools": {"listChanged": True}},
                        "serverInfo": {"name": "faults", "version": "1"},
                    },
                }
            )
        elif method == "tools/list":
            listed = []
            for name, tool in tools.items():
                schema = tool.get("schema", {"type": "object", "properties": {}})
                listed.append({
                    "name": name, "description": tool.get("description", name), "inputSchema": schema,
                    "annotations": {"readOnlyHint": tool.get("read_only", False)},
                })  # fmt: skip
            write({"id": id, "result": {"tools": listed}})
        elif method == "tools/call":
            tool = tools.get(message["params"]["name"], {})
            if "mark" in tool:
                with open(tool["mark"], "a") as file:
                    file.write("ran\n")
            if "hang" in tool:
                with open(tool["hang"], "a") as file:
                    file.write("ran\n")
                time.sleep(600)
            write({"id": id, "result": {"content": tool.get("content", [{"type": "text", "text": "fine"}]), **tool.get("more", {})}})
        else:
            write({"id": id, "result": {}})

    threading.Thread(target=watch, daemon=True).start()
    for line in sys.stdin:
        threading.Thread(target=handle, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
