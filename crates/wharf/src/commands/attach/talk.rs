//! The conversation: lines in, events out, for as long as somebody stays.

use std::collections::HashSet;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use wharf_client::{Client, ClientError, ConnectionState, EventStream, Follow, Located};
use wharf_protocol::event::{AnyEvent, PromptReceived, UnknownEvent};
use wharf_protocol::rest::{AnswerPermission, Cancel, CompactSession, ForkSession, SessionQuery, UpdateSession};
use wharf_protocol::slash::{SessionSlash, Slash, TerminalSlash};
use wharf_protocol::{Event, EventBody, MessageId, PermissionId, Prompt, Session};

use super::input::{Input, Typed};
use super::screen::Screen;
use super::slash;
use crate::commands::{agents, session, sessions, tools};
use crate::connect::Context;
use crate::failure::Exit;
use crate::terminal::{CHOICES, Choice, Narrator, clean, one_line, preview_lines, read_choice};

/// Sessions that /sessions lists.
const LISTED_SESSIONS: usize = 20;

pub struct Talk<'a> {
    client: &'a Client,
    context: &'a Context,
    session: Session,
    events: EventStream,
    connection: watch::Receiver<ConnectionState>,
    screen: Screen,
    narrator: Narrator,
    /// The question that stands on the screen: the first that is open.
    asked: Option<PermissionId>,
    /// A turn runs that began before this client came.
    began_before: bool,
    /// Prompts from here whose end is not known yet: a piped line waits for the one before it.
    open: HashSet<MessageId>,
    /// Ctrl-C came last: a second one leaves.
    interrupted: bool,
    failed: bool,
}

enum Wakeup {
    Event(Option<Result<Located, ClientError>>),
    Typed(Typed),
    Connection,
    Signal,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Stay,
    Leave,
}

impl<'a> Talk<'a> {
    pub fn new(
        client: &'a Client,
        context: &'a Context,
        session: Session,
        events: EventStream,
        screen: Screen,
    ) -> Self {
        let narrator = narrator(&screen);
        let connection = news(&events);
        Self {
            client,
            context,
            began_before: session.status.is_busy(),
            session,
            events,
            connection,
            screen,
            narrator,
            asked: None,
            open: HashSet::new(),
            interrupted: false,
            failed: false,
        }
    }

    pub async fn run(mut self, mut input: Input) -> anyhow::Result<Exit> {
        let mut terminate = signal(SignalKind::terminate())?;
        self.greet().await?;
        let mut ended = false;
        while !(ended && self.open.is_empty()) {
            // Piped lines are a script: the next one is for after this one.
            let takes_input = !ended && (self.screen.is_interactive() || self.open.is_empty());
            let wakeup = tokio::select! {
                event = self.events.next_located() => Wakeup::Event(event),
                typed = input.next(), if takes_input => Wakeup::Typed(typed),
                Ok(()) = self.connection.changed() => Wakeup::Connection,
                () = received(&mut terminate) => Wakeup::Signal,
            };
            match wakeup {
                Wakeup::Event(Some(located)) => match located?.event {
                    AnyEvent::Known(event) => self.show(&event),
                    AnyEvent::Unknown(event) => self.note_unknown(&event),
                },
                Wakeup::Event(None) => break,
                Wakeup::Connection => self.show_connection(),
                Wakeup::Signal => break,
                Wakeup::Typed(Typed::End) if self.screen.is_interactive() => break,
                Wakeup::Typed(Typed::End) => ended = true,
                Wakeup::Typed(Typed::Interrupt) => {
                    if self.interrupt().await? == Next::Leave {
                        break;
                    }
                }
                Wakeup::Typed(Typed::Line(line)) => {
                    self.interrupted = false;
                    // A refusal is an answer, not the end of the conversation; a way that is gone is.
                    match self.take(line.trim()).await {
                        Ok(Next::Stay) => {}
                        Ok(Next::Leave) => break,
                        Err(error) => self.refused(&error),
                    }
                }
            }
        }
        self.screen.end_text();
        Ok(if self.failed { Exit::Failed } else { Exit::Completed })
    }

