//! `wharf serve`, `status` and `stop`.

use std::net::TcpListener;
use std::process::Stdio;

use crate::{Home, Running, mode_of, until};

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
fn nothing_travels_in_the_clear_unless_it_is_said() {
    let home = Home::new();
    for host in ["0.0.0.0", "::", "192.0.2.7"] {
        let refused = home.run(&["serve", "--port", "0", "--host", host]);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains("in the clear") && refused.err.contains("--insecure"), "{}", refused.err);
    }
    let server = home.serve(&["--host", "0.0.0.0", "--insecure"]);
    until("the warning is written", || server.log().contains("without TLS"));
    assert_eq!(home.run(&["status"]).code, Some(0));
    drop(server);
    let loopback = home.serve(&[]);
    assert!(!loopback.log().contains("TLS"), "{}", loopback.log());
}

#[test]
fn what_stands_in_the_place_of_a_file_is_an_error_at_once() {
    let home = Home::new();
    std::fs::create_dir_all(home.state()).unwrap();
    let fifo = |path: &std::path::Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    fifo(&home.state().join("key"));
    let refused = home.run(&["serve", "--port", "0"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("the key file") && refused.err.contains("not a regular file"), "{}", refused.err);
    std::fs::remove_file(home.state().join("key")).unwrap();
    for name in ["server.json", "server.lock"] {
        // The start that was refused has left its lock file.
        let _ = std::fs::remove_file(home.state().join(name));
        fifo(&home.state().join(name));
        let ran = home.run(&["status"]);
        assert!(matches!(ran.code, Some(1 | 5)), "{name}: {}", ran.err);
        std::fs::remove_file(home.state().join(name)).unwrap();
    }
    let config = home.user().join("odd.toml");
    fifo(&config);
    let refused = home.run(&["--config", config.to_str().unwrap(), "status"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let refused = home.run(&["--config", "/dev/zero", "status"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let mut command = home.command(&["ask", "--server", "http://127.0.0.1:1", "hello"]);
    let ran = crate::finish(command.env("WHARF_CLIENT_KEY_FILE", &config).spawn().unwrap());
    assert!(ran.err.contains("not a regular file"), "{}", ran.err);
}

/// Sends a request and lets the connection go.
fn guess(home: &Home) {
    use std::io::{Read, Write};
    let url = home.discovery()["url"].as_str().unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /api/v1/info HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer guess\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn guesses_at_keys_do_not_hide_the_server() {
    let home = Home::new();
    let config = home.user().join("few.toml");
    std::fs::write(&config, "[limits]\nrequests_per_second = 1\nrequest_burst = 30\n").unwrap();
    let server = home.serve(&["--config", config.to_str().unwrap()]);
    for _ in 0..40 {
        guess(&home);
    }
    let status = home.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    let ran = home.run(&["ask", "--unattended", "list the files"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.err.contains("in this process"), "{}", ran.err);
    drop(server);
    let alone = home.run(&["ask", "--unattended", "list the files"]);
    assert!(alone.err.contains("no server runs: working in this process"), "{}", alone.err);
}

#[test]
fn a_server_that_does_not_answer_is_told_before_the_work_is_done_here() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.signal("-STOP");
    let mut command = home.command(&["ask", "--unattended", "list the files"]);
    let ran = crate::finish(command.env("WHARF_CLIENT_PROBE_MS", "200").spawn().unwrap());
    let mut command = home.command(&["status"]);
    let status = crate::finish(command.env("WHARF_CLIENT_PROBE_MS", "200").spawn().unwrap());
    server.signal("-CONT");
    assert!(ran.err.contains("does not answer") && ran.err.contains("working in this process"), "{}", ran.err);
    assert_eq!(status.code, Some(5));
    assert!(status.err.contains("does not answer"), "{}", status.err);
}

#[test]
fn idle_connections_leave_descriptors_for_work() {
    let home = Home::new();
    let mut command = std::process::Command::new("sh");
    let log = std::fs::File::create(home.user().join("log")).unwrap();
    let child = command
        .args(["-c", "ulimit -n 256 && exec \"$0\" serve --port 0 --permission full", env!("CARGO_BIN_EXE_wharf")])
        .env("HOME", home.user())
        .env("WHARF_STATE_DIR", home.state())
        .env("WHARF_MODEL", "demo")
        .current_dir(home.workspace())
        .stderr(log)
        .spawn()
        .unwrap();
    let server = Running { child, log: home.user().join("log") };
    until("the server is announced", || home.state().join("server.json").exists());
    let url = home.discovery()["url"].as_str().unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..500).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    assert_eq!(home.run(&["status"]).code, Some(0));
    let ran = home.run(&["ask", "--unattended", "--mode", "remote", "list the files"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(server.log().contains("connections are taken instead of"), "{}", server.log());
    drop(idle);
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
