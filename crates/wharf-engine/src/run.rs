//! What a turn waits for: one model call, and the tool calls.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wharf_models::{Delta, ModelStream};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};
use wharf_protocol::{CallId, CallOutcome, ToolError};
use wharf_tools::{CallContext, Progress, Tool};

use crate::progress::{Budget, Piece, Progressing};

/// Pieces of a reply that are put into one event, in bytes, when they have come in together.
const MERGE_BYTES: usize = 16 << 10;
/// How long a call that runs once more after a crash waits for another one of its kind; a slow one must not keep all others out.
const ALONE_WAIT: Duration = Duration::from_secs(5);
/// How long it may take to look at what a call would touch, editors asked; then the call is decided without.
const LOOK_LIMIT: Duration = Duration::from_secs(20);
/// Reports of tool calls that may wait for the session; a call that reports more waits.
const CALL_EVENTS: usize = 64;

/// One request to a model.
pub(crate) struct ModelCall {
    pub(crate) ask: u64,
    /// The size of the model's context, once it is known.
    pub(crate) context_tokens: Option<u64>,
    /// How often such a call is tried, where its model has a number of its own.
    pub(crate) attempts: Option<u32>,
    /// What has come of a summary, where it is asked for one: nobody is shown it before it is whole.
    pub(crate) summary: Option<String>,
    stage: AskStage,
    /// Came in with the last piece, but is of another kind.
    held: Option<ModelEvent>,
}

/// Finds the model.
pub(crate) type Connecting = BoxFuture<'static, Result<FoundModel, ModelError>>;

/// Asks it.
type Opening = BoxFuture<'static, Result<ModelStream, ModelError>>;

/// A model that is about to be asked.
pub(crate) struct FoundModel {
    /// The size of its context, where it is known.
    pub(crate) context_tokens: Option<u64>,
    /// Nobody knew it when the request was made.
    pub(crate) is_news: bool,
    /// As of [`ModelCall`].
    pub(crate) attempts: Option<u32>,
    pub(crate) opening: Opening,
}

enum AskStage {
    Connecting(Connecting),
    Opening(Opening),
    Streaming(ModelStream),
    Over,
}

/// What a model call brings.
#[derive(Debug)]
pub(crate) enum ModelEvent {
    /// The size of its context is news; it has not been asked yet.
    Window,
    Text(String),
    Reasoning(String),
    Finished(ModelReply),
    Failed(ModelError),
}

impl ModelCall {
    pub(crate) fn new(ask: u64, connecting: Connecting) -> Self {
        let stage = AskStage::Connecting(connecting);
        Self { ask, context_tokens: None, attempts: None, summary: None, stage, held: None }
    }

    /// The next piece, with everything of its kind that is there already. Safe to drop at any await. Never ends: after the
    /// end there is nothing to wait for.
    pub(crate) async fn next(&mut self) -> ModelEvent {
        let mut event = match self.held.take() {
            Some(event) => event,
            None => self.piece().await,
        };
        while self.held.is_none()
            && let ModelEvent::Text(text) | ModelEvent::Reasoning(text) = &event
            && text.len() < MERGE_BYTES
            && let Some(piece) = self.piece().now_or_never()
        {
            match (&mut event, piece) {
                (ModelEvent::Text(text), ModelEvent::Text(more))
                | (ModelEvent::Reasoning(text), ModelEvent::Reasoning(more)) => text.push_str(&more),
                (_, other) => self.held = Some(other),
            }
        }
        event
    }

    /// Asks, and waits for the first piece, which is kept for [`Self::next`]. Safe to drop at any await.
    pub(crate) async fn begin(&mut self) {
        if self.held.is_none() {
            self.held = Some(self.piece().await);
        }
    }

