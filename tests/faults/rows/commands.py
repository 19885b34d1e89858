"""Rows 103, 104: commands that look as if they only read, in a workspace that was made for them."""

import os
import subprocess

from lib.check import row
from lib.server import Server

SECRET = "s3cr3t-outside"


def _workspace(work, outside):
    """Links, files with odd names, programs that are named like others; a secret beside it."""
    (outside / "secret.json").write_text(f'{{"x": "{SECRET}"}}\n')
    (outside / "secret").write_text(SECRET + "\n")
    for name in ("a/b/c", "a/secret.d", "bin", "1", "4", "one", "two", "sub"):
        (work / name).mkdir(parents=True)
    (work / "deep").symlink_to("a/b/c")
    # What `deep/../..` leads to by its own parents, and by its text.
    (work / "a" / "secret").write_text("harmless\n")
    (work / "a" / "x").write_text("harmless\n")
    (work / "one" / "f").symlink_to(outside / "secret")
    (work / "two" / "f").write_text("other\n")
    (work / "link").symlink_to(outside / "secret")
    (work / "out").symlink_to(outside)
    # The workspace finds `ab` where this name is given; a program opens the link.
    (work / "ab").write_text("harmless\n")
    (work / "a\\x62").symlink_to(outside / "secret")
    # A file of options for programs that read such.
    (work / "opts").write_text(f"{outside}/secret\n")
    (work / "@opts").write_text("harmless\n")
    (work / "text").write_text("one\ntwo\nthree\n")
    (work / "other").write_text("kept\n")
    (work / "path").write_text("bin\n")
    (work / "index").write_text("a[$(touch canary)]\n")
    (work / "a.json").write_text("{}\n")
    (work / "opts.sed").write_text("w canary\n")
    for directory in ("bin", "1", "4", "."):
        for name in ("ls", "cat", "xcat"):
            if directory == "." and name == "cat":
                continue
            program = work / directory / name
            program.write_text("#!/bin/sh\n: > canary\n")
            program.chmod(0o755)
    os.mkfifo(work / "fifo")
    subprocess.run(["git", "init", "-q", str(work / "vendor")], check=True)
    (work / "vendor" / ".git" / "config").write_text(f'[core]\n\trepositoryformatversion = 0\n\tfsmonitor = "touch {work}/canary; false"\n')


