//! The commands that begin with a slash.

use wharf_protocol::Mode;

/// What a line that begins with a slash asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Slash {
    Help,
    Sessions,
    Tools,
    Agents,
    Models,
    Cancel,
    Model(Option<String>),
    Mode(Option<Mode>),
    Clear,
    New,
    /// Shows the session, or goes to another one.
    Session(Option<String>),
    Queue,
    Permissions,
    Exit,
    /// Not one of ours; says what is wrong.
    Wrong(String),
}

pub const HELP: &str = "\
/help            this
/session [ID]    this session, or go to another one
/sessions        what there is
/new             a new session in the same directory
/clear           forget what was said; the model starts afresh
/model [MODEL]   the session's model, or another one
/mode [MODE]     what runs without a question: plan, ask, auto-edit, full
/cancel          stop the running turn
/queue           prompts that wait
/permissions     open questions; y, a, n or never answers the first
/tools /agents /models
/exit            leave; a server goes on with the turn
";

const NAMES: [&str; 14] = [
    "help",
    "sessions",
    "tools",
    "agents",
    "models",
    "cancel",
    "model",
    "mode",
    "clear",
    "new",
    "session",
    "queue",
    "permissions",
    "exit",
];

/// Reads a line; `None` for one that is a prompt.
pub fn parse(line: &str) -> Option<Slash> {
    let rest = line.trim().strip_prefix('/')?;
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    // `/home/me/file is broken` is a prompt.
    if name.contains('/') || name.is_empty() {
        return None;
    }
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty()).map(str::to_owned);
    Some(match name {
        "help" | "?" => Slash::Help,
        "sessions" => Slash::Sessions,
        "tools" => Slash::Tools,
        "agents" => Slash::Agents,
        "models" => Slash::Models,
        "cancel" => Slash::Cancel,
        "model" => Slash::Model(argument),
        "mode" => match argument.map(|mode| mode.parse::<Mode>()) {
            None => Slash::Mode(None),
            Some(Ok(mode)) => Slash::Mode(Some(mode)),
            Some(Err(error)) => Slash::Wrong(error),
        },
        "clear" => Slash::Clear,
        "new" => Slash::New,
        "session" => Slash::Session(argument),
        "queue" => Slash::Queue,
        "permissions" => Slash::Permissions,
        "exit" | "quit" => Slash::Exit,
        other => {
            let distance = |name: &&str| strsim::damerau_levenshtein(other, name);
            let nearest = NAMES.into_iter().min_by_key(distance).filter(|name| distance(name) <= 2);
            let hint = nearest.map(|name| format!("; did you mean /{name}?")).unwrap_or_default();
            Slash::Wrong(format!("there is no command /{other}{hint}; /help lists them"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_prompts() {
        assert_eq!(parse("what is /help?"), None);
        assert_eq!(parse("/home/me/file is broken"), None);
        assert_eq!(parse("/"), None);
        assert_eq!(parse(" /exit "), Some(Slash::Exit));
        assert_eq!(parse("/model a/b"), Some(Slash::Model(Some("a/b".to_owned()))));
        assert_eq!(parse("/model"), Some(Slash::Model(None)));
        assert_eq!(parse("/mode full"), Some(Slash::Mode(Some(Mode::Full))));
        assert!(matches!(parse("/mode yolo"), Some(Slash::Wrong(_))));
        let Some(Slash::Wrong(told)) = parse("/sesions") else { panic!("was taken") };
        assert!(told.contains("/sessions"), "{told}");
        for name in NAMES {
            assert!(!matches!(parse(&format!("/{name}")), Some(Slash::Wrong(_)) | None), "/{name}");
            assert!(HELP.contains(&format!("/{name}")), "/help says nothing of /{name}");
        }
    }
}
