//! `wharf sessions`: what there is, what was said, and away with it.

mod compact;
mod copy;

use serde_json::json;
use wharf_protocol::rest::{MessageQuery, SessionPage, SessionQuery};
use wharf_protocol::{EventBody, EventKind, Role, Seq, Session, SessionId, Timestamp};
use wharf_store::{Logs, Window};

use super::{print_json, session};
use crate::cli::{ListArgs, SessionListArgs, SessionsArgs, SessionsCommand};
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};
use crate::terminal::{Style, clean, one_line, table};
use crate::wiring;

/// Messages that `show` shows, the newest.
const SHOWN_MESSAGES: usize = 200;

pub async fn run(context: &Context, args: SessionsArgs) -> anyhow::Result<Exit> {
    match args.command {
        None => list(context, &args.list).await,
        Some(SessionsCommand::List(args)) => list(context, &args).await,
        Some(SessionsCommand::Show { id, list }) => show(context, &session::id(&id)?, &list).await,
        Some(SessionsCommand::Unseal { id, .. }) => unseal(context, &session::id(&id)?).await,
        Some(SessionsCommand::Fork { id, at, title, list }) => {
            copy::fork(context, &session::id(&id)?, at, title, &list).await
        }
        Some(SessionsCommand::Compact { id, focus, .. }) => compact::run(context, &session::id(&id)?, focus).await,
        Some(SessionsCommand::Export { id, file, .. }) => {
            copy::export(context, &session::id(&id)?, file.as_deref()).await
        }
        Some(SessionsCommand::Import { file, cwd, list }) => copy::import(context, &file, cwd.as_deref(), &list).await,
        Some(SessionsCommand::Delete { id, .. }) => delete(context, &session::id(&id)?).await,
    }
}

async fn list(context: &Context, args: &SessionListArgs) -> anyhow::Result<Exit> {
    let query = SessionQuery { limit: Some(args.limit.into()), q: args.query.clone(), ..SessionQuery::default() };
    let page = match context.running_server().await? {
        Some(client) => client.sessions(query).await?,
        // Looking needs no engine: one would take up what another process left unfinished.
        None => {
            let store = wiring::store(&context.config, &context.state)?;
            let page = store.sessions(&query).await?;
            store.close().await;
            page
        }
    };
    if args.list.json {
        print_json(&page)?;
    } else if page.sessions.is_empty() {
        note("no sessions");
    } else {
        output::out(&shown(&page));
    }
    Ok(Exit::Completed)
}

/// A line for each.
pub fn shown(page: &SessionPage) -> String {
    let now = Timestamp::now();
    let row = |session: &Session| {
        vec![
            session.id.to_string(),
            session.status.as_str().to_owned(),
            ago(session.updated_at, now),
            clean(&session.model),
            one_line(session.title.as_deref().unwrap_or("(untitled)"), 60),
        ]
    };
    let mut text = table(&page.sessions.iter().map(row).collect::<Vec<_>>());
    let more = page.total.saturating_sub(page.sessions.len() as u64);
    if more > 0 {
        text.push_str(&format!("… and {more} more (--limit)\n"));
    }
    text
}

/// How long ago, in the largest unit that fits.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.ms_since(then) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// One message as `show` tells it.
struct Said {
    role: Role,
    name: Option<String>,
    text: String,
}

