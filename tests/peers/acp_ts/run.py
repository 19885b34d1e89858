"""The published Agent Client Protocol SDK for TypeScript, unmodified, which checks every message strictly: on pipes and on a WebSocket."""

import os
import pathlib
import shutil
import subprocess

from peer import Wharf, check, finish, node_packages, scripted_model

HERE = pathlib.Path(__file__).resolve().parent
RUN_LIMIT_S = 300


def main():
    # Modules are looked for from where the program lies.
    client = pathlib.Path(shutil.copy(HERE / "client.mjs", node_packages(HERE) / "client.mjs"))
    with scripted_model() as model, Wharf("openai/scripted", model.first_line(), permission="ask") as server:
        for way, address in [("stdio", os.environ["PEER_WHARF_BIN"]), ("websocket", server.url.replace("http", "ws", 1) + "/acp")]:
            env = {**server.env, "WHARF_TEST_KEY": server.key}
            line = ["node", client, way, address, server.work]
            ran = subprocess.run(line, env=env, cwd=server.work, capture_output=True, text=True, timeout=RUN_LIMIT_S)
            checks = [text.split(" ", 1) for text in ran.stdout.splitlines() if text.startswith(("ok ", "FAIL "))]
            for verdict, name in checks:
                check(f"{way}: {name}", verdict == "ok", ran.stderr)
            check(f"{way}: it came to its end", ran.returncode == 0 and len(checks) > 10, ran.stdout + ran.stderr)
            check(f"{way}: no message was off the schema", "Error handling" not in ran.stderr, ran.stderr)
    finish()


main()
