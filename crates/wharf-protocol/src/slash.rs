//! Commands that begin with a slash, typed where prompts are typed: in the terminal and in editors alike.

use crate::{Mode, Seq, Thinking};

/// What a line that begins with a slash asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slash {
    Help,
    Status,
    Sessions,
    Tools,
    Agents,
    Models,
    Cancel,
    Agent(Option<String>),
    Model(Option<String>),
    Mode(Option<Mode>),
    Thinking(Option<Thinking>),
    Clear,
    /// Sum up what was said; with what the summary is to keep above all.
    Compact(Option<String>),
    /// A copy of the session, up to this seq.
    Fork(Option<Seq>),
    New,
    /// Shows the session, or goes to another one.
    Session(Option<String>),
    Queue,
    Permissions,
    Exit,
    /// A name that is none of ours.
    Unknown(String),
    /// One of ours with an argument that it does not take; says why.
    Wrong(String),
}

/// A command as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlashSpec {
    /// Without the slash.
    pub name: &'static str,
    pub description: &'static str,
    /// What may follow the name.
    pub hint: Option<&'static str>,
    /// It is about the terminal client itself: editors have their own ways for it.
    pub is_for_terminals: bool,
}

impl SlashSpec {
    const fn new(name: &'static str, hint: Option<&'static str>, description: &'static str) -> Self {
        Self { name, description, hint, is_for_terminals: false }
    }

    const fn terminal(name: &'static str, hint: Option<&'static str>, description: &'static str) -> Self {
        Self { name, description, hint, is_for_terminals: true }
    }
}

/// Every command there is.
pub const COMMANDS: [SlashSpec; 19] = [
    SlashSpec::new("help", None, "what there is"),
    SlashSpec::new("status", None, "the session: its agent, model, mode and tokens"),
    SlashSpec::terminal("session", Some("ID"), "this session, or go to another one"),
    SlashSpec::terminal("sessions", None, "the latest sessions"),
    SlashSpec::terminal("new", None, "a new session in the same directory"),
    SlashSpec::new("clear", None, "forget what was said; the model starts afresh"),
    SlashSpec::new("compact", Some("FOCUS"), "sum up what was said, to make room; keep FOCUS above all"),
    SlashSpec::new(
        "fork",
        Some("SEQ"),
        "a copy of the session as a session of its own, up to an event or the last one",
    ),
    SlashSpec::new("agent", Some("AGENT"), "the session's agent, or another one from the next prompt on"),
    SlashSpec::new("model", Some("MODEL"), "the session's model, or another one"),
    SlashSpec::new("mode", Some("MODE"), "what runs without a question: plan, ask, auto-edit, full"),
    SlashSpec::new("thinking", Some("LEVEL"), "how much the model thinks: default, off, low, medium, high"),
    SlashSpec::terminal("cancel", None, "stop the running turn"),
    SlashSpec::new("queue", None, "prompts that wait"),
    SlashSpec::terminal("permissions", None, "open questions; y, a, n or never answers the first"),
    SlashSpec::new("tools", None, "the tools that the agent has"),
    SlashSpec::new("agents", None, "the agents"),
    SlashSpec::new("models", None, "the models that can be used"),
    SlashSpec::terminal("exit", None, "leave; a server goes on with the turn"),
];

impl Slash {
    /// Reads a line; `None` for one that is a prompt.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix('/')?;
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        // `/home/me/file is broken` is a prompt.
        if name.contains('/') || name.is_empty() {
            return None;
        }
        let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
        let owned = || argument.map(str::to_owned);
        Some(match name {
            "help" | "?" => Self::Help,
            "status" => Self::Status,
            "sessions" => Self::Sessions,
            "tools" => Self::Tools,
            "agents" => Self::Agents,
            "models" => Self::Models,
            "cancel" => Self::Cancel,
            "agent" => Self::Agent(owned()),
            "model" => Self::Model(owned()),
            "mode" => choice(argument, Self::Mode),
            "thinking" => choice(argument, Self::Thinking),
            "clear" => Self::Clear,
            "compact" => Self::Compact(owned()),
            "fork" => fork(argument),
            "new" => Self::New,
            "session" => Self::Session(owned()),
            "queue" => Self::Queue,
            "permissions" => Self::Permissions,
            "exit" | "quit" => Self::Exit,
            other => Self::Unknown(other.to_owned()),
        })
    }
}

fn fork(argument: Option<&str>) -> Slash {
    match argument.map(str::parse).transpose() {
        Ok(at_seq) => Slash::Fork(at_seq),
        Err(_) => Slash::Wrong("which event? A seq is a number".to_owned()),
    }
}

fn choice<T: std::str::FromStr<Err = String>>(
    argument: Option<&str>,
    command: impl FnOnce(Option<T>) -> Slash,
) -> Slash {
    match argument.map(str::parse).transpose() {
        Ok(value) => command(value),
        Err(error) => Slash::Wrong(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_prompts() {
        let parse = Slash::parse;
        assert_eq!(parse("what is /help?"), None);
        assert_eq!(parse("/home/me/file is broken"), None);
        assert_eq!(parse("/"), None);
        assert_eq!(parse("// a comment"), None);
        assert_eq!(parse(" /exit "), Some(Slash::Exit));
        assert_eq!(parse("/model a/b"), Some(Slash::Model(Some("a/b".to_owned()))));
        assert_eq!(parse("/model"), Some(Slash::Model(None)));
        assert_eq!(parse("/mode full"), Some(Slash::Mode(Some(Mode::Full))));
        assert_eq!(parse("/thinking\nhigh"), Some(Slash::Thinking(Some(Thinking::High))));
        assert_eq!(parse("/compact"), Some(Slash::Compact(None)));
        assert_eq!(parse("/compact the names"), Some(Slash::Compact(Some("the names".to_owned()))));
        assert_eq!(parse("/fork"), Some(Slash::Fork(None)));
        assert_eq!(parse("/fork 12"), Some(Slash::Fork(Some(Seq(12)))));
        assert!(matches!(parse("/fork back"), Some(Slash::Wrong(_))));
        assert!(matches!(parse("/mode yolo"), Some(Slash::Wrong(_))));
        assert_eq!(parse("/sesions"), Some(Slash::Unknown("sesions".to_owned())));
        for SlashSpec { name, .. } in COMMANDS {
            assert!(!matches!(parse(&format!("/{name}")), Some(Slash::Unknown(_) | Slash::Wrong(_)) | None), "/{name}");
        }
    }
}
