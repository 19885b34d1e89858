//! `wharf sessions`, `models`, `tools`, `agents`: the same with and without a server.

use serde_json::Value;

use crate::Home;

#[test]
fn lists_are_the_same_with_and_without_a_server() {
    let home = Home::new();
    assert_eq!(home.run(&["ask", "--unattended", "list the files"]).code, Some(0));
    let lists = [&["sessions", "--json"][..], &["tools", "--json"], &["agents", "--json"]];
    let read = |args: &[&str]| -> Value { serde_json::from_str(&home.run(args).out).unwrap() };
    let without: Vec<Value> = lists.iter().map(|args| read(args)).collect();
    let server = home.serve(&[]);
    let with: Vec<Value> = lists.iter().map(|args| read(args)).collect();
    assert_eq!(without, with);
    drop(server);
}

#[test]
fn sessions_are_found_shown_and_deleted() {
    let home = Home::new();
    let none = home.run(&["sessions"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
    assert!(none.err.contains("no sessions"), "{}", none.err);
    home.run(&["ask", "--unattended", "read notes.txt"]);
    home.run(&["ask", "--unattended", "list the files"]);
    let found = home.run(&["sessions", "--query", "notes"]);
    assert_eq!(found.out.lines().count(), 1, "{}", found.out);
    let id = found.out.split_whitespace().next().unwrap().to_owned();
    let shown: Value = serde_json::from_str(&home.run(&["sessions", "show", &id, "--json"]).out).unwrap();
    assert_eq!(shown["messages"][0]["text"], "read notes.txt");
    assert_eq!(home.run(&["sessions", "delete", &id]).code, Some(0));
    assert_eq!(home.sessions().len(), 1);
    let gone = home.run(&["sessions", "show", &id]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("not found"), "{}", gone.err);
}

#[test]
fn models_say_why() {
    let home = Home::new();
    let ran = home.run(&["models"]);
    assert!(ran.out.starts_with("default demo/demo"), "{}", ran.out);
    assert!(ran.out.contains("OPENAI_API_KEY is not set"), "{}", ran.out);
}
