//! `wharf ask` and `wharf run`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::{Home, finish};

#[test]
fn standard_output_is_the_answer() {
    let home = Home::new();
    let ran = home.run(&["ask", "--unattended", "read notes.txt"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("second line"), "{}", ran.out);
    assert!(!ran.out.contains('✓') && !ran.out.contains('\x1b'), "{}", ran.out);
    assert!(ran.err.contains("✓ read_file notes.txt"), "{}", ran.err);
    assert!(!ran.err.contains('\x1b'), "colours in a pipe: {}", ran.err);
}

#[test]
fn colours_come_when_they_are_forced_and_never_against_no_color() {
    let home = Home::new();
    let forced = home.command(&["ask", "--unattended", "list the files"]).env("CLICOLOR_FORCE", "1").spawn().unwrap();
    let forced = finish(forced);
    assert!(forced.err.contains("\x1b[2m"), "{:?}", forced.err);
    let mut refused = home.command(&["ask", "--unattended", "list the files"]);
    let refused = finish(refused.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").spawn().unwrap());
    assert!(!refused.err.contains('\x1b'), "{:?}", refused.err);
}

#[test]
fn json_is_the_log() {
    let home = Home::new();
    let ran = home.run(&["ask", "--unattended", "--json", "read notes.txt"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["type"], "prompt.received");
    assert_eq!(events.last().unwrap()["type"], "turn.completed");
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
}

#[test]
fn continue_stays_in_the_session() {
    let home = Home::new();
    assert!(home.run(&["ask", "--continue", "hello"]).err.contains("no session has worked in"));
    assert_eq!(home.run(&["ask", "--unattended", "list the files"]).code, Some(0));
    assert_eq!(home.run(&["ask", "--unattended", "--continue", "read notes.txt"]).code, Some(0));
    let sessions = home.sessions();
    assert_eq!(sessions.len(), 1);
    let id = sessions[0]["id"].as_str().unwrap();
    assert_eq!(home.run(&["run", "--unattended", "--session", id, "list the files"]).code, Some(0));
    assert_eq!(home.sessions().len(), 1);
    let shown = home.run(&["sessions", "show", id]);
    assert!(shown.out.contains("› read notes.txt") && shown.out.contains("second line"), "{}", shown.out);
}

#[test]
fn without_anybody_to_ask_it_says_how_to_allow() {
    let home = Home::new();
    let ran = home.run(&["ask", "--unattended", "run `touch made.txt`"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(!home.workspace().join("made.txt").exists());
    assert!(ran.err.contains("--permission auto-edit") && ran.err.contains("--permission full"), "{}", ran.err);
    let ran = home.run(&["ask", "--unattended", "--permission", "full", "run `touch made.txt`"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(home.workspace().join("made.txt").exists());
}

#[test]
fn further_directories_are_added_and_stay_with_the_session() {
    let home = Home::new();
    let lib = home.user().canonicalize().unwrap().join("lib");
    for (directory, text) in [(lib.clone(), "from the library"), (lib.with_file_name("other"), "from the other")] {
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("a.txt"), text).unwrap();
    }
    let read = |directory: &str| format!("read {}", lib.with_file_name(directory).join("a.txt").display());
    let ran = home.run(&["ask", "--unattended", "--add-dir", "../home/lib", &read("lib")]);
    assert!(ran.out.contains("from the library"), "{} {}", ran.out, ran.err);
    let ran = home.run(&["ask", "--unattended", "--continue", "--add-dir", "../home/other", &read("other")]);
    assert!(ran.out.contains("from the other"), "{} {}", ran.out, ran.err);
    let ran = home.run(&["ask", "--unattended", "--continue", &read("lib")]);
    assert!(ran.out.contains("from the library"), "{} {}", ran.out, ran.err);
    let session = &home.sessions()[0];
    let all: Vec<&str> = session["additional_directories"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    assert_eq!(all, [lib.to_str().unwrap(), lib.with_file_name("other").to_str().unwrap()]);
    let shown = home.run(&["sessions", "show", session["id"].as_str().unwrap()]);
    assert!(shown.out.contains(&all.join(", ")), "{}", shown.out);
    let ran = home.run(&["ask", "--unattended", "--add-dir", "/not/there", "hello"]);
    assert!(ran.code != Some(0) && ran.err.contains("/not/there"), "{}", ran.err);
}

#[test]
fn our_own_files_are_not_read_in_whatever_directory() {
    let home = Home::new();
    let config = home.user().join(".config/wharf");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "log = \"error\"\n").unwrap();
    std::fs::write(home.workspace().join("named.toml"), "log = \"error\"\n").unwrap();
    for file in ["state/wharf.db", "home/.config/wharf/config.toml", "workspace/named.toml"] {
        let named = home.workspace().join("named.toml");
        let prompt = format!("read {file}");
        let ran = home.run(&["ask", "--unattended", "--config", named.to_str().unwrap(), "-C", "..", &prompt]);
        assert!(ran.err.contains("protected: it belongs to Wharf's own state"), "{file}: {} {}", ran.err, ran.out);
    }
}

#[test]
fn input_from_a_pipe_comes_along() {
    let home = Home::new();
    let ran = home.run_with_input(&["ask", "--unattended"], "read notes.txt\n");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("second line"), "{}", ran.out);
    let ran = home.run_with_input(&["ask", "--unattended", "--json", "what is this?"], "text from a pipe");
    let first: Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    let content = first["payload"]["content"].as_str().unwrap();
    assert_eq!(content, "what is this?\n\nStandard input:\n\ntext from a pipe");
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(home.run_with_input(&["ask", "what is this?"], &long).code, Some(2));
}

#[test]
fn an_open_pipe_that_says_nothing_does_not_hold_it_up() {
    let home = Home::new();
    let mut child = home.command(&["ask", "--unattended", "list the files"]).stdin(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take();
    let ran = finish(child);
    drop(pipe);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("nothing comes on standard input"), "{}", ran.err);
}

#[test]
fn exit_codes_say_what_happened() {
    let home = Home::new();
    assert_eq!(home.run(&["ask"]).code, Some(2), "nothing to ask");
    assert_eq!(home.run(&["ask", "--bogus", "x"]).code, Some(2));
    let unreachable = home.run(&["ask", "--server", "http://127.0.0.1:1", "x"]);
    assert_eq!(unreachable.code, Some(5), "{}", unreachable.err);
    assert!(unreachable.err.contains("hint:"), "{}", unreachable.err);
    let nobody = home.run(&["ask", "--mode", "remote", "x"]);
    assert_eq!(nobody.code, Some(5), "{}", nobody.err);
    let unknown = home.run(&["ask", "--session", "session-missing", "x"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("`wharf sessions` lists them"), "{}", unknown.err);
    let model = home.run(&["ask", "--unattended", "--model", "nobody/nothing", "x"]);
    assert_eq!(model.code, Some(2), "{}", model.err);
    let agent = home.run(&["ask", "--agent", "nobody", "x"]);
    assert!(agent.err.contains("`wharf agents` lists them"), "{}", agent.err);
}

#[test]
fn an_interrupt_cancels_the_turn() {
    let home = Home::new();
    let mut child =
        home.command(&["ask", "--unattended", "--json", "--permission", "full", "run `sleep 600`"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("tool.call_start") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "ended early");
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let rest: Vec<String> = out.lines().map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("turn.cancelled"), "{rest:?}");
    let ran = finish(child);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("cancelling"), "{}", ran.err);
}

#[test]
fn the_time_of_a_turn_can_be_limited() {
    let home = Home::new();
    let ran = home.run(&["ask", "--unattended", "--timeout", "1", "--permission", "full", "run `sleep 600`"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("the time is up"), "{}", ran.err);
}

#[test]
fn perf_and_help_say_what_they_promise() {
    let home = Home::new();
    let ran = home.run(&["ask", "--unattended", "--perf", "list the files"]);
    assert!(ran.err.contains("perf: session") && ran.err.contains("first text"), "{}", ran.err);
    let help = home.run(&["ask", "--help"]);
    assert!(help.out.contains("Exit codes:") && help.out.contains("Examples:"), "{}", help.out);
    let alone = home.run(&[]);
    assert_eq!(alone.code, Some(0));
    assert!(alone.out.contains("Examples:") && !alone.out.contains('\x1b'), "{}", alone.out);
}

#[test]
fn what_a_tool_says_cannot_steer_the_terminal() {
    let home = Home::new();
    std::fs::write(home.workspace().join("evil.txt"), "\x1b]0;owned\x07\x1b[2J\n").unwrap();
    let ran = home.run(&["ask", "--unattended", "read evil.txt"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{:?} {:?}", ran.out, ran.err);
}
