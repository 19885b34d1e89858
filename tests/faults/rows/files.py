"""Rows 17-28: files as they really are."""

import os
import re
import shutil
import struct
import subprocess
import time

from lib.check import row
from lib.server import Server


@row(17, "a workspace that was replaced is looked up again")
def replaced_workspace(c):
    """Moved away and made again, removed, removed and made again: for files and for commands."""
    server = Server(c)
    base = c.directory("base")

    def opened(name):
        place = base / name
        place.mkdir()
        session = server.session(place)
        c.need(
            server.tool(session, "write_file", path="first.txt", content="1\n").ok and (place / "first.txt").exists(), "no file in a fresh workspace"
        )
        return place, session

    place, session = opened("proj")
    place.rename(base / "old")
    place.mkdir()
    result = server.tool(session, "write_file", path="new.txt", content="2\n")
    c.want(not (base / "old" / "new.txt").exists(), f"written into the directory that was moved away: {result}")
    c.want((place / "new.txt").exists() or not result.ok, f"told as done and not there: {result}")
    result = server.tool(session, "bash", command="echo x > by-bash.txt")
    c.want((place / "by-bash.txt").exists() or not result.ok, f"bash: {result}")
    c.want(not (base / "old" / "by-bash.txt").exists(), "bash wrote into the directory that was moved away")

    place, session = opened("gone")
    shutil.rmtree(place)
    for tool, arguments in (("list_dir", {}), ("glob", {"pattern": "*"}), ("grep", {"pattern": "1"}), ("write_file", {"path": "a", "content": "b"})):
        result = server.tool_with(session, tool, arguments)
        c.want(not result.ok, f"{tool} in a removed directory succeeds: {result}")

    place, session = opened("again")
    shutil.rmtree(place)
    place.mkdir()
    (place / "second.txt").write_text("needle\n")
    result = server.tool(session, "list_dir")
    c.want("second.txt" in result.text or not result.ok, f"list_dir of a directory made again: {result}")
    result = server.tool(session, "grep", pattern="needle")
    c.want("second.txt" in result.text or not result.ok, f"grep in a directory made again: {result}")


@row(18, "grep calls nothing absent that it has not searched")
def grep_nul(c):
    """A NUL byte early, late in a large log, and in a file that is given by its path."""
    server = Server(c)
    (server.work / "plain.txt").write_text("a needle here\n")
    (server.work / "early.txt").write_bytes(b"head\0\nneedle early\n" + b"text\n" * 50)
    log = [f"line {n} needle" if n % 10 == 0 else f"line {n}" for n in range(40_000)]
    log[30_005] = "late \0 byte"
    (server.work / "large.log").write_text("\n".join(log) + "\n")
    session = server.session()
    c.need("a needle" in server.tool(session, "grep", pattern="need.e", path="plain.txt").text, "grep finds nothing at all")
    note = re.compile(r"binary|NUL|null byte|\\0|skipped|not searched|searched (only )?(up )?to|zero byte", re.I)

    def honest(result, name, found):
        return re.search(found, result.text) or (name in result.text and note.search(result.text))

    result = server.tool(session, "grep", pattern="need[l]e early")
    c.want(honest(result, "early.txt", r"early\.txt.*needle early|early\.txt(.|\n)*needle early"), f"NUL early: {result}")
    result = server.tool(session, "grep", pattern="need[l]e early", path="early.txt")
    c.want(honest(result, "early.txt", r"needle early") or note.search(result.text), f"NUL early, by its path: {result}")
    result = server.tool(session, "grep", pattern="needle", mode="count", path="large.log")
    c.want("4000" in result.text.replace(",", "") or note.search(result.text), f"count in a large log with a late NUL: {result}")
    result = server.tool(session, "grep", pattern="line 3999. needle")
    c.want(honest(result, "large.log", r"line 39990 needle"), f"behind a late NUL: {result}")
    result = server.tool(session, "grep", pattern="line 3999. needle", mode="files")
    c.want("large.log" in result.text, f"files, behind a late NUL: {result}")


