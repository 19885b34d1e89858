//! `wharf agents`: the profiles that a session can have.

use wharf_protocol::Agent;
use wharf_protocol::rest::AgentList;

use super::print_json;
use crate::cli::ListArgs;
use crate::connect::Context;
use crate::failure::Exit;
use crate::output;
use crate::terminal::{clean, one_line, table};

pub async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    let list = match context.running_server().await? {
        Some(client) => client.agents().await?,
        None => AgentList { agents: wharf_engine::builtin_agents() },
    };
    if args.json {
        print_json(&list)?;
    } else {
        output::out(&shown(&list.agents));
    }
    Ok(Exit::Completed)
}

/// A line for each.
pub fn shown(agents: &[Agent]) -> String {
    let row = |agent: &Agent| {
        let mode = agent.mode.map_or_else(|| "default".to_owned(), |mode| mode.to_string());
        vec![clean(&agent.name), mode, format!("{} tools", agent.tools.len()), one_line(&agent.description, 80)]
    };
    table(&agents.iter().map(row).collect::<Vec<_>>())
}
