//! `wharf init`: model providers, and editors that start `wharf acp`. Their settings are edited where they are data; where they are code, a file of
//! our own is written and the user adds one line.

mod change;
mod editor;
mod entry;
mod launch;
mod model;
mod own_file;

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::{Editor, Global, InitArgs, InitCommand};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::terminal::{Style, clean, table};
use change::{Change, Written};
use editor::Home;
use entry::Entry;
use launch::Launch;

pub fn run(global: &Global, environment: &BTreeMap<String, String>, args: &InitArgs) -> anyhow::Result<Exit> {
    if let Some(InitCommand::Model(args)) = &args.command {
        return model::run(global, environment, args);
    }
    let home = Home::new(environment)?;
    let launch = Launch::find(environment)?;
    match args.editor {
        None => list(&home, &launch),
        Some(editor) => set_up(&home, &launch, editor, args),
    }
}

fn list(home: &Home, launch: &Launch) -> anyhow::Result<Exit> {
    let mut rows = vec![["EDITOR", "HERE", "WHARF", "FILE"].map(str::to_owned).to_vec()];
    for editor in editor::ALL {
        let file = home.file(editor);
        let knows = match Change::read(&file).and_then(|change| wanted(editor, launch, &change)) {
            Ok(Wanted::Same) => "set up",
            Ok(Wanted::New { .. }) => "no",
            Ok(Wanted::Replaced { .. }) | Err(_) => "look at the file",
        };
        let here = if home.has(editor) { "yes" } else { "not seen" };
        rows.push(vec![editor::word(editor), here.to_owned(), knows.to_owned(), home.short(&file)]);
    }
    output::out(&format!("{}\n`wharf init EDITOR` sets one up; it is to start: {}\n", table(&rows), launch.line()));
    Ok(Exit::Completed)
}

/// What has to be done to a file.
enum Wanted {
    Same,
    /// The file's text with ours in it.
    New {
        text: String,
    },
    /// The same where something else stood in our place.
    Replaced {
        text: String,
        old: String,
    },
}

fn wanted(editor: Editor, launch: &Launch, file: &Change) -> anyhow::Result<Wanted> {
    match Entry::of(editor, launch) {
        Some(entry) => Ok(entry.put_into(file.text().unwrap_or_default())?),
        None => {
            let text = own_file::text(editor, launch);
            Ok(match file.text() {
                None => Wanted::New { text },
                Some(there) if there == text => Wanted::Same,
                Some(there) => Wanted::Replaced { text, old: there.to_owned() },
            })
        }
    }
}

fn set_up(home: &Home, launch: &Launch, editor: Editor, args: &InitArgs) -> anyhow::Result<Exit> {
    let path = home.file(editor);
    let place = clean(&home.short(&path));
    let change = Change::read(&path).map_err(|error| {
        Failure::new(Exit::Failed, format!("{place} cannot be used: {error:#}")).hint("it was left as it is")
    })?;
    let by_hand = || Entry::of(editor, launch).map(|entry| entry.snippet());
    let wanted = wanted(editor, launch, &change).map_err(|error| {
        let failure = Failure::new(Exit::Failed, format!("{place}: {error:#}; it was left as it is"));
        match by_hand() {
            Some(snippet) => failure.hint(format!("mend it, or add this by yourself:\n{snippet}")),
            None => failure,
        }
    })?;
    let text = match wanted {
        Wanted::Same => {
            output::out(&format!("{place} starts {} already: nothing changed\n", launch.line()));
            say(&own_file::next_steps(editor, &home.short(&path)));
            return Ok(Exit::Completed);
        }
        Wanted::Replaced { old, text } if !args.force => {
            output::out(&format!("{place} has something else:\n\n{}\n\nIt would become:\n\n", indented(&old)));
            output::out(&diff(change.text().unwrap_or_default(), &text, &place));
            return Err(Failure::new(Exit::Failed, format!("{place} was left as it is"))
                .hint(format!("`wharf init {} --force` replaces it", editor::word(editor)))
                .into());
        }
        Wanted::New { text } | Wanted::Replaced { text, .. } => text,
    };
    if args.print {
        output::out(&diff(change.text().unwrap_or_default(), &text, &place));
        return Ok(Exit::Completed);
    }
    let Written { backup } = change.write(&text, own_file::is_program(editor)).map_err(|error| {
        let failure = Failure::new(Exit::Failed, format!("{place} could not be changed: {error:#}"));
        match by_hand() {
            Some(snippet) => failure.hint(format!("add this by yourself:\n{snippet}")),
            None => failure,
        }
    })?;
    output::out(&format!("{place} now starts {}\n", launch.line()));
    if let Some(backup) = backup {
        output::out(&format!("The file as it was: {}\n", clean(&home.short(&backup))));
    }
    if let Some(target) = change.linked_to(&path) {
        output::out(&format!("It is a link; what was changed is {}\n", clean(&home.short(&target))));
    }
    say(&own_file::next_steps(editor, &home.short(&path)));
    Ok(Exit::Completed)
}

fn say(next_steps: &str) {
    output::out(&format!("\n{next_steps}\n"));
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {}", clean(line))).collect::<Vec<_>>().join("\n")
}

/// The change as a unified diff.
fn diff(before: &str, after: &str, place: &str) -> String {
    let style = Style::for_stdout();
    let changes = similar::TextDiff::from_lines(before, after);
    let text = changes.unified_diff().header(place, place).to_string();
    let paint = |line: &str| match line.as_bytes().first() {
        Some(b'+') => style.added(line),
        Some(b'-') => style.removed(line),
        _ => line.to_owned(),
    };
    text.lines().map(|line| paint(&clean(line)) + "\n").collect()
}

/// Whether the editor's settings are data, and not code.
fn is_data(editor: Editor) -> bool {
    matches!(editor, Editor::Zed | Editor::JetBrains)
}

/// Whether two paths lead to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
