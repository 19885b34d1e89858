"""The published Agent Client Protocol SDK for TypeScript, unmodified, which checks every message strictly: on pipes and on a WebSocket."""

import os
import pathlib
import shutil
import subprocess
import sys

from peer import Wharf, check, finish, scripted_model

HERE = pathlib.Path(__file__).resolve().parent
INSTALL_LIMIT_S = 240
RUN_LIMIT_S = 300


def environment():
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
    # Modules are looked for from where the program lies.
    return pathlib.Path(shutil.copy(HERE / "client.mjs", place / "client.mjs"))


def main():
    if not shutil.which("npm"):
        raise SystemExit("npm is needed for this suite")
    client = environment()
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
