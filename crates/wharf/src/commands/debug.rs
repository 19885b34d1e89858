//! `wharf debug`: what goes on inside.

use wharf_protocol::context::{Context as Shown, ContextQuery, MessageCost, NoteCost, Tokens, ToolCost, WindowSource};
use wharf_protocol::event::FileChange;
use wharf_protocol::{Role, SessionId};

use super::{print_json, session};
use crate::cli::{DebugCommand, ListArgs};
use crate::connect::Context;
use crate::failure::Exit;
use crate::output;
use crate::terminal::{clean, one_line, table};

/// Characters of a message in a line of the table.
const PREVIEW_CHARS: usize = 60;

pub async fn run(context: &Context, command: DebugCommand) -> anyhow::Result<Exit> {
    match command {
        DebugCommand::Context { id, full, list } => show_context(context, &session::id(&id)?, full, &list).await,
    }
}

async fn show_context(context: &Context, id: &SessionId, full: bool, args: &ListArgs) -> anyhow::Result<Exit> {
    let client = context.client(false).await?;
    // With the messages themselves it is for programs.
    let shown = client.context(id, ContextQuery { full }).await;
    client.shutdown().await;
    let shown = shown?;
    if args.json || full {
        print_json(&shown)?;
    } else {
        output::out(&in_words(&shown));
    }
    Ok(Exit::Completed)
}

fn in_words(shown: &Shown) -> String {
    let Shown { instructions, tools, messages, notes, .. } = shown;
    let of_tools: u64 = tools.iter().map(|tool| tool.cost.tokens).sum();
    let of_messages: u64 = messages.iter().map(|message| message.cost.tokens).sum();
    let window = match (shown.window, shown.window_from) {
        (Some(window), WindowSource::Refusal) => {
            format!("{window} tokens, as the model's server said when it refused a request")
        }
        (Some(window), _) => format!("{window} tokens"),
        (None, _) => "not known: set context_tokens".to_owned(),
    };
    let told =
        |tokens: Option<u64>, what: &str| tokens.map(|tokens| format!("{tokens} tokens{what}")).unwrap_or_default();
    let rows = [
        vec!["model".to_owned(), clean(&shown.model)],
        vec!["window".to_owned(), window],
        vec!["reserve".to_owned(), told(shown.reserve, ", kept free for the reply")],
        vec!["compacts".to_owned(), told(shown.compacts_above, " or more are made fewer")],
        vec!["expected".to_owned(), format!("{} tokens in the next request", shown.expected)],
        vec!["counted".to_owned(), told(shown.last_counted, " in the last request, by the provider")],
        vec![
            "left out".to_owned(),
            if shown.left_out > 0 { format!("{} messages", shown.left_out) } else { String::new() },
        ],
        vec!["now".to_owned(), if shown.compacting { "a summary is being written".to_owned() } else { String::new() }],
    ];
    let mut text = table(&rows.into_iter().filter(|row| !row[1].is_empty()).collect::<Vec<_>>());
    text.push('\n');
    let mut parts = vec![
        row("instructions", *instructions, String::new()),
        row("tools", Tokens::estimated(of_tools), format!("{}", tools.len())),
    ];
    parts.extend(tools.iter().map(|ToolCost { name, cost }| row("", *cost, clean(name))));
    let of_notes: u64 = notes.iter().map(|note| note.cost.tokens).sum();
    parts.push(row("workspace", Tokens::estimated(of_notes), format!("{}", notes.len())));
    parts.extend(notes.iter().map(|note| row("", note.cost, told_in(note))));
    parts.push(row("messages", Tokens::estimated(of_messages), format!("{}", messages.len())));
    parts.extend(messages.iter().map(|message| row("", message.cost, line_of(message))));
    text.push_str(&table(&parts));
    text
}

fn row(what: &str, cost: Tokens, about: String) -> Vec<String> {
    let how = if cost.counted { "counted" } else { "estimated" };
    vec![what.to_owned(), cost.tokens.to_string(), how.to_owned(), about]
}

/// What a note tells.
fn told_in(note: &NoteCost) -> String {
    let facts = note.facts.then(|| "facts".to_owned());
    let files = note.files.iter().map(|file| {
        let left_out =
            if file.left_out_bytes > 0 { format!(" ({} bytes left out)", file.left_out_bytes) } else { String::new() };
        let gone = if file.change == FileChange::Gone { " (gone)" } else { "" };
        format!("{}{gone}{left_out}", clean(&file.path))
    });
    facts.into_iter().chain(files).collect::<Vec<_>>().join(", ")
}

fn line_of(message: &MessageCost) -> String {
    let summary = if message.is_summary { " (stands for what is left out)" } else { "" };
    let who = match message.role {
        Role::User => "user",
        Role::Assistant => "agent",
        Role::Tool => "result",
    };
    format!("{who}{summary}: {}", one_line(&message.preview, PREVIEW_CHARS))
}