@row(19, "grep shows the match of a long line")
def grep_long_line(c):
    """Behind byte 500, at the very end, among wide characters."""
    server = Server(c)
    (server.work / "long.txt").write_text("x" * 3000 + "NEEDLE1" + "y" * 3000 + "\n")
    (server.work / "end.txt").write_text("short NEEDLE0\n" + "é" * 4000 + "NEEDLE2\n")
    (server.work / "min.js").write_text("var a=1;" * 100_000 + "NEEDLE3();" + "b();" * 1000)
    session = server.session()
    c.need("NEEDLE0" in server.tool(session, "grep", pattern="NEED[L]E0").text, "grep shows no short line")
    for needle in ("NEEDLE1", "NEEDLE2", "NEEDLE3"):
        result = server.tool(session, "grep", pattern=needle.replace("L", "[L]"))
        c.want(needle in result.text, f"{needle}: {result}")
        c.want(len(result.text) < 20_000, f"{needle}: the window is {len(result.text)} characters")


@row(20, "glob takes a name as it is written")
def glob_as_written(c):
    """Brackets and braces in names of files and directories."""
    server = Server(c)
    for name in ("app/[id]/page.tsx", "src/(group)/[...slug]/x.ts", "odd{a,b}.txt", "a.txt", "b.txt"):
        (server.work / name).parent.mkdir(parents=True, exist_ok=True)
        (server.work / name).write_text("text\n")
    session = server.session()
    c.need("a.txt" in server.tool(session, "glob", pattern="[ab].txt").text, "a class does not match")
    for name in ("app/[id]/page.tsx", "src/(group)/[...slug]/x.ts", "odd{a,b}.txt"):
        result = server.tool(session, "glob", pattern=name)
        c.want(name in result.text.splitlines(), f"{name}: {result}")
    result = server.tool(session, "grep", pattern="te.t", glob="app/[id]/page.tsx")
    c.want("page.tsx" in result.text, f"grep with it as its glob: {result}")


@row(21, "a name is found in either Unicode form")
def unicode_forms(c):
    """The file decomposed and the name composed, and the other way, for reads and edits; no twin is made."""
    server = Server(c)
    session = server.session()
    for here, there in (
        ("cafe\u0301.txt", "caf\u00e9.txt"),
        ("u\u0308ber/nai\u0308ve.txt", "\u00fcber/na\u00efve.txt"),
        ("\u00c5.txt", "A\u030a.txt"),
    ):
        (server.work / here).parent.mkdir(exist_ok=True)
        (server.work / here).write_text("old text\n")
        c.need("old text" in server.tool(session, "read_file", path=here).text, "not even read by its own name")
        result = server.tool(session, "read_file", path=there)
        c.want("old text" in result.text, f"read_file: {result}")
        result = server.tool(session, "edit_file", path=there, old_string="old", new_string="new")
        c.want((server.work / here).read_text() == "new text\n", f"edit_file: {result}")
        result = server.tool(session, "write_file", path=there, content="third\n")
        c.want(not (server.work / there).exists(), f"write_file made a twin: {result}")
    (server.work / "cafe\u0301 2").write_text("one\n")
    (server.work / "caf\u00e9 2").write_text("two\n")
    c.want("two" in server.tool(session, "read_file", path="caf\u00e9 2").text, "where both are there, the exact name does not win")


def _acl(*entries):
    """`system.posix_acl_access`, version 2: tag, permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@row(22, "an edit keeps what a file has")
def keeps_what_a_file_has(c):
    """As an ordinary user: somebody else's file with group write, an ACL, attributes, a hard link, a bind mount, a directory that is not writable."""
    user = c.user()
    none = 0xFFFFFFFF
    bound, source = c.directory("bound"), c.place / "source.txt"
    source.write_text("old\n")
    work = c.directory("work")
    (work / "bind.txt").write_text("")
    # A mount namespace of the server's own, so that nothing is left on the machine.
    mounted = f'mount --bind {source} {work}/bind.txt && exec setpriv --reuid {user.pw_uid} --regid {user.pw_gid} --clear-groups "$@"'
    os.chown(source, user.pw_uid, user.pw_gid)
    probe = subprocess.run(["unshare", "--mount", "sh", "-c", f"mount --bind {source} {work}/bind.txt"], capture_output=True)
    can_mount = probe.returncode == 0
    wrap = (
        ["unshare", "--mount", "sh", "-c", mounted, "sh"]
        if can_mount
        else ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    )
    server = Server(c, work=work, wrap=wrap, user=user)
    return _keeps(c, server, user, can_mount, source, none)


