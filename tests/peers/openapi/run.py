"""Schemathesis makes requests from our own OpenAPI document: no server error, no answer that the document lacks."""

import os
import pathlib
import subprocess
import sys

from peer import Wharf, check, finish, scripted_model

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
RUN_LIMIT_S = 420
# Streams have no end to wait for; a tool would be run with whatever was made up.
EXCLUDED = "(/events|/prompt/stream|/tools/[^/]+/execute|/ws|/acp)$"


def main():
    # In plan mode nothing that the model or a made-up request asks for can write.
    with scripted_model() as model, Wharf("openai/scripted", model.first_line(), permission="plan") as server:
        session = server.session()
        server.prompt(session, "hello")
        status, document = server.request("GET", "/openapi.json")
        check("the document is OpenAPI 3.1", status == 200 and document["openapi"].startswith("3.1"), (status, str(document)[:200]))
        st = pathlib.Path(sys.executable).parent / "st"
        line = [st, "run", f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {server.key}"]
        line += ["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--seed", "1"]
        line += ["--request-timeout", "15", "--rate-limit", "80/s", "--warnings", "off", "--continue-on-failure"]
        line += ["--exclude-path-regex", EXCLUDED]
        env = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(pathlib.Path(__file__).parent)}
        ran = subprocess.run(line, cwd=server.work, env=env, capture_output=True, text=True, timeout=RUN_LIMIT_S)
        check("every answer is one that the document names", ran.returncode == 0, ran.returncode)
        if ran.returncode:
            print(ran.stdout[-12000:], ran.stderr[-2000:], flush=True)
        else:
            print("\n".join(ran.stdout.splitlines()[-12:]), flush=True)
        status, health = server.request("GET", "/health")
        check("the server is well afterwards", status == 200 and health["healthy"] is True, health)
        status, answer = server.prompt(server.session(), "[[say still here]]")
        check("a turn still works", status == 200 and answer["response"] == "still here", answer)
    finish()


main()
