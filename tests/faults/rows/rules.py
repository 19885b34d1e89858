"""Rows 29, 30, 31, 45, 47: rules and questions."""

import json
import os

from lib.check import row
from lib.server import Server

# Nobody answers here: a question is given up after a moment.
QUIET = "[turns]\npermission_ms = 1500\nunattended_permission_ms = 700\n"


def rules(*wanted):
    """TOML of `(action, tool, pattern)`."""
    return QUIET + "".join(f"[[rules]]\naction = {json.dumps(a)}\ntool = {json.dumps(t)}\npattern = {json.dumps(p)}\n" for a, t, p in wanted)


@row(29, "a denied file is denied by every way to it")
def denied_files(c):
    """Its path, a glob, a search of everything, links to it and to its directory, for reads, searches and edits."""
    server = Server(c, config=rules(("deny", "*", "*.env"), ("deny", "*", "*/private/*")))
    for name, content in (
        (".env", "KEY=s3cr3t-a\n"),
        ("sub/prod.env", "KEY=s3cr3t-b\n"),
        ("x/private/k.txt", "KEY=s3cr3t-d\n"),
        ("open.txt", "KEY=public\n"),
    ):
        (server.work / name).parent.mkdir(parents=True, exist_ok=True)
        (server.work / name).write_text(content)
    (server.work / "link.txt").symlink_to(".env")
    (server.work / "second.txt").symlink_to("link.txt")
    (server.work / "way").symlink_to("x/private")
    session = server.session()
    c.need("public" in server.tool(session, "read_file", path="open.txt").text, "nothing can be read")
    c.need("public" in server.tool(session, "grep", pattern="KEY", path="open.txt").text, "nothing can be searched")
    tried = [("read_file", {"path": p}) for p in ("link.txt", "second.txt", "./sub/../.env", "way/k.txt", ".env")]
    tried += [
        ("grep", {"pattern": "KEY", **more})
        for more in (
            {"path": ".env"},
            {"glob": "*.env"},
            {},
            {"path": "sub"},
            {"path": "sub/prod.env"},
            {"path": "link.txt"},
            {"path": "way"},
            {"path": "x/private"},
            {"context": 1},
        )
    ]
    for tool, arguments in tried:
        result = server.tool_with(session, tool, arguments)
        c.want("s3cr3t" not in result.text, f"{tool} {arguments} shows it: {result}")
    everything = server.tool(session, "grep", pattern="KEY")
    c.want("public" in everything.text, f"a search of everything finds nothing any more: {everything}")
    for path in ("link.txt", "second.txt", ".env", "way/k.txt"):
        result = server.tool(session, "edit_file", path=path, old_string="KEY", new_string="CHANGED")
        c.want(not result.ok, f"edit_file {path}: {result}")
    result = server.tool(session, "write_file", path="link.txt", content="CHANGED\n")
    c.want((server.work / ".env").read_text() == "KEY=s3cr3t-a\n", "the denied file was changed")


def _asked(c, server, session, command, canary=None):
    """Runs a command that has to be asked about (and, as nobody answers, not run)."""
    before = len(server.events(session, "permission.requested"))
    result = server.tool(session, "bash", command=command)
    asked = len(server.events(session, "permission.requested")) > before
    c.want(asked or "not allowed" in result.text, f"{command!r} raised no question: {result}")
    c.want(not result.ok, f"{command!r} ran: {result}")
    if canary:
        c.want(not (server.work / canary).exists(), f"{command!r} took effect")


def _unasked(c, server, session, command):
    before = len(server.events(session, "permission.requested"))
    result = server.tool(session, "bash", command=command)
    c.need(result.ok and len(server.events(session, "permission.requested")) == before, f"an allowed command raises a question: {command!r}: {result}")


@row(30, "an allowed command does not cover what is substituted in it")
def substitutions(c):
    """Process substitutions both ways, backquotes, `$(`, in quotes, in a continued line."""
    server = Server(c, permission="ask", config=rules(("allow", "bash", "cat *")))
    (server.work / "a.txt").write_text("a\n")
    session = server.session()
    _unasked(c, server, session, "cat a.txt")
    for number, command in enumerate(
        ("cat <(touch {})", "cat a.txt >(touch {})", "cat `touch {}`", 'cat "$(touch {})"', 'cat a.txt "`touch {}`"', "cat a.txt \\\n <(touch {})")
    ):
        _asked(c, server, session, command.format(f"made{number}"), f"made{number}")


