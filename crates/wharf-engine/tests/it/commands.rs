//! Background commands: what they outlive, what ends them, and what is on the log of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wharf_engine::EngineError;
use wharf_protocol::command::{CommandInput, CommandOutputQuery};
use wharf_protocol::rest::{Cancel, ExecuteTool};
use wharf_protocol::{Command, CommandId, CommandStatus, EventBody, EventKind, Seq, SessionId, TerminalSize};
use wharf_store::memory::{MemoryDisk, MemoryStore};
use wharf_testkit::process::processes_with;

use crate::support::{Step, TestEngine};

async fn engine() -> TestEngine {
    TestEngine::supervised(Arc::new(tempfile::tempdir().unwrap()), MemoryStore::new(), |config| {
        config.limits.session_commands = 2;
        config.limits.commands = 3;
        config.limits.command_output_bytes = 1_000;
    })
    .await
}

/// A number of seconds that no other test sleeps.
fn mark() -> String {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).unwrap();
    format!("{}.{}", 100_000 + std::process::id(), u64::from_le_bytes(bits) % 1_000_000_000)
}

/// Starts a command as a client does, through the policy and on the log.
async fn start(test: &TestEngine, session: &SessionId, arguments: Value) -> Command {
    let before = test.access.commands(session).await.unwrap().commands.len();
    let mut arguments = arguments;
    arguments["background"] = json!(true);
    let request = ExecuteTool { session_id: session.clone(), arguments };
    let executed = test.access.execute_tool("bash", request).await.unwrap();
    assert!(executed.success, "{}", executed.result);
    let commands = test.access.commands(session).await.unwrap().commands;
    assert_eq!(commands.len(), before + 1, "{}", executed.result);
    assert!(executed.result.contains(commands[0].command_id.as_str()), "{}", executed.result);
    commands.into_iter().next().unwrap()
}

async fn tool(test: &TestEngine, session: &SessionId, name: &str, arguments: Value) -> (bool, String) {
    let request = ExecuteTool { session_id: session.clone(), arguments };
    let executed = test.access.execute_tool(name, request).await.unwrap();
    (executed.success, executed.result)
}

fn from(offset: u64) -> CommandOutputQuery {
    CommandOutputQuery { offset: Some(offset), limit: None, wait_ms: Some(20_000) }
}

/// All output up to the end of the command.
async fn follow(test: &TestEngine, session: &SessionId, id: &CommandId) -> (String, CommandStatus) {
    let (mut text, mut offset) = (String::new(), 0);
    loop {
        let piece = test.access.command_output(session, id, from(offset)).await.unwrap();
        text.push_str(&piece.content);
        offset = piece.next_offset;
        if piece.status != CommandStatus::Running && offset >= piece.total_bytes {
            return (text, piece.status);
        }
    }
}

/// Reads until `wanted` was put out.
async fn read_to(test: &TestEngine, session: &SessionId, id: &CommandId, wanted: &str) -> String {
    let (mut text, mut offset) = (String::new(), 0);
    while !text.contains(wanted) {
        let piece = test.access.command_output(session, id, from(offset)).await.unwrap();
        assert!(piece.status == CommandStatus::Running || !piece.content.is_empty(), "it ended after {text:?}");
        text.push_str(&piece.content);
        offset = piece.next_offset;
    }
    text
}

