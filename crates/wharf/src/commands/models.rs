//! `wharf models`: what can be used now, and why.

use std::time::Duration;

use wharf_protocol::rest::ModelList;

use super::print_json;
use crate::cli::ListArgs;
use crate::connect::Context;
use crate::failure::Exit;
use crate::output;
use crate::terminal::{Style, clean, one_line};
use crate::wiring;

/// For servers that are asked which models they have; those that take longer are shown without a list.
const WAIT: Duration = Duration::from_secs(5);

pub async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    let list = match context.running_server().await? {
        Some(client) => client.models().await?,
        None => wiring::models(&context.config, &context.environment)?.list(WAIT).await,
    };
    if args.json {
        print_json(&list)?;
    } else {
        output::out(&shown(&list));
    }
    Ok(Exit::Completed)
}

fn shown(list: &ModelList) -> String {
    let style = Style::for_stdout();
    let mut text = format!(
        "{} {} {}\n",
        style.bold("default"),
        clean(&list.default),
        style.dim(&format!("({})", clean(&list.reason)))
    );
    for provider in &list.providers {
        let mark = if provider.available { "✓" } else { "·" };
        text.push_str(&format!(
            "\n{mark} {} {}\n",
            style.bold(&clean(&provider.name)),
            style.dim(&one_line(&provider.reason, 200))
        ));
        for model in &provider.models {
            let default = if model.is_default { " (default)" } else { "" };
            let context =
                model.context_tokens.map(|tokens| style.dim(&format!("  {tokens} tokens"))).unwrap_or_default();
            text.push_str(&format!("    {}{default}{context}\n", clean(&model.id)));
        }
    }
    text
}
