//! `wharf commands` and the background commands of a real server, over the SDK and through its death.

use serde_json::json;
use wharf_client::{AutoConfig, Client, ClientError, Follow, RemoteOptions, Resource};
use wharf_protocol::command::{CommandInput, CommandOutputQuery};
use wharf_protocol::rest::{CreateSession, ExecuteTool};
use wharf_protocol::{Command, CommandStatus, EventKind, Mode, SessionId, TerminalSize};
use wharf_testkit::process::processes_with;

use crate::Home;

async fn client(home: &Home) -> Client {
    let config = AutoConfig { state_dir: home.state(), options: RemoteOptions::default() };
    Client::discover(&config).await.unwrap().unwrap().0
}

async fn session(client: &Client, home: &Home) -> SessionId {
    let body = CreateSession { cwd: Some(home.workspace()), mode: Some(Mode::Full), ..CreateSession::default() };
    client.create_session(body).await.unwrap().id
}

async fn start(client: &Client, session: &SessionId, mut arguments: serde_json::Value) -> Command {
    arguments["background"] = json!(true);
    let request = ExecuteTool { session_id: session.clone(), arguments };
    let executed = client.execute_tool("bash", request).await.unwrap();
    assert!(executed.success, "{}", executed.result);
    client.commands(session).await.unwrap().commands.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_listed_followed_written_to_and_stopped() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let client = client(&home).await;
    let session = session(&client, &home).await;
    let none = home.run(&["commands"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""), "{}", none.err);
    let command =
        start(&client, &session, json!({ "command": "echo ask; read -r x; echo \"got $x\"", "input": true })).await;
    let id = command.command_id.as_str();
    let listed = home.run(&["commands", "list"]);
    assert!(listed.out.contains(id) && listed.out.contains("running"), "{}", listed.out);
    let follower = home.command(&["commands", "output", "-f", id]).spawn().unwrap();
    let typed = home.run(&["commands", "input", id, "some", "words"]);
    assert_eq!(typed.code, Some(0), "{}", typed.err);
    let followed = crate::finish(follower);
    assert_eq!((followed.code, followed.out.as_str()), (Some(0), "ask\ngot some words\n"), "{}", followed.err);
    assert!(followed.err.contains("exit code 0"), "{}", followed.err);
    let again = home.run(&["commands", "output", "--offset", "4", id]);
    assert_eq!(again.out, "got some words\n");

    let sleeper = start(&client, &session, json!({ "command": "sleep 1000" })).await;
    let id = sleeper.command_id.as_str();
    let stopped = home.run(&["commands", "stop", "--session", session.as_str(), id]);
    assert!(stopped.code == Some(0) && stopped.err.contains("stopped"), "{}", stopped.err);
    let json = home.run(&["commands", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(list["commands"].as_array().unwrap().len(), 2);
    for arguments in [
        &["commands", "output", "cmd-none"][..],
        &["commands", "output", "no id"],
        &["commands", "stop", id, "-s", "nowhere"],
    ] {
        let ran = home.run(arguments);
        assert!(matches!(ran.code, Some(1 | 2)) && !ran.err.is_empty(), "{arguments:?}: {:?} {}", ran.code, ran.err);
    }
    assert_eq!(home.run(&["stop"]).code, Some(0));
    assert_eq!(home.run(&["commands"]).code, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_shared_by_clients_of_every_kind() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let client = client(&home).await;
    let session = session(&client, &home).await;
    let command =
        start(&client, &session, json!({ "command": "stty size; read -r x; stty size", "terminal": true })).await;
    let id = &command.command_id;
    client.resize_command(&session, id, TerminalSize { columns: 99, rows: 33 }).await.unwrap();
    let input = CommandInput { content: "\n".to_owned(), close: false };
    assert_eq!(client.command_input(&session, id, input.clone()).await.unwrap().bytes, 1);
    let mut events = client.events(&session, Follow::start()).await.unwrap();
    while events.next().await.unwrap().unwrap().kind() != EventKind::CommandEnded {}
    let query = CommandOutputQuery { offset: Some(0), ..CommandOutputQuery::default() };
    let output = client.command_output(&session, id, query).await.unwrap();
    assert!(output.content.starts_with("24 80\r\n") && output.content.ends_with("33 99\r\n"), "{:?}", output.content);
    let late = client.command_input(&session, id, input).await;
    assert!(matches!(&late, Err(ClientError::Server(error)) if error.code.as_str() == "COMMAND_CLOSED"), "{late:?}");
    let unknown = client.command(&session, &"cmd-none".parse().unwrap()).await;
    assert!(matches!(unknown, Err(ClientError::NotFound { what: Resource::Command, .. })), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_takes_its_commands_along_and_the_next_one_tells() {
    let home = Home::new();
    let mark = format!("{}.79", 100_000 + std::process::id());
    let mut server = home.serve(&[]);
    let first = client(&home).await;
    let session = session(&first, &home).await;
    let line = format!("echo so far; (setsid sleep {mark} &); trap '' TERM; sleep {mark}; :");
    let command = start(&first, &session, json!({ "command": line })).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    crate::until("nothing of it to run", || processes_with(&mark).is_empty());
    let _next = home.serve(&[]);
    let client = client(&home).await;
    let mut events = client.events(&session, Follow::start()).await.unwrap();
    while events.next().await.unwrap().unwrap().kind() != EventKind::CommandEnded {}
    let told = client.command(&session, &command.command_id).await.unwrap();
    assert_eq!(told.status, CommandStatus::Interrupted);
    let shown = home.run(&["commands", "output", command.command_id.as_str()]);
    assert_eq!(shown.out, "so far\n");
    let listed = home.run(&["commands"]);
    assert!(listed.out.contains("interrupted"), "{}", listed.out);
}
