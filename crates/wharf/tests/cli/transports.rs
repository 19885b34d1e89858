//! The SDK against the real server: one session over SSE and over the WebSocket shows the same events.

use std::path::Path;
use std::sync::Arc;

use wharf_client::{Auth, AutoConfig, Client, ClientError, EventStream, Follow, RemoteOptions, Resource, Timeouts};
use wharf_engine::{Caller, Engine, EngineConfig, InstructionsConfig, Parts};
use wharf_models::{Models, ModelsConfig};
use wharf_protocol::mcp::McpStatus;
use wharf_protocol::rest::{AnswerPermission, Cancel, CreateSession};
use wharf_protocol::{
    Event, EventBody, EventKind, McpServer, Mode, PermissionOption, Prompt, Seq, Session, TurnStatus,
};

use wharf_mcp::Mcp;
use wharf_store::{SqliteConfig, SqliteStore};
use wharf_tools::{Toolbox, ToolsConfig};

use crate::Home;

/// What everything happened to be called, taken away: what remains is the same for the same work.
async fn told(client: &Client, home: &Home) -> Vec<String> {
    let session = session(client, home, Mode::Full).await;
    let turn = client.prompt_and_wait(&session.id, Prompt::new("run `echo same`")).await.unwrap();
    assert_eq!(turn.status, TurnStatus::Completed);
    let last = client.session(&session.id).await.unwrap().last_seq;
    let events = through(client.events(&session.id, Follow::start()).await.unwrap(), last).await;
    // How a text is cut into chunks is a matter of time.
    events.iter().filter(|event| !event.kind().is_chunk()).map(|event| event.kind().to_string()).collect()
}

#[tokio::test]
async fn an_engine_in_this_process_does_what_a_server_does() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let Ways { sse, socket } = ways(&home.state()).await;
    let state = home.workspace().with_file_name("embedded");
    let parts = Parts {
        store: SqliteStore::open(SqliteConfig::new(state.join("wharf.db"))).unwrap(),
        models: Arc::new(Models::discover(ModelsConfig { model: Some("demo".to_owned()), ..ModelsConfig::default() })),
        tools: Toolbox::builtin(ToolsConfig {
            environment: std::env::vars().filter(|(name, _)| name == "PATH").collect(),
            ..ToolsConfig::default()
        }),
        mcp: Mcp::default(),
    };
    // As the program has it by itself.
    let instructions = InstructionsConfig { files: true, facts: true, own_file: None };
    let config = EngineConfig { instructions, ..EngineConfig::new(home.workspace(), &state) };
    let engine = Engine::start(config, parts).await.unwrap();
    let embedded = Client::embedded(engine, Caller::owner("test"), Timeouts::default());
    for client in [&sse, &embedded] {
        let session = session(client, &home, Mode::Full).await.id;
        let missing =
            McpServer { name: "missing".to_owned(), command: Some("/nonexistent".into()), ..McpServer::default() };
        let set = client.set_mcp(&session, vec![missing]).await.unwrap();
        assert_eq!(set.servers[0].name, "missing");
        // The session's tools wait for the server, which has failed by then.
        assert_eq!(client.session_tools(&session).await.unwrap(), client.tools().await.unwrap());
        assert_eq!(client.mcp(&session).await.unwrap().servers[0].status, McpStatus::Failed);
        let relative = McpServer { name: "a".to_owned(), command: Some("x".into()), ..McpServer::default() };
        let refused = client.set_mcp(&session, vec![relative]).await.unwrap_err();
        assert!(refused.to_string().contains("[0].command"), "{refused}");
    }
    let over_sse = told(&sse, &home).await;
    assert_eq!(over_sse, told(&socket, &home).await);
    assert_eq!(over_sse, told(&embedded, &home).await);
    assert_eq!(sse.tools().await.unwrap(), embedded.tools().await.unwrap());
    assert_eq!(sse.agents().await.unwrap(), embedded.agents().await.unwrap());
    let missing = embedded.session(&"nowhere".parse().unwrap()).await;
    assert!(matches!(missing, Err(ClientError::NotFound { what: Resource::Session, .. })), "{missing:?}");
    embedded.shutdown().await;
}

