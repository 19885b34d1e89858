//! Following the turn of one question: shows it, asks what it asks, cancels it.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use wharf_client::{Client, ClientError, ConnectionState, TurnStream};
use wharf_protocol::event::{AnyEvent, UnknownEvent};
use wharf_protocol::permission::Resolution;
use wharf_protocol::rest::{AnswerPermission, Cancel};
use wharf_protocol::{ErrorCode, Event, EventBody, PermissionId};

use super::perf::Perf;
use crate::failure::Exit;
use crate::output::{self, note};
use crate::terminal::{Choice, Narrator, Style, Terminal, clean, clean_json, one_line, preview_lines, read_choice};

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The last message, once it is whole.
    Answer,
    /// Every message, as it comes.
    Live,
    /// Every event, as NDJSON.
    Events,
}

/// How following ended.
pub enum Ending {
    Ended(Exit),
    /// Before the turn's end.
    Left,
}

pub struct Follower<'a> {
    client: &'a Client,
    turn: TurnStream,
    terminal: Option<Terminal>,
    shape: Shape,
    perf: Perf,
    style: Style,
    narrator: Narrator,
    /// The question that somebody was asked: the first that is open.
    asked: Option<PermissionId>,
    /// Calls that were refused because nobody could be asked.
    unanswered: usize,
    exit: Exit,
    at_line_start: bool,
    reader_gone: bool,
}

/// What woke the follower.
enum Wakeup {
    Event(Option<Result<AnyEvent, ClientError>>),
    Typed(String),
    Interrupted,
    TimeUp,
    Connection,
}

impl<'a> Follower<'a> {
    pub fn new(client: &'a Client, turn: TurnStream, terminal: Option<Terminal>, shape: Shape, perf: Perf) -> Self {
        let style = Style::for_stderr();
        Self {
            client,
            turn,
            terminal,
            shape,
            perf,
            style,
            narrator: Narrator::new(style),
            asked: None,
            unanswered: 0,
            exit: Exit::Failed,
            at_line_start: true,
            reader_gone: false,
        }
    }

    pub fn perf(&self) -> &Perf {
        &self.perf
    }

    /// Until the turn ends, or somebody leaves.
    pub async fn follow(&mut self, limit: Duration) -> anyhow::Result<Ending> {
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        let mut connection = self.turn.state();
        // Only changes from here on are news.
        connection.mark_unchanged();
        let time_up = tokio::time::sleep(limit);
        let mut time_up = std::pin::pin!(time_up);
        let mut cancels = 0;
        let mut timed_out = false;
        loop {
            let wakeup = tokio::select! {
                event = self.turn.next_any() => Wakeup::Event(event),
                () = signals.stop() => Wakeup::Interrupted,
                line = typed(&mut self.terminal), if self.asked.is_some() => Wakeup::Typed(line),
                () = &mut time_up, if !timed_out => Wakeup::TimeUp,
                Ok(()) = connection.changed() => Wakeup::Connection,
            };
            match wakeup {
                Wakeup::Event(None) => return Ok(self.ended()),
                Wakeup::Event(Some(event)) => match event? {
                    AnyEvent::Known(event) => self.show(&event),
                    AnyEvent::Unknown(event) => self.show_unknown(&event),
                },
                Wakeup::Typed(line) => self.answer(&line).await?,
                Wakeup::Connection => self.show_connection(&connection),
                Wakeup::TimeUp => {
                    timed_out = true;
                    self.note("the time is up; cancelling");
                    self.cancel().await?;
                }
                Wakeup::Interrupted => {
                    cancels += 1;
                    if cancels > 1 {
                        self.note(self.goodbye());
                        return Ok(Ending::Left);
                    }
                    self.note("cancelling; once more to leave");
                    self.cancel().await?;
                }
            }
            if self.reader_gone {
                // Whoever read the answer has what it wanted.
                return Ok(Ending::Ended(self.exit));
            }
        }
    }