    async fn piece(&mut self) -> ModelEvent {
        loop {
            match &mut self.stage {
                AskStage::Connecting(connecting) => match connecting.await {
                    Ok(FoundModel { context_tokens, is_news, attempts, opening }) => {
                        (self.context_tokens, self.attempts) = (context_tokens, attempts);
                        self.stage = AskStage::Opening(opening);
                        if is_news {
                            return ModelEvent::Window;
                        }
                    }
                    Err(error) => return self.over(ModelEvent::Failed(error)),
                },
                AskStage::Opening(opening) => match opening.await {
                    Ok(stream) => self.stage = AskStage::Streaming(stream),
                    Err(error) => return self.over(ModelEvent::Failed(error)),
                },
                AskStage::Streaming(stream) => match stream.next().await {
                    Some(Ok(Delta::Text(text))) => return ModelEvent::Text(text),
                    Some(Ok(Delta::Reasoning(text))) => return ModelEvent::Reasoning(text),
                    Some(Ok(Delta::Finished(reply))) => return self.over(ModelEvent::Finished(reply)),
                    Some(Err(error)) => return self.over(ModelEvent::Failed(error)),
                    None => {
                        let error = ModelError {
                            kind: ModelErrorKind::BadReply,
                            message: "the reply ended before it was finished".to_owned(),
                            retry_after_ms: None,
                        };
                        return self.over(ModelEvent::Failed(error));
                    }
                },
                AskStage::Over => std::future::pending::<()>().await,
            }
        }
    }

    fn over(&mut self, event: ModelEvent) -> ModelEvent {
        self.stage = AskStage::Over;
        event
    }
}

/// The tool calls of one session that run now.
pub(crate) struct RunningCalls {
    tasks: JoinSet<()>,
    tokens: HashMap<CallId, CancellationToken>,
    sender: mpsc::Sender<CallEvent>,
    events: mpsc::Receiver<CallEvent>,
    /// What the session's calls may put onto its log while they run.
    budget: Arc<Budget>,
}

/// What a running call reports.
#[derive(Debug)]
pub(crate) enum CallEvent {
    /// What it would touch, before it is decided.
    Seen {
        call_id: CallId,
        seen: wharf_protocol::Seen,
    },
    Progress {
        call_id: CallId,
        piece: Piece,
    },
    Finished {
        call_id: CallId,
        outcome: CallOutcome,
    },
}