@row(31, "a denied command is denied however it is wrapped")
def wrapped(c):
    """Behind assignments, wrappers, loops, options and other blanks; also what cannot be read and may be it. Nobody is asked: mode `full`."""
    server = Server(c, config=rules(("deny", "bash", "touch *"), ("deny", "bash", "git push*")))
    session = server.session()
    canary = server.work / "a"
    c.need("ok" in server.tool(session, "bash", command="make --version > /dev/null; echo ok").text, "no command runs")
    for command in (
        "touch a",
        "FOO=1 touch a",
        "timeout 5 touch a",
        "for i in 1; do touch a; done",
        "touch\ta",
        "/usr/bin/touch a",
        "'touch' a",
        "env -i touch a",
        "sh -c 'touch a'",
        "echo a | xargs touch",
        "find . -maxdepth 0 -exec touch a ';'",
        "if true; then touch a; fi",
        "cat <(touch a)",
        "echo $(touch a)",
        "f() { touch a; }; f",
        "t=touch; $t a",
        "eval 'touch a'",
        "trap 'touch a' EXIT",
        "echo 'touch a' | sh",
        "bash <<E\ntouch a\nE",
        "coproc touch a; wait",
        "env -S 'touch a'",
        "echo $((x[$(touch a)]))",
        "test -v 'x[$(touch a)]'",
        "printf '%n' 'x[$(touch a)]'",
        "declare -a 'x=([$(touch a)0]=1)'",
        "for _ in 1; do : 'x[$(touch a)]'; (( _ )); done",
    ):
        result = server.tool(session, "bash", command=command)
        c.want(not canary.exists(), f"{command!r} made the file: {result}")
        c.want("not allowed" in result.text, f"{command!r}: {result}")
        canary.unlink(missing_ok=True)
    result = server.tool(session, "bash", command="git -C . push")
    c.want("not allowed" in result.text, f"git -C . push: {result}")


@row(45, "no allow rule covers expansions, and a pattern ends at a word")
def expansions(c):
    """`${x@P}`, `$[x]`, `${y[x]}`; `ls*` and `lsevil`; deny rules and mode full stay as they are."""
    server = Server(
        c,
        permission="ask",
        config=rules(("allow", "bash", "echo *"), ("allow", "bash", "ls*"), ("allow", "bash", "git status*"), ("deny", "bash", "rm*")),
    )
    tools = c.directory("bin")
    (tools / "lsevil").write_text(f"#!/bin/sh\ntouch {server.work}/lsevil-ran\n")
    (tools / "lsevil").chmod(0o755)
    server.stop()
    server.env["PATH"] = f"{tools}:{server.env['PATH']}"
    server.start()
    session = server.session()
    server.tool(session, "bash", command="git init -q .")
    for command in ("echo plain", "ls", "ls -a", "ls -a ."):
        _unasked(c, server, session, command)
    _asked(c, server, session, "echo ${x:=$'\\x24(touch made1)'} ${x@P}", "made1")
    _asked(c, server, session, "echo ${x:='y[`touch made2`]'} $[x]", "made2")
    _asked(c, server, session, "echo ${y[1+1]}")
    _asked(c, server, session, "echo $[1+1]")
    _asked(c, server, session, "echo $HOME")
    _asked(c, server, session, "lsevil", "lsevil-ran")
    _asked(c, server, session, "git statusx")
    full = server.session(mode="full")
    c.want(server.tool(full, "bash", command="echo $[1+1] ${HOME}").ok, "mode full asks")
    c.want(not server.tool(full, "bash", command="rm nothing").ok, "a deny rule does not deny")
    c.want(not server.tool(full, "bash", command="rm $HOME/nothing").ok, "a deny rule does not deny a command with a variable")


@row(47, "an allow rule for paths judges the resolved file")
def resolved_allow(c):
    """A linked directory, a linked file, two links on the way; for writes, edits and patches."""
    wanted = [("allow", tool, "src/*") for tool in ("write_file", "edit_file", "apply_patch")]
    server = Server(c, permission="ask", config=rules(*wanted))
    work = server.work
    for name in ("src/deep", "ci"):
        (work / name).mkdir(parents=True)
    (work / "ci" / "old.sh").write_text("old\n")
    (work / "src" / "ci").symlink_to("../ci")
    (work / "src" / "deep" / "again").symlink_to("../ci")
    (work / "src" / "old.sh").symlink_to("../ci/old.sh")
    session = server.session()
    c.need(server.tool(session, "write_file", path="src/plain.txt", content="old\n").ok, "an allowed write raises a question")
    c.need(server.tool(session, "edit_file", path="src/plain.txt", old_string="old", new_string="new").ok, "an allowed edit raises a question")
    for path in ("src/ci/deploy.sh", "src/deep/again/deploy2.sh"):
        result = server.tool(session, "write_file", path=path, content="evil\n")
        c.want(not result.ok and not (work / "ci" / os.path.basename(path)).exists(), f"write_file {path}: {result}")
    for path in ("src/old.sh", "src/ci/old.sh"):
        result = server.tool(session, "edit_file", path=path, old_string="old", new_string="evil")
        c.want(not result.ok and (work / "ci" / "old.sh").read_text() == "old\n", f"edit_file {path}: {result}")
        (work / "ci" / "old.sh").write_text("old\n")
    patch = "*** Begin Patch\n*** Update File: src/ci/old.sh\n@@\n-old\n+evil\n*** End Patch\n"
    result = server.tool(session, "apply_patch", patch=patch)
    c.want((work / "ci" / "old.sh").read_text() == "old\n", f"apply_patch: {result}")