#[tokio::test]
async fn a_turn_is_followed_across_the_death_of_its_server() {
    let home = Home::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = home.serve_at(port, &[]);
    let Ways { sse, socket } = ways(&home.state()).await;
    let session = session(&sse, &home, Mode::Full).await;
    let mut turn = sse.prompt_stream(&session.id, Prompt::new("run `sleep 5`")).await.unwrap();
    let mut beside = socket.events(&session.id, Follow::start()).await.unwrap();
    let mut seen = Vec::new();
    let mut again = None;
    while let Some(event) = turn.next().await {
        let event = event.unwrap();
        if event.kind() == EventKind::ToolCallStart && again.is_none() {
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            again = Some(home.serve_at(port, &[]));
        }
        seen.push(event);
    }
    assert!(seen.is_sorted_by(|a, b| a.seq < b.seq), "an event came twice or out of order");
    let kinds: Vec<EventKind> = seen.iter().map(Event::kind).collect();
    assert!(kinds.contains(&EventKind::TurnResumed) && kinds.contains(&EventKind::ToolCallError), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&EventKind::TurnCompleted));
    // The WebSocket was held up by the same death; nothing of it is missing either.
    let last = seen.last().unwrap().seq;
    let mut all = Vec::new();
    while all.last().is_none_or(|event: &Event| event.seq < last) {
        all.push(beside.next().await.unwrap().unwrap());
    }
    let of_turn: Vec<Event> = all.into_iter().filter(|event| event.turn_id == seen[0].turn_id).collect();
    assert_eq!(of_turn, seen);
}

struct Ways {
    sse: Client,
    socket: Client,
}

async fn ways(state: &Path) -> Ways {
    let config = AutoConfig { state_dir: state.to_owned(), options: RemoteOptions::default() };
    let (sse, discovery) = Client::discover(&config).await.unwrap().unwrap();
    let socket = Client::websocket(&discovery.url, discovery.auth().unwrap(), RemoteOptions::default()).unwrap();
    Ways { sse, socket }
}

async fn session(client: &Client, home: &Home, mode: Mode) -> Session {
    let body = CreateSession { cwd: Some(home.workspace()), mode: Some(mode), ..CreateSession::default() };
    client.create_session(body).await.unwrap()
}

/// Everything up to and with the event of this seq.
async fn through(mut events: EventStream, last: Seq) -> Vec<Event> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &Event| event.seq < last) {
        seen.push(events.next().await.unwrap().unwrap());
    }
    seen
}

#[tokio::test]
async fn every_way_shows_the_same_events() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let Ways { sse, socket } = ways(&home.state()).await;
    let session = session(&sse, &home, Mode::Full).await;
    for client in [&sse, &socket] {
        let turn = client.prompt_and_wait(&session.id, Prompt::new("run `echo same`")).await.unwrap();
        assert_eq!(turn.status, TurnStatus::Completed);
        assert!(turn.response.unwrap().contains("same"));
    }
    let last = sse.session(&session.id).await.unwrap().last_seq;
    let over_sse = through(sse.events(&session.id, Follow::start()).await.unwrap(), last).await;
    let over_socket = through(socket.events(&session.id, Follow::start()).await.unwrap(), last).await;
    assert_eq!(over_sse, over_socket);
    let middle = over_sse[over_sse.len() / 2].seq;
    let rest = through(socket.events(&session.id, Follow::after(middle)).await.unwrap(), last).await;
    assert_eq!(rest, over_sse[over_sse.len() / 2 + 1..]);
    let everything = through(sse.all_events(Follow::start()).await.unwrap(), last).await;
    assert_eq!(everything, over_sse);
}

