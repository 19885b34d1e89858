//! The table of commands, and that nothing that is added to an allowed command makes it freer.

use proptest::prelude::*;
use wharf_protocol::{GuardedPath, Seen, SeenPath, SeenScript, SeenUse};
use wharf_shell::uses::{self, Way};
use wharf_shell::{read, reads};

use super::*;

const TABLE: &str = include_str!("commands.tsv");

/// What the shell's tool would find in the directory that the table describes.
fn looked_at(command: &str) -> Seen {
    let mut script = SeenScript { has_bash: true, ..SeenScript::default() };
    for command in &read(command).commands {
        let mut used = uses::around(command).unwrap_or_default();
        used.extend(reads::of(command).and_then(|reads| uses::of_reads(command, &reads)).unwrap_or_default());
        for used in used {
            let normal = crate::describe::normalize(Path::new("/repo"), &used.path);
            let inside = normal.strip_prefix("/repo").ok().map(|path| path.to_string_lossy().into_owned());
            let inside = inside.filter(|path| path != "link" && !used.path.starts_with('~'));
            script.uses.push(SeenUse {
                written: used.path.clone(),
                is_written_to: used.way == Way::Write,
                is_directory: inside.as_ref().is_some_and(|path| path == "src" || path.is_empty()),
                holds_state: false,
                guarded: inside.as_ref().filter(|path| path.starts_with(".vscode")).map(|path| GuardedPath {
                    path: path.clone(),
                    name: ".vscode".to_owned(),
                    why: "it runs".to_owned(),
                }),
                foreign: inside.as_ref().filter(|path| *path == "vendor").map(|_| "vendor is foreign".to_owned()),
                path: inside.map(|name| SeenPath { absolute: format!("/repo/{name}"), name }),
            });
        }
        script.programs.extend(
            command.program().filter(|program| !program.contains('/') && *program != "cat.exe").map(str::to_owned),
        );
    }
    Seen {
        paths: vec![SeenPath { name: String::new(), absolute: "/repo".to_owned() }],
        script: Some(script),
        ..Seen::default()
    }
}

fn policy<'p>(mode: &str, rules: &'p [Rule]) -> Policy<'p> {
    Policy { mode: mode.parse().unwrap(), rules, grants: &[], cwd: Path::new("/repo"), further: &[] }
}

/// It needs no rule of its own.
fn only_reads(rules: &[Rule], command: &str) -> bool {
    let config = config();
    let spec = config.tools.iter().find(|spec| spec.name == "bash").unwrap();
    let seen = looked_at(command);
    let policy = policy("ask", rules);
    let subjects = [command.to_owned()];
    let case = policy.case(spec, &Value::Null, &subjects, Some(&seen));
    let weighed = policy.weighed(&case);
    weighed.is_some_and(|allowed| allowed.only_reads)
}

fn decide(mode: &str, rules: &[Rule], command: &str) -> Verdict {
    let config = config();
    let spec = config.tools.iter().find(|spec| spec.name == "bash").unwrap();
    let policy = policy(mode, rules);
    policy.judge(spec, &json!({ "command": command }), &[command.to_owned()], Some(&looked_at(command)))
}

/// How strict a decision is.
fn strictness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Allow(_) => 0,
        Verdict::Ask(_) => 1,
        Verdict::Deny { .. } => 2,
    }
}

fn in_text(visible: &str) -> String {
    let mut text = visible.replace('⏎', "\n").replace('⇥', "\t").replace('␍', "\r").replace('␀', "\0");
    while let Some((before, rest)) = text.clone().split_once('‹') {
        let (number, after) = rest.split_once('›').unwrap();
        let letter = char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap();
        text = format!("{before}{letter}{after}");
    }
    text
}

/// Each row: its rules, the decision, the command.
fn rows() -> Vec<(Vec<Rule>, &'static str, String)> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut rows = Vec::new();
    for line in TABLE.lines() {
        if let Some(list) = line.strip_prefix("# rules:") {
            rules = list.split(", ").map(str::trim).filter(|rule| !rule.is_empty()).map(read_rule).collect();
        } else if !line.starts_with('#') {
            let mut columns = line.split('\t');
            rows.push((rules.clone(), columns.next().unwrap(), in_text(columns.next().unwrap())));
        }
    }
    rows
}

