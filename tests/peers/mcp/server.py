"""A server of the MCP SDK for Python, unmodified: `server.py stdio|sse|streamable-http [PORT]`."""

import asyncio
import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("python-peer", version="1.0")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def explode() -> str:
    """Fails."""
    raise ValueError("boom")


@server.tool()
async def slow(steps: int, ctx: Context) -> str:
    """Takes its time, and says how far it is."""
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        await asyncio.sleep(0.05)
    return "arrived"


def main():
    transport = sys.argv[1]
    options = {} if transport == "stdio" else {"host": "127.0.0.1", "port": int(sys.argv[2])}
    server.run(transport, **options)


main()
