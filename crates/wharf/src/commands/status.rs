//! `wharf status`: the server of this machine, or the one that is named.

use serde_json::json;
use wharf_client::Discovery;
use wharf_protocol::rest::{Containment, ContainmentSetting};

use super::print_json;
use crate::cli::StatusArgs;
use crate::connect::Context;
use crate::failure::Exit;
use crate::output;
use crate::terminal::{clean, table};

/// Whether commands have a process namespace, in words.
fn contained(containment: &Containment) -> String {
    match (containment.setting, containment.active, &containment.reason) {
        (ContainmentSetting::None, ..) => "none".to_owned(),
        (_, true, _) => "each command in a process namespace".to_owned(),
        (_, false, reason) => format!("not possible: {}", clean(reason.as_deref().unwrap_or("unknown"))),
    }
}

pub async fn run(context: &Context, args: &StatusArgs) -> anyhow::Result<Exit> {
    let (client, discovery): (_, Option<Discovery>) = match context.named_server()? {
        Some(client) => (client, None),
        None => {
            let (client, discovery) = context.server().await?;
            (client, Some(discovery))
        }
    };
    let status = client.status().await?;
    let url = client.url().unwrap_or_default();
    if args.json {
        print_json(&json!({ "url": url, "pid": discovery.map(|server| server.pid), "status": status }))?;
        return Ok(Exit::Completed);
    }
    let mut rows = vec![vec!["server".to_owned(), url.to_owned()], vec!["version".to_owned(), clean(&status.version)]];
    if let Some(server) = discovery {
        rows.push(vec!["process".to_owned(), server.pid.to_string()]);
        rows.push(vec!["state".to_owned(), context.state.path().display().to_string()]);
    }
    let sessions = &status.sessions;
    rows.extend([
        vec!["up".to_owned(), format!("{} s", status.uptime_seconds)],
        vec!["directory".to_owned(), clean(&status.config.work_dir.display().to_string())],
        vec![
            "sessions".to_owned(),
            format!("{} ({} busy, {} idle in memory)", sessions.total, sessions.busy, sessions.idle),
        ],
        vec!["containment".to_owned(), contained(&status.containment)],
        vec!["clients".to_owned(), status.connections.total.to_string()],
    ]);
    output::out(&table(&rows));
    Ok(Exit::Completed)
}
