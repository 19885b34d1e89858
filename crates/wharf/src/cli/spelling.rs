//! Command lines that people bring from other agents: what they mean here, or the words that Wharf uses for it.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::Cli;
use crate::process;

/// Words that name no command here, and what to do instead.
const ELSEWHERE: [(&str, &str); 24] = [
    ("chat", "`wharf attach` talks to an agent in the terminal"),
    ("tui", "`wharf attach` talks to an agent in the terminal"),
    ("repl", "`wharf attach` talks to an agent in the terminal"),
    (
        "resume",
        "`wharf attach --continue` joins this directory's latest session, `wharf attach --session ID` a named one",
    ),
    ("continue", "`wharf attach --continue` joins this directory's latest session"),
    ("exec", "`wharf ask \"...\"` runs one prompt and prints the answer"),
    ("prompt", "`wharf ask \"...\"` runs one prompt and prints the answer"),
    ("login", "Wharf has no accounts: set the key of your provider (`wharf models` lists the variables)"),
    ("auth", "Wharf has no accounts: set the key of your provider (`wharf models` lists the variables)"),
    ("logout", "Wharf has no accounts: unset the key of your provider"),
    (
        "update",
        "install the new version over the old one (`wharf --version` prints this one), then `wharf stop` and `wharf serve`",
    ),
    (
        "upgrade",
        "install the new version over the old one (`wharf --version` prints this one), then `wharf stop` and `wharf serve`",
    ),
    (
        "uninstall",
        "`wharf stop`, then delete the program; sessions and key are in ~/.local/state/wharf, the configuration in ~/.config/wharf",
    ),
    ("log", "`wharf logs` prints the server's log"),
    ("start", "`wharf serve` runs the server"),
    ("server", "`wharf serve` runs the server"),
    ("daemon", "`wharf serve &` runs the server in the background"),
    ("restart", "`wharf stop`, then `wharf serve`: running turns go on"),
    ("kill", "`wharf stop --now` stops the server; running turns go on when it starts again"),
    ("list", "`wharf sessions` lists sessions"),
    ("session", "`wharf sessions` lists sessions"),
    ("model", "`wharf models` lists models; `--model NAME` chooses one"),
    ("settings", "`wharf config show` prints every setting and where it came from"),
    ("setup", "`wharf init` sets up an editor; `wharf models` lists the models that can be used"),
];

/// Parses a command line. A prompt without a command is taken as `wharf ask`; other words of other programs become an error
/// with Wharf's own spelling.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let error = match Cli::try_parse_from(&args) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    if !matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument) {
        return Err(error);
    }
    if let Some(asking) = as_prompt(&args)
        && let Ok(cli) = Cli::try_parse_from(asking)
    {
        return Ok(cli);
    }
    match advice(&args, &error) {
        Some(advice) => Err(Cli::command().error(error.kind(), advice)),
        None => Err(error),
    }
}

/// `wharf "help me"` and `wharf --mode embedded "help me"` with `ask` put in. Only text with a space in it counts as a prompt: a
/// single word is more likely a command that was mistyped, and nobody wants a model to run because of that.
fn as_prompt(args: &[OsString]) -> Option<Vec<OsString>> {
    let (program, rest) = args.split_first()?;
    let has_command = rest.iter().any(|arg| is_command(arg));
    let is_text = |arg: &OsString| {
        arg.to_str().is_some_and(|arg| !arg.starts_with('-') && arg.trim().contains(char::is_whitespace))
    };
    if has_command || !rest.iter().any(is_text) {
        return None;
    }
    // `-p` is how other programs say "print the answer and leave", which `ask` does anyway.
    let rest = rest.iter().filter(|arg| *arg != "-p" && *arg != "--print");
    Some([program.clone(), "ask".into()].into_iter().chain(rest.cloned()).collect())
}

fn is_command(arg: &OsStr) -> bool {
    Cli::command().get_subcommands().any(|command| arg == command.get_name())
}

fn advice(args: &[OsString], error: &clap::Error) -> Option<String> {
    let words: Vec<&str> = args.iter().skip(1).filter_map(|arg| arg.to_str()).collect();
    let first = words.iter().find(|word| !word.starts_with('-')).copied();
    if first == Some("acp") && words.contains(&"serve") {
        return Some(
            "`wharf acp` serves an editor on standard input and output; `wharf serve` runs the server".to_owned(),
        );
    }
    if words.iter().any(|word| ["-p", "--print"].contains(word)) && !words.iter().any(|word| is_command(word.as_ref()))
    {
        return Some("`wharf ask \"...\"` runs one prompt and prints the answer".to_owned());
    }
    let unknown = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => return None,
    };
    let (_, instead) = ELSEWHERE.iter().find(|(word, _)| *word == unknown)?;
    Some(format!("there is no command `{unknown}`: {instead}"))
}

/// Parses this process's command line, or ends it with clap's message and exit code.
pub fn parse_or_exit() -> Cli {
    parse(process::arguments()).unwrap_or_else(|error| error.exit())
}

#[cfg(test)]
mod tests;