impl RunningCalls {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        let (sender, events) = mpsc::channel(CALL_EVENTS);
        Self { tasks: JoinSet::new(), tokens: HashMap::new(), sender, events, budget }
    }

    /// The next report. Safe to drop at any await.
    pub(crate) async fn next(&mut self) -> CallEvent {
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => {
                    if let CallEvent::Finished { call_id, .. } = &event {
                        self.tokens.remove(call_id);
                    }
                    return event;
                }
                Some(_) = self.tasks.join_next() => {}
                else => std::future::pending::<()>().await,
            }
        }
    }

    /// With `alone`, once nobody else holds it, or after a while.
    pub(crate) fn start(
        &mut self,
        tool: Arc<dyn Tool>,
        arguments: Value,
        mut context: CallContext,
        alone: Option<Arc<Mutex<()>>>,
    ) {
        let token = CancellationToken::new();
        context.cancel = token.clone();
        self.tokens.insert(context.call_id.clone(), token);
        let sender = self.sender.clone();
        let progress = Progressing::new(Arc::clone(&self.budget));
        self.tasks.spawn(async move {
            let _held = match alone {
                Some(alone) => tokio::time::timeout(ALONE_WAIT, alone.lock_owned()).await.ok(),
                None => None,
            };
            run(tool, arguments, context, sender, progress).await;
        });
    }

    /// Looks at what a call would touch. Whatever happens there is one report: a call that cannot be looked at in time is judged by its
    /// text, and bound to touch nothing.
    pub(crate) fn look(&mut self, tool: Option<Arc<dyn Tool>>, arguments: Value, context: CallContext, preview: bool) {
        let (sender, call_id) = (self.sender.clone(), context.call_id.clone());
        self.tasks.spawn(async move {
            let look = async { Some(tool?.look(&arguments, &context, preview).await) };
            let looked = tokio::time::timeout(LOOK_LIMIT, AssertUnwindSafe(look).catch_unwind()).await;
            let seen = match looked {
                Ok(Ok(seen)) => seen.unwrap_or_default(),
                Ok(Err(_)) | Err(_) => wharf_protocol::Seen::default(),
            };
            drop(sender.send(CallEvent::Seen { call_id, seen }).await);
        });
    }

    /// Reports that of a call nothing can be seen.
    pub(crate) fn see_nothing(&mut self, call_id: CallId) {
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            drop(sender.send(CallEvent::Seen { call_id, seen: wharf_protocol::Seen::default() }).await);
        });
    }

    /// Reports a call that never got as far as running.
    pub(crate) fn fail(&mut self, call_id: CallId, error: String) {
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            let outcome = Err(ToolError::Failed(error));
            drop(sender.send(CallEvent::Finished { call_id, outcome }).await);
        });
    }

    pub(crate) fn stop(&self, call_id: &CallId) {
        if let Some(token) = self.tokens.get(call_id) {
            token.cancel();
        }
    }

    /// Ask, wait, abort: when this returns, every call's processes are dead or `grace` is over.
    pub(crate) async fn shut_down(&mut self, grace: Duration) {
        for token in self.tokens.values() {
            token.cancel();
        }
        let emptied = async {
            // The reports have no reader any more: take them so that no call waits for room.
            while !self.tasks.is_empty() {
                tokio::select! {
                    _ = self.tasks.join_next() => {}
                    _ = self.events.recv() => {}
                }
            }
        };
        if tokio::time::timeout(grace, emptied).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

/// Runs one call to its one report.
async fn run(
    tool: Arc<dyn Tool>,
    arguments: Value,
    mut context: CallContext,
    sender: mpsc::Sender<CallEvent>,
    mut progressing: Progressing,
) {
    let (progress, mut pieces) = Progress::channel();
    context.progress = progress;
    let call_id = context.call_id.clone();
    let cancel = context.cancel.clone();
    let timeout_ms = context.timeout_ms;
    let deadline = tokio::time::sleep(Duration::from_millis(timeout_ms));
    let running = AssertUnwindSafe(tool.run(arguments, context)).catch_unwind();
    tokio::pin!(deadline, running);
    let mut is_late = false;
    let outcome = loop {
        tokio::select! {
            biased;
            Some(mut output) = pieces.recv() => {
                while output.len() < MERGE_BYTES && let Ok(more) = pieces.try_recv() {
                    output.push_str(&more);
                }
                if let Some(piece) = progressing.push(output) {
                    drop(sender.send(CallEvent::Progress { call_id: call_id.clone(), piece }).await);
                }
            }
            outcome = &mut running => break outcome,
            () = &mut deadline, if !is_late => {
                is_late = true;
                cancel.cancel();
            }
        }
    };
    while let Ok(output) = pieces.try_recv() {
        if let Some(piece) = progressing.push(output) {
            drop(sender.send(CallEvent::Progress { call_id: call_id.clone(), piece }).await);
        }
    }
    if let Some(piece) = progressing.finish() {
        drop(sender.send(CallEvent::Progress { call_id: call_id.clone(), piece }).await);
    }
    let outcome = match outcome {
        Ok(Err(error)) if is_late => Err(late(error, timeout_ms)),
        Ok(outcome) => outcome,
        // What the panic says may quote a file: the panic hook has written it, and nobody else gets it.
        Err(_panic) => {
            tracing::error!(call.id = %call_id, "a tool panicked");
            Err(ToolError::Failed("the tool crashed; this is a bug of Wharf".to_owned()))
        }
    };
    drop(sender.send(CallEvent::Finished { call_id, outcome }).await);
}

/// A call that was stopped because its time was up was not stopped by anybody.
fn late(error: ToolError, after_ms: u64) -> ToolError {
    match error {
        ToolError::Stopped { output } => ToolError::TimedOut { after_ms, output },
        error => error,
    }
}
