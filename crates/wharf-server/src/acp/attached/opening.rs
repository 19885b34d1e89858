//! How a client comes to see a session: a new one, one that it loads, one that it goes on with.

use std::sync::Arc;

use agent_client_protocol_schema::v1 as acp;
use serde_json::json;
use wharf_engine::{EngineError, Watcher};
use wharf_protocol::rest::{CreateSession, UpdateSession};
use wharf_protocol::{ApiError, McpServer, Scope, Seq, Session, SessionStatus};

use super::{AttachEnd, Attached, View, next, slash};
use crate::acp::connection::{check_cwd, unknown_session};
use crate::acp::directories::{Directories, refused};
use crate::acp::host::{Host, release_left};
use crate::acp::options;
use crate::acp::outbox::{self, META};
use crate::acp::render::{Renderer, Viewer};
use crate::acp::rpc::{Id, RpcError};
use crate::gate::Stream;

/// Events read at a time when a view is caught up without being shown.
const PAGE_EVENTS: usize = 500;
/// Turns looked at for those that are not over: the running one, and as many as can be queued.
const TURNS: usize = 200;

impl Attached {
    pub(super) async fn create(
        &mut self,
        directories: &Directories,
        mcp_servers: Vec<McpServer>,
    ) -> Result<Session, RpcError> {
        if let Some(cwd) = &directories.cwd {
            check_cwd(cwd)?;
        }
        let access = &self.context.principal.access;
        let create = CreateSession {
            cwd: directories.cwd.clone(),
            additional_directories: directories.further.clone().unwrap_or_default(),
            session_id: Some(self.session_id.clone()),
            mcp_servers,
            ..CreateSession::default()
        };
        let session = match access.create_session(create).await {
            // Our bridge asks again for what it may have got already.
            Err(EngineError::SessionExists(_)) if self.client.is_bridge => access.session(&self.session_id).await?,
            created => created.map_err(refused)?,
        };
        let cursor = access.watch(&self.session_id, Some(session.last_seq), self.watcher().await?).await?;
        self.view = Some(View { cursor, renderer: self.renderer(session.clone()) });
        Ok(session)
    }

    /// What the client does for tools, it does for this session's from here on. That takes the right to say what the session
    /// does: what a client answers, the agent believes. The client knows by now that the session is open: it is asked for its own
    /// tools at once.
    pub(super) async fn offer_tools(&mut self, session: &Session, directories: &Directories) {
        let offers = self.client.offers;
        if offers.is_empty() || self.allow(Scope::SessionsWrite).await.is_err() {
            return;
        }
        let host = Host {
            asking: Arc::clone(&self.context.asking),
            session_id: self.session_id.clone(),
            offers,
            aliases: directories.aliases(session),
            commands: self.commands.clone(),
            terminals: Arc::clone(&self.context.app.terminals),
            tasks: self.context.app.sockets.clone(),
        };
        if offers.terminal {
            let (terminals, asking) = (Arc::clone(&host.terminals), Arc::clone(&host.asking));
            let (session_id, closing) = (self.session_id.clone(), self.context.app.closing.clone());
            host.tasks.spawn(async move {
                closing.run_until_cancelled(release_left(terminals, session_id, asking)).await;
            });
        }
        // Opened once more, it is the last to have come.
        self.offer = Some(self.context.principal.access.offer(&self.session_id, Arc::new(host)));
    }

    /// Answers a request that opened the session, then shows what stands beside the conversation.
    pub(super) async fn opened(
        &mut self,
        id: &Id,
        opened: Result<Session, RpcError>,
        directories: &Directories,
    ) -> Result<(), AttachEnd> {
        let session = match opened {
            Ok(session) => session,
            Err(error) => {
                self.context.out.answer(id, Err::<(), _>(error)).await?;
                return if self.view.is_none() { Err(AttachEnd::Closed) } else { Ok(()) };
            }
        };
        let answer = acp::LoadSessionResponse::new()
            .modes(options::modes(&session))
            .config_options(self.config_options(&session).await)
            .meta(self.stand());
        self.context.out.answer(id, Ok(answer)).await?;
        self.offer_tools(&session, directories).await;
        self.introduce(&session).await
    }

    /// For our bridge: the event up to which it has seen the session.
    pub(super) fn stand(&self) -> Option<acp::Meta> {
        let view = self.view.as_ref().filter(|_| self.client.is_bridge)?;
        let mut meta = acp::Meta::new();
        meta.insert(META.to_owned(), json!({ "seq": view.cursor.position() }));
        Some(meta)
    }

    /// Gives the session what the client that opens it has: directories, then servers.
    pub(super) async fn take_over(&self, directories: &Directories, servers: Vec<McpServer>) -> Result<(), RpcError> {
        self.set_directories(directories).await?;
        self.set_mcp(servers).await
    }

    async fn set_directories(&self, directories: &Directories) -> Result<(), RpcError> {
        if directories.further.is_none() {
            return Ok(());
        }
        let access = &self.context.principal.access;
        let session = access.session(&self.session_id).await?;
        // A sealed session is read, and no tool of it works.
        let Some(wanted) = directories.change(&session).filter(|_| session.sealed.is_none()) else { return Ok(()) };
        self.allow(Scope::SessionsWrite).await?;
        let change = UpdateSession { additional_directories: Some(wanted), ..UpdateSession::default() };
        let updated = access.update_session(&self.session_id, change).await;
        updated.map(drop).map_err(refused)
    }

