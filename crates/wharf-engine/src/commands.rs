//! The background commands of live sessions: a task each, owned by their session, and what others reach them by.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wharf_exec::commands::{Ask, CommandNews, INPUT_BYTES, Launch};
use wharf_failpoints::point;
use wharf_protocol::{CallId, CommandEnd, CommandId, SessionId};

/// Wishes that may wait for one command; whoever has another one waits.
const ASKS: usize = 16;
/// Ends that may wait for the session.
const ENDS: usize = 16;
/// How long a command that is being stopped may take: 2 s to end by itself, and the kill.
pub(crate) const STOP_LIMIT: Duration = Duration::from_millis(3_500);

/// A command that runs, as everybody but its task sees it. Readers of its output cost it nothing: they read the file, and
/// wait for the number to change.
pub(crate) struct LiveCommand {
    /// How much output there is; closed when the command's end is on the log.
    grown: watch::Receiver<u64>,
    asks: mpsc::Sender<Ask>,
    /// Input that was passed on, and what of it the command has taken. In bytes.
    sent: AtomicU64,
    taken: AtomicU64,
}

impl LiveCommand {
    /// Waits until there is more output than `known`, or the command has ended.
    pub(crate) async fn grew_beyond(&self, known: u64) {
        // It is closed with the end, which is news as well.
        drop(self.grown.clone().wait_for(|grown| *grown > known).await);
    }

    /// Passes input on, unless the command is too far behind with reading.
    pub(crate) async fn input(&self, content: Vec<u8>, close: bool) -> Passed {
        let (count, taken) = (content.len() as u64, self.taken.load(Ordering::SeqCst));
        let room = |sent: u64| (sent.saturating_sub(taken) + count <= INPUT_BYTES as u64).then_some(sent + count);
        if self.sent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).is_err() {
            return Passed::Full;
        }
        let is_taken =
            (content.is_empty() || self.ask(Ask::Input(content)).await) && (!close || self.ask(Ask::CloseInput).await);
        if is_taken { Passed::On } else { Passed::Over }
    }

    /// `false`: it has ended.
    pub(crate) async fn ask(&self, ask: Ask) -> bool {
        self.asks.send(ask).await.is_ok()
    }
}

/// What became of input.
pub(crate) enum Passed {
    On,
    /// The command has not read what came before.
    Full,
    /// It has ended.
    Over,
}

/// The commands that run, of all sessions.
#[derive(Default)]
pub(crate) struct CommandIndex(Mutex<HashMap<(SessionId, CommandId), Arc<LiveCommand>>>);

impl CommandIndex {
    fn lock(&self) -> MutexGuard<'_, HashMap<(SessionId, CommandId), Arc<LiveCommand>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, session: &SessionId, id: &CommandId) -> Option<Arc<LiveCommand>> {
        self.lock().get(&(session.clone(), id.clone())).cloned()
    }
}

/// What a session needs to begin a command that is on its log.
pub(crate) struct CommandStart {
    pub(crate) launch: Launch,
    pub(crate) call_id: CallId,
    pub(crate) output_dir: PathBuf,
    pub(crate) output_max_bytes: u64,
    pub(crate) timeout_ms: u64,
    /// Its place among the commands of the server.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The commands of one session that run now. Dropped, they are killed.
pub(crate) struct RunningCommands {
    session: SessionId,
    index: Arc<CommandIndex>,
    tasks: JoinSet<()>,
    running: HashMap<CommandId, RunningCommand>,
    sender: mpsc::Sender<(CommandId, CommandEnd)>,
    ends: mpsc::Receiver<(CommandId, CommandEnd)>,
}

struct RunningCommand {
    live: Arc<LiveCommand>,
    // Whoever waits for output is let go when this is dropped.
    _grown: Arc<watch::Sender<u64>>,
}

impl RunningCommands {
    pub(crate) fn new(session: SessionId, index: Arc<CommandIndex>) -> Self {
        let (sender, ends) = mpsc::channel(ENDS);
        Self { session, index, tasks: JoinSet::new(), running: HashMap::new(), sender, ends }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn start(&mut self, id: CommandId, start: CommandStart) {
        let (asks, inbox) = mpsc::channel(ASKS);
        let (grown, reader) = watch::channel(0);
        let grown = Arc::new(grown);
        let live = Arc::new(LiveCommand { grown: reader, asks, sent: AtomicU64::new(0), taken: AtomicU64::new(0) });
        self.index.lock().insert((self.session.clone(), id.clone()), Arc::clone(&live));
        self.running.insert(id.clone(), RunningCommand { live: Arc::clone(&live), _grown: Arc::clone(&grown) });
        self.tasks.spawn(run(id, start, live, inbox, grown, self.sender.clone()));
    }

    /// Asks a command to end. It may be over already.
    pub(crate) fn stop(&mut self, id: &CommandId) {
        if let Some(live) = self.running.get(id).map(|running| Arc::clone(&running.live)) {
            // The session does not wait for a command that has no room for a wish.
            self.tasks.spawn(async move {
                live.ask(Ask::Stop).await;
            });
        }
    }

    /// The next end of a command. Safe to drop at any await.
    pub(crate) async fn next(&mut self) -> (CommandId, CommandEnd) {
        loop {
            tokio::select! {
                biased;
                Some(end) = self.ends.recv() => return end,
                Some(_) = self.tasks.join_next() => {}
                else => std::future::pending::<()>().await,
            }
        }
    }

    /// The end of a command is on the log: nobody waits for it any more.
    pub(crate) fn forget(&mut self, id: &CommandId) {
        self.running.remove(id);
        self.index.lock().remove(&(self.session.clone(), id.clone()));
    }

    /// Asks all of them to end.
    pub(crate) fn stop_all(&mut self) -> Instant {
        let ids: Vec<CommandId> = self.running.keys().cloned().collect();
        ids.iter().for_each(|id| self.stop(id));
        Instant::now() + STOP_LIMIT
    }
}

impl Drop for RunningCommands {
    fn drop(&mut self) {
        let ids: Vec<CommandId> = self.running.keys().cloned().collect();
        ids.iter().for_each(|id| self.forget(id));
    }
}

/// One command from its start to its end, which it reports.
async fn run(
    id: CommandId,
    start: CommandStart,
    live: Arc<LiveCommand>,
    mut inbox: mpsc::Receiver<Ask>,
    grown: Arc<watch::Sender<u64>>,
    ends: mpsc::Sender<(CommandId, CommandEnd)>,
) {
    let CommandStart { launch, call_id, output_dir, output_max_bytes, timeout_ms, permit } = start;
    let end = match launch.start(&id, &call_id, &output_dir, output_max_bytes, timeout_ms).await {
        Err(error) => CommandEnd::failed(format!("it could not be run: {error}"), 0),
        Ok(mut command) => loop {
            let news = tokio::select! {
                biased;
                news = command.next() => news,
                Some(ask) = inbox.recv() => {
                    // Fails where the command has said its last word already, which comes.
                    drop(command.ask(ask).await);
                    continue;
                }
            };
            match news {
                CommandNews::Begun => {}
                CommandNews::Grew(total) => drop(grown.send_replace(total)),
                CommandNews::Taken(taken) => live.taken.store(taken, Ordering::SeqCst),
                CommandNews::Over(end) => break end,
            }
        },
    };
    point("engine.command_over");
    drop(permit);
    drop(ends.send((id, end)).await);
}