def _commands(work, outside):
    """What has to be asked in `ask` and in `auto-edit`."""
    index = "'a[$(touch canary)]'"
    return [
        # What a program of the table reads or writes beside its operands.
        "jq -n 'import \"../outside/secret\" as $x; $x'",
        "jq -n 'include \"../outside/secret\"; .'",
        "jq -n '\"../outside/secret\" | modulemeta'",
        "strings @opts",
        f"xxd -ps {outside}/secret",
        f"xxd -as {outside}/secret",
        "xxd -ac text other",
        "xxd -r text other",
        f"head -20c {outside}/secret",
        f"tail -20c {outside}/secret",
        "diff -N one two",
        "diff -r one two",
        "diff -rN one a/b",
        "uniq text other",
        "sort text -o other",
        "sort --output=other text",
        "sort --outp=other text",
        "sort --compress-program=./ls -S 1k text",
        "sed -n 'w canary' text",
        "sed 's/one/two/w canary' text",
        "sed '1e touch canary' text",
        "sed 's/one/touch canary/e' text",
        "sed -f opts.sed text",
        "sed -i s/one/two/ other",
        "sed -n \"$(printf 'p\\nw canary')\" text",
        "sed -n '/x/,/y/{p;w canary\n}' text",
        "find . -maxdepth 0 -fprint canary",
        "find . -maxdepth 0 -exec touch canary ';'",
        "find . -maxdepth 0 -execdir touch canary ';'",
        "find . -name other -delete",
        "find -L . -name secret -newer text",
        "find out/ -name secret",
        "fd . -x touch canary",
        "rg --pre ./ls one text",
        "rg --pre=./ls one text",
        "tree -o canary",
        "file -C -m text",
        f"file -f {work}/opts",
        f"grep -f {outside}/secret -r .",
        "grep -R s3cr3t .",
        "date -f link",
        "wc --files0-from=opts",
        "du --files0-from=opts",
        "awk 'BEGIN { system(\"touch canary\") }'",
        "tar cf /dev/null text --checkpoint=1 --checkpoint-action=exec='touch canary'",
        "env touch canary",
        "man -P 'touch canary' ls",
        "tee canary < text",
        "git status",
        "git -C vendor status",
        "git diff --output=canary",
        "git grep -O./ls x",
        # Where a path leads.
        "cat link",
        "cat < link",
        "cat out/secret",
        f"cat {outside}/secret",
        "cat ../outside/secret",
        "cat 'a\\x62'",
        "cat 'a\\x62' text",
        "cd .. && cat outside/secret",
        "cd out && cat secret",
        "cd deep/../.. && cat outside/secret",
        "cd deep/../../outside && cat secret",
        "cd deep; cd ..; cd ../outside; cat secret",
        "cd deep && cd .. && cat ../outside/secret",
        "cd deep/..; cat ../outside/secret",
        "cat deep/../../../../outside/secret",
        "cd - && cat secret",
        "cat ~/.profile",
        "cat fifo",
        "cat /proc/self/environ",
        "cat < /dev/tcp/127.0.0.1/1",
        "cat l*k",
        "cat {link,text}",
        "cat $'li\\x6ek'",
        # Which program a name stands for.
        "./ls",
        "bin/cat text",
        f"{work}/ls",
        "PATH=.:$PATH ls",
        "PATH=bin; ls",
        "export PATH=bin; ls",
        "declare PATH=bin; ls",
        "for PATH in bin; do ls; done",
        "((PATH=1)); ls",
        "(( PATH = 1 , 1 )); ls",
        "for ((PATH=1;1;)); do ls; break; done",
        ": $((PATH=1)); ls",
        "cat <<E\n$((PATH=1))\nE\nls",
        "printf 'xxxx%n' PATH; ls",
        "printf 'x%5n' PATH; ls",
        "read PATH < path; ls",
        "read -aPATH < path; ls",
        "read -r -a PATH < path; ls",
        "read -ra PATH < path; ls",
        "mapfile -t PATH < path; ls",
        "getopts x PATH -x; ls",
        "select PATH in bin; do ls; break; done <<< 1",
        "unset PATH; PATH=bin; ls",
        "hash -p ./ls ls; ls",
        "alias ls=./ls\nls",
        "shopt -s expand_aliases\nalias ls='touch canary'\nls",
        "ls() { touch canary; }; ls",
        "function ls { touch canary; }; ls",
        "f() { PATH=bin; }; f; ls",
        "enable -n pwd; pwd",
        "env PATH=bin ls",
        "env -u PATH PATH=bin ls",
        "command -p touch canary",
        "exec -a ls touch canary",
        ". ./ls",
        "source ./ls",
        "LD_PRELOAD=./ls ls",
        "BASH_ENV=./ls bash -c ls",
        "env 'BASH_FUNC_ls%%=() { touch canary; }' bash -c ls",
        "timeout 5 ./ls",
        "timeout 5 bash ls",
        "nice sh ls",
        "bash -c './ls'",
        "bash < ls",
        "cat ls | sh",
        "sh <<< 'touch canary'",
        "bash <<'E'\ntouch canary\nE",
        "eval 'touch canary'",
        "echo text | xargs touch",
        # What evaluates a text.
        f"printf '%n' {index}",
        f"printf -v {index} x",
        f"test -v {index}",
        f"[ -v {index} ]",
        f"unset {index}",
        f"read {index} < text",
        f"wait -p {index}",
        f"declare {index}=1",
        "declare -a 'CI=([$(touch canary)0]=1)'",
        "readonly -a 'CI=([$(touch canary)0]=1)'",
        "declare -A 'CI=([$(touch canary)]=1)'",
        f"[[ {index} -eq 1 ]]",
        f"[[ 1 -eq {index} ]]",
        f"let {index}",
        f"for _ in 1; do : {index}; (( _ )); done",
        "for REPLY in 1; do read < index; (( REPLY )); done",
        "for x in 1; do read -ax < index; (( x )); done",
        "for x in 1; do read -r x < index; (( x )); done",
        "unset RANDOM; read RANDOM < index; (( RANDOM ))",
        "unset LINENO; for LINENO in 1; do read LINENO < index; done; (( LINENO ))",
        "x=1; mapfile x < index; (( x ))",
        f"x={index}; (( x ))",
        f"x={index}; cat <<E\n$((x))\nE",
        "cat <<E\n$(touch canary)\nE",
        "cat <<E\n`touch canary`\nE",
        "cat <(touch canary)",
        "cat text > >(touch canary)",
        "cat \"$(touch canary)\"",
        "echo ${x:-$(touch canary)}",
        "echo ${x:=`touch canary`}",
        "x='$(touch canary)'; echo ${x@P}",
        "trap 'touch canary' EXIT",
        "PS4='$(touch canary)'; set -x; ls",
        "coproc touch canary",
        "cat text & touch canary",
        "cat text\ntouch canary",
        "ls\n\\touch canary",
        "cat text |& touch canary",
        "cat text #\ntouch canary",
        "if ls; then touch canary; fi",
        "case x in x) touch canary;; esac",
        "cat <<A <<B; touch canary\nA\nB",
        "! V=1 2>/dev/null touch canary",
        "cat text\r\ntouch canary",
        "ls \u202e; touch canary",
        "time -o canary ls",
        "\\time -o canary ls",
        # What goes on at another place.
        {"command": "git status", "workdir": " vendor"},
        {"command": "cat secret", "workdir": "out"},
        {"command": "cat secret", "workdir": "../outside"},
        {"command": "cat ../../../../outside/secret", "workdir": "deep"},
    ]


