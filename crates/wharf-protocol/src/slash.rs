//! Commands that begin with a slash, typed where prompts are typed: in the terminal and in editors alike. Their names and words
//! are the vocabulary's.

pub use crate::vocabulary::SlashCommand;
use crate::{Mode, Seq, Thinking};

/// What a line that begins with a slash asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slash {
    /// About the session: every client takes it.
    Session(SessionSlash),
    /// About the terminal client itself: editors have their own ways for it.
    Terminal(TerminalSlash),
    /// A name that is none of ours.
    Unknown(String),
    /// One of ours with an argument that it does not take; says why.
    Wrong(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSlash {
    Help,
    Status,
    Tools,
    Agents,
    Models,
    Agent(Option<String>),
    Model(Option<String>),
    Mode(Option<Mode>),
    Thinking(Option<Thinking>),
    Clear,
    /// Sum up what was said; with what the summary is to keep above all.
    Compact(Option<String>),
    /// A copy of the session, up to this seq.
    Fork(Option<Seq>),
    Queue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalSlash {
    Sessions,
    Cancel,
    New,
    /// Shows the session, or goes to another one.
    Session(Option<String>),
    Permissions,
    Exit,
}

/// Where a command is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    Terminal,
    Editor,
}

impl SlashCommand {
    /// By its name or another one that it has, without the slash.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.id() == name || command.aliases().contains(&name))
    }

    /// Those that are offered there.
    pub fn offered(surface: Surface) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |command| surface == Surface::Terminal || !command.terminal_only())
    }
}

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
        Some(match SlashCommand::named(name) {
            Some(command) => Self::read(command, argument).unwrap_or_else(Self::Wrong),
            None => Self::Unknown(name.to_owned()),
        })
    }

    fn read(command: SlashCommand, argument: Option<&str>) -> Result<Self, String> {
        use {SessionSlash as S, TerminalSlash as T};
        let owned = || argument.map(str::to_owned);
        Ok(match command {
            SlashCommand::Help => Self::Session(S::Help),
            SlashCommand::Status => Self::Session(S::Status),
            SlashCommand::Tools => Self::Session(S::Tools),
            SlashCommand::Agents => Self::Session(S::Agents),
            SlashCommand::Models => Self::Session(S::Models),
            SlashCommand::Agent => Self::Session(S::Agent(owned())),
            SlashCommand::Model => Self::Session(S::Model(owned())),
            SlashCommand::Mode => Self::Session(S::Mode(argument.map(str::parse).transpose()?)),
            SlashCommand::Thinking => Self::Session(S::Thinking(argument.map(str::parse).transpose()?)),
            SlashCommand::Clear => Self::Session(S::Clear),
            SlashCommand::Compact => Self::Session(S::Compact(owned())),
            SlashCommand::Fork => {
                let at_seq = argument.map(str::parse).transpose();
                Self::Session(S::Fork(at_seq.map_err(|_| "which event? A seq is a number".to_owned())?))
            }
            SlashCommand::Queue => Self::Session(S::Queue),
            SlashCommand::Sessions => Self::Terminal(T::Sessions),
            SlashCommand::Cancel => Self::Terminal(T::Cancel),
            SlashCommand::New => Self::Terminal(T::New),
            SlashCommand::Session => Self::Terminal(T::Session(owned())),
            SlashCommand::Permissions => Self::Terminal(T::Permissions),
            SlashCommand::Exit => Self::Terminal(T::Exit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_prompts() {
        let parse = Slash::parse;
        let session = |slash| Some(Slash::Session(slash));
        assert_eq!(parse("what is /help?"), None);
        assert_eq!(parse("/home/me/file is broken"), None);
        assert_eq!(parse("/"), None);
        assert_eq!(parse("// a comment"), None);
        assert_eq!(parse(" /exit "), Some(Slash::Terminal(TerminalSlash::Exit)));
        assert_eq!(parse("/quit"), parse("/exit"));
        assert_eq!(parse("/?"), session(SessionSlash::Help));
        assert_eq!(parse("/model a/b"), session(SessionSlash::Model(Some("a/b".to_owned()))));
        assert_eq!(parse("/model"), session(SessionSlash::Model(None)));
        assert_eq!(parse("/mode full"), session(SessionSlash::Mode(Some(Mode::Full))));
        assert_eq!(parse("/thinking\nhigh"), session(SessionSlash::Thinking(Some(Thinking::High))));
        assert_eq!(parse("/fork"), session(SessionSlash::Fork(None)));
        assert_eq!(parse("/fork 12"), session(SessionSlash::Fork(Some(Seq(12)))));
        assert_eq!(parse("/compact"), session(SessionSlash::Compact(None)));
        assert_eq!(parse("/compact the names"), session(SessionSlash::Compact(Some("the names".to_owned()))));
        assert!(matches!(parse("/fork back"), Some(Slash::Wrong(_))));
        assert!(matches!(parse("/mode yolo"), Some(Slash::Wrong(_))));
        assert_eq!(parse("/sesions"), Some(Slash::Unknown("sesions".to_owned())));
    }

    #[test]
    fn every_command_is_read_and_is_offered_where_it_is_taken() {
        for command in SlashCommand::ALL {
            let parsed = Slash::parse(&format!("/{}", command.id()));
            let in_editors = SlashCommand::offered(Surface::Editor).any(|offered| offered == command);
            assert_eq!(matches!(parsed, Some(Slash::Session(_))), in_editors, "{command:?}");
            assert_eq!(matches!(parsed, Some(Slash::Terminal(_))), !in_editors, "{command:?}");
            assert!(SlashCommand::offered(Surface::Terminal).any(|offered| offered == command), "{command:?}");
        }
    }
}
