//! `wharf serve`, `status` and `stop`.

use std::net::TcpListener;
use std::process::Stdio;

use crate::{Home, mode_of, until};

#[test]
fn a_server_is_found_used_and_stopped() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    let discovery = home.discovery();
    assert_eq!(discovery["pid"], server.child.id());
    assert_eq!(mode_of(&home.state()), 0o700);
    assert_eq!(mode_of(&home.state().join("key")), 0o600);
    assert_eq!(mode_of(&home.state().join("server.json")), 0o600);
    let status = home.run(&["status"]);
    assert!(status.out.contains(discovery["url"].as_str().unwrap()), "{}", status.out);
    let ran = home.run(&["ask", "--unattended", "--mode", "remote", "read notes.txt"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("second line"), "{}", ran.out);
    let url = discovery["url"].as_str().unwrap();
    let named = home.run(&["ask", "--unattended", "--server", url, "list the files"]);
    assert_eq!(named.code, Some(0), "{}", named.err);
    assert_eq!(home.run(&["stop"]).code, Some(0));
    assert_eq!(server.ended(), Some(0));
    assert!(!home.state().join("server.json").exists());
    assert_eq!(home.run(&["status"]).code, Some(5));
    assert_eq!(home.run(&["stop"]).code, Some(0), "stopping twice is fine");
    assert_eq!(home.sessions().len(), 2, "what it stored is there without it");
}

#[test]
fn commands_reach_it_over_the_websocket_too() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut command = home.command(&["ask", "--unattended", "--mode", "remote", "read notes.txt"]);
    let ran = crate::finish(command.env("WHARF_CLIENT_TRANSPORT", "websocket").spawn().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("second line"), "{}", ran.out);
    drop(server);
}

#[test]
fn a_second_server_says_where_the_first_is() {
    let home = Home::new();
    let first = home.serve(&[]);
    let second = home.run(&["serve", "--port", "0"]);
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains(home.discovery()["url"].as_str().unwrap()), "{}", second.err);
    assert!(second.err.contains(&first.child.id().to_string()), "{}", second.err);
}

#[test]
fn a_closed_terminal_does_not_end_it() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    server.signal("-HUP");
    assert_eq!(home.run(&["ask", "--unattended", "--mode", "remote", "list the files"]).code, Some(0));
    assert_eq!(server.child.try_wait().unwrap(), None);
    server.signal("-INT");
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn it_lives_when_nobody_reads_its_words() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--port", "0", "-vv"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    until("the server is announced", || home.state().join("server.json").exists());
    assert_eq!(home.run(&["ask", "--unattended", "--mode", "remote", "list the files"]).code, Some(0));
    assert_eq!(home.run(&["stop"]).code, Some(0));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_a_killed_server_left_behind_is_not_believed() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(home.state().join("server.json").exists());
    assert_eq!(home.run(&["status"]).code, Some(5));
    let embedded = home.run(&["ask", "--unattended", "list the files"]);
    assert_eq!(embedded.code, Some(0), "{}", embedded.err);
    drop(server);
    std::fs::remove_file(home.state().join("server.json")).unwrap();
    let again = home.serve(&[]);
    assert_eq!(home.discovery()["pid"], again.child.id());
}

#[test]
fn a_taken_port_is_told_or_gone_around() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = home.run(&["serve", "--port", &port]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("is taken by another program"), "{}", ran.err);
    assert!(!home.state().join("server.json").exists());
}

#[test]
fn open_doors_are_refused_or_announced() {
    let home = Home::new();
    let refused = home.run(&["serve", "--port", "0", "--auth", "none", "--host", "0.0.0.0"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let server = home.serve(&["--auth", "none"]);
    assert!(server.log().contains("without authentication"), "{}", server.log());
    assert_eq!(home.run(&["ask", "--unattended", "--mode", "remote", "list the files"]).code, Some(0));
}

#[test]
fn a_wrong_key_is_told_with_what_to_do() {
    let home = Home::new();
    let server = home.serve(&[]);
    let url = home.discovery()["url"].as_str().unwrap().to_owned();
    let mut command = home.command(&["ask", "--server", &url, "hello"]);
    let ran = crate::finish(command.env("WHARF_KEY", "wharf_wrong").spawn().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("WHARF_KEY") && !ran.err.contains("wharf_wrong"), "{}", ran.err);
    drop(server);
}

#[test]
fn the_key_is_nowhere_in_the_logs() {
    let home = Home::new();
    let mut server = home.serve(&["-vvv"]);
    assert_eq!(home.run(&["ask", "--unattended", "-vvv", "--mode", "remote", "list the files"]).code, Some(0));
    server.signal("-TERM");
    assert_eq!(server.ended(), Some(0));
    let key = std::fs::read_to_string(home.state().join("key")).unwrap();
    assert!(!server.log().contains(key.trim()), "the key is in the log");
}
