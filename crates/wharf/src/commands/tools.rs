//! `wharf tools`: what agents can do.

use wharf_protocol::ToolSpec;
use wharf_protocol::rest::ToolList;

use super::print_json;
use crate::cli::ListArgs;
use crate::connect::Context;
use crate::failure::Exit;
use crate::output;
use crate::terminal::{clean, one_line, table};
use crate::wiring;

pub async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    let list = match context.running_server().await? {
        Some(client) => client.tools().await?,
        None => {
            let specs = wiring::tools(&context.config, &context.environment).specs();
            let tools: Vec<ToolSpec> = specs.iter().map(|spec| ToolSpec::clone(spec)).collect();
            ToolList { total: tools.len(), tools }
        }
    };
    if args.json {
        print_json(&list)?;
    } else {
        output::out(&shown(&list.tools));
    }
    Ok(Exit::Completed)
}

/// A line for each.
pub fn shown(tools: &[ToolSpec]) -> String {
    let row = |tool: &ToolSpec| {
        let effect = if tool.read_only { "reads" } else { "acts" };
        vec![clean(&tool.name), clean(&tool.category), effect.to_owned(), one_line(&tool.description, 80)]
    };
    table(&tools.iter().map(row).collect::<Vec<_>>())
}
