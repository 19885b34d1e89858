//! `wharf commands`: what runs in the background of a session.

use wharf_client::Client;
use wharf_protocol::command::{CommandInput, CommandOutputQuery};
use wharf_protocol::{Command, CommandId, CommandStatus, SessionId};

use super::print_json;
use super::session::{self, Wanted};
use crate::cli::{CommandsArgs, CommandsCommand};
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};
use crate::terminal::{clean, one_line, table};

/// So much output is asked for at once.
const PIECE_BYTES: usize = 256 << 10;
/// How long the server may wait for more before it answers that there is none.
const WAIT_MS: u64 = 20_000;

pub async fn run(context: &Context, args: CommandsArgs) -> anyhow::Result<Exit> {
    let Some(client) = context.running_server().await? else {
        return Err(Failure::new(Exit::Unreachable, "no server runs, and without one no command does")
            .hint("`wharf serve` starts one")
            .into());
    };
    let wanted = Wanted { session: args.session.as_deref(), latest: true, agent: None, cwd: None, add_dirs: &[] };
    let session = session::choose(&client, context, wanted).await?.id;
    match args.command {
        None | Some(CommandsCommand::List) => list(&client, &session, args.json).await,
        Some(CommandsCommand::Output { id, follow, offset }) => {
            output(&client, &session, &parse(&id)?, Read { follow, offset, json: args.json }).await
        }
        Some(CommandsCommand::Input { id, text, no_newline, close }) => {
            let mut content = text.join(" ");
            if !no_newline && !text.is_empty() {
                content.push('\n');
            }
            let taken = client.command_input(&session, &parse(&id)?, CommandInput { content, close }).await?;
            if args.json {
                print_json(&taken)?;
            }
            Ok(Exit::Completed)
        }
        Some(CommandsCommand::Stop { id }) => stop(&client, &session, &parse(&id)?, args.json).await,
    }
}

fn parse(text: &str) -> anyhow::Result<CommandId> {
    text.parse().map_err(|error| {
        Failure::new(Exit::Usage, format!("{text:?} is no command: {error}")).hint("`wharf commands` lists them").into()
    })
}

async fn list(client: &Client, session: &SessionId, json: bool) -> anyhow::Result<Exit> {
    let list = client.commands(session).await?;
    if json {
        print_json(&list)?;
    } else if list.commands.is_empty() {
        note(&format!("no background commands in {session}"));
    } else {
        output::out(&shown(&list.commands));
    }
    Ok(Exit::Completed)
}

/// A line for each.
fn shown(commands: &[Command]) -> String {
    let row = |command: &Command| {
        let bytes = command.output_bytes.map(|bytes| format!("{bytes} bytes")).unwrap_or_default();
        vec![command.command_id.to_string(), how(command), bytes, one_line(&command.command, 60)]
    };
    table(&commands.iter().map(row).collect::<Vec<_>>())
}

fn how(command: &Command) -> String {
    match (command.status, command.exit_code) {
        (CommandStatus::Exited, Some(code)) => format!("exit code {code}"),
        (status, _) => status.as_str().replace('_', " "),
    }
}

/// What to read of an output, and how to show it.
struct Read {
    follow: bool,
    offset: u64,
    json: bool,
}

async fn output(client: &Client, session: &SessionId, id: &CommandId, read: Read) -> anyhow::Result<Exit> {
    let Read { follow, mut offset, json } = read;
    loop {
        let wait_ms = follow.then_some(WAIT_MS);
        let query = CommandOutputQuery { offset: Some(offset), limit: Some(PIECE_BYTES), wait_ms };
        let piece = client.command_output(session, id, query).await?;
        if piece.truncated {
            note(&format!("{} bytes before this are not kept any more", piece.offset - offset));
        }
        // A program of the workspace must not draw on our terminal.
        let is_read = if json { print_json(&piece).is_ok() } else { output::out(&clean(&piece.content)) };
        let is_all = piece.next_offset >= piece.total_bytes || piece.next_offset == offset;
        offset = piece.next_offset;
        let is_over = is_all && (piece.status != CommandStatus::Running || !follow);
        if !is_read || is_over {
            break;
        }
    }
    if !follow {
        return Ok(Exit::Completed);
    }
    let command = client.command(session, id).await?;
    note(&format!("{id}: {}", how(&command)));
    Ok(if command.exit_code == Some(0) { Exit::Completed } else { Exit::Failed })
}

async fn stop(client: &Client, session: &SessionId, id: &CommandId, json: bool) -> anyhow::Result<Exit> {
    let mut command = client.stop_command(session, id).await?;
    let mut offset = 0;
    while command.status == CommandStatus::Running {
        let query = CommandOutputQuery { offset: Some(offset), limit: Some(1), wait_ms: Some(WAIT_MS) };
        let piece = client.command_output(session, id, query).await?;
        offset = piece.total_bytes;
        command = client.command(session, id).await?;
    }
    if json {
        print_json(&command)?;
    } else {
        note(&format!("{id}: {}", how(&command)));
    }
    Ok(Exit::Completed)
}
