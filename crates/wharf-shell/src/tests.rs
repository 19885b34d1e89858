//! What is read, case by case; and that nothing is missed, by trying.

use std::fmt::Write;

use crate::{Reading, Target, read};

mod fuzz;
mod oracle;

/// One line for each command, or why the script is not understood.
fn print(reading: &Reading) -> String {
    let mut out = String::new();
    for command in &reading.commands {
        let _ = write!(out, "{}", command.shown());
        if let Some(via) = command.via {
            let _ = write!(out, " <- {via}");
        }
        match command.directories.paths() {
            Some(paths) if paths == [""] => {}
            Some(paths) => {
                let _ = write!(out, " in {}", paths.join("|"));
            }
            None => out.push_str(" in ?"),
        }
        if let Some(doubt) = &command.doubt {
            let _ = write!(out, " ({doubt})");
        }
        out.push('\n');
    }
    if let Some(doubt) = &reading.doubt {
        let _ = writeln!(out, "! {doubt}");
    }
    out
}

#[track_caller]
fn check(script: &str, expected: &str) {
    let expected: String = expected.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(print(&read(script)), expected, "{script}");
}

#[test]
fn lists_pipes_and_quotes() {
    check("a; b&&c||d|e&f", "a\nb\nc\nd\ne\nf");
    check("ls\n\\rm -rf x", "ls\nrm -rf x");
    check("ls\n\\\nrm x", "ls\nrm x");
    check("cat f | grep x | head\nrm -rf y && ls", "cat f\ngrep x\nhead\nrm -rf y\nls");
    check("r''m 'a b' \"c\"\\ d $'e\\n'", "rm 'a b' 'c d' 'e\n'");
    check("touch\ta # b; c\nd", "touch a\nd");
    check("echo a#b c\\#d '#'e", "echo 'a#b' 'c#d' '#e'");
    check("a 2>&1 >b 3<c &>d >>e >|f <>g", "a > b < c > d > e > f > g");
    check("V=1 2>/dev/null rm x", "V=1 rm x > /dev/null");
    check("! V=1 2>/dev/null rm x", "V=1 rm x > /dev/null");
}

#[test]
fn what_is_not_known() {
    check("$x a", "… a (which program it starts is not known)");
    check("rm $x \"$y\" ${z:-$(touch w)}", "touch w\nrm … … …");
    check("cat <(touch a) >(touch b)", "touch a\ntouch b\ncat … …");
    check("echo `touch a` \"$(touch b; touch c)\"", "touch a\ntouch b\ntouch c\necho … …");
    check("{c,a}", "…c,a} (which program it starts is not known)");
    check("*", "* (which program it starts is not known)");
    check("cat <<E\n`rm x` $(rm y)\nE\nls", "cat\nrm x\nrm y\nls");
    check("cat <<'E'\n`rm x` $(rm y)\nE\nls", "cat\nls");
    check("git commit -m \"$(cat <<'EOF'\nit's (a) \"text\" `x`\nEOF\n)\"", "cat\ngit commit -m …");
}

#[test]
fn compound_commands() {
    check("if a; then b; elif c; then d; else e; fi", "a\nb\nc\nd\ne");
    check("while a; do b; done; until c; do d; done", "a\nb\nc\nd");
    check("for i in 1 $(a); do b $i; done > f", "a\nb …\n> f");
    check("for ((i=0;i<3;i++)); do a; done", "a");
    check("case $x in a|b) c;; (*) d;; esac", "c\nd");
    check(
        "f() { a; }; f; function g { b; }; g",
        "a in ?\nf (it is a function of the script)\nb in ?\ng (it is a function of the script)",
    );
    check("(a; b) && { c; }", "a\nb\nc");
    check("[[ -f a && $x == b* ]] && c", "c");
    check("time a | b; ! c", "a\nb\nc");
}

#[test]
fn directories() {
    check("cd a && b; c", "cd a\nb in a\nc in |a");
    check("cd a; b", "cd a\nb in |a");
    check("cd a || b; c", "cd a\nb in |a\nc in |a");
    check("(cd a && b); c", "cd a\nb in a\nc");
    check("cd a | b; c", "cd a\nb\nc");
    check("cd $x && b", "cd …\nb in ?");
    check("cd /a && cd b && c", "cd /a\ncd b in /a\nc in /a/b");
    check("cd && c; cd -; d", "cd\nc in ~\ncd - in |~\nd in ?");
    check("for i in 1 2; do cd a; b; done; c", "cd a in ?\nb in ?\nc in ?");
    // A shell goes up by a path's text, a program by the directory's own parent.
    check("cd a/.. && b", "cd a/..\nb in |a/..");
    check("cd a && cd .. && b", "cd a\ncd .. in a\nb in |a/..");
    check("cd /a/b/../c && b", "cd /a/b/../c\nb in /a/c|/a/b/../c");
    check("cd ../a && b", "cd ../a\nb in ../a");
    check("env cd a && b", "env cd a\ncd a <- 0\nb");
    check("command cd a && b", "command cd a\ncd a <- 0\nb in a");
    check("bash -c 'cd a && b' && c", "bash -c 'cd a && b'\ncd a <- 0\nb <- 0 in a\nc");
}