    async fn greet(&mut self) -> anyhow::Result<()> {
        if self.screen.is_interactive() {
            let place = self.client.url().map_or_else(|| "in this process".to_owned(), str::to_owned);
            let Session { id, model, mode, cwd, .. } = &self.session;
            let style = self.screen.style;
            let lines = [
                format!(
                    "{} {}",
                    style.bold(&id.to_string()),
                    style.dim(&format!("{place} · {}", clean(&cwd.display().to_string())))
                ),
                style.dim(&format!("{} · mode {mode} · /help for commands, Ctrl-D to leave", clean(model))),
            ];
            for line in lines {
                self.screen.note(&line);
            }
        }
        let open = self.client.permissions(&self.session.id).await?.permissions;
        for permission in &open {
            self.narrator.ask(permission);
        }
        self.put();
        Ok(())
    }

    async fn take(&mut self, line: &str) -> anyhow::Result<Next> {
        if line.is_empty() {
            return Ok(Next::Stay);
        }
        if let Some(permission) = self.asked.clone()
            && let Choice::Answer(option) = read_choice(line)
        {
            return match self.client.answer(&permission, AnswerPermission { option, message: None }).await {
                // The event of whoever was first says so.
                Ok(_) | Err(ClientError::AlreadyResolved { .. } | ClientError::NotFound { .. }) => Ok(Next::Stay),
                Err(error) => Err(error.into()),
            };
        }
        match Slash::parse(line) {
            Some(command) => self.command(command).await,
            None => {
                let answer = self.client.prompt(&self.session.id, Prompt::new(line)).await?;
                self.open.insert(answer.message_id);
                Ok(Next::Stay)
            }
        }
    }

    async fn command(&mut self, command: Slash) -> anyhow::Result<Next> {
        match command {
            Slash::Session(command) => self.session_command(command).await?,
            Slash::Terminal(command) => return self.terminal_command(command).await,
            Slash::Wrong(told) => self.wrong(&told),
            Slash::Unknown(name) => self.wrong(&slash::unknown(&name)),
        }
        Ok(Next::Stay)
    }

    async fn session_command(&mut self, command: SessionSlash) -> anyhow::Result<()> {
        match command {
            SessionSlash::Help => self.screen.answer(&slash::help()),
            SessionSlash::Status => {
                self.session = self.client.session(&self.session.id).await?;
                let Session { id, status, agent_name, model, mode, thinking, token_usage, cost, .. } = &self.session;
                let (agent, model, status) = (clean(agent_name), clean(model), status.as_str());
                let tokens = token_usage.total_tokens;
                let text = format!(
                    "{id}  {status}\nagent {agent}  model {model}  mode {mode}  thinking {thinking}\ntokens {tokens}  cost {cost}\n"
                );
                self.screen.answer(&text);
            }
            SessionSlash::Agent(None) => self.screen.answer(&format!("{}\n", clean(&self.session.agent_name))),
            SessionSlash::Agent(agent_name) => {
                self.update(UpdateSession { agent_name, ..UpdateSession::default() }).await?;
            }
            SessionSlash::Thinking(None) => self.screen.answer(&format!("{}\n", self.session.thinking)),
            SessionSlash::Thinking(thinking) => {
                self.update(UpdateSession { thinking, ..UpdateSession::default() }).await?;
            }
            SessionSlash::Tools => {
                let list = self.client.tools().await?;
                self.screen.answer(&tools::shown(&list.tools));
            }
            SessionSlash::Agents => {
                let list = self.client.agents().await?;
                self.screen.answer(&agents::shown(&list.agents));
            }
            SessionSlash::Models => {
                let list = self.client.models().await?;
                let usable = list.providers.iter().filter(|provider| provider.available);
                let names = usable.flat_map(|provider| &provider.models).map(|model| format!("{}\n", clean(&model.id)));
                let names: String = names.collect();
                self.screen.answer(&names);
            }
            SessionSlash::Model(None) => self.screen.answer(&format!("{}\n", clean(&self.session.model))),
            SessionSlash::Model(Some(model)) => {
                self.update(UpdateSession { model: Some(model), ..UpdateSession::default() }).await?;
            }
            SessionSlash::Mode(None) => self.screen.answer(&format!("{}\n", self.session.mode)),
            SessionSlash::Mode(Some(mode)) => {
                self.update(UpdateSession { mode: Some(mode), ..UpdateSession::default() }).await?;
            }
            SessionSlash::Clear => self.client.clear(&self.session.id).await?,
            // What comes of it is told as it happens.
            SessionSlash::Compact(focus) => {
                self.client.compact(&self.session.id, CompactSession { focus }).await?;
            }
            SessionSlash::Fork(at_seq) => {
                let fork = ForkSession { at_seq, ..ForkSession::default() };
                let forked = self.client.fork_session(&self.session.id, fork).await?;
                self.screen.answer(&format!("the copy is {id}; /session {id} goes there\n", id = forked.id));
            }
            SessionSlash::Queue => self.show_queue().await?,
        }
        Ok(())
    }

