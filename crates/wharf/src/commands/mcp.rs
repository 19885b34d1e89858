//! `wharf mcp`: the configured MCP servers, tried from here.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use wharf_mcp::{McpSet, Remembered};
use wharf_protocol::mcp::{McpServerState, McpStatus};
use wharf_protocol::rest::ToolList;
use wharf_protocol::{CallId, SessionId, ToolError, ToolSpec};
use wharf_tools::{CallContext, Clients, Home, Progress, Workspace};

use super::{print_json, tools};
use crate::cli::{ListArgs, McpCommand};
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};
use crate::terminal::{clean, one_line, table};
use crate::wiring;

/// For every server to be connected or to have failed; some are downloaded first.
const CONNECT_LIMIT: Duration = Duration::from_secs(90);
/// For them to end: by themselves, then killed.
const CLOSE_LIMIT: Duration = Duration::from_secs(7);

pub async fn run(context: &Context, command: McpCommand) -> anyhow::Result<Exit> {
    wiring::check_mcp(&context.config)?;
    let mcp = wiring::mcp(&context.config, &context.environment);
    if !mcp.has_common() {
        note("no MCP servers are configured; `[mcp.NAME]` in the configuration file adds one");
    }
    let directory = wiring::work_dir(&context.config)?;
    let set = mcp.open(&[], Remembered::default(), &Home::new(directory, &[]));
    set.settled(CONNECT_LIMIT).await;
    let exit = match command {
        McpCommand::List(args) => list(&set, &args),
        McpCommand::Tools(args) => list_tools(&set, &args),
        McpCommand::Call { tool, arguments } => {
            tokio::select! {
                exit = call(context, &set, &tool, &arguments) => exit,
                _ = tokio::signal::ctrl_c() => Ok(Exit::Cancelled),
            }
        }
    };
    drop(set);
    // None of them outlives the command.
    mcp.close(CLOSE_LIMIT).await;
    exit
}

fn list(set: &McpSet, args: &ListArgs) -> anyhow::Result<Exit> {
    let states = set.states();
    if args.json {
        print_json(&states)?;
    } else {
        output::out(&shown(&states));
    }
    let is_well = states.iter().all(|server| server.status == McpStatus::Connected);
    Ok(if is_well { Exit::Completed } else { Exit::Failed })
}

/// A line for each.
fn shown(states: &[McpServerState]) -> String {
    let row = |server: &McpServerState| {
        let about = match (&server.error, server.status) {
            (_, McpStatus::Connected) => format!("{} tools", server.tools.len()),
            (Some(error), _) => one_line(error, 80),
            (None, _) => String::new(),
        };
        let status = serde_json::to_value(server.status).ok();
        let status = status.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        vec![clean(&server.name), status, about, one_line(&server.target, 60)]
    };
    table(&states.iter().map(row).collect::<Vec<_>>())
}

fn list_tools(set: &McpSet, args: &ListArgs) -> anyhow::Result<Exit> {
    let specs: Vec<ToolSpec> = set.tools().iter().map(|tool| ToolSpec::clone(tool.spec())).collect();
    if args.json {
        print_json(&ToolList { total: specs.len(), tools: specs })?;
    } else {
        output::out(&tools::shown(&specs));
    }
    Ok(Exit::Completed)
}

async fn call(context: &Context, set: &McpSet, name: &str, arguments: &str) -> anyhow::Result<Exit> {
    let arguments: Value = serde_json::from_str(arguments)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Failure::new(Exit::Usage, "the arguments must be a JSON object"))?;
    let tool = set.tools().into_iter().find(|tool| tool.spec().name == name);
    let tool = tool.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no tool {name:?}")).hint("`wharf mcp tools` lists them")
    })?;
    let (progress, mut pieces) = Progress::channel();
    let call = CallContext {
        session_id: SessionId::from_bits(0),
        call_id: CallId::from_bits(0),
        workspace: Workspace::open(wiring::work_dir(&context.config)?).context("the workspace")?,
        guard: std::sync::Arc::default(),
        cancel: CancellationToken::new(),
        progress,
        clients: Clients::default(),
        output_limit: usize::MAX,
        output_dir: context.state.path().join("outputs"),
        commands: None,
        timeout_ms: tool.spec().timeout_ms,
    };
    let news = async {
        while let Some(piece) = pieces.recv().await {
            note(clean(&piece).trim_end());
        }
    };
    let (result, ()) = tokio::join!(tool.run(arguments, call), news);
    match result {
        Ok(done) => {
            output::out(&(clean(&done.result) + "\n"));
            Ok(Exit::Completed)
        }
        Err(ToolError::Failed(why)) => Err(Failure::new(Exit::Failed, clean(&why)).into()),
        Err(error) => Err(error.into()),
    }
}