ONLY_ASK = [
    "echo x > canary",
    "echo x >> canary",
    "echo x >| canary",
    "ls &> canary",
    "ls >& canary",
    "ls 2> canary",
    "ls <> canary",
    "> canary",
    "cat text > out/canary",
]

GUARDED = [
    "echo x > .envrc",
    "echo x > .git/hooks/pre-commit",
    "cd .git && echo x > config",
    "echo x > .vscode/tasks.json",
    "cd .vscode; echo x > tasks.json",
    "echo x > out/canary",
    "echo x > ../outside/canary",
    "echo x > link",
    "echo x > /tmp/canary-of-row-103",
    "cd out; echo x > canary",
    "cd deep/../..; echo x > outside/canary",
    "echo x > '.env\\x72c'",
    "echo x > fifo",
]

READS = [
    "cat text",
    "ls",
    "ls -la sub",
    "head -n 1 text | wc -l",
    "head -1 text",
    "grep -rn one .",
    "find . -name text -print",
    "sed -n '1,2p' text",
    "cd sub && ls",
    "cd sub && cat ../text",
    "cd sub/.. && cat text",
    "jq -r .x a.json",
    "diff text other; true",
    "sort text | uniq -c",
    "[ -f text ] && cat text",
    "for i in 1 2; do cat text; done",
    "i=0; while [ -f nothing ]; do i=$((i+1)); done",
    "printf '%s %d%%\\n' a 1",
    "timeout 5 cat text",
    "bash -c 'cat text'",
]


@row(103, "in mode ask no command runs because it looks like one that only reads")
def in_ask(c):
    """Options, links, names of programs, what evaluates a text, and where a command stands; each with a canary or a secret outside."""
    _judged(c, "ask", ONLY_ASK)


@row(104, "in mode auto-edit no command runs because it looks like one that only reads or edits")
def in_auto_edit(c):
    """The same, and redirections into what is guarded or outside."""
    _judged(c, "auto-edit", GUARDED)


def _judged(c, mode, more):
    place = c.directory("place")
    work, outside = place / "work", place / "outside"
    work.mkdir()
    outside.mkdir()
    _workspace(work, outside)
    server = Server(c, work=work, permission=mode, config="[turns]\npermission_ms = 20\nunattended_permission_ms = 20\n")
    before = {path: path.read_bytes() for path in (work / "other", outside / "secret")}
    session = server.session()
    for command in READS:
        result = server.tool(session, "bash", command=command)
        c.want(result.ok, f"{command!r} does not just run: {result}")
    c.want(not server.events(session, "permission.requested"), "what only reads is asked about")
    session = server.session()
    commands = _commands(work, outside) + more
    for command in commands:
        arguments = command if isinstance(command, dict) else {"command": command}
        result = server.tool_with(session, "bash", arguments)
        # A command that runs is a success, whatever it ends with.
        c.want(not result.ok, f"{command!r} ran: {result}")
        made = [path for directory in (work, outside) for path in directory.rglob("*canary*")]
        c.want(not made, f"{command!r} made {made}")
        c.want(SECRET not in result.text, f"{command!r} shows what lies outside")
        for path, content in before.items():
            if not c.want(path.read_bytes() == content, f"{command!r} changed {path.name}"):
                path.write_bytes(content)
        for path in made:
            path.unlink()
    asked = len(server.events(session, "permission.requested"))
    c.want(asked == len(commands), f"{asked} of {len(commands)} commands were asked about")