    async fn terminal_command(&mut self, command: TerminalSlash) -> anyhow::Result<Next> {
        match command {
            TerminalSlash::Exit => return Ok(Next::Leave),
            TerminalSlash::Sessions => {
                let query = SessionQuery { limit: Some(LISTED_SESSIONS), ..SessionQuery::default() };
                let page = self.client.sessions(query).await?;
                self.screen.answer(&sessions::shown(&page));
            }
            TerminalSlash::Cancel => self.cancel().await?,
            TerminalSlash::New => {
                let cwd = Some(self.session.cwd.clone());
                let further = self.session.additional_directories.clone();
                let agent = Some(self.session.agent_name.as_str());
                let made = session::create(self.client, self.context, cwd, further, agent).await?;
                self.go_to(made).await?;
            }
            TerminalSlash::Session(None) => {
                let Session { id, status, title, .. } = self.client.session(&self.session.id).await?;
                let title = one_line(title.as_deref().unwrap_or("(untitled)"), 80);
                self.screen.answer(&format!("{id}  {}  {title}\n", status.as_str()));
            }
            TerminalSlash::Session(Some(id)) => {
                let other = self.client.session(&session::id(&id)?).await?;
                self.go_to(other).await?;
            }
            TerminalSlash::Permissions => {
                let open = self.client.permissions(&self.session.id).await?.permissions;
                let lines: String = open
                    .iter()
                    .map(|asked| format!("{}  {}\n", asked.permission_id, one_line(&asked.question, 100)))
                    .collect();
                self.screen.answer(if lines.is_empty() { "no open questions\n" } else { &lines });
            }
        }
        Ok(Next::Stay)
    }

    async fn show_queue(&mut self) -> anyhow::Result<()> {
        let queue = self.client.queue(&self.session.id).await?;
        let line = |prompt: &wharf_protocol::prompt::QueuedPrompt| {
            let sender = prompt.sender.as_deref().map(clean).unwrap_or_default();
            format!("{}  {sender}  {}\n", prompt.position, one_line(&prompt.content.text(), 100))
        };
        let lines: String = queue.prompts.iter().map(line).collect();
        self.screen.answer(if lines.is_empty() { "nothing waits\n" } else { &lines });
        Ok(())
    }

    async fn update(&mut self, body: UpdateSession) -> anyhow::Result<()> {
        self.session = self.client.update_session(&self.session.id, body).await?;
        Ok(())
    }

    async fn go_to(&mut self, session: Session) -> anyhow::Result<()> {
        self.events = self.client.events(&session.id, self.follow()).await?;
        self.connection = news(&self.events);
        self.narrator = narrator(&self.screen);
        self.asked = None;
        self.open.clear();
        self.began_before = session.status.is_busy();
        self.session = session;
        self.screen.note(&format!("session {}", self.session.id));
        if self.screen.is_interactive() { self.greet().await } else { Ok(()) }
    }

    fn follow(&self) -> Follow {
        if self.screen.is_interactive() { Follow::present() } else { Follow::present().observing() }
    }

    async fn cancel(&mut self) -> anyhow::Result<()> {
        let turn_id = self.narrator.transcript().turn.as_ref().map(|turn| turn.turn_id.clone());
        let body = Cancel { turn_id, ..Cancel::default() };
        self.client.cancel(&self.session.id, body).await?;
        Ok(())
    }