#[test]
fn wrappers() {
    check("timeout 5 touch a", "timeout 5 touch a\ntouch a <- 0");
    check(
        "env -i A=1 nice -n 5 rm x",
        "env -i 'A=1' nice -n 5 rm x\nA=1 nice -n 5 rm x <- 0\nrm x <- 1".replace("'A=1'", "A=1").as_str(),
    );
    check("find . -name a | xargs -0 rm", "find . -name a\nxargs -0 rm\nrm … <- 1");
    check("xargs -I{} mv {} b", "xargs '-I{}' mv '{}' b\nmv … b <- 0");
    check("find . -exec rm {} \\; -exec ls {} +", "find . -exec rm '{}' ';' -exec ls '{}' +\nrm … <- 0\nls … <- 0");
    check("sh -c 'rm x; ls'", "sh -c 'rm x; ls'\nrm x <- 0\nls <- 0");
    check("bash -c \"$x\"", "bash -c … (what the shell runs is not known)");
    check("eval 'rm x'", "eval 'rm x'\nrm x <- 0");
    check("sudo -u a rm x", "sudo -u a rm x\nrm x <- 0");
    check("sudo -s", "sudo -s (it starts a command, and has options that are not read)");
    check("exec rm x", "exec rm x\nrm x <- 0");
    check("git -C . bisect run rm x", "git -C . bisect run rm x\nrm x <- 0");
}

#[test]
fn scripts_that_are_not_understood() {
    for script in [
        "a\0b",
        "a\rb",
        "a\u{202e}b",
        "a\u{200b}b",
        "echo $((a[$(b)]))",
        "a[$(b)]=1",
        "x='b[$(c)]'; echo $((x))",
        "[[ x -eq 'a[$(c)]' ]]",
        "${x@P}",
        "echo ${!x}",
        "echo $[x]",
        "coproc a",
        "alias a=b",
        "shopt -s extglob",
        "trap a EXIT",
        "source a",
        ". a",
        "PATH=. ls",
        "export PAGER=a",
        "IFS=; a",
        "echo 'a",
        "echo \"a",
        "echo $(a",
        "echo `a",
        "cat <<E\na",
        "a ;; b",
        "a )",
        "(a",
        "{ a",
        "if a; then b",
        "a; }",
        "a\\\nb",
        "{x}>f a",
        "printf -v a b",
        "unset 'a[$(b)]'",
        "read a[x]",
        "declare -i a=b",
        "let a=b",
        "!(a)b",
        "@(a|b) c",
        "echo ${x:=y}",
        "cat <<E \"\nE\n\"",
        "a > $((x))",
        "echo \u{e9}\\n",
        "set -a",
        "for PATH in a; do b; done",
        "time -x a",
        "export GIT_SSH_COMMAND=a",
        "hash -p a b",
    ] {
        let reading = read(script);
        assert!(
            reading.doubt.is_some() || reading.commands.iter().any(|command| command.doubt.is_some()),
            "{script:?}\n{}",
            print(&reading)
        );
    }
}

#[test]
fn numbers_are_counted_where_they_are_known_to_be_numbers() {
    for script in [
        "i=0; while ((i<3)); do i=$((i+1)); a; done",
        "for i in 1 2; do echo $(($i*2)); done",
        "[[ $# -gt 1 ]] && a",
        "x=$((1+2)); echo $((x))",
    ] {
        assert_eq!(read(script).doubt, None, "{script}");
    }
    for script in [
        "read i; echo $((i))",
        "for i in *; do echo $((i)); done",
        "i=$x; ((i++))",
        "[[ $x -gt 1 ]]",
        "echo $((1 + $(a)))",
        "i=1; i=$(a); echo $((i))",
    ] {
        assert!(read(script).doubt.is_some(), "{script}");
    }
}

#[test]
fn limits() {
    let deep = format!("{}a{}", "$(".repeat(20), ")".repeat(20));
    assert!(read(&format!("echo {deep}")).doubt.is_some());
    assert!(read(&"a;".repeat(1_001)).doubt.is_some());
    assert!(read(&"a;".repeat(900)).doubt.is_none());
    assert!(read(&format!("echo {}", "a".repeat(crate::SCRIPT_MAX_BYTES))).doubt.is_some());
}

#[test]
fn a_plain_chain_is_told_from_other_scripts() {
    use crate::Joint::{And, Beside, Pipe, Then};
    assert_eq!(read("a | b && c; d & e\n").joints.unwrap(), [Pipe, And, Then, Beside]);
    assert_eq!(read("(a)").joints, None);
    assert_eq!(read("a $(b); c").joints.unwrap(), [Then], "what stands in it joins nothing");
    assert_eq!(read("a > b").commands[0].redirects[0].target, Target::Write);
}
