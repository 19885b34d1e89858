//! One session on one connection: takes the client's commands in their order, and shows it the session's log.
//!
//! A single task does both, so that an answer to a prompt comes after the updates of its turn and before nothing of it, and a
//! cancel never overtakes the prompt that it is for.

mod opening;
mod prompting;
mod showing;
mod slash;
mod to_session;

use std::collections::HashSet;
use std::sync::Arc;

use agent_client_protocol_schema::v1 as acp;
use serde_json::json;
use tokio::sync::mpsc;
use wharf_engine::{Cursor, EngineError, Offer};
use wharf_protocol::{EncodedEvent, MessageId, Session, SessionId, TurnId};

pub(super) use to_session::ToSession;

use super::connection::{Capabilities, Context};
use super::mcp::Watching;
use super::options;
use super::outbox::{self, Gone};
use super::render::Renderer;
use super::rpc::{Id, RpcError};

/// Events pulled at a time, in bytes.
const BATCH_BYTES: usize = 32 << 10;

/// A prompt of this client that has no answer yet.
struct Pending {
    id: Id,
    message_id: MessageId,
    turn_id: TurnId,
}

/// The log as this client sees it.
struct View {
    cursor: Cursor,
    renderer: Renderer,
}

enum Wakeup {
    Wanted(Option<ToSession>),
    Events(Result<Vec<EncodedEvent>, EngineError>),
    Mcp,
}

/// Why the task ends.
#[derive(PartialEq, Eq)]
enum AttachEnd {
    Gone,
    Closed,
}

impl From<Gone> for AttachEnd {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

pub(super) struct Attached {
    context: Arc<Context>,
    client: Capabilities,
    session_id: SessionId,
    inbox: mpsc::Receiver<ToSession>,
    view: Option<View>,
    pending: Vec<Pending>,
    /// Prompts of this client that have not started: they are on its screen already.
    own: HashSet<MessageId>,
    closing: Option<Id>,
    commands: mpsc::WeakSender<ToSession>,
    /// What this client does for the session's tools.
    offer: Option<Offer>,
    mcp: Watching,
}

impl Attached {
    pub(super) fn new(
        context: Arc<Context>,
        client: Capabilities,
        session_id: SessionId,
        (commands, inbox): (&mpsc::Sender<ToSession>, mpsc::Receiver<ToSession>),
    ) -> Self {
        Self {
            context,
            client,
            session_id,
            inbox,
            view: None,
            pending: Vec::new(),
            own: HashSet::new(),
            closing: None,
            commands: commands.downgrade(),
            offer: None,
            mcp: Watching::default(),
        }
    }

    pub(super) async fn run(mut self) {
        while self.live().await == AttachEnd::Closed {
            // What the client sent since then begins anew; once there is nothing, nothing more can come.
            if self.inbox.is_empty() {
                self.inbox.close();
            }
        }
    }

    /// From the first command to the end of the session on this connection.
    async fn live(&mut self) -> AttachEnd {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        self.context.asking.forget(&self.session_id);
        (self.view, self.closing) = (None, None);
        self.mcp = Watching::default();
        self.pending.clear();
        self.own.clear();
        end
    }

    async fn step(&mut self) -> Result<(), AttachEnd> {
        let wakeup = tokio::select! {
            biased;
            command = self.inbox.recv() => Wakeup::Wanted(command),
            events = next(&mut self.view) => Wakeup::Events(events),
            () = self.mcp.changed() => Wakeup::Mcp,
        };
        match wakeup {
            Wakeup::Mcp => self.tell_of_mcp().await?,
            Wakeup::Wanted(None) => return Err(AttachEnd::Gone),
            Wakeup::Wanted(Some(command)) => self.command(command).await?,
            Wakeup::Events(Ok(events)) => self.show(&events, false).await?,
            Wakeup::Events(Err(error)) => self.lost(error).await?,
        }
        if self.pending.is_empty()
            && let Some(id) = self.closing.take()
        {
            // What the session holds, its MCP servers too, is given back where nobody else looks at it.
            (self.view, self.offer) = (None, None);
            self.context.principal.access.rest(&self.session_id);
            self.context.out.answer(&id, Ok(json!({}))).await?;
            return Err(AttachEnd::Closed);
        }
        if self.client.shows.notices && self.view.is_some() {
            self.mcp.begin(&self.context.principal.access, &self.session_id);
        }
        // Nothing could be opened: no task stays behind for it.
        if self.view.is_some() { Ok(()) } else { Err(AttachEnd::Closed) }
    }

    async fn config_options(&self, session: &Session) -> Vec<acp::SessionConfigOption> {
        options::config_options(&self.context.principal.access, session, self.client.offers).await
    }