    async fn interrupt(&mut self) -> anyhow::Result<Next> {
        if self.began_before || self.narrator.transcript().turn.is_some() {
            self.screen.note("cancelling");
            self.cancel().await?;
            return Ok(Next::Stay);
        }
        if std::mem::replace(&mut self.interrupted, true) {
            return Ok(Next::Leave);
        }
        self.screen.note(&self.screen.style.dim("Ctrl-C once more, or Ctrl-D, to leave"));
        Ok(Next::Stay)
    }

    fn note_unknown(&mut self, event: &UnknownEvent) {
        for line in self.narrator.tell_unknown(event).notes {
            self.screen.note(&line);
        }
    }

    fn show(&mut self, event: &Event) {
        let running = self.narrator.transcript().turn.as_ref().map(|turn| turn.message_id.clone());
        let told = self.narrator.tell(event);
        self.screen.text(&told.text);
        if told.ends_message {
            self.screen.end_text();
        }
        for line in &told.notes {
            self.screen.note(line);
        }
        match &event.body {
            EventBody::PromptReceived(received) => self.show_prompt(received),
            EventBody::TurnFailed(_) => self.failed |= !self.screen.is_interactive(),
            EventBody::PermissionRequested(_) | EventBody::PermissionResolved(_) => self.put(),
            EventBody::PromptWithdrawn(withdrawn) => {
                self.open.remove(&withdrawn.message_id);
            }
            EventBody::PromptStarted(started) if started.steered => {
                self.open.remove(&started.message_id);
            }
            EventBody::SessionUpdated(_) => self.session.apply(event),
            EventBody::SessionDeleted(_) => {
                self.open.clear();
                self.screen.note("the session was deleted");
            }
            _ => {}
        }
        if event.kind().ends_turn() {
            self.began_before = false;
            if let Some(prompt) = running {
                self.open.remove(&prompt);
            }
        }
    }

    /// Prompts of others; what was typed here stands on the screen already.
    fn show_prompt(&mut self, received: &PromptReceived) {
        if self.open.contains(&received.message_id) {
            return;
        }
        let sender = received.sender.as_deref().map_or_else(|| "somebody".to_owned(), clean);
        let text = one_line(&received.content.text(), 400);
        self.screen.note(&format!("{} {text}", self.screen.style.bold(&format!("{sender} ›"))));
    }

    fn wrong(&mut self, told: &str) {
        self.failed |= !self.screen.is_interactive();
        self.screen.note(told);
    }

    /// Shows the first open question, unless it stands on the screen already.
    fn put(&mut self) {
        let first = self.narrator.transcript().open_questions().next();
        if self.asked.as_ref() == first.map(|first| &first.permission_id) {
            return;
        }
        self.asked = first.map(|first| first.permission_id.clone());
        let Some(first) = first else { return };
        let style = self.screen.style;
        for line in preview_lines(style, first) {
            self.screen.note(&line);
        }
        let line = format!("{} {} {}", style.asks("?"), clean(&first.question.text()), style.dim(CHOICES));
        self.screen.note(&line);
    }

    fn show_connection(&mut self) {
        let state = self.connection.borrow_and_update().clone();
        let style = self.screen.style;
        match state {
            ConnectionState::Reconnecting { attempt, reason } => {
                self.screen.note(
                    &style
                        .dim(&format!("connection lost ({}); coming back, attempt {attempt}", one_line(&reason, 100))),
                );
            }
            ConnectionState::Connected => self.screen.note(&style.dim("connected again")),
            ConnectionState::Connecting | ConnectionState::Ended => {}
        }
    }

    fn refused(&mut self, error: &anyhow::Error) {
        self.failed |= !self.screen.is_interactive();
        self.screen.note(&format!("{} {}", self.screen.style.error("error:"), one_line(&format!("{error:#}"), 400)));
    }
}

fn narrator(screen: &Screen) -> Narrator {
    let narrator = Narrator::new(screen.style);
    if screen.is_interactive() { narrator.telling_starts() } else { narrator }
}

/// The connection's state; that it stands now is no news.
fn news(events: &EventStream) -> watch::Receiver<ConnectionState> {
    let mut connection = events.state();
    connection.mark_unchanged();
    connection
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