def _keeps(c, server, user, can_mount, source, none):
    work = server.work
    os.chown(work, user.pw_uid, user.pw_gid)
    session = server.session()
    who = server.tool(session, "bash", command="id -u").text.strip()
    c.need(who == str(user.pw_uid), f"the server runs as {who}")

    def edit(name, **more):
        result = server.tool(session, "edit_file", path=name, old_string="old", new_string="new")
        return result, c.want(result.ok and (work / name).read_text() == "new\n", f"{name} is not edited: {result}")

    shared = work / "shared.txt"
    shared.write_text("old\n")
    shared.chmod(0o664)
    os.chown(shared, 0, user.pw_gid)
    edit("shared.txt")
    c.want(shared.stat().st_uid == 0, "the owner of a file of somebody else is lost")

    listed = work / "acl.txt"
    listed.write_text("old\n")
    os.chown(listed, user.pw_uid, user.pw_gid)
    acl = _acl((1, 6, none), (2, 6, 1), (4, 4, none), (16, 6, none), (32, 0, none))
    try:
        os.setxattr(listed, "system.posix_acl_access", acl)
        before = os.getxattr(listed, "system.posix_acl_access")
        edit("acl.txt")
        after = os.getxattr(listed, "system.posix_acl_access") if "system.posix_acl_access" in os.listxattr(listed) else None
        c.want(after == before, "the ACL is lost")
    except OSError as error:
        c.need("supported" in str(error), f"ACL: {error}")

    marked = work / "marked.txt"
    marked.write_text("old\n")
    os.chown(marked, user.pw_uid, user.pw_gid)
    try:
        os.setxattr(marked, "user.mark", b"kept")
        edit("marked.txt")
        c.want("user.mark" in os.listxattr(marked), "an attribute is lost")
    except OSError as error:
        c.need("supported" in str(error), f"attribute: {error}")

    linked = work / "linked.txt"
    linked.write_text("old\n")
    os.chown(linked, user.pw_uid, user.pw_gid)
    os.link(linked, work / "other-name.txt")
    edit("linked.txt")
    c.want((work / "other-name.txt").read_text() == "new\n", "the hard link is cut")

    fixed = work / "fixed"
    fixed.mkdir()
    (fixed / "mine.txt").write_text("old\n")
    os.chown(fixed / "mine.txt", user.pw_uid, user.pw_gid)
    fixed.chmod(0o755)
    os.chown(fixed, 0, 0)
    edit("fixed/mine.txt")

    if can_mount:
        result = server.tool(session, "edit_file", path="bind.txt", old_string="old", new_string="new")
        c.want(result.ok and source.read_text() == "new\n", f"a bind-mounted file is not edited: {result}")