    fn goodbye(&self) -> &'static str {
        match self.client.url() {
            Some(_) => "leaving; the server ends the turn",
            None => "leaving; the turn is taken up again when this session is next used",
        }
    }

    async fn cancel(&self) -> anyhow::Result<()> {
        let accepted = self.turn.accepted();
        let body = Cancel { turn_id: Some(accepted.turn_id.clone()), ..Cancel::default() };
        self.client.cancel(&accepted.session_id, body).await?;
        Ok(())
    }

    fn show_unknown(&mut self, event: &UnknownEvent) {
        if self.shape == Shape::Events {
            // Breaks stand between the words of JSON only: within texts they are escaped.
            self.print(&(clean_json(&event.json.replace(['\n', '\r'], " ")) + "\n"));
        }
        for line in self.narrator.tell_unknown(event).notes {
            self.note(&line);
        }
    }

    fn show(&mut self, event: &Event) {
        self.perf.saw(event);
        let told = self.narrator.tell(event);
        if self.shape == Shape::Events {
            match serde_json::to_string(event) {
                Ok(json) => self.print(&(clean_json(&json) + "\n")),
                Err(error) => tracing::error!(%error, seq = event.seq.0, "an event has no JSON form"),
            }
        }
        if self.shape == Shape::Live {
            if !told.text.is_empty() {
                self.print(&told.text);
                self.at_line_start = told.text.ends_with('\n');
            }
            if told.ends_message {
                self.end_line();
            }
        }
        for line in &told.notes {
            self.note(line);
        }
        match &event.body {
            EventBody::PermissionRequested(_) => self.question(),
            EventBody::PermissionResolved(answer) => {
                if answer.option == Resolution::TimedOut {
                    self.unanswered += 1;
                }
                self.put();
            }
            EventBody::TurnCompleted(done) => {
                self.exit = if self.unanswered > 0 { Exit::Refused } else { Exit::Completed };
                if self.shape == Shape::Answer {
                    self.print_answer(&done.response);
                }
            }
            EventBody::TurnCancelled(cancelled) => {
                self.exit = Exit::Cancelled;
                if self.shape == Shape::Answer {
                    self.print_answer(&cancelled.response);
                }
            }
            EventBody::TurnFailed(failed) => {
                self.exit = Exit::Failed;
                if failed.error.code == ErrorCode::ProviderError {
                    self.note(&format!("{} `wharf models` shows what can be used, and why", self.style.dim("hint:")));
                }
            }
            EventBody::PromptWithdrawn(_) => self.exit = Exit::Cancelled,
            _ => {}
        }
    }

    fn ended(&mut self) -> Ending {
        self.end_line();
        if self.unanswered > 0 && !self.reader_gone {
            let hint = "--permission auto-edit lets it change files, --permission full also run commands; in a terminal it asks";
            self.note(&format!("{} {hint}", self.style.dim("hint:")));
        }
        Ending::Ended(self.exit)
    }

    fn question(&mut self) {
        self.end_line();
        if self.terminal.is_some() {
            return self.put();
        }
        // Nobody can be asked: the newest is told.
        let Some(question) = self.narrator.transcript().open_questions().last() else { return };
        let mut lines = preview_lines(self.style, question);
        lines.push(format!("{} {}", self.style.asks("?"), one_line(&question.question.text(), 400)));
        for line in lines {
            self.note(&line);
        }
    }

    /// Asks the first open question, unless it was asked already.
    fn put(&mut self) {
        let first = self.narrator.transcript().open_questions().next();
        let Some(terminal) =
            self.terminal.as_mut().filter(|_| self.asked.as_ref() != first.map(|first| &first.permission_id))
        else {
            return;
        };
        self.asked = first.map(|first| first.permission_id.clone());
        if let Some(first) = first {
            for line in preview_lines(self.style, first) {
                terminal.say(&line);
            }
            terminal.ask(&first.question.text());
        }
    }

    async fn answer(&mut self, line: &str) -> anyhow::Result<()> {
        let Some(asked) = self.asked.clone() else { return Ok(()) };
        let Choice::Answer(option) = read_choice(line) else {
            if let Some(terminal) = &mut self.terminal {
                terminal.say("please answer y, a, n or never");
            }
            self.asked = None;
            self.put();
            return Ok(());
        };
        match self.client.answer(&asked, AnswerPermission { option, message: None }).await {
            // The event of whoever was first says so.
            Ok(_) | Err(ClientError::AlreadyResolved { .. } | ClientError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn show_connection(&mut self, connection: &watch::Receiver<ConnectionState>) {
        let state = connection.borrow().clone();
        match state {
            ConnectionState::Reconnecting { attempt: 1, reason } => {
                self.note(
                    &self
                        .style
                        .dim(&format!("connection lost ({}); the turn goes on, coming back", one_line(&reason, 100))),
                );
            }
            ConnectionState::Connecting
            | ConnectionState::Connected
            | ConnectionState::Reconnecting { .. }
            | ConnectionState::Ended => {}
        }
    }

    fn print_answer(&mut self, answer: &str) {
        let answer = clean(answer);
        if !answer.is_empty() {
            let end = if answer.ends_with('\n') { "" } else { "\n" };
            self.print(&format!("{answer}{end}"));
        }
    }

    fn print(&mut self, text: &str) {
        if !self.reader_gone && !output::out(text) {
            self.reader_gone = true;
        }
    }

    fn end_line(&mut self) {
        if !std::mem::replace(&mut self.at_line_start, true) {
            self.print("\n");
        }
    }

    fn note(&mut self, line: &str) {
        self.end_line();
        note(line);
    }
}

/// A line of whoever is asked; nobody is there to type without a terminal.
async fn typed(terminal: &mut Option<Terminal>) -> String {
    match terminal {
        Some(terminal) => terminal.line().await,
        None => std::future::pending().await,
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
