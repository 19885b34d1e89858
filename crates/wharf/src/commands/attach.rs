//! `wharf attach`: a session in the terminal, beside everybody else who is attached to it.

mod input;
mod screen;
mod slash;
mod talk;

use std::io::IsTerminal;

use wharf_client::{Client, Follow};

use super::session::{Wanted, choose};
use crate::cli::AttachArgs;
use crate::connect::Context;
use crate::failure::Exit;

use input::Input;
use screen::Screen;
use talk::Talk;

pub async fn run(context: &Context, args: AttachArgs) -> anyhow::Result<Exit> {
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let client = context.client(is_interactive).await?;
    let exit = attach(&client, context, &args, is_interactive).await;
    client.shutdown().await;
    exit
}

async fn attach(client: &Client, context: &Context, args: &AttachArgs, is_interactive: bool) -> anyhow::Result<Exit> {
    let wanted = Wanted {
        session: args.session.as_deref(),
        latest: args.r#continue,
        agent: args.agent.as_deref(),
        cwd: args.cwd.as_deref(),
        add_dirs: &args.add_dir,
    };
    let session = choose(client, context, wanted).await?;
    let follow = if is_interactive { Follow::present() } else { Follow::present().observing() };
    let events = client.events(&session.id, follow).await?;
    let (input, screen) = if is_interactive {
        let (input, printer) = Input::editor(&context.state.history_file())?;
        (input, Screen::editor(printer))
    } else {
        (Input::lines(), Screen::plain())
    };
    Talk::new(client, context, session, events, screen).run(input).await
}