@row(23, "the line ends that most lines have are kept")
def line_ends(c):
    """A hundred lines with CRLF and one with LF: written whole, edited, patched; and the other way."""
    server = Server(c)
    session = server.session()
    about = re.compile(r"CRLF|line.?end|\\r\\n|mixed", re.I)
    crlf = b"".join(b"line %d\r\n" % n for n in range(100))
    mixed = crlf[: crlf.index(b"line 50")] + b"bare\n" + crlf[crlf.index(b"line 50") :]
    plain = crlf.replace(b"\r\n", b"\n")

    path = server.work / "pure.txt"
    path.write_bytes(crlf)
    server.tool(session, "edit_file", path="pure.txt", old_string="line 7\n", new_string="line seven\nand more\n")
    c.need(path.read_bytes().count(b"\r\n") == 101, "not even a pure CRLF file keeps its ends")

    path = server.work / "whole.txt"
    path.write_bytes(mixed)
    server.tool(session, "read_file", path="whole.txt")
    result = server.tool(session, "write_file", path="whole.txt", content=plain.decode() + "one more\n")
    c.want(path.read_bytes().count(b"\r\n") >= 100, f"write_file: {path.read_bytes().count(chr(13).encode())} CR are left: {result}")
    c.want(about.search(result.text), f"write_file has no word about it: {result}")

    path = server.work / "edited.txt"
    path.write_bytes(mixed)
    result = server.tool(session, "edit_file", path="edited.txt", old_string="line 7\n", new_string="line seven\nand more\n")
    data = path.read_bytes()
    c.want(b"line seven\r\nand more\r\n" in data, f"edit_file puts in {data[40:90]!r}: {result}")
    c.want(data.count(b"\n") - data.count(b"\r\n") <= 1, "edit_file adds bare line feeds")
    c.want(about.search(result.text), f"edit_file has no word about it: {result}")

    path = server.work / "between.txt"
    path.write_bytes(mixed)
    result = server.tool(session, "edit_file", path="between.txt", old_string="line 49\nbare\n", new_string="line 49\nbare\nmore\n")
    c.want(result.ok and b"more\r\n" in path.read_bytes(), f"edit_file beside the odd line: {result}")

    path = server.work / "mostly-lf.txt"
    path.write_bytes(plain + b"odd\r\n")
    result = server.tool(session, "edit_file", path="mostly-lf.txt", old_string="line 7\n", new_string="line seven\nand more\n")
    c.want(b"line seven\nand more\n" in path.read_bytes() and result.ok, f"mostly LF: {result}")


@row(24, "a patch between decorated markers is taken")
def decorated_patch(c):
    """The envelope with stars after the words as well; also with trailing blanks, with CRLF, for several files."""
    server = Server(c)
    session = server.session()
    body = "*** Update File: a.txt\n@@\n-old\n+new\n"
    for name, patch in (
        ("stars", f"*** Begin Patch ***\n{body}*** End Patch ***"),
        ("stars and blanks", f"*** Begin Patch ***  \n{body}*** End Patch ***  \n"),
        ("stars and CRLF", f"*** Begin Patch ***\n{body}*** End Patch ***\n".replace("\n", "\r\n")),
    ):
        (server.work / "a.txt").write_text("old\n")
        result = server.tool(session, "apply_patch", patch=patch)
        c.want((server.work / "a.txt").read_text() == "new\n", f"{name}: {result}")
    (server.work / "a.txt").write_text("old\n")
    server.tool(session, "apply_patch", patch=f"*** Begin Patch\n{body}*** End Patch\n")
    c.need((server.work / "a.txt").read_text() == "new\n", "not even a plain patch is taken")


@row(25, "a marker counts in column 1 only")
def marker_column(c):
    """Unified diffs whose context, additions or removals hold the other format's markers, and the other way."""
    server = Server(c)
    session = server.session()
    path = server.work / "doc.md"
    for name, old, diff, new in (
        (
            "context",
            "*** Begin Patch\nold\n*** End Patch\n",
            " *** Begin Patch\n-old\n+new\n *** End Patch\n",
            "*** Begin Patch\nnew\n*** End Patch\n",
        ),
        ("addition", "first\nold\nlast\n", " first\n-old\n+*** Begin Patch\n last\n", "first\n*** Begin Patch\nlast\n"),
    ):
        path.write_text(old)
        result = server.tool(session, "apply_patch", patch=f"--- a/doc.md\n+++ b/doc.md\n@@ -1,3 +1,3 @@\n{diff}")
        c.want(path.read_text() == new, f"{name}: {result}")
    path.write_text("first\nold\n")
    server.tool(session, "apply_patch", patch="--- a/doc.md\n+++ b/doc.md\n@@ -1,2 +1,2 @@\n first\n-old\n+new\n")
    c.need(path.read_text() == "first\nnew\n", "not even a plain diff is taken")
    path.write_text("--- a/x\n+++ b/x\nold\n")
    result = server.tool(
        session, "apply_patch", patch="*** Begin Patch\n*** Update File: doc.md\n@@\n --- a/x\n +++ b/x\n-old\n+new\n*** End Patch\n"
    )
    c.want(path.read_text() == "--- a/x\n+++ b/x\nnew\n", f"the other way: {result}")