    /// Gives the session the servers that the client has. One that has none takes nobody else's away.
    async fn set_mcp(&self, servers: Vec<McpServer>) -> Result<(), RpcError> {
        if servers.is_empty() {
            return Ok(());
        }
        Ok(self.context.principal.access.set_mcp(&self.session_id, servers).await?)
    }

    /// Tells of MCP servers that do not work, to a client that shows it.
    pub(super) async fn tell_of_mcp(&mut self) -> Result<(), AttachEnd> {
        let Ok(mcp) = self.context.principal.access.mcp(&self.session_id).await else { return Ok(()) };
        let notices = self.mcp.notices(&mcp.servers);
        let frames = notices.into_iter().map(|notice| outbox::update(&self.session_id, notice, None)).collect();
        Ok(self.context.out.send(frames).await?)
    }

    pub(super) async fn introduce(&mut self, session: &Session) -> Result<(), AttachEnd> {
        self.context.out.send(vec![outbox::update(&self.session_id, slash::offered(), None)]).await?;
        // Asking about the permissions of a session that sleeps would wake it.
        if session.status != SessionStatus::Waiting {
            return Ok(());
        }
        let Ok(open) = self.context.principal.access.permissions(&self.session_id).await else { return Ok(()) };
        let mut effects = Vec::new();
        for permission in &open.permissions {
            if let Some(view) = &mut self.view {
                effects.extend(view.renderer.question(permission).into_iter().map(|effect| (None, effect)));
            }
        }
        let frames = self.frames(effects, false).await;
        Ok(self.context.out.send(frames).await?)
    }

    async fn allow(&self, scope: Scope) -> Result<(), ApiError> {
        self.context.app.gate.allow(&self.context.principal, scope, Some(&self.session_id)).await
    }

    async fn watcher(&self) -> Result<Watcher, ApiError> {
        self.context.app.gate.open(&self.context.principal, Stream::Session(&self.session_id), true).await
    }

    fn renderer(&self, session: Session) -> Renderer {
        Renderer::new(session, self.context.principal.access.tools(), self.client.shows)
    }

    /// Shows the whole conversation, up to the present.
    pub(super) async fn load(&mut self) -> Result<Result<Session, RpcError>, AttachEnd> {
        let access = self.context.principal.access.clone();
        let session = match access.session(&self.session_id).await {
            Ok(session) => session,
            Err(error) => return Ok(Err(error.into())),
        };
        let before = Seq(session.first_seq.0.saturating_sub(1));
        let watcher = match self.watcher().await {
            Ok(watcher) => watcher,
            Err(error) => return Ok(Err(error.into())),
        };
        let cursor = match access.watch(&self.session_id, Some(before), watcher).await {
            Ok(cursor) => cursor,
            Err(error) => return Ok(Err(error.into())),
        };
        let end = cursor.last_seq();
        let mut untitled = session.clone();
        untitled.title = None;
        self.view = Some(View { cursor, renderer: self.renderer(untitled) });
        while self.view.as_ref().is_some_and(|view| view.cursor.position() < end) {
            match next(&mut self.view).await {
                Ok(events) => self.show(&events, true).await?,
                Err(error) => return Ok(Err(error.into())),
            }
        }
        let Some(view) = &mut self.view else { return Ok(Err(unknown_session(self.session_id.as_str()))) };
        view.renderer.session.title.clone_from(&session.title);
        if session.title.is_some() {
            let info = view.renderer.info();
            self.context.out.send(vec![outbox::update(&self.session_id, info, None)]).await?;
        }
        Ok(Ok(view.renderer.session.clone()))
    }

    /// Watches from `after`, or from the present, without showing what was before.
    pub(super) async fn attach(&mut self, after: Option<Seq>) -> Result<Session, RpcError> {
        let access = self.context.principal.access.clone();
        let watcher = self.watcher().await?;
        let cursor = match access.watch(&self.session_id, after, watcher).await {
            Err(EngineError::CursorExpired { first, .. }) => {
                access.watch(&self.session_id, Some(Seq(first.0.saturating_sub(1))), watcher).await?
            }
            Err(EngineError::CursorAhead { .. }) => access.watch(&self.session_id, None, watcher).await?,
            cursor => cursor?,
        };
        let position = cursor.position();
        let session = access.session(&self.session_id).await?;
        let mut renderer = self.renderer(session.clone());
        // What is open at the position began before it: what is half said, which calls run, what the queued prompts are.
        let turns = access.turns(&self.session_id, None, TURNS).await?.turns;
        let open = turns.iter().filter(|turn| turn.last_seq.is_none_or(|last| last > position));
        if let Some(first) = open.map(|turn| turn.first_seq).min().filter(|first| *first <= position) {
            let mut read = Seq(first.0.saturating_sub(1));
            while read < position {
                let page = access.events(&self.session_id, Some(read), PAGE_EVENTS).await?;
                let Some(last) = page.events.last() else { break };
                read = last.seq;
                for event in page.events.iter().take_while(|event| event.seq <= position) {
                    if let Ok(event) = event.decode() {
                        renderer.render(&event, |_| Viewer::Replay, true);
                    }
                }
            }
        }
        renderer.session = session.clone();
        self.view = Some(View { cursor, renderer });
        Ok(session)
    }

    /// A client may name a session that it has not opened here, for example after a reconnect.
    pub(super) async fn ensure_view(&mut self) -> Result<(), RpcError> {
        if self.view.is_none() {
            let session = self.attach(None).await?;
            self.offer_tools(&session, &Directories::default()).await;
        }
        Ok(())
    }
}
