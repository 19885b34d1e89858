//! Decisions, one by one.

use std::fmt::Write;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::tests::bench::{config, rule};

mod commands;

/// Each line: a mode, rules as `ACTION TOOL PATTERN` between commas, a tool, its subject.
fn check(cases: &[(&str, &str, &str, &str)], expect: Expect) {
    let mut out = String::new();
    for (mode, rules, tool, subject) in cases {
        let verdict = judge(mode, rules, &[], tool, &arguments(tool, subject));
        let rules = if rules.is_empty() { "no rule" } else { rules };
        writeln!(out, "{mode} | {rules} | {tool} {subject:?}: {}", print(&verdict)).unwrap();
    }
    expect.assert_eq(&out);
}

fn judge(mode: &str, rules: &str, grants: &[Grant], tool: &str, arguments: &Value) -> Verdict {
    let rules: Vec<Rule> = rules.split(", ").filter(|rule| !rule.is_empty()).map(read_rule).collect();
    let config = config();
    let spec = config.tools.iter().find(|spec| spec.name == tool).unwrap();
    let policy = Policy { mode: mode.parse().unwrap(), rules: &rules, grants, cwd: Path::new("/repo"), further: &[] };
    let subjects: Vec<String> = crate::describe::subject_text(spec, arguments).into_iter().collect();
    policy.judge(spec, arguments, &subjects, None)
}

fn read_rule(text: &str) -> Rule {
    let mut words = text.splitn(3, ' ');
    rule(words.next().unwrap(), words.next().unwrap(), words.next())
}

fn arguments(tool: &str, subject: &str) -> Value {
    if tool == "bash" { json!({ "command": subject }) } else { json!({ "path": subject }) }
}

fn print(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(reason) => format!("allow ({reason})"),
        Verdict::Ask(why) => format!("ask ({})", why.reason),
        Verdict::Deny { reason, .. } => format!("deny ({reason})"),
    }
}