@row(26, "a blank line before a file header does not belong to the hunk")
def blank_before_header(c):
    """Between two files, before `diff --git`, and twice; with line counts that are too large by it."""
    server = Server(c)
    session = server.session()
    a, b = server.work / "a.txt", server.work / "b.txt"

    def apply(name, patch):
        a.write_text("one\ntwo\n")
        b.write_text("three\nfour\n")
        result = server.tool(session, "apply_patch", patch=patch)
        return result, a.read_text() == "ONE\ntwo\n" and b.read_text() == "THREE\nfour\n"

    second = "--- a/b.txt\n+++ b/b.txt\n@@ -1,2 +1,2 @@\n-three\n+THREE\n four\n"
    _, plain = apply("plain", f"--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n{second}")
    c.need(plain, "not even a plain diff of two files is taken")
    for name, between in (("a blank line", "\n"), ("two blank lines", "\n\n"), ("diff --git", "\ndiff --git a/b.txt b/b.txt\nindex 1..2 100644\n")):
        result, done = apply(name, f"--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n-one\n+ONE\n two\n{between}{second}")
        c.want(done, f"{name}: {result}")


@row(27, "a command that would open an editor fails at once")
def no_editor(c):
    """`git commit`, `git rebase -i` and `git commit --amend` with `core.editor` set."""
    server = Server(c)
    session = server.session()
    made = (
        "git init -q . && git config user.email a@b && git config user.name n && git config core.editor 'sleep 20; true' && git config sequence.editor 'sleep 20; true'"
        " && echo 1 > f && git add f && git commit -qm one && echo 2 > f && git commit -qam two && echo 3 > f && git add f"
    )
    result = server.tool(session, "bash", command=made)
    c.need(result.ok, f"no repository: {result}")
    c.need(server.tool(session, "bash", command="git commit -qm three && echo 4 > f && git add f").ok, "a commit with a message does not work")
    for command in ("git commit", "git stash -q && git rebase -i HEAD~1; git rebase --abort 2>/dev/null; git stash pop -q", "git commit --amend"):
        began = time.monotonic()
        result = server.tool(session, "bash", command=command, timeout_ms=6000)
        took = time.monotonic() - began
        c.want(took < 5, f"{command}: waited {took:.1f} s: {result}")
        c.want(re.search(r"editor", result.text, re.I), f"{command}: does not say so: {result}")


@row(28, "tools accept every path that they print")
def printed_paths(c):
    """Names with invalid UTF-8, a line end, a tab, an escape sequence, a backslash."""
    server = Server(c)
    session = server.session()
    place = os.fsencode(server.work)
    names = [b"bad\xff.txt", b"two\nlines.txt", b"tab\there.txt", b"esc\x1b[31m.txt", b"back\\slash.txt", b"dir\xfe/in.txt"]
    for number, name in enumerate(names):
        path = os.path.join(place, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(f"content-{number} old\n")
    (server.work / "plain.txt").write_text("content-plain\n")
    for tool, arguments in (("glob", {"pattern": "**/*.txt"}), ("list_dir", {"depth": 1}), ("grep", {"pattern": "content-", "mode": "files"})):
        result = server.tool_with(session, tool, arguments)
        c.need("plain.txt" in result.text, f"{tool}: {result}")
        shown = [_as_path(line) for line in result.text.splitlines()]
        for number, name in enumerate(names):
            if tool == "list_dir" and b"/" in name:
                continue
            stem = name.split(b"/")[0][:3].decode()
            mine = [line for line in shown if line.lstrip('"./').startswith(stem)]
            if not c.want(len(mine) == 1, f"{tool} shows {name!r} as {mine!r}"):
                continue
            read = server.tool(session, "read_file", path=mine[0])
            c.want(f"content-{number}" in read.text, f"{tool} shows {mine[0]!r}: {read}")
            if tool == "glob":
                edit = server.tool(session, "edit_file", path=mine[0], old_string="old", new_string="new")
                c.want(edit.ok, f"edit_file {mine[0]!r}: {edit}")


def _as_path(line):
    """A line of a listing without what stands beside the path (marks, sizes)."""
    return re.sub(r"(\s{2,}|\t).*$", "", line.strip())