#[test]
fn each_command_of_the_table_gets_its_decision() {
    let rows = rows();
    assert!(rows.len() >= 250, "{}", rows.len());
    let mut wrong = String::new();
    for (rules, decision, command) in rows {
        let verdict = decide("ask", &rules, &command);
        let found = match &verdict {
            Verdict::Allow(_) if only_reads(&rules, &command) => "reads",
            Verdict::Allow(_) => "runs",
            Verdict::Ask(_) => "asked",
            Verdict::Deny { .. } => "denied",
        };
        if found != decision {
            writeln!(wrong, "{command:?}: {decision}, but {}", print(&verdict)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_mode_decides_as_its_table_says() {
    let mut out = String::new();
    for mode in ["plan", "ask", "auto-edit", "full"] {
        for command in ["ls", "make", "echo x > a", "echo x > .vscode/tasks.json", "cat ../x"] {
            writeln!(out, "{mode} | {command}: {}", print(&decide(mode, &[], command))).unwrap();
        }
    }
    expect![[r#"
        plan | ls: allow (mode plan, it only reads)
        plan | make: deny (plan mode is on: only reads run)
        plan | echo x > a: deny (plan mode is on: only reads run)
        plan | echo x > .vscode/tasks.json: deny (plan mode is on: only reads run)
        plan | cat ../x: deny (plan mode is on: only reads run)
        ask | ls: allow (mode ask, it only reads)
        ask | make: ask (mode ask)
        ask | echo x > a: ask (mode ask)
        ask | echo x > .vscode/tasks.json: ask (mode ask)
        ask | cat ../x: ask (mode ask)
        auto-edit | ls: allow (mode auto-edit, it only reads)
        auto-edit | make: ask (mode auto-edit)
        auto-edit | echo x > a: allow (mode auto-edit)
        auto-edit | echo x > .vscode/tasks.json: ask (mode auto-edit)
        auto-edit | cat ../x: ask (mode auto-edit)
        full | ls: allow (mode full)
        full | make: allow (mode full)
        full | echo x > a: allow (mode full)
        full | echo x > .vscode/tasks.json: allow (mode full)
        full | cat ../x: allow (mode full)
    "#]]
    .assert_eq(&out);
}

#[test]
fn what_cannot_be_read_is_denied_where_a_rule_might_deny_it() {
    let rules = [read_rule("deny bash rm *")];
    let of = |command| print(&decide("full", &rules, command));
    for hidden in [
        "$x y",
        "git $x; $y z",
        "coproc x",
        "trap 'rm x' EXIT",
        "GIT_PAGER='rm x' git log",
        "echo 'rm x' | sh",
        "sh <<< 'rm x'",
        "ssh host rm x",
        "ssh host 'cd /; rm x'",
        "ssh host \"$x\"",
        "env -S 'rm x'",
        "su -c 'rm x'",
        "watch -n 1 'rm x'",
        "zsh -c 'rm x'",
        "parallel rm ::: x",
        "bash --norc -c 'rm x'",
        "xargs --unknown rm",
        "find . $x",
        "git -c alias.x='!rm x' x",
        "for _ in 1; do : 'a[$(rm x)]'; (( _ )); done",
    ] {
        assert!(of(hidden).starts_with("deny"), "{hidden}: {}", of(hidden));
    }
    for plain in ["make $x", "ssh host ls", "watch ls", "echo $x", "zsh -c 'ls $x'", "f() { ls; }; f"] {
        assert!(of(plain).starts_with("allow"), "{plain}: {}", of(plain));
    }
    // Every program is read, and means something else.
    assert!(of("PYTHONPATH=src make").starts_with("ask"));
    assert!(print(&decide("full", &[], "coproc x")).starts_with("allow"), "no rule is in doubt");
}

#[test]
fn what_cannot_be_read_is_asked_where_no_rule_denies() {
    let mut seen = 0;
    for (rules, _, command) in rows().into_iter().filter(|(_, decision, _)| *decision == "denied") {
        let rules: Vec<Rule> = rules.into_iter().filter(|rule| rule.action != RuleAction::Deny).collect();
        let reading = read(&command);
        if reading.is_partial || reading.commands.iter().any(|command| command.doubt.is_some()) {
            seen += 1;
            assert_eq!(strictness(&decide("ask", &rules, &command)), 1, "{command:?}");
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn a_pattern_of_file_names_is_asked_where_it_may_stand_for_a_kept_file() {
    let rules = [read_rule("deny read_file *.env")];
    for asked in ["cat *", "cat .e*", "cat .en?", "cat .[e]nv", "head -1 conf/*", "make -f *.en[v]"] {
        assert!(print(&decide("full", &rules, asked)).starts_with("ask"), "{asked}");
    }
    for runs in ["ls *.rs", "make x*.o"] {
        assert!(print(&decide("full", &rules, runs)).starts_with("allow"), "{runs}");
    }
    assert!(print(&decide("full", &rules, "cat .env")).starts_with("deny"));
}

#[test]
fn a_question_shows_what_would_run() {
    let config = config();
    let spec = config.tools.iter().find(|spec| spec.name == "bash").unwrap();
    let rules = [read_rule("allow bash cargo test*")];
    let policy = Policy { mode: Mode::Ask, rules: &rules, grants: &[], cwd: Path::new("/repo"), further: &[] };
    let shown =
        |command: &str| policy.planned(spec, &json!({}), &[command.to_owned()], Some(&looked_at(command))).unwrap();
    let preview = shown("cargo test | timeout 5 tee /etc/x; cat ../y");
    let lines: Vec<String> = preview
        .commands
        .iter()
        .map(|command| format!("{} {:?} {}", command.text, command.started_by, command.asked.as_deref().unwrap_or("-")))
        .collect();
    expect![[r#"
        cargo test None -
        timeout 5 tee /etc/x None -
        tee /etc/x Some(1) no rule allows it
        cat ../y None ../y is outside, protected or not there"#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!(preview.paths_outside, ["/etc/x", "../y"]);
    assert_eq!(preview.not_understood, None);
    let preview = shown("echo 'a\u{202e}b'");
    assert!(preview.not_understood.is_some(), "characters that are not seen");
}

/// A command that the first rules of the table allow.
fn allowed() -> impl Strategy<Value = String> {
    let runs: Vec<String> = rows()
        .into_iter()
        .filter(|(rules, decision, command)| !rules.is_empty() && *decision == "runs" && !command.contains(['#', '\n']))
        .map(|(.., command)| command)
        .collect();
    prop::sample::select(runs)
}

/// A command with the first rules of the table. One that closes what it has not opened would close what it is put into.
fn added() -> impl Strategy<Value = String> {
    let closes = |command: &String| read(command).doubt.is_some_and(|doubt| doubt.starts_with("something is closed"));
    let of_rules = rows().into_iter().filter(|row| !row.0.is_empty()).map(|row| row.2);
    prop::sample::select(of_rules.filter(|command| !closes(command)).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Chained, wrapped, substituted, redirected, renamed, with another environment: it only becomes stricter than its parts are.
    #[test]
    fn what_is_added_only_makes_it_stricter(
        one in allowed(),
        other in added(),
        form in 0..22usize,
    ) {
        let rules = rows().remove(0).0;
        let of_other = strictness(&decide("ask", &rules, &other));
        let (text, least) = match form {
            0 => (format!("{one}; {other}"), of_other),
            1 => (format!("{one} && {other}"), of_other),
            2 => (format!("{one} || {other}"), of_other),
            3 => (format!("{one} | {other}"), of_other),
            4 => (format!("{one} & {other}"), of_other),
            5 => (format!("{one}\n{other}"), of_other),
            6 => (format!("{other}\n{one}"), of_other),
            7 => (format!("( {other}\n)"), of_other),
            8 => (format!("if {one}; then {other}\nfi"), of_other),
            9 => (format!("while {one}; do {other}\ndone"), of_other),
            10 => (format!("echo \"$({other}\n)\""), of_other),
            11 => (format!("cat <<E\n$({other}\n)\nE\n"), of_other),
            12 => (format!("cargo test $({other}\n)"), 1),
            13 => (format!("{one} > made"), 1),
            14 => (format!("{one} >> /etc/made"), 1),
            15 => (format!("FOO=1 {one}; make"), 1),
            16 => (format!("PATH=.\n{one}"), 1),
            17 => (format!("./{}", one.trim_start()), 1),
            18 => (format!("sudo {other}"), 1),
            19 => (format!("f() {{ {other}\n}}; f"), 1),
            20 => (format!("cd .. && {one}"), 1),
            _ => (format!("bash -c '{}'", other.replace('\'', r"'\''")), of_other),
        };
        let verdict = decide("ask", &rules, &text);
        prop_assert!(strictness(&verdict) >= least.min(1), "{text}: {}", print(&verdict));
        // What is denied stays denied. A part that is not understood may be something else in another one.
        if least == 2 && read(&other).doubt.is_none() {
            prop_assert_eq!(strictness(&verdict), 2, "{}", text);
        }
    }

    /// No mode but `full` runs what it would ask about by itself.
    #[test]
    fn modes_differ_as_they_should(row in prop::sample::select(rows())) {
        let of = |mode| strictness(&decide(mode, &row.0, &row.2));
        prop_assert!(of("plan") >= of("ask") && of("ask") >= of("auto-edit") && of("auto-edit") >= of("full"));
    }
}