#[test]
fn modes() {
    let mut cases = Vec::new();
    for mode in ["plan", "ask", "auto-edit", "full"] {
        for tool in ["read", "edit", "bash", "think"] {
            cases.push((mode, "", tool, "x"));
        }
    }
    cases.push(("auto-edit", "", "edit", "../x"));
    cases.push(("auto-edit", "", "edit", "a/../b"));
    check(
        &cases,
        expect![[r#"
        plan | no rule | read "x": allow (mode plan)
        plan | no rule | edit "x": deny (plan mode is on: only reads run)
        plan | no rule | bash "x": deny (plan mode is on: only reads run)
        plan | no rule | think "x": allow (mode plan)
        ask | no rule | read "x": allow (mode ask)
        ask | no rule | edit "x": ask (mode ask)
        ask | no rule | bash "x": ask (mode ask)
        ask | no rule | think "x": allow (mode ask)
        auto-edit | no rule | read "x": allow (mode auto-edit)
        auto-edit | no rule | edit "x": allow (mode auto-edit)
        auto-edit | no rule | bash "x": ask (mode auto-edit)
        auto-edit | no rule | think "x": allow (mode auto-edit)
        full | no rule | read "x": allow (mode full)
        full | no rule | edit "x": allow (mode full)
        full | no rule | bash "x": allow (mode full)
        full | no rule | think "x": allow (mode full)
        auto-edit | no rule | edit "../x": ask (mode auto-edit)
        auto-edit | no rule | edit "a/../b": allow (mode auto-edit)
    "#]],
    );
}

#[test]
fn rules_weigh_deny_over_ask_over_allow_over_the_mode() {
    check(
        &[
            ("full", "allow bash, ask bash, deny bash", "bash", "ls"),
            ("full", "allow bash, ask bash", "bash", "ls"),
            ("ask", "allow bash", "bash", "ls"),
            ("ask", "allow *", "edit", "a"),
            ("ask", "allow bash", "edit", "a"),
            ("plan", "allow bash", "bash", "ls"),
            ("plan", "deny read", "read", "a"),
            ("plan", "ask read", "read", "a"),
            ("full", "deny * *secret*", "read", "a/secret.txt"),
            ("full", "deny * x", "think", "x"),
        ],
        expect![[r#"
            full | allow bash, ask bash, deny bash | bash "ls": deny (rule deny bash)
            full | allow bash, ask bash | bash "ls": ask (rule ask bash)
            ask | allow bash | bash "ls": allow (rule allow bash)
            ask | allow * | edit "a": allow (rule allow *)
            ask | allow bash | edit "a": ask (mode ask)
            plan | allow bash | bash "ls": deny (plan mode is on: only reads run)
            plan | deny read | read "a": deny (rule deny read)
            plan | ask read | read "a": ask (rule ask read)
            full | deny * *secret* | read "a/secret.txt": deny (rule deny * `*secret*`)
            full | deny * x | think "x": allow (mode full)
        "#]],
    );
}

#[test]
fn patterns_cover_the_whole_subject() {
    check(
        &[
            ("ask", "allow bash cargo test", "bash", "cargo test"),
            ("ask", "allow bash cargo test", "bash", "cargo test -p x"),
            ("ask", "allow bash cargo *", "bash", "  cargo test  "),
            ("ask", "allow bash cargo *", "bash", "cargo"),
            ("ask", "allow bash *", "bash", "a; b"),
            ("ask", "allow bash git * --stat", "bash", "git log --stat"),
            ("ask", "allow bash git * --stat", "bash", "git --stat"),
            ("ask", "allow bash a*a", "bash", "a"),
            ("ask", "allow bash ls *a*b*", "bash", "ls b a xb c"),
            ("ask", "allow bash", "bash", ""),
        ],
        expect![[r#"
            ask | allow bash cargo test | bash "cargo test": allow (rule allow bash `cargo test`)
            ask | allow bash cargo test | bash "cargo test -p x": ask (mode ask)
            ask | allow bash cargo * | bash "  cargo test  ": allow (rule allow bash `cargo *`)
            ask | allow bash cargo * | bash "cargo": ask (mode ask)
            ask | allow bash * | bash "a; b": allow (rule allow bash `*`)
            ask | allow bash git * --stat | bash "git log --stat": allow (rule allow bash `git * --stat`)
            ask | allow bash git * --stat | bash "git --stat": ask (mode ask)
            ask | allow bash a*a | bash "a": ask (mode ask)
            ask | allow bash ls *a*b* | bash "ls b a xb c": allow (rule allow bash `ls *a*b*`)
            ask | allow bash | bash "": allow (rule allow bash)
        "#]],
    );
}

#[test]
fn allowed_commands_bring_no_others_with_them() {
    check(
        &[
            ("ask", "allow bash cargo *", "bash", "cargo test; rm -rf /"),
            ("ask", "allow bash cargo *", "bash", "cargo test && rm x"),
            ("ask", "allow bash cargo *", "bash", "cargo test & rm x"),
            ("ask", "allow bash cargo *", "bash", "cargo test | sh"),
            ("ask", "allow bash cargo *", "bash", "cargo `rm x`"),
            ("ask", "allow bash cargo *", "bash", "cargo $(rm x)"),
            ("ask", "allow bash cargo *", "bash", "cargo test\nrm x"),
            ("ask", "allow bash cargo *", "bash", "cargo test > /etc/passwd"),
            ("ask", "allow bash cargo * | tail *", "bash", "cargo test | tail -1"),
            ("ask", "allow bash cargo * | tail *", "bash", "cargo test | sh | tail -1"),
            ("ask", "allow edit a;b*", "edit", "a;b;c"),
        ],
        expect![[r#"
            ask | allow bash cargo * | bash "cargo test; rm -rf /": ask (mode ask)
            ask | allow bash cargo * | bash "cargo test && rm x": ask (mode ask)
            ask | allow bash cargo * | bash "cargo test & rm x": ask (mode ask)
            ask | allow bash cargo * | bash "cargo test | sh": ask (mode ask)
            ask | allow bash cargo * | bash "cargo `rm x`": ask (mode ask)
            ask | allow bash cargo * | bash "cargo $(rm x)": ask (mode ask)
            ask | allow bash cargo * | bash "cargo test\nrm x": ask (mode ask)
            ask | allow bash cargo * | bash "cargo test > /etc/passwd": ask (mode ask)
            ask | allow bash cargo * | tail * | bash "cargo test | tail -1": allow (rule allow bash `cargo * | tail *`)
            ask | allow bash cargo * | tail * | bash "cargo test | sh | tail -1": ask (mode ask)
            ask | allow edit a;b* | edit "a;b;c": allow (rule allow edit `a;b*`)
        "#]],
    );
}

#[test]
fn what_is_denied_cannot_be_dressed_up() {
    check(
        &[
            ("full", "deny bash rm *", "bash", "   rm -rf /"),
            ("full", "deny bash rm *", "bash", "cd / && rm -rf x"),
            ("full", "deny bash rm *", "bash", "echo $(rm -rf x)"),
            ("full", "deny bash rm *", "bash", "ls\nrm -rf x"),
            ("full", "deny bash rm *", "bash", "echo rm"),
            ("full", "ask bash git push*", "bash", "true; git push"),
            ("full", "deny read secret/*", "read", "./a/../secret/key"),
            ("full", "deny read secret/*", "read", "/repo/secret/key"),
            ("full", "deny read /etc/*", "read", "../etc/passwd"),
            ("ask", "allow edit src/*", "edit", "src/main.rs"),
            ("ask", "allow edit src/*", "edit", "src/../../etc/passwd"),
            ("ask", "allow edit src/*", "edit", "/repo/src/main.rs"),
            ("ask", "allow edit /tmp/*", "edit", "/tmp/x"),
        ],
        expect![[r#"
            full | deny bash rm * | bash "   rm -rf /": deny (rule deny bash `rm *`)
            full | deny bash rm * | bash "cd / && rm -rf x": deny (rule deny bash `rm *`)
            full | deny bash rm * | bash "echo $(rm -rf x)": deny (rule deny bash `rm *`)
            full | deny bash rm * | bash "ls\nrm -rf x": deny (rule deny bash `rm *`)
            full | deny bash rm * | bash "echo rm": allow (mode full)
            full | ask bash git push* | bash "true; git push": ask (rule ask bash `git push*`)
            full | deny read secret/* | read "./a/../secret/key": deny (rule deny read `secret/*`)
            full | deny read secret/* | read "/repo/secret/key": deny (rule deny read `secret/*`)
            full | deny read /etc/* | read "../etc/passwd": deny (rule deny read `/etc/*`)
            ask | allow edit src/* | edit "src/main.rs": allow (rule allow edit `src/*`)
            ask | allow edit src/* | edit "src/../../etc/passwd": ask (mode ask)
            ask | allow edit src/* | edit "/repo/src/main.rs": allow (rule allow edit `src/*`)
            ask | allow edit /tmp/* | edit "/tmp/x": allow (rule allow edit `/tmp/*`)
        "#]],
    );
}

#[test]
fn a_subject_that_is_no_text_is_still_seen() {
    let deny = judge("full", "deny bash *rm*", &[], "bash", &json!({ "command": ["rm", "x"] }));
    assert_eq!(print(&deny), "deny (rule deny bash `*rm*`)");
    let ask = judge("ask", "allow bash ls*", &[], "bash", &json!({ "cmd": "ls" }));
    assert_eq!(print(&ask), "ask (mode ask)");
}

#[test]
fn an_answer_is_remembered_for_exactly_that_call() {
    let grant = |allowed| Grant {
        tool_name: "bash".to_owned(),
        arguments: json!({ "command": "ls", "timeout": 5 }),
        cwd: "/repo".into(),
        definition: None,
        allowed,
        by: Some("ann".to_owned()),
    };
    let same = json!({ "timeout": 5, "command": "ls" });
    let elsewhere = Grant { cwd: "/other".into(), ..grant(true) };
    let mut out = String::new();
    let mut line = |mode: &str, rules: &str, grant: Grant, arguments: &Value| {
        writeln!(out, "{mode} | {rules} | {arguments}: {}", print(&judge(mode, rules, &[grant], "bash", arguments)))
            .unwrap();
    };
    line("ask", "", grant(true), &same);
    line("ask", "", grant(true), &json!({ "command": "ls" }));
    line("ask", "", elsewhere, &same);
    line("ask", "ask bash", grant(true), &same);
    line("ask", "deny bash", grant(true), &same);
    line("plan", "", grant(true), &same);
    line("full", "allow bash", grant(false), &same);
    expect![[r#"
        ask |  | {"timeout":5,"command":"ls"}: allow (allow_always by ann, remembered)
        ask |  | {"command":"ls"}: ask (mode ask)
        ask |  | {"timeout":5,"command":"ls"}: ask (mode ask)
        ask | ask bash | {"timeout":5,"command":"ls"}: allow (allow_always by ann, remembered)
        ask | deny bash | {"timeout":5,"command":"ls"}: deny (rule deny bash)
        plan |  | {"timeout":5,"command":"ls"}: deny (plan mode is on: only reads run)
        full | allow bash | {"timeout":5,"command":"ls"}: deny (reject_always by ann, remembered)
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_rule_sees_what_the_tool_acts_on_and_every_file_of_a_patch() {
    let rules: Vec<Rule> = ["deny edit secret/*", "allow edit src/*"].map(read_rule).into();
    let config = config();
    let spec = config.tools.iter().find(|spec| spec.name == "edit").unwrap();
    let policy = Policy { mode: Mode::Ask, rules: &rules, grants: &[], cwd: Path::new("/repo"), further: &[] };
    let judge = |files: &[&str]| {
        let subjects: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        print(&policy.judge(spec, &json!({ "alias": "the arguments do not matter" }), &subjects, None))
    };
    assert!(judge(&["src/a"]).starts_with("allow"), "{}", judge(&["src/a"]));
    assert!(judge(&["src/a", "docs/b"]).starts_with("ask"), "one of them is not covered");
    assert!(judge(&["src/a", "secret/b"]).starts_with("deny"));
    assert!(judge(&[]).starts_with("ask"), "a pattern never allows what names nothing");
}

#[test]
fn a_further_directory_is_no_outside_and_rules_see_its_absolute_paths() {
    let config = config();
    let spec = config.tools.iter().find(|spec| spec.name == "edit").unwrap();
    let further = [PathBuf::from("/lib")];
    let judge = |mode: Mode, rules: &[&str], file: &str| {
        let rules: Vec<Rule> = rules.iter().copied().map(read_rule).collect();
        let policy = Policy { mode, rules: &rules, grants: &[], cwd: Path::new("/repo"), further: &further };
        print(&policy.judge(spec, &json!({}), &[file.to_owned()], None))
    };
    assert!(judge(Mode::AutoEdit, &[], "/lib/a").starts_with("allow"));
    for outside in ["/lib-evil/a", "/lib/../etc/a", "../lib-evil/a", "/etc/a"] {
        assert!(judge(Mode::AutoEdit, &[], outside).starts_with("ask"), "{outside}");
    }
    assert!(judge(Mode::AutoEdit, &["deny edit /lib/secret/*"], "/lib/x/../secret/a").starts_with("deny"));
    assert!(judge(Mode::Ask, &["allow edit /lib/*"], "/lib/a").starts_with("allow"));
    assert!(judge(Mode::Ask, &["allow edit src/*"], "/lib/src/a").starts_with("ask"), "it is not the workspace's src");
}

#[test]
fn a_rule_names_tools_by_a_pattern() {
    let cases = [
        ("*", "bash", true),
        ("bash", "bash", true),
        ("bash", "bash2", false),
        ("mcp__github__*", "mcp__github__create_issue", true),
        ("mcp__github__*", "mcp__git__hub", false),
        ("mcp__*__read_*", "mcp__files__read_file", true),
        ("mcp__*__read_*", "mcp__files__write_file", false),
        ("*_file", "read_file", true),
        ("*_file", "read_files", false),
        ("a*a", "a", false),
    ];
    for (pattern, name, matches) in cases {
        assert_eq!(names_tool(pattern, name), matches, "{pattern} {name}");
    }
}

#[test]
fn no_pattern_allows_what_a_shell_puts_in_place() {
    let inserted = [
        "<(touch made)",
        ">(touch made)",
        "$(touch made)",
        "`touch made`",
        "${x:=y}",
        "${x@P}",
        "$[x]",
        "$x",
        "${y[x]}",
        "$'\\x61'",
        "$((x))",
    ];
    for text in inserted {
        for rule in ["allow bash cat *", "allow bash cat*", "allow bash cat $HOME*", "allow bash cat <(*"] {
            let command = format!("cat {text}");
            let verdict = judge("ask", rule, &[], "bash", &json!({ "command": command }));
            assert!(matches!(verdict, Verdict::Ask(_)), "{rule}: {command}");
            let verdict = judge("full", rule, &[], "bash", &json!({ "command": command }));
            assert!(matches!(verdict, Verdict::Allow(_)), "mode full is what it was");
        }
        let denied = judge("full", "deny bash cat *", &[], "bash", &json!({ "command": format!("cat {text}") }));
        assert!(matches!(denied, Verdict::Deny { .. }), "{text}");
    }
}

#[test]
fn an_allowed_command_ends_at_a_word() {
    check(
        &[
            ("ask", "allow bash ls*", "bash", "lsevil"),
            ("ask", "allow bash ls*", "bash", "ls -l"),
            ("ask", "allow bash git status*", "bash", "git statusx"),
            ("ask", "allow bash cargo test*", "bash", "cargo test"),
            ("ask", "allow bash cargo test*", "bash", "cargo test -p x"),
            ("full", "deny bash ls*", "bash", "lsevil"),
            ("ask", "allow edit src/m*", "edit", "src/main.rs"),
        ],
        expect![[r#"
            ask | allow bash ls* | bash "lsevil": ask (mode ask)
            ask | allow bash ls* | bash "ls -l": allow (rule allow bash `ls*`)
            ask | allow bash git status* | bash "git statusx": ask (mode ask)
            ask | allow bash cargo test* | bash "cargo test": allow (rule allow bash `cargo test*`)
            ask | allow bash cargo test* | bash "cargo test -p x": allow (rule allow bash `cargo test*`)
            full | deny bash ls* | bash "lsevil": deny (rule deny bash `ls*`)
            ask | allow edit src/m* | edit "src/main.rs": allow (rule allow edit `src/m*`)
        "#]],
    );
}

/// A tool as the toolbox has it.
fn spec(name: &str, kind: ToolKind, subject: Option<&str>, source: wharf_protocol::tool::ToolSource) -> ToolSpec {
    let config = config();
    let like = config.tools.iter().find(|spec| spec.name == "edit").unwrap();
    let read_only = matches!(kind, ToolKind::Read | ToolKind::Search);
    ToolSpec {
        name: name.to_owned(),
        kind,
        subject: subject.map(str::to_owned),
        source,
        read_only,
        ..ToolSpec::clone(like)
    }
}

fn seen(paths: &[&str]) -> Seen {
    let path = |name: &&str| wharf_protocol::SeenPath {
        name: (*name).to_owned(),
        absolute: Path::new("/real").join(name).to_string_lossy().into_owned(),
    };
    Seen { paths: paths.iter().map(path).collect(), ..Seen::default() }
}

fn weigh(mode: &str, rules: &[&str], spec: &ToolSpec, subjects: &[&str], seen: &Seen) -> String {
    let rules: Vec<Rule> = rules.iter().copied().map(read_rule).collect();
    let policy =
        Policy { mode: mode.parse().unwrap(), rules: &rules, grants: &[], cwd: Path::new("/repo"), further: &[] };
    let subjects: Vec<String> = subjects.iter().map(|&subject| subject.to_owned()).collect();
    print(&policy.judge(spec, &json!({}), &subjects, Some(seen)))
}

#[test]
fn what_a_link_leads_to_is_judged() {
    use wharf_protocol::tool::ToolSource::Builtin;
    let write = spec("write_file", ToolKind::Edit, Some("path"), Builtin);
    let allow = ["allow write_file src/*"];
    assert!(weigh("ask", &allow, &write, &["src/ci/deploy.sh"], &seen(&["ci/deploy.sh"])).starts_with("ask"));
    assert!(weigh("ask", &allow, &write, &["src/a"], &seen(&["src/a"])).starts_with("allow"));
    let deny = ["deny * *.env"];
    for (name, kind, subject) in [
        ("read_file", ToolKind::Read, Some("path")),
        ("list_dir", ToolKind::Read, Some("path")),
        ("grep", ToolKind::Search, Some("pattern")),
        ("glob", ToolKind::Search, Some("pattern")),
        ("edit_file", ToolKind::Edit, Some("path")),
        ("apply_patch", ToolKind::Edit, None),
    ] {
        let spec = spec(name, kind, subject, Builtin);
        for deny in [deny, ["deny read_file *.env"], ["deny read_file /real/.env"], ["deny read_file /repo/.env"]] {
            let verdict = weigh("full", &deny, &spec, &["link.txt"], &seen(&[".env"]));
            assert!(verdict.starts_with("deny"), "{name} {deny:?}: {verdict}");
        }
    }
    // What one of them may not write, none may; a read is something else.
    let patch = spec("apply_patch", ToolKind::Edit, None, Builtin);
    let read = spec("read_file", ToolKind::Read, Some("path"), Builtin);
    assert!(weigh("full", &["deny edit_file db/*"], &patch, &["db/a"], &seen(&["db/a"])).starts_with("deny"));
    assert!(weigh("full", &["deny edit_file db/*"], &read, &["db/a"], &seen(&["db/a"])).starts_with("allow"));
    assert!(
        weigh("full", &["deny read_file"], &patch, &["db/a"], &seen(&["db/a"])).starts_with("allow"),
        "the tool alone"
    );
}

#[test]
fn the_paths_of_foreign_tools_are_judged_by_their_names() {
    use wharf_protocol::tool::ToolSource::Mcp;
    let spec = spec("mcp__files__read", ToolKind::Other, None, Mcp);
    let rules: Vec<Rule> = ["deny * *.env"].map(read_rule).into();
    let policy = Policy { mode: Mode::Full, rules: &rules, grants: &[], cwd: Path::new("/repo"), further: &[] };
    for arguments in [
        json!({ "path": "a/.env" }),
        json!({ "paths": ["x", "./b/../.env"] }),
        json!({ "options": [{ "fileName": "prod.env" }] }),
        json!({ "uri": "file:///repo/.env" }),
    ] {
        assert!(print(&policy.judge(&spec, &arguments, &[], None)).starts_with("deny"), "{arguments}");
    }
    let message = json!({ "message": "add a.env" });
    assert!(print(&policy.judge(&spec, &message, &[], None)).starts_with("allow"));
}

#[test]
fn guarded_files_are_asked_about_in_auto_edit_and_a_star_does_not_reach_them() {
    use wharf_protocol::tool::ToolSource::Builtin;
    let write = spec("write_file", ToolKind::Edit, Some("path"), Builtin);
    let guarded = Seen {
        guarded: vec![wharf_protocol::GuardedPath {
            path: ".vscode/tasks.json".into(),
            name: ".vscode".into(),
            why: "it runs".into(),
        }],
        ..seen(&[".vscode/tasks.json"])
    };
    let of = |mode: &str, rules: &[&str]| weigh(mode, rules, &write, &[".vscode/tasks.json"], &guarded);
    assert_eq!(of("auto-edit", &[]), "ask (mode auto-edit, guarded file .vscode/tasks.json: it runs)");
    assert!(of("full", &[]).starts_with("allow"));
    assert!(of("ask", &["allow write_file *.json"]).starts_with("ask"));
    assert!(of("ask", &["allow write_file .vscode/*"]).starts_with("allow"), "named");
    assert!(of("ask", &["allow write_file"]).starts_with("allow"), "all of them");
}

#[test]
fn a_rule_for_commands_ends_at_a_repository_that_came_with_the_workspace() {
    use wharf_protocol::tool::ToolSource::Builtin;
    let bash = spec("bash", ToolKind::Execute, Some("command"), Builtin);
    let rules = ["allow bash git status*"];
    assert!(weigh("ask", &rules, &bash, &["git status"], &seen(&["src"])).starts_with("allow"));
    let foreign = Seen { foreign: Some("vendor/b holds a bare git repository".into()), ..seen(&["vendor/b"]) };
    assert_eq!(
        weigh("ask", &rules, &bash, &["git status"], &foreign),
        "ask (mode ask, vendor/b holds a bare git repository)"
    );
}

#[test]
fn an_answer_holds_for_the_definition_that_was_shown() {
    use wharf_protocol::tool::ToolSource::Mcp;
    let tool = spec("mcp__x__y", ToolKind::Other, None, Mcp);
    let grants = [Grant {
        tool_name: tool.name.clone(),
        arguments: json!({}),
        cwd: "/repo".into(),
        definition: crate::describe::definition(&tool),
        allowed: true,
        by: None,
    }];
    let policy = Policy { mode: Mode::Ask, rules: &[], grants: &grants, cwd: Path::new("/repo"), further: &[] };
    let of = |spec: &ToolSpec| print(&policy.judge(spec, &json!({}), &[], None));
    assert!(of(&tool).starts_with("allow"));
    assert!(of(&ToolSpec { description: "sends it all away".into(), ..tool.clone() }).starts_with("ask"));
    assert!(of(&ToolSpec { parameters: json!({ "type": "object", "x": 1 }), ..tool.clone() }).starts_with("ask"));
    // An answer of before definitions were kept says nothing of this tool.
    let old = [Grant { definition: None, ..grants[0].clone() }];
    let policy = Policy { grants: &old, ..policy };
    assert!(print(&policy.judge(&tool, &json!({}), &[], None)).starts_with("ask"));
}

#[test]
fn the_rules_of_one_tool_keep_entries_from_its_searches() {
    use wharf_protocol::tool::ToolSource::Builtin;
    let rules: std::sync::Arc<[Rule]> = ["deny * *.env", "ask read_file keys/*", "deny bash x*"].map(read_rule).into();
    let grep = std::sync::Arc::new(spec("grep", ToolKind::Search, Some("pattern"), Builtin));
    let entry = |name: &str| seen(&[name]).paths.remove(0);
    let rules = |approved| PathRules::new(rules.clone(), grep.clone(), Path::new("/repo"), approved);
    assert_eq!(rules(false).hidden(&entry("a/prod.env")).unwrap(), "rule deny * `*.env`");
    assert_eq!(rules(false).hidden(&entry("keys/a")).unwrap(), "rule ask read_file `keys/*`");
    assert_eq!(rules(true).hidden(&entry("keys/a")), None);
    assert_eq!(rules(false).denied(&entry("keys/a")), None);
    assert_eq!(rules(false).hidden(&entry("x.txt")), None, "commands are something else");
    assert!(!rules(true).is_empty());
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Substitution, chaining and redirection of an allowed command: never allowed.
        #[test]
        fn nothing_is_added_to_an_allowed_command(
            command in "(cat|ls|git status|cargo test)( [a-z./-]{1,8}){0,3}",
            at in any::<prop::sample::Index>(),
            added in prop_oneof![
                Just("$(x)"), Just("`x`"), Just("<(x)"), Just(">(x)"), Just("${x@P}"), Just("$x"), Just("; x"), Just("&& x"), Just("| x"),
                Just("& x"), Just("\nx"), Just("> x"), Just(">> x"), Just("2>x"), Just("<>x"), Just("|& x"), Just("$[x]"),
            ],
        ) {
            let rules = "allow bash cat*, allow bash ls*, allow bash git status*, allow bash cargo test*";
            let whole = judge("ask", rules, &[], "bash", &json!({ "command": command }));
            prop_assert!(matches!(whole, Verdict::Allow(_)), "{command}");
            let at = at.index(command.len() + 1);
            let worse = format!("{}{added}{}", &command[..at], &command[at..]);
            let verdict = judge("ask", rules, &[], "bash", &json!({ "command": worse }));
            prop_assert!(matches!(verdict, Verdict::Ask(_)), "{worse}");
        }
    }
}