async fn show(context: &Context, id: &SessionId, args: &ListArgs) -> anyhow::Result<Exit> {
    let (session, said) = match context.running_server().await? {
        Some(client) => {
            let session = client.session(id).await?;
            let query = MessageQuery { limit: Some(SHOWN_MESSAGES), ..MessageQuery::default() };
            let page = client.messages(id, query).await?;
            let said = page.messages.into_iter().map(|message| Said {
                role: message.role,
                name: message.tool_name,
                text: wharf_protocol::content::text_of(&message.content),
            });
            (session, said.collect())
        }
        None => stored(context, id).await?,
    };
    if args.json {
        let messages: Vec<_> =
            said.iter().map(|said| json!({ "role": said.role, "tool_name": said.name, "text": said.text })).collect();
        print_json(&json!({ "session": session, "messages": messages }))?;
        return Ok(Exit::Completed);
    }
    let style = Style::for_stdout();
    let further: Vec<String> =
        session.additional_directories.iter().map(|path| clean(&path.display().to_string())).collect();
    let rows = [
        vec!["session".to_owned(), session.id.to_string()],
        vec!["title".to_owned(), one_line(session.title.as_deref().unwrap_or("(untitled)"), 100)],
        vec!["status".to_owned(), session.status.as_str().to_owned()],
        vec![
            "sealed".to_owned(),
            session.sealed.as_ref().map_or_else(String::new, |seal| one_line(&seal.message, 200)),
        ],
        vec!["directory".to_owned(), clean(&session.cwd.display().to_string())],
        vec!["further".to_owned(), further.join(", ")],
        vec![
            "agent".to_owned(),
            format!("{} with {}, mode {}", clean(&session.agent_name), clean(&session.model), session.mode),
        ],
        vec!["tokens".to_owned(), session.token_usage.total_tokens.to_string()],
        vec!["cost".to_owned(), if session.cost.is_empty() { String::new() } else { session.cost.to_string() }],
        vec!["changed".to_owned(), session.updated_at.to_string()],
    ];
    let is_said = |row: &Vec<String>| row.iter().all(|cell| !cell.is_empty());
    let mut text = table(&rows.into_iter().filter(is_said).collect::<Vec<_>>());
    for said in said {
        match said.role {
            Role::User => text.push_str(&format!("\n{} {}\n", style.bold("›"), clean(&said.text))),
            Role::Assistant if said.text.trim().is_empty() => {}
            Role::Assistant => text.push_str(&format!("\n{}\n", clean(&said.text))),
            Role::Tool => {
                let name = said.name.unwrap_or_default();
                text.push_str(&style.dim(&format!("  {} · {}", clean(&name), one_line(&said.text, 80))));
                text.push('\n');
            }
        }
    }
    output::out(&text);
    Ok(Exit::Completed)
}

/// The same from the store of this machine, without an engine.
async fn stored(context: &Context, id: &SessionId) -> anyhow::Result<(Session, Vec<Said>)> {
    let store = wiring::store(&context.config, &context.state)?;
    let Some(session) = store.session(id).await? else {
        return Err(Failure::new(Exit::Failed, format!("session {id} not found"))
            .hint("`wharf sessions` lists them")
            .into());
    };
    let kinds = [
        EventKind::PromptReceived,
        EventKind::MessageComplete,
        EventKind::MessageError,
        EventKind::ToolCallComplete,
        EventKind::ToolCallError,
    ];
    let first = Seq(session.first_seq.0.saturating_sub(1));
    let window = Window::Before(None);
    let mut said = Vec::new();
    for event in store.read_kinds(id, &kinds, window, SHOWN_MESSAGES).await? {
        if event.seq <= first {
            continue;
        }
        said.extend(match event.decode()?.body {
            EventBody::PromptReceived(prompt) => {
                Some(Said { role: Role::User, name: None, text: prompt.content.text() })
            }
            EventBody::MessageComplete(message) => Some(Said { role: message.role, name: None, text: message.content }),
            EventBody::MessageError(message) => Some(Said { role: message.role, name: None, text: message.content }),
            EventBody::ToolCallComplete(done) => {
                Some(Said { role: Role::Tool, name: Some(done.tool_name), text: done.result })
            }
            EventBody::ToolCallError(failed) => {
                Some(Said { role: Role::Tool, name: Some(failed.tool_name), text: failed.error })
            }
            _ => None,
        });
    }
    store.close().await;
    Ok((session, said))
}

async fn unseal(context: &Context, id: &SessionId) -> anyhow::Result<Exit> {
    let client = context.client(false).await?;
    let unsealed = client.unseal_session(id).await;
    client.shutdown().await;
    if let Some(seal) = unsealed?.sealed {
        let message = format!("session {id} is sealed again: {}", clean(&seal.message));
        return Err(Failure::new(Exit::Failed, message)
            .hint(format!("`wharf doctor export DIR --session {id}` saves what can be read"))
            .into());
    }
    note(&format!("unsealed {id}"));
    Ok(Exit::Completed)
}

async fn delete(context: &Context, id: &SessionId) -> anyhow::Result<Exit> {
    let client = context.client(false).await?;
    let deleted = client.delete_session(id).await;
    client.shutdown().await;
    deleted?;
    note(&format!("deleted {id}"));
    Ok(Exit::Completed)
}
