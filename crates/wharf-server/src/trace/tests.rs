//! What a trace shows, to whom, and how large it gets.

use serde_json::json;

use super::*;

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

#[test]
fn messages_are_lines_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.jsonl");
    let trace = Trace::open(&path).unwrap();
    trace.event("open");
    trace.message(Side::Client, r#"{"jsonrpc":"2.0","id":1,"method":"session/list"}"#);
    trace.message(Side::Agent, "no JSON");
    drop(trace);
    Trace::open(&path).unwrap().event("again");
    let lines = lines(&path);
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["event"], &lines[3]["event"]), (&json!("open"), &json!("again")));
    assert_eq!((&lines[1]["from"], &lines[1]["bytes"]), (&json!("client"), &json!(48)));
    assert_eq!(lines[1]["message"]["method"], "session/list");
    assert_eq!((&lines[2]["from"], &lines[2]["text"]), (&json!("agent"), &json!("no JSON")));
    assert!(lines.iter().all(|line| line["at"].as_str().unwrap().ends_with('Z')));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn secrets_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.jsonl");
    let trace = Trace::open(&path).unwrap();
    let key = format!("wharf_{}", "k3Y".repeat(14));
    let servers = json!([
        { "name": "a", "command": "/a", "args": [], "env": [{ "name": "TOKEN", "value": "hunter2" }] },
        { "type": "http", "name": "b", "url": "https://b", "headers": [{ "name": "Authorization", "value": "Bearer hunter2" }] },
    ]);
    let new = json!({ "method": "session/new", "params": { "mcpServers": servers } });
    trace.message(Side::Client, &new.to_string());
    trace.message(
        Side::Client,
        &json!({ "params": { "text": format!("my key is {key}."), "apiKey": "hunter2" } }).to_string(),
    );
    // Broken or too long to be read, it is not shown at all where it may hold some.
    trace.message(Side::Client, r#"{"mcpServers":[{"env":[{"name":"A","value":"hunter2"}]"#);
    let long = json!({ "params": { "mcpServers": servers, "text": "x".repeat(MESSAGE_BYTES) } });
    trace.message(Side::Client, &long.to_string());
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("hunter2") && !text.contains(&key), "{text}");
    assert!(
        text.contains("TOKEN") && text.contains("my key is wharf_[hidden].") && text.contains("https://b"),
        "{text}"
    );
}

#[test]
fn a_trace_stays_below_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.jsonl");
    let trace = Trace::with_limit(&path, 4_000).unwrap();
    for at in 0..200 {
        trace.message(Side::Agent, &json!({ "at": at, "text": "é".repeat(100) }).to_string());
    }
    let old = dir.path().join("trace.jsonl.1");
    assert!(path.metadata().unwrap().len() <= 4_000 && old.metadata().unwrap().len() <= 4_000);
    assert_eq!(lines(&path).last().unwrap()["message"]["at"], 199);
    assert_eq!((mode(&path), mode(&old)), (0o600, 0o600));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    // Of one long message the beginning is kept.
    let path = dir.path().join("long.jsonl");
    Trace::open(&path).unwrap().message(Side::Agent, &"é".repeat(1 << 20));
    let line = &lines(&path)[0];
    assert_eq!(line["bytes"], 2 << 20);
    assert_eq!(line["text"].as_str().unwrap().len(), MESSAGE_BYTES);
}

#[test]
fn links_and_open_directories_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("elsewhere", dir.path().join("link")).unwrap();
    assert!(Trace::open(&dir.path().join("link")).is_err());
    assert!(Trace::open(dir.path()).is_err());
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    assert!(Trace::in_directory(&open, "a").is_err());
}

#[test]
fn the_oldest_files_of_a_directory_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("traces");
    Trace::in_directory(&dir, "first").unwrap();
    assert_eq!(mode(&dir), 0o700);
    for at in 0..FILES {
        fs::write(dir.join(format!("acp-2000-{at:04}.jsonl")), "").unwrap();
    }
    fs::write(dir.join("mine.txt"), "").unwrap();
    Trace::in_directory(&dir, "last").unwrap();
    let names: Vec<String> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), FILES + 1, "and what is not ours stays");
    assert!(names.iter().any(|name| name.contains("last")) && names.contains(&"mine.txt".to_owned()));
    assert!(!names.contains(&"acp-2000-0000.jsonl".to_owned()));
}
