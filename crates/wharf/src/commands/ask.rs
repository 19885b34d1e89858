//! `wharf ask`: one prompt. The answer on standard output, everything else on standard error.

mod follow;
mod perf;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use wharf_client::Client;
use wharf_protocol::Prompt;

use super::session::{Wanted, choose};
use super::stdin::{self, Wish};
use crate::cli::AskArgs;
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::terminal::Terminal;

use follow::{Ending, Follower, Shape};
use perf::Perf;

pub async fn run(context: &Context, args: AskArgs) -> anyhow::Result<Exit> {
    let perf = Perf::start(Instant::now());
    let prompt = prompt_text(&args)?;
    let terminal = if args.unattended { None } else { Terminal::open() };
    let client = context.client(terminal.is_some()).await?;
    let ending = ask(&client, context, &args, prompt, terminal, perf).await;
    match ending {
        // Somebody does not want to wait: what runs in this process is left to the next one.
        Ok(Ending::Left) => Ok(Exit::Cancelled),
        Ok(Ending::Ended(exit)) => {
            client.shutdown().await;
            Ok(exit)
        }
        Err(error) => {
            client.shutdown().await;
            Err(error)
        }
    }
}

async fn ask(
    client: &Client,
    context: &Context,
    args: &AskArgs,
    prompt: String,
    terminal: Option<Terminal>,
    mut perf: Perf,
) -> anyhow::Result<Ending> {
    let wanted = Wanted {
        session: args.session.as_deref(),
        latest: args.r#continue,
        agent: args.agent.as_deref(),
        cwd: args.cwd.as_deref(),
        add_dirs: &args.add_dir,
    };
    let session = choose(client, context, wanted).await?;
    perf.session_ready();
    let turn = client.prompt_follow(&session.id, Prompt::new(prompt.as_str()), terminal.is_some()).await?;
    perf.accepted();
    let shape = match (args.json, std::io::stdout().is_terminal()) {
        (true, _) => Shape::Events,
        (false, true) => Shape::Live,
        (false, false) => Shape::Answer,
    };
    let mut follower = Follower::new(client, turn, terminal, shape, perf);
    let limit = args.timeout.map_or(context.config.client.timeouts().turn, Duration::from_secs);
    let ending = follower.follow(limit).await?;
    if args.perf {
        note(&follower.perf().report());
    }
    Ok(ending)
}

/// The words of the command line, and what came on standard input.
fn prompt_text(args: &AskArgs) -> anyhow::Result<String> {
    let words = args.prompt.join(" ");
    let wish = match (args.stdin, args.no_stdin) {
        (true, _) => Wish::Wait,
        (_, true) => Wish::Leave,
        // Without words the input is the prompt: there is nothing else to go on with.
        _ if words.trim().is_empty() => Wish::Wait,
        _ => Wish::IfThere,
    };
    match (words.trim().is_empty(), stdin::read(wish)?) {
        (false, None) => Ok(words),
        (false, Some(context)) => Ok(format!("{words}\n\nStandard input:\n\n{context}")),
        (true, Some(context)) => Ok(context),
        (true, None) => Err(Failure::new(Exit::Usage, "there is nothing to ask")
            .hint("wharf ask \"what does this project do?\"")
            .into()),
    }
}