    /// The log ends here: the session was deleted, or the server stops.
    async fn lost(&mut self, error: EngineError) -> Result<(), AttachEnd> {
        let error: RpcError = error.into();
        for pending in self.pending.drain(..) {
            self.context.out.answer(&pending.id, Err::<(), _>(error.clone())).await?;
        }
        if let Some(id) = self.closing.take() {
            self.context.out.answer(&id, Ok(json!({}))).await?;
        }
        Err(AttachEnd::Closed)
    }

    async fn command(&mut self, command: ToSession) -> Result<(), AttachEnd> {
        if let Some(id) = command.request_id()
            && self.context.out.token(id).is_cancelled()
        {
            // Taken back before it began.
            return Ok(self.context.out.answer(id, Err::<(), _>(RpcError::cancelled())).await?);
        }
        match command {
            ToSession::New { id, directories, mcp } => match self.create(&directories, mcp).await {
                Ok(session) => {
                    let answer = acp::NewSessionResponse::new(acp::SessionId::new(self.session_id.as_str()))
                        .modes(options::modes(&session))
                        .config_options(self.config_options(&session).await)
                        .meta(self.stand());
                    self.context.out.answer(&id, Ok(answer)).await?;
                    self.offer_tools(&session, &directories).await;
                    self.introduce(&session).await
                }
                Err(error) => {
                    self.context.out.answer(&id, Err::<(), _>(error)).await?;
                    Err(AttachEnd::Closed)
                }
            },
            ToSession::Load { id, directories, mcp } => {
                if let Err(error) = self.take_over(&directories, mcp).await {
                    return self.opened(&id, Err(error), &directories).await;
                }
                let cancelled = self.context.out.token(&id);
                // A prompt that waits for its answer needs the view.
                let may_stop = self.pending.is_empty();
                let loaded = tokio::select! {
                    biased;
                    () = cancelled.cancelled(), if may_stop => None,
                    loaded = self.load() => Some(loaded?),
                };
                let Some(loaded) = loaded else {
                    // Half of a conversation is no view to go on from.
                    self.view = None;
                    return Ok(self.context.out.answer(&id, Err::<(), _>(RpcError::cancelled())).await?);
                };
                self.opened(&id, loaded, &directories).await
            }
            ToSession::Attach { id, after, directories, mcp } => {
                let attached = match self.take_over(&directories, mcp).await {
                    Ok(()) => self.attach(after).await,
                    Err(error) => Err(error),
                };
                self.opened(&id, attached, &directories).await
            }
            ToSession::Prompt { id, blocks, prompt_id } => {
                if let Err(error) = self.prompt(&id, blocks, prompt_id).await {
                    self.context.out.answer(&id, Err::<(), _>(error)).await?;
                }
                self.answer_ended_before().await
            }
            ToSession::Cancel => {
                if self.ensure_view().await.is_ok() {
                    self.cancel_all().await;
                }
                Ok(())
            }
            ToSession::SetMode { id, mode_id } => {
                let done = match options::mode_change(&mode_id) {
                    Ok(change) => self.update(change).await.map(|_| json!({})),
                    Err(error) => Err(error),
                };
                Ok(self.context.out.answer(&id, done).await?)
            }
            ToSession::SetOption { id, config_id, value } => {
                let done = match options::change(&self.context.principal.access, &config_id, &value) {
                    Ok(change) => self.update(change).await,
                    Err(error) => Err(error),
                };
                let done = match done {
                    Ok(session) => Ok(acp::SetSessionConfigOptionResponse::new(self.config_options(&session).await)),
                    Err(error) => Err(error),
                };
                Ok(self.context.out.answer(&id, done).await?)
            }
            ToSession::Close { id } => self.close(id).await,
            ToSession::CancelRequest(id) => {
                if let Some(at) = self.pending.iter().position(|pending| pending.id == id) {
                    self.cancel_prompt(at).await;
                }
                Ok(())
            }
            ToSession::ToolsChanged => {
                if let Some(offer) = &self.offer {
                    offer.tools_changed();
                }
                Ok(())
            }
            ToSession::ShowTerminal { call_id, terminal_id } => {
                let shown = self.view.as_mut().and_then(|view| view.renderer.show_terminal(call_id, terminal_id));
                let frame = shown.map(|update| outbox::update(&self.session_id, update, None));
                Ok(self.context.out.send(frame.into_iter().collect()).await?)
            }
            ToSession::Answered { permission_id, answer } => {
                self.answered(&permission_id, answer).await;
                Ok(())
            }
        }
    }
}

async fn next(view: &mut Option<View>) -> Result<Vec<EncodedEvent>, EngineError> {
    match view {
        Some(view) => view.cursor.next(BATCH_BYTES).await,
        None => std::future::pending().await,
    }
}