#[tokio::test]
async fn questions_are_answered_and_turns_cancelled_over_every_way() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let Ways { sse, socket } = ways(&home.state()).await;
    for client in [&sse, &socket] {
        let session = session(client, &home, Mode::Ask).await;
        let mut turn = client.prompt_stream(&session.id, Prompt::new("run `echo asked`")).await.unwrap();
        let mut kinds = Vec::new();
        while let Some(event) = turn.next().await {
            let event = event.unwrap();
            kinds.push(event.kind());
            if let EventBody::PermissionRequested(asked) = &event.body {
                let open = client.permissions(&session.id).await.unwrap().permissions;
                assert_eq!(open[0].permission_id, asked.permission_id);
                let yes = AnswerPermission { option: PermissionOption::AllowOnce, message: None };
                client.answer(&asked.permission_id, yes.clone()).await.unwrap();
                let late = AnswerPermission { option: PermissionOption::RejectOnce, ..yes };
                let late = client.answer(&asked.permission_id, late).await;
                assert!(matches!(late, Err(ClientError::AlreadyResolved { .. })), "{late:?}");
            }
        }
        assert!(kinds.contains(&EventKind::ToolCallComplete), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&EventKind::TurnCompleted));

        client
            .update_session(
                &session.id,
                wharf_protocol::rest::UpdateSession { mode: Some(Mode::Full), ..Default::default() },
            )
            .await
            .unwrap();
        let mut turn = client.prompt_stream(&session.id, Prompt::new("run `sleep 600`")).await.unwrap();
        let mut last = None;
        while let Some(event) = turn.next().await {
            let kind = event.unwrap().kind();
            last = Some(kind);
            if kind == EventKind::ToolCallStart {
                client.cancel(&session.id, Cancel::default()).await.unwrap();
            }
        }
        assert_eq!(last, Some(EventKind::TurnCancelled));
    }
}

#[tokio::test]
async fn the_same_prompt_is_one_turn_and_mistakes_have_their_names() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let Ways { sse, socket } = ways(&home.state()).await;
    let session = session(&sse, &home, Mode::Full).await;
    let prompt = Prompt { id: Some("msg-once".parse().unwrap()), ..Prompt::new("list the files") };
    let first = sse.prompt(&session.id, prompt.clone()).await.unwrap();
    let second = socket.prompt(&session.id, prompt.clone()).await.unwrap();
    assert_eq!(first.turn_id, second.turn_id);
    sse.prompt_and_wait(&session.id, prompt.clone()).await.unwrap();
    assert_eq!(sse.turns(&session.id, None, None).await.unwrap().turns.len(), 1);
    for client in [&sse, &socket] {
        let other = Prompt { content: "something else".into(), ..prompt.clone() };
        let mismatch = client.prompt(&session.id, other).await;
        assert!(matches!(mismatch, Err(ClientError::IdempotencyMismatch { .. })), "{mismatch:?}");
        let missing = client.prompt(&"nowhere".parse().unwrap(), Prompt::new("x")).await;
        assert!(matches!(missing, Err(ClientError::NotFound { what: Resource::Session, .. })), "{missing:?}");
        let ahead = client.events(&session.id, Follow::after(Seq(1_000_000))).await.err();
        assert!(matches!(ahead, Some(ClientError::CursorAhead { .. })), "{ahead:?}");
    }
    let stranger = Client::remote(sse.url().unwrap(), Auth::None).unwrap();
    assert!(stranger.health().await.unwrap().healthy);
    let refused = stranger.info().await;
    assert!(matches!(refused, Err(ClientError::Unauthorized { .. })), "{refused:?}");
    assert_eq!(sse.info().await.unwrap().name, "wharf");
    assert!(!sse.timeline(&session.id, None, None).await.unwrap().entries.is_empty());
    sse.clear(&session.id).await.unwrap();
    assert!(sse.messages(&session.id, Default::default()).await.unwrap().messages.is_empty());
    sse.delete_session(&session.id).await.unwrap();
    assert!(matches!(sse.session(&session.id).await, Err(ClientError::NotFound { what: Resource::Session, .. })));
}
