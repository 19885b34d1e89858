//! An engine in a process of its own, for tests that kill it: `crash_server HOME` starts one turn whose model runs the command
//! that stands on the input, a line or the arguments of `bash`. It prints the session and the turn, and goes on until it is killed.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use serde_json::json;
use wharf_engine::{Caller, Engine, EngineConfig, EngineError, Parts};
use wharf_exec::supervisor::SupervisorProgram;
use wharf_mcp::Mcp;
use wharf_models::{Delta, Model, ModelRequest, ModelSource, ModelStream, ResolveError};
use wharf_protocol::model::{ModelError, ModelReply, ProposedCall};
use wharf_protocol::rest::{CreateSession, ModelList};
use wharf_protocol::{Mode, Prompt, Role, StopReason, UnseenImages};
use wharf_store::sqlite::{SqliteConfig, SqliteStore};
use wharf_tools::{Toolbox, ToolsConfig};

fn main() -> ExitCode {
    if let Some(code) = wharf_exec::supervisor::entry(std::env::args_os()) {
        return code;
    }
    let Some(home) = std::env::args_os().nth(1) else { return ExitCode::FAILURE };
    match serve(home.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(home: &Path) -> Result<(), EngineError> {
    let failed = |error: &dyn std::fmt::Display| EngineError::Internal(error.to_string());
    let mut command = String::new();
    std::io::stdin().read_to_string(&mut command).map_err(|error| failed(&error))?;
    let mut config = EngineConfig::new(home.join("work"), home.join("state"));
    config.default_mode = Mode::Full;
    let store = SqliteStore::open(SqliteConfig::new(home.join("state/wharf.db"))).map_err(|error| failed(&error))?;
    let tools = Toolbox::builtin(ToolsConfig {
        environment: std::env::vars().collect(),
        supervisor: Some(SupervisorProgram::this()),
        ..ToolsConfig::default()
    });
    let engine =
        Engine::start(config, Parts { store, models: Arc::new(OneCommand { command }), tools, mcp: Mcp::default() })
            .await?;
    let access = engine.access(Caller::owner("test"));
    let session = access.create_session(CreateSession::default()).await?;
    let accepted = access.prompt(&session.id, Prompt::new("run it")).await?;
    println!("{} {}", session.id, accepted.turn_id);
    std::future::pending().await
}

/// A model that asks for one command, given as a line or as the arguments of `bash`.
#[derive(Clone)]
struct OneCommand {
    command: String,
}

#[async_trait]
impl ModelSource for OneCommand {
    async fn resolve(&self, _id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        Ok(Arc::new(self.clone()))
    }

    async fn list(&self, _: std::time::Duration) -> ModelList {
        ModelList {
            default: "test/model".to_owned(),
            reason: "a test".to_owned(),
            catalogue_as_of: None,
            providers: Vec::new(),
        }
    }
}

#[async_trait]
impl Model for OneCommand {
    fn id(&self) -> &str {
        "test/model"
    }

    fn context_tokens(&self) -> Option<u64> {
        None
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let is_answered = request.messages.iter().any(|message| message.role == Role::Tool);
        let arguments = serde_json::from_str(&self.command).unwrap_or_else(|_| json!({ "command": self.command }));
        let call = ProposedCall { tool_name: "bash".to_owned(), arguments: Ok(arguments), provider_data: None };
        let tool_calls = if is_answered { Vec::new() } else { vec![call] };
        let reply = ModelReply {
            stop_reason: StopReason::EndTurn,
            announces_call: false,
            tool_calls,
            usage: None,
            cost: None,
            provider_data: None,
            unseen: UnseenImages::default(),
        };
        Ok(Box::pin(stream::iter([Ok(Delta::Finished(reply))])))
    }
}
