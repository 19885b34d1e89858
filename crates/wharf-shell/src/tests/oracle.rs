//! What is read against what bash runs: no program runs that was not read. Skipped, with a line that says so, where there is no bash.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::read;

const BASH: &str = "/usr/bin/bash";

/// Parts of scripts, to be joined in all ways. Programs are `p...` and are nowhere to be found; only files of the directory are written.
fn part() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "p1",
        "p2 a",
        "V=1 p3",
        "2>f p4",
        "V=1 2>f p5",
        "p6 'a;b'",
        "p7 \"a $(p8) b\"",
        "p9 `p10`",
        "\\p11",
        "p''12",
        "p13 <<E\n$(p14)\nE\n",
        "p15 <<'E'\n$(p16)\nE\n",
        "p17 <<<x",
        "p18 <(p19)",
        "p20 >f",
        "p21 &>f",
        "p22 2>&1",
        "p23 #c",
        "p24 a#b",
        "p25 \\\n b",
        "p26 ${x:-$(p27)}",
        "p28 $((1+2))",
        "( p29; p30 )",
        "{ p31; }",
        "if p32; then p33; else p34; fi",
        "for i in 1 2; do p35; done",
        "case a in a) p36;; esac",
        "! p37",
        "time p38",
        "p39 {a,b}",
        "p40 *",
        "eval 'p41; p42'",
        "command p43",
        "p44 $'a\\'b'",
        "p45 \"a\\\"b\"",
        "p46 'a\nb'",
        "f() { p47; }; f",
        "[[ -n a ]] && p48",
        "[ -n a ] && p49",
        "((1)) && p50",
        "p51 a\\;b",
        "p52 \"`p53`\"",
        "x=$(p54)",
        "p55 \"$(cat <<'E'\nit's\nE\n)\"",
        "exec 3>f",
        "p56 -- '#'",
        "p57 \"#\"",
        "p58 ~",
        "p59 a=b",
        "p60 &",
        "p61 <<-E\n\tx\n\tE\n",
        "until p62; do break; done",
        "while p63; do break; done",
        "p64 >&2",
        "p65 {",
        "p66 }",
        "p67 <<A <<'B'\na\nA\n$(p68)\nB\n",
        "p69 $x",
        "p70 \"\"",
        "p71 \\\\",
        "p72 ''\\''",
        "p73 ${#x}",
        "p74 $#",
        "p75 a$",
        "p76 '$(p77)'",
        "p78 \\$(p79)",
        "p80 if",
    ]);
    let joint = prop::sample::select(vec![
        "; ", " && ", " || ", " | ", "\n", " & ", "\n\n", " ;", "|", "&&\n", " |\n", " |& ", "\n\\\n", " ",
    ]);
    prop::collection::vec((atom, joint), 1..6)
        .prop_map(|parts| parts.into_iter().map(|(atom, joint)| format!("{atom}{joint}")).collect())
}

/// The names that bash looked for when it ran the script.
fn ran(script: &str, directory: &Path, number: usize) -> BTreeSet<String> {
    // What goes on beside the script would write into the next one's.
    let log = directory.join(format!("ran-{number}"));
    let whole = format!(
        "command_not_found_handle() {{ builtin printf '%s\\n' \"$1\" >>\"$RAN\"; builtin return 0; }}\n{script}\nwait"
    );
    let status = Command::new(BASH)
        .args(["--norc", "--noprofile", "-c", &whole])
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/nowhere")
        .env("RAN", &log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok());
    std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// `WHARF_SCRIPTS` says how many; a nightly run takes 100,000.
#[expect(clippy::disallowed_methods, reason = "a test's own knob")]
fn count() -> usize {
    std::env::var("WHARF_SCRIPTS").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

#[test]
fn no_program_runs_that_was_not_read() {
    if !Path::new(BASH).exists() {
        eprintln!("skipped: there is no bash");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::default();
    let (mut understood, mut ran_in_all) = (0, 0);
    for number in 0..count() {
        let script = part().new_tree(&mut runner).unwrap().current();
        let reading = read(&script);
        if reading.doubt.is_some() || reading.commands.iter().any(|command| command.doubt.is_some()) {
            continue;
        }
        understood += 1;
        let known: BTreeSet<&str> = reading.commands.iter().filter_map(|command| command.program()).collect();
        for name in ran(&script, directory.path(), number) {
            ran_in_all += 1;
            assert!(
                known.contains(name.as_str()),
                "bash ran {name}, which was not read in\n{script}\n{}",
                super::print(&reading)
            );
        }
    }
    assert!(understood * 4 > count(), "only {understood} were understood");
    assert!(ran_in_all > count() / 4, "bash ran only {ran_in_all}");
}