async fn ends(test: &TestEngine, session: &SessionId) -> Vec<(CommandId, CommandStatus)> {
    let log = test.log(session).await;
    let ends = log.iter().filter_map(|event| match &event.body {
        EventBody::CommandEnded(ended) => Some((ended.command_id.clone(), ended.status)),
        _ => None,
    });
    ends.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_outlives_its_turn_and_is_read_by_several() {
    let test = engine().await;
    let session = test.session().await.id;
    let line = "echo one; until [ -e go ]; do sleep 0.01; done; echo two; exit 3";
    test.model.say([Step::Call("bash", json!({ "command": line, "background": true }))]);
    test.model.say([Step::Text("it runs")]);
    let turn = test.turn(&session, "start it").await;
    assert_eq!(turn.response.as_deref(), Some("it runs"));
    let row = test.access.session(&session).await.unwrap();
    assert_eq!((row.status.as_str(), row.running_commands), ("idle", 1));
    let command = test.access.commands(&session).await.unwrap().commands.remove(0);
    assert_eq!((command.status, command.command.as_str()), (CommandStatus::Running, line));
    assert_eq!(command.directory, test.work_dir().canonicalize().unwrap().display().to_string());

    let id = &command.command_id;
    let readers = futures_util::future::join_all((0..5).map(|_| follow(&test, &session, id)));
    std::fs::write(test.work_dir().join("go"), "").unwrap();
    for (text, status) in readers.await {
        assert_eq!((text.as_str(), status), ("one\ntwo\n", CommandStatus::Exited));
    }
    let ended = test.access.command(&session, id).await.unwrap();
    assert_eq!((ended.exit_code, ended.output_bytes), (Some(3), Some(8)));
    assert_eq!(ends(&test, &session).await, [(id.clone(), CommandStatus::Exited)]);
    // The start is on the log before the call's end, and so before the command.
    let kinds = test.kinds(&session).await;
    let at = |kind: EventKind| kinds.iter().position(|it| *it == kind.as_str()).unwrap();
    assert!(at(EventKind::ToolCallStart) < at(EventKind::CommandStarted));
    assert!(at(EventKind::CommandStarted) < at(EventKind::ToolCallComplete));
    assert_eq!(test.access.session(&session).await.unwrap().running_commands, 0);
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_output_is_kept_and_what_is_missing_is_told() {
    let test = engine().await;
    let session = test.session().await.id;
    let command = start(&test, &session, json!({ "command": "seq 1 1000; echo ä€😀" })).await;
    test.wait_for(&session, Seq::ZERO, EventKind::CommandEnded).await;
    let whole: String = (1..=1000).map(|n| format!("{n}\n")).collect::<String>() + "ä€😀\n";
    let id = &command.command_id;
    let piece = test.access.command_output(&session, id, from(0)).await.unwrap();
    let total = whole.len() as u64;
    assert_eq!((piece.first_offset, piece.total_bytes, piece.next_offset), (total - 1_000, total, total));
    assert!(piece.truncated);
    assert_eq!(piece.content, whole[whole.len() - 1_000..]);
    // A character is never cut, wherever the pieces are.
    let (mut text, mut offset) = (String::new(), total - 20);
    while offset < total {
        let query = CommandOutputQuery { offset: Some(offset), limit: Some(4), wait_ms: None };
        let piece = test.access.command_output(&session, id, query).await.unwrap();
        text.push_str(&piece.content);
        offset = piece.next_offset;
    }
    assert_eq!(text, whole[whole.len() - 20..]);
    let newest = CommandOutputQuery { limit: Some(10), ..CommandOutputQuery::default() };
    assert_eq!(test.access.command_output(&session, id, newest).await.unwrap().content, "ä€😀\n");
    let ahead = test.access.command_output(&session, id, from(total + 1)).await;
    assert!(matches!(ahead, Err(EngineError::Invalid { field: "offset", .. })), "{ahead:?}");
    for query in [
        CommandOutputQuery { limit: Some(0), ..CommandOutputQuery::default() },
        CommandOutputQuery { wait_ms: Some(60_001), ..CommandOutputQuery::default() },
    ] {
        let refused = test.access.command_output(&session, id, query).await;
        assert!(matches!(refused, Err(EngineError::Invalid { .. })), "{refused:?}");
    }
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_command_is_dead_with_everything_below_it() {
    let test = engine().await;
    let (session, mark) = (test.session().await.id, mark());
    let line = format!("trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep {mark}; :' & echo ready; sleep {mark}");
    let command = start(&test, &session, json!({ "command": line })).await;
    let id = &command.command_id;
    read_to(&test, &session, id, "ready").await;
    for _ in 0..2 {
        test.access.stop_command(&session, id).await.unwrap();
    }
    let (_, status) = follow(&test, &session, id).await;
    assert_eq!(status, CommandStatus::Stopped);
    assert!(processes_with(&mark).is_empty());
    let stopped = test.access.stop_command(&session, id).await.unwrap();
    assert_eq!((stopped.status, stopped.by.as_deref()), (CommandStatus::Stopped, Some("test")));
    assert_eq!(ends(&test, &session).await.len(), 1);
    let unknown = test.access.stop_command(&session, &"cmd-none".parse().unwrap()).await;
    assert!(matches!(unknown, Err(EngineError::CommandNotFound(_))), "{unknown:?}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_limits() {
    let test = engine().await;
    let sessions = [test.session().await.id, test.session().await.id];
    let sleep = || json!({ "command": "sleep 1000", "background": true });
    for session in [&sessions[0], &sessions[0], &sessions[1]] {
        start(&test, session, sleep()).await;
    }
    let (ok, of_session) = tool(&test, &sessions[0], "bash", sleep()).await;
    assert!(!ok && of_session.contains("3 background commands"), "the server's limit comes first: {of_session}");
    let first = test.access.commands(&sessions[1]).await.unwrap().commands[0].command_id.clone();
    test.access.stop_command(&sessions[1], &first).await.unwrap();
    follow(&test, &sessions[1], &first).await;
    let (ok, of_server) = tool(&test, &sessions[0], "bash", sleep()).await;
    assert!(!ok && of_server.contains("2 background commands"), "{of_server}");
    let late = start(&test, &sessions[1], json!({ "command": "sleep 1000", "timeout_ms": 300 })).await;
    let (_, status) = follow(&test, &sessions[1], &late.command_id).await;
    assert_eq!(status, CommandStatus::TimedOut);
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_reaches_a_command_until_it_is_closed() {
    let test = engine().await;
    let session = test.session().await.id;
    let command = start(&test, &session, json!({ "command": "cat; echo end", "input": true })).await;
    let id = &command.command_id;
    assert!(command.takes_input);
    let input = |content: &str, close| CommandInput { content: content.to_owned(), close };
    test.access.command_input(&session, id, input("hello\n", false)).await.unwrap();
    read_to(&test, &session, id, "hello\n").await;
    let (ok, told) =
        tool(&test, &session, "command_input", json!({ "command_id": id, "content": "bye\n", "close": true })).await;
    assert!(ok, "{told}");
    assert_eq!(follow(&test, &session, id).await, ("hello\nbye\nend\n".to_owned(), CommandStatus::Exited));
    let closed = test.access.command_input(&session, id, input("x", false)).await;
    assert!(matches!(closed, Err(EngineError::CommandClosed { .. })), "{closed:?}");

    let deaf = start(&test, &session, json!({ "command": "sleep 1000", "input": true })).await;
    let lump = "x".repeat(60_000);
    let mut refused = None;
    // A pipe holds 64 KiB, the keeper as much again.
    for _ in 0..8 {
        if let Err(error) = test.access.command_input(&session, &deaf.command_id, input(&lump, false)).await {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(EngineError::Overloaded(_))), "{refused:?}");
    let mute = start(&test, &session, json!({ "command": "sleep 1000" })).await;
    let closed = test.access.command_input(&session, &mute.command_id, input("x", false)).await;
    assert!(matches!(closed, Err(EngineError::CommandClosed { .. })), "{closed:?}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one_and_has_a_size() {
    let test = engine().await;
    let session = test.session().await.id;
    let line =
        "tty; test -t 0 && test -t 1 && echo interactive; stty size; read -r line; echo \"got $line\"; stty size; cat";
    let command = start(&test, &session, json!({ "command": line, "terminal": true })).await;
    let id = &command.command_id;
    assert_eq!(command.terminal, Some(TerminalSize { columns: 80, rows: 24 }));
    let text = read_to(&test, &session, id, "24 80").await;
    assert!(text.contains("/dev/pts/") && text.contains("interactive"), "{text}");
    let size = TerminalSize { columns: 120, rows: 40 };
    test.access.resize_command(&session, id, size).await.unwrap();
    let input = |content: &str, close| CommandInput { content: content.to_owned(), close };
    test.access.command_input(&session, id, input("words\n", false)).await.unwrap();
    let text = read_to(&test, &session, id, "40 120").await;
    assert!(text.contains("got words"), "{text}");
    test.access.command_input(&session, id, input("", true)).await.unwrap();
    let (_, status) = follow(&test, &session, id).await;
    assert_eq!(status, CommandStatus::Exited);
    let wrong = TerminalSize { columns: 0, rows: 40 };
    let refused = test.access.resize_command(&session, id, wrong).await;
    assert!(matches!(refused, Err(EngineError::Invalid { .. })), "{refused:?}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_a_terminal_waits_for_its_end_and_is_cancelled_whole() {
    let test = engine().await;
    let (session, mark) = (test.session().await.id, mark());
    let (ok, told) = tool(&test, &session, "bash", json!({ "command": "echo $TERM; exit 4", "terminal": true })).await;
    assert!(ok && told.contains("xterm-256color") && told.contains("[exit code 4]"), "{told}");
    let line = format!("echo ready; sleep {mark}");
    test.model.say([Step::Call("bash", json!({ "command": line, "terminal": true }))]);
    let accepted = test.prompt(&session, "go").await.unwrap();
    test.wait_for(&session, accepted.seq, EventKind::ToolCallProgress).await;
    test.access.cancel(&session, Cancel::default()).await.unwrap();
    test.access.wait_turn(&session, &accepted.turn_id).await.unwrap();
    assert!(processes_with(&mark).is_empty());
    let statuses: Vec<CommandStatus> = ends(&test, &session).await.into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [CommandStatus::Exited, CommandStatus::Stopped]);
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_reads_waits_and_stops() {
    let test = engine().await;
    let session = test.session().await.id;
    let command = start(&test, &session, json!({ "command": "echo one; read -r x; echo two", "input": true })).await;
    let id = command.command_id.as_str();
    let (_, list) = tool(&test, &session, "command_list", json!({})).await;
    assert!(list.contains(id) && list.contains("[running]"), "{list}");
    let (_, read) =
        tool(&test, &session, "command_output", json!({ "command_id": id, "offset": 0, "wait_ms": 20_000 })).await;
    assert_eq!(read, "one\n[running; bytes 0..4 of 4; next offset 4]");
    let (ok, _) = tool(&test, &session, "command_input", json!({ "command_id": id, "content": "\n" })).await;
    assert!(ok);
    let arguments = json!({ "command_id": id, "offset": 4, "wait_ms": 20_000, "until_end": true });
    let (_, read) = tool(&test, &session, "command_output", arguments).await;
    assert_eq!(read, "two\n[exit code 0; bytes 4..8 of 8; next offset 8]");
    let other = start(&test, &session, json!({ "command": "sleep 1000" })).await;
    let (ok, told) = tool(&test, &session, "command_stop", json!({ "command_id": other.command_id })).await;
    assert!(ok && told.contains("stopped by agent"), "{told}");
    let (ok, told) = tool(&test, &session, "command_output", json!({ "command_id": "cmd-none" })).await;
    assert!(!ok && told.contains("not found"), "{told}");
    let (_, told) = tool(&test, &session, "bash", json!({ "command": "echo early; exit 7", "background": true })).await;
    assert!(told.starts_with("early\n") && told.contains("has ended: exit code 7"), "{told}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_takes_its_commands_along() {
    let test = engine().await;
    let (session, mark) = (test.session().await.id, mark());
    start(&test, &session, json!({ "command": format!("sleep {mark}") })).await;
    assert_eq!(processes_with(&mark).len(), 1);
    test.access.delete_session(&session).await.unwrap();
    assert!(processes_with(&mark).is_empty());
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_stays_as_long_as_its_command_runs() {
    let test = TestEngine::supervised(Arc::new(tempfile::tempdir().unwrap()), MemoryStore::new(), |config| {
        config.idle_unload_ms = 1;
    })
    .await;
    let session = test.session().await.id;
    let command = start(&test, &session, json!({ "command": "sleep 0.3; echo done" })).await;
    let (text, status) = follow(&test, &session, &command.command_id).await;
    assert_eq!((text.as_str(), status), ("done\n", CommandStatus::Exited));
    let unloaded = async {
        while test.access.session_counts().await.unwrap().idle > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), unloaded).await.expect("it leaves the memory then");
    assert_eq!(follow(&test, &session, &command.command_id).await.0, "done\n");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_commands_and_says_so() {
    let (home, disk, mark) = (Arc::new(tempfile::tempdir().unwrap()), MemoryDisk::new(), mark());
    let test = TestEngine::supervised(Arc::clone(&home), MemoryStore::open(&disk), |_| {}).await;
    let session = test.session().await.id;
    let command = start(&test, &session, json!({ "command": format!("echo so far; sleep {mark}") })).await;
    read_to(&test, &session, &command.command_id, "so far").await;
    test.stop().await;
    assert!(processes_with(&mark).is_empty());
    let test = TestEngine::supervised(home, MemoryStore::open(&disk), |_| {}).await;
    let (text, status) = follow(&test, &session, &command.command_id).await;
    assert_eq!((text.as_str(), status), ("so far\n", CommandStatus::Interrupted));
    assert_eq!(ends(&test, &session).await.len(), 1);
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_outputs_are_kept() {
    let test = engine().await;
    let session = test.session().await.id;
    let mut first = None;
    for n in 0..18 {
        let command = start_and_end(&test, &session, n).await;
        first.get_or_insert(command);
    }
    let list = test.access.commands(&session).await.unwrap();
    assert_eq!((list.commands.len(), list.limit), (16, 2));
    let gone = test.access.command(&session, &first.unwrap()).await;
    assert!(matches!(gone, Err(EngineError::CommandNotFound(_))), "{gone:?}");
    let outputs = std::fs::read_dir(test.engine.config().state_dir.join("outputs").join(session.as_str())).unwrap();
    let names: Vec<String> = outputs.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".out")).count(), 16, "{names:?}");
    assert!(names.iter().all(|name| !name.ends_with(".status.json")), "{names:?}");
    test.stop().await;
}

async fn start_and_end(test: &TestEngine, session: &SessionId, n: u32) -> CommandId {
    let before = test.access.session(session).await.unwrap().last_seq;
    let line = json!({ "command": format!("echo {n}"), "background": true });
    tool(test, session, "bash", line).await;
    let ended = test.wait_for(session, before, EventKind::CommandEnded).await;
    let EventBody::CommandEnded(ended) = ended.body else { unreachable!() };
    // The files are looked after behind the event.
    let _ = test.access.command(session, &ended.command_id).await;
    ended.command_id
}
