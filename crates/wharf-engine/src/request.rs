//! What a session's owner is told or asked.

use tokio::sync::oneshot;
use wharf_core::{Answer, Core, Input, NewPrompt};
use wharf_exec::commands::Launch;
use wharf_protocol::{CallId, CommandId, McpServer};

use crate::EngineError;

/// What a session's owner is told or asked.
pub(crate) enum Request {
    Ask {
        input: Box<Input>,
        reply: ReplyTo<Answer>,
    },
    /// `lookup`: the id is the client's own, so an older prompt may have it.
    Prompt {
        prompt: Box<NewPrompt>,
        lookup: bool,
        reply: ReplyTo<Answer>,
    },
    /// Answered when the session has ended.
    Delete {
        by: Option<String>,
        reply: ReplyTo<()>,
    },
    /// A client has left: without anything to do the session leaves the memory now.
    Rest,
    /// Other MCP servers than before.
    Mcp {
        servers: Vec<McpServer>,
        reply: ReplyTo<()>,
    },
    /// A running call wants a command that outlives it.
    StartCommand {
        call_id: CallId,
        launch: Box<Launch>,
        reply: ReplyTo<CommandId>,
    },
    Look(Look),
}

/// Reads the session's state, or learns why it cannot be read.
pub(crate) type Look = Box<dyn FnOnce(Result<&Core, EngineError>) + Send>;

pub(crate) type ReplyTo<T> = oneshot::Sender<Result<T, EngineError>>;

impl Request {
    /// Nobody will act on it.
    pub(crate) fn refuse(self, error: EngineError) {
        // Whoever asked may have left.
        match self {
            Self::Ask { reply, .. } | Self::Prompt { reply, .. } => drop(reply.send(Err(error))),
            Self::Delete { reply, .. } | Self::Mcp { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::StartCommand { reply, .. } => drop(reply.send(Err(error))),
            Self::Look(look) => look(Err(error)),
            Self::Rest => {}
        }
    }
}
