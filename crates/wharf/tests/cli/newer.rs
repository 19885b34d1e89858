//! A server of a newer version, which says what this one does not know: the real one, with kinds and words of its events changed on
//! the way to the client.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::{Home, Ran, finish};

/// A kind that nobody knows, and a kind that is known with a payload that is not. Each as long as what it stands for, so that the
/// server's own lengths hold.
const CHANGED: [(&str, &str); 2] =
    [("usage.updated", "usage.renewed"), (r#"{"status":"busy","previous""#, r#"{"status":"cosy","previous""#)];

/// The address of a newer server in front of the home's own. Its threads end with the connections.
fn newer_server(home: &Home) -> String {
    let server_address: SocketAddr =
        home.discovery()["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server_address).unwrap());
            let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            // The real one answers to its own name only.
            let names = (address.to_string(), server_address.to_string());
            std::thread::spawn(move || pass(from_client, to_server, &[(&names.0, &names.1)]));
            std::thread::spawn(move || pass(server, client, &CHANGED));
        }
    });
    format!("http://{address}")
}

/// Until either side is gone.
fn pass(mut from: TcpStream, mut to: TcpStream, changed: &[(&str, &str)]) {
    let mut held = String::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        // The demo model and the workspace are plain ASCII.
        held.push_str(&String::from_utf8_lossy(&piece[..count]));
        for (what, by) in changed {
            held = held.replace(what, by);
        }
        // The beginning of something that is changed may end the piece.
        let begins = |at: usize| changed.iter().any(|(what, _)| what.starts_with(&held[at..]));
        let keep =
            (0..=held.len()).filter(|at| held.is_char_boundary(*at)).find(|at| begins(*at)).unwrap_or(held.len());
        if to.write_all(&held.as_bytes()[..keep]).is_err() {
            break;
        }
        held.drain(..keep);
    }
    let _ = to.write_all(held.as_bytes());
    let _ = to.shutdown(Shutdown::Write);
}

/// What a command comes to beside a newer server.
fn run(args: &[&str], input: &str) -> Ran {
    let home = Home::new();
    let _server = home.serve(&[]);
    let newer = newer_server(&home);
    let key = std::fs::read_to_string(home.state().join("key")).unwrap();
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "URL" { newer.as_str() } else { arg }).collect();
    let mut child = home.command(&args).env("WHARF_KEY", key.trim()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for kind in ["usage.renewed", "session.status_changed"] {
        let told = ran.err.matches(&format!("the server says `{kind}`")).count();
        assert_eq!(told, 1, "{kind} in {}", ran.err);
    }
    ran
}

#[test]
fn ask_goes_on_over_what_it_does_not_know() {
    let ran = run(&["ask", "--unattended", "--no-stdin", "--server", "URL", "read notes.txt"], "");
    assert!(ran.out.contains("second line"), "{}", ran.out);
}

#[test]
fn json_shows_it_as_it_came() {
    let ran = run(&["ask", "--unattended", "--no-stdin", "--json", "--server", "URL", "read notes.txt"], "");
    let events: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    let renewed = events.iter().find(|event| event["type"] == "usage.renewed").unwrap();
    assert!(renewed["payload"]["turn"]["total_tokens"].is_u64(), "{renewed}");
    assert!(events.iter().any(|event| event["payload"]["status"] == "cosy"), "{}", ran.out);
    assert_eq!(events.last().unwrap()["type"], "turn.completed");
}

#[test]
fn attach_goes_on_over_what_it_does_not_know() {
    let ran = run(&["attach", "URL"], "list the files\nread notes.txt\n");
    assert!(ran.out.contains("notes.txt") && ran.out.contains("second line"), "{}", ran.out);
}
