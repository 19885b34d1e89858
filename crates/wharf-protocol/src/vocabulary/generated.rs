//! Made of vocabulary.json by `cargo xtask generate`: change that file, not this one.

/// What a colour is for; each client has its own value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Colour {
    Text,
    Muted,
    Accent,
    Good,
    Warning,
    Danger,
    Info,
    Added,
    Removed,
}

impl Colour {
    /// Every one, in the vocabulary's order.
    pub const ALL: [Self; 9] = [
        Self::Text,
        Self::Muted,
        Self::Accent,
        Self::Good,
        Self::Warning,
        Self::Danger,
        Self::Info,
        Self::Added,
        Self::Removed,
    ];

    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Accent => "accent",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Danger => "danger",
            Self::Info => "info",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }

    #[must_use]
    pub const fn light(self) -> &'static str {
        match self {
            Self::Text => "#1A1F1C",
            Self::Muted => "#525A55",
            Self::Accent => "#0A6B73",
            Self::Good => "#1A7339",
            Self::Warning => "#855600",
            Self::Danger => "#B3241C",
            Self::Info => "#1D5BB8",
            Self::Added => "#0E5228",
            Self::Removed => "#861A13",
        }
    }

    #[must_use]
    pub const fn dark(self) -> &'static str {
        match self {
            Self::Text => "#E8ECE9",
            Self::Muted => "#A9B2AD",
            Self::Accent => "#55C5CC",
            Self::Good => "#6FCE8F",
            Self::Warning => "#E2B34A",
            Self::Danger => "#FF8F85",
            Self::Info => "#8AB6FF",
            Self::Added => "#A5E7B8",
            Self::Removed => "#FFBAB2",
        }
    }

    #[must_use]
    pub const fn sgr(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Muted => "2",
            Self::Accent => "36",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Danger => "31",
            Self::Info => "34",
            Self::Added => "32",
            Self::Removed => "31",
        }
    }
}

/// What a session's row shows of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    NeedsYou,
    Working,
    Unseen,
    Idle,
    Failed,
    Cancelled,
    Sealed,
    Offline,
}

impl Mark {
    /// Every one, in the vocabulary's order.
    pub const ALL: [Self; 8] = [
        Self::NeedsYou,
        Self::Working,
        Self::Unseen,
        Self::Idle,
        Self::Failed,
        Self::Cancelled,
        Self::Sealed,
        Self::Offline,
    ];

    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::NeedsYou => "needs_you",
            Self::Working => "working",
            Self::Unseen => "unseen",
            Self::Idle => "idle",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Sealed => "sealed",
            Self::Offline => "offline",
        }
    }

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NeedsYou => "needs you",
            Self::Working => "working",
            Self::Unseen => "unseen",
            Self::Idle => "idle",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Sealed => "sealed",
            Self::Offline => "offline",
        }
    }

    #[must_use]
    pub const fn icon(self) -> &'static str {
        match self {
            Self::NeedsYou => "diamond",
            Self::Working => "loader-circle",
            Self::Unseen => "circle-dot",
            Self::Idle => "circle",
            Self::Failed => "circle-x",
            Self::Cancelled => "ban",
            Self::Sealed => "lock",
            Self::Offline => "cloud-off",
        }
    }

    #[must_use]
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::NeedsYou => "◆",
            Self::Working => "◐",
            Self::Unseen => "●",
            Self::Idle => "○",
            Self::Failed => "✗",
            Self::Cancelled => "⊘",
            Self::Sealed => "■",
            Self::Offline => "☁",
        }
    }

    #[must_use]
    pub const fn colour(self) -> Colour {
        match self {
            Self::NeedsYou => Colour::Warning,
            Self::Working => Colour::Accent,
            Self::Unseen => Colour::Good,
            Self::Idle => Colour::Muted,
            Self::Failed => Colour::Danger,
            Self::Cancelled => Colour::Muted,
            Self::Sealed => Colour::Warning,
            Self::Offline => Colour::Muted,
        }
    }
}

impl crate::PermissionOption {
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::AllowOnce => "Allow once",
            Self::AllowAlways => "Allow for this session",
            Self::RejectOnce => "Reject",
            Self::RejectAlways => "Reject for this session",
        }
    }

    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::AllowOnce => "y",
            Self::AllowAlways => "a",
            Self::RejectOnce => "n",
            Self::RejectAlways => "",
        }
    }

    #[must_use]
    pub const fn typed(self) -> &'static [&'static str] {
        match self {
            Self::AllowOnce => &["y", "yes", "allow"],
            Self::AllowAlways => &["a", "always"],
            Self::RejectOnce => &["n", "no", "reject"],
            Self::RejectAlways => &["never"],
        }
    }
}

impl crate::permission::Resolution {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AllowOnce => "allowed",
            Self::AllowAlways => "allowed for this session",
            Self::RejectOnce => "refused",
            Self::RejectAlways => "refused for this session",
            Self::TimedOut => "refused: nobody answered in time",
            Self::Cancelled => "not answered: the turn was cancelled",
        }
    }
}

impl crate::CommandStatus {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Stopped => "stopped",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

impl crate::tool::PlanStatus {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "to do",
            Self::InProgress => "in progress",
            Self::Completed => "done",
        }
    }

    #[must_use]
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Pending => "circle",
            Self::InProgress => "circle-dot",
            Self::Completed => "circle-check",
        }
    }

    #[must_use]
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Pending => "○",
            Self::InProgress => "◐",
            Self::Completed => "●",
        }
    }
}

impl crate::transcript::CallState {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Asked => "needs you",
            Self::Running => "running",
            Self::Completed => "done",
            Self::Failed => "failed",
            Self::Denied => "refused",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "took too long",
            Self::Interrupted => "interrupted",
            Self::Lost => "without an outcome",
        }
    }

    #[must_use]
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Proposed => "circle-dashed",
            Self::Asked => "diamond",
            Self::Running => "loader-circle",
            Self::Completed => "check",
            Self::Failed => "x",
            Self::Denied => "shield-x",
            Self::Cancelled => "ban",
            Self::TimedOut => "timer-off",
            Self::Interrupted => "unplug",
            Self::Lost => "circle-help",
        }
    }

    #[must_use]
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Proposed => "…",
            Self::Asked => "?",
            Self::Running => "…",
            Self::Completed => "✓",
            Self::Failed => "✗",
            Self::Denied => "✗",
            Self::Cancelled => "✗",
            Self::TimedOut => "✗",
            Self::Interrupted => "✗",
            Self::Lost => "✗",
        }
    }

    #[must_use]
    pub const fn colour(self) -> Colour {
        match self {
            Self::Proposed => Colour::Muted,
            Self::Asked => Colour::Warning,
            Self::Running => Colour::Accent,
            Self::Completed => Colour::Good,
            Self::Failed => Colour::Danger,
            Self::Denied => Colour::Danger,
            Self::Cancelled => Colour::Danger,
            Self::TimedOut => Colour::Danger,
            Self::Interrupted => Colour::Danger,
            Self::Lost => Colour::Danger,
        }
    }
}

impl crate::transcript::MessageState {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Growing => "being written",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Failed => "cut off",
            Self::Lost => "without an end",
        }
    }
}

impl crate::transcript::TurnOutcome {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Completed => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    #[must_use]
    pub const fn colour(self) -> Colour {
        match self {
            Self::Completed => Colour::Good,
            Self::Cancelled => Colour::Muted,
            Self::Failed => Colour::Danger,
        }
    }
}

/// The titles of what a client tells beside the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeTitle {
    AskedAgain,
    OtherModel,
    Compacting,
    CompactionFailed,
    Compacted,
    ImagesUnseen,
    CommandEnded,
    ServerBack,
}

impl NoticeTitle {
    /// Every one, in the vocabulary's order.
    pub const ALL: [Self; 8] = [
        Self::AskedAgain,
        Self::OtherModel,
        Self::Compacting,
        Self::CompactionFailed,
        Self::Compacted,
        Self::ImagesUnseen,
        Self::CommandEnded,
        Self::ServerBack,
    ];

    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::AskedAgain => "asked_again",
            Self::OtherModel => "other_model",
            Self::Compacting => "compacting",
            Self::CompactionFailed => "compaction_failed",
            Self::Compacted => "compacted",
            Self::ImagesUnseen => "images_unseen",
            Self::CommandEnded => "command_ended",
            Self::ServerBack => "server_back",
        }
    }

    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::AskedAgain => "The model is asked again",
            Self::OtherModel => "Another model goes on",
            Self::Compacting => "The model sums up what was said",
            Self::CompactionFailed => "Nothing was summed up",
            Self::Compacted => "The conversation was made shorter",
            Self::ImagesUnseen => "Images were not shown to the model",
            Self::CommandEnded => "A background command has ended",
            Self::ServerBack => "The server was started again",
        }
    }
}

/// How a client's connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    Live,
    CatchingUp,
    Reconnecting,
    Offline,
    ServerStopping,
    ServerRestarted,
    SignedOut,
    ServerNewer,
}

impl Connection {
    /// Every one, in the vocabulary's order.
    pub const ALL: [Self; 8] = [
        Self::Live,
        Self::CatchingUp,
        Self::Reconnecting,
        Self::Offline,
        Self::ServerStopping,
        Self::ServerRestarted,
        Self::SignedOut,
        Self::ServerNewer,
    ];

    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CatchingUp => "catching_up",
            Self::Reconnecting => "reconnecting",
            Self::Offline => "offline",
            Self::ServerStopping => "server_stopping",
            Self::ServerRestarted => "server_restarted",
            Self::SignedOut => "signed_out",
            Self::ServerNewer => "server_newer",
        }
    }

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CatchingUp => "catching up",
            Self::Reconnecting => "reconnecting",
            Self::Offline => "offline",
            Self::ServerStopping => "server is stopping",
            Self::ServerRestarted => "server restarted, turn goes on",
            Self::SignedOut => "signed out",
            Self::ServerNewer => "server is newer: reload",
        }
    }
}

/// A command that begins with a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlashCommand {
    Help,
    Status,
    Session,
    Sessions,
    New,
    Clear,
    Compact,
    Fork,
    Agent,
    Model,
    Mode,
    Thinking,
    Cancel,
    Queue,
    Permissions,
    Tools,
    Agents,
    Models,
    Exit,
}

impl SlashCommand {
    /// Every one, in the vocabulary's order.
    pub const ALL: [Self; 19] = [
        Self::Help,
        Self::Status,
        Self::Session,
        Self::Sessions,
        Self::New,
        Self::Clear,
        Self::Compact,
        Self::Fork,
        Self::Agent,
        Self::Model,
        Self::Mode,
        Self::Thinking,
        Self::Cancel,
        Self::Queue,
        Self::Permissions,
        Self::Tools,
        Self::Agents,
        Self::Models,
        Self::Exit,
    ];

    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Status => "status",
            Self::Session => "session",
            Self::Sessions => "sessions",
            Self::New => "new",
            Self::Clear => "clear",
            Self::Compact => "compact",
            Self::Fork => "fork",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Mode => "mode",
            Self::Thinking => "thinking",
            Self::Cancel => "cancel",
            Self::Queue => "queue",
            Self::Permissions => "permissions",
            Self::Tools => "tools",
            Self::Agents => "agents",
            Self::Models => "models",
            Self::Exit => "exit",
        }
    }

    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Help => &["?"],
            Self::Status => &[],
            Self::Session => &[],
            Self::Sessions => &[],
            Self::New => &[],
            Self::Clear => &[],
            Self::Compact => &[],
            Self::Fork => &[],
            Self::Agent => &[],
            Self::Model => &[],
            Self::Mode => &[],
            Self::Thinking => &[],
            Self::Cancel => &[],
            Self::Queue => &[],
            Self::Permissions => &[],
            Self::Tools => &[],
            Self::Agents => &[],
            Self::Models => &[],
            Self::Exit => &["quit"],
        }
    }

    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Help => None,
            Self::Status => None,
            Self::Session => Some("ID"),
            Self::Sessions => None,
            Self::New => None,
            Self::Clear => None,
            Self::Compact => Some("FOCUS"),
            Self::Fork => Some("SEQ"),
            Self::Agent => Some("AGENT"),
            Self::Model => Some("MODEL"),
            Self::Mode => Some("MODE"),
            Self::Thinking => Some("LEVEL"),
            Self::Cancel => None,
            Self::Queue => None,
            Self::Permissions => None,
            Self::Tools => None,
            Self::Agents => None,
            Self::Models => None,
            Self::Exit => None,
        }
    }

    #[must_use]
    pub const fn terminal_only(self) -> bool {
        match self {
            Self::Help => false,
            Self::Status => false,
            Self::Session => true,
            Self::Sessions => true,
            Self::New => true,
            Self::Clear => false,
            Self::Compact => false,
            Self::Fork => false,
            Self::Agent => false,
            Self::Model => false,
            Self::Mode => false,
            Self::Thinking => false,
            Self::Cancel => true,
            Self::Queue => false,
            Self::Permissions => true,
            Self::Tools => false,
            Self::Agents => false,
            Self::Models => false,
            Self::Exit => true,
        }
    }

    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Help => "what there is",
            Self::Status => "the session: its agent, model, mode and tokens",
            Self::Session => "this session, or go to another one",
            Self::Sessions => "the latest sessions",
            Self::New => "a new session in the same directory",
            Self::Clear => "forget what was said; the model starts afresh",
            Self::Compact => "sum up what was said, to make room; keep FOCUS above all",
            Self::Fork => "a copy of the session as a session of its own, up to an event or the last one",
            Self::Agent => "the session's agent, or another one from the next prompt on",
            Self::Model => "the session's model, or another one",
            Self::Mode => "what runs without a question: plan, ask, auto-edit, full",
            Self::Thinking => "how much the model thinks: default, off, low, medium, high",
            Self::Cancel => "stop the running turn",
            Self::Queue => "prompts that wait",
            Self::Permissions => "open questions; y, a, n or never answers the first",
            Self::Tools => "the tools that the agent has",
            Self::Agents => "the agents",
            Self::Models => "the models that can be used",
            Self::Exit => "leave; a server goes on with the turn",
        }
    }
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Palette,
    GoHome,
    GoInbox,
    GoSearch,
    GoNeedsYou,
    GoChanges,
    GoCommands,
    GoFiles,
    GoUsage,
    GoQuestion,
    PromptSend,
    PromptNewLine,
    PromptOtherWay,
    PromptEditor,
    ChooseModel,
    ChooseMode,
    ViewSidebar,
    ViewPanel,
    ViewSplit,
    QuestionAllowOnce,
    QuestionAlways,
    QuestionReject,
    QuestionRejectWhy,
    QuestionViewAll,
    TurnStop,
    Quit,
    EntryNext,
    EntryPrevious,
    EntryNextPrompt,
    EntryPreviousPrompt,
    EntryUnfold,
    EntryUnfoldAll,
    EntryCopy,
    EntryLink,
    EntryQuote,
    EntryFork,
    FindOpen,
    FindNext,
    FindPrevious,
    PastToggle,
    ViewTop,
    ViewEnd,
    ViewMouse,
    HelpKeys,
}

impl Action {
    /// Every one, in the vocabulary's order.
    pub const ALL: [Self; 44] = [
        Self::Palette,
        Self::GoHome,
        Self::GoInbox,
        Self::GoSearch,
        Self::GoNeedsYou,
        Self::GoChanges,
        Self::GoCommands,
        Self::GoFiles,
        Self::GoUsage,
        Self::GoQuestion,
        Self::PromptSend,
        Self::PromptNewLine,
        Self::PromptOtherWay,
        Self::PromptEditor,
        Self::ChooseModel,
        Self::ChooseMode,
        Self::ViewSidebar,
        Self::ViewPanel,
        Self::ViewSplit,
        Self::QuestionAllowOnce,
        Self::QuestionAlways,
        Self::QuestionReject,
        Self::QuestionRejectWhy,
        Self::QuestionViewAll,
        Self::TurnStop,
        Self::Quit,
        Self::EntryNext,
        Self::EntryPrevious,
        Self::EntryNextPrompt,
        Self::EntryPreviousPrompt,
        Self::EntryUnfold,
        Self::EntryUnfoldAll,
        Self::EntryCopy,
        Self::EntryLink,
        Self::EntryQuote,
        Self::EntryFork,
        Self::FindOpen,
        Self::FindNext,
        Self::FindPrevious,
        Self::PastToggle,
        Self::ViewTop,
        Self::ViewEnd,
        Self::ViewMouse,
        Self::HelpKeys,
    ];

    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Palette => "palette",
            Self::GoHome => "go.home",
            Self::GoInbox => "go.inbox",
            Self::GoSearch => "go.search",
            Self::GoNeedsYou => "go.needs_you",
            Self::GoChanges => "go.changes",
            Self::GoCommands => "go.commands",
            Self::GoFiles => "go.files",
            Self::GoUsage => "go.usage",
            Self::GoQuestion => "go.question",
            Self::PromptSend => "prompt.send",
            Self::PromptNewLine => "prompt.new_line",
            Self::PromptOtherWay => "prompt.other_way",
            Self::PromptEditor => "prompt.editor",
            Self::ChooseModel => "choose.model",
            Self::ChooseMode => "choose.mode",
            Self::ViewSidebar => "view.sidebar",
            Self::ViewPanel => "view.panel",
            Self::ViewSplit => "view.split",
            Self::QuestionAllowOnce => "question.allow_once",
            Self::QuestionAlways => "question.always",
            Self::QuestionReject => "question.reject",
            Self::QuestionRejectWhy => "question.reject_why",
            Self::QuestionViewAll => "question.view_all",
            Self::TurnStop => "turn.stop",
            Self::Quit => "quit",
            Self::EntryNext => "entry.next",
            Self::EntryPrevious => "entry.previous",
            Self::EntryNextPrompt => "entry.next_prompt",
            Self::EntryPreviousPrompt => "entry.previous_prompt",
            Self::EntryUnfold => "entry.unfold",
            Self::EntryUnfoldAll => "entry.unfold_all",
            Self::EntryCopy => "entry.copy",
            Self::EntryLink => "entry.link",
            Self::EntryQuote => "entry.quote",
            Self::EntryFork => "entry.fork",
            Self::FindOpen => "find.open",
            Self::FindNext => "find.next",
            Self::FindPrevious => "find.previous",
            Self::PastToggle => "past.toggle",
            Self::ViewTop => "view.top",
            Self::ViewEnd => "view.end",
            Self::ViewMouse => "view.mouse",
            Self::HelpKeys => "help.keys",
        }
    }

    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Palette => "Command palette",
            Self::GoHome => "Home",
            Self::GoInbox => "Inbox",
            Self::GoSearch => "Search",
            Self::GoNeedsYou => "Next that needs you",
            Self::GoChanges => "Changes",
            Self::GoCommands => "Commands",
            Self::GoFiles => "Files",
            Self::GoUsage => "Usage",
            Self::GoQuestion => "Go to the question",
            Self::PromptSend => "Send",
            Self::PromptNewLine => "New line",
            Self::PromptOtherWay => "The other of queue and steer",
            Self::PromptEditor => "Editor for the prompt",
            Self::ChooseModel => "Model",
            Self::ChooseMode => "Mode",
            Self::ViewSidebar => "Sidebar",
            Self::ViewPanel => "Side panel",
            Self::ViewSplit => "Split",
            Self::QuestionAllowOnce => "Allow once",
            Self::QuestionAlways => "Always…",
            Self::QuestionReject => "Reject",
            Self::QuestionRejectWhy => "Reject and say why",
            Self::QuestionViewAll => "View all of it",
            Self::TurnStop => "Stop the turn",
            Self::Quit => "Quit",
            Self::EntryNext => "Next entry",
            Self::EntryPrevious => "Previous entry",
            Self::EntryNextPrompt => "Next prompt",
            Self::EntryPreviousPrompt => "Previous prompt",
            Self::EntryUnfold => "Unfold",
            Self::EntryUnfoldAll => "Unfold all",
            Self::EntryCopy => "Copy",
            Self::EntryLink => "Copy the link",
            Self::EntryQuote => "Quote",
            Self::EntryFork => "Fork from here",
            Self::FindOpen => "Find",
            Self::FindNext => "Next hit",
            Self::FindPrevious => "Previous hit",
            Self::PastToggle => "Time travel",
            Self::ViewTop => "To the top",
            Self::ViewEnd => "To the end",
            Self::ViewMouse => "Mouse on and off",
            Self::HelpKeys => "Keys of this place",
        }
    }

    #[must_use]
    pub const fn when(self) -> &'static str {
        match self {
            Self::Palette => "always",
            Self::GoHome => "list",
            Self::GoInbox => "list",
            Self::GoSearch => "list",
            Self::GoNeedsYou => "list",
            Self::GoChanges => "list",
            Self::GoCommands => "list",
            Self::GoFiles => "list",
            Self::GoUsage => "list",
            Self::GoQuestion => "question_open",
            Self::PromptSend => "composer",
            Self::PromptNewLine => "composer",
            Self::PromptOtherWay => "composer",
            Self::PromptEditor => "composer",
            Self::ChooseModel => "always",
            Self::ChooseMode => "always",
            Self::ViewSidebar => "always",
            Self::ViewPanel => "always",
            Self::ViewSplit => "always",
            Self::QuestionAllowOnce => "question",
            Self::QuestionAlways => "question",
            Self::QuestionReject => "question",
            Self::QuestionRejectWhy => "question",
            Self::QuestionViewAll => "question",
            Self::TurnStop => "always",
            Self::Quit => "always",
            Self::EntryNext => "transcript",
            Self::EntryPrevious => "transcript",
            Self::EntryNextPrompt => "transcript",
            Self::EntryPreviousPrompt => "transcript",
            Self::EntryUnfold => "transcript",
            Self::EntryUnfoldAll => "transcript",
            Self::EntryCopy => "transcript",
            Self::EntryLink => "transcript",
            Self::EntryQuote => "transcript",
            Self::EntryFork => "transcript",
            Self::FindOpen => "transcript",
            Self::FindNext => "transcript",
            Self::FindPrevious => "transcript",
            Self::PastToggle => "transcript",
            Self::ViewTop => "transcript",
            Self::ViewEnd => "transcript",
            Self::ViewMouse => "always",
            Self::HelpKeys => "list",
        }
    }

    #[must_use]
    pub const fn web(self) -> &'static [&'static str] {
        match self {
            Self::Palette => &["Mod+K"],
            Self::GoHome => &["g h"],
            Self::GoInbox => &["g i"],
            Self::GoSearch => &["g s"],
            Self::GoNeedsYou => &["g n"],
            Self::GoChanges => &["g c"],
            Self::GoCommands => &["g t"],
            Self::GoFiles => &["g f"],
            Self::GoUsage => &["g u"],
            Self::GoQuestion => &["Alt+P"],
            Self::PromptSend => &["Enter"],
            Self::PromptNewLine => &["Shift+Enter"],
            Self::PromptOtherWay => &["Mod+Enter"],
            Self::PromptEditor => &[],
            Self::ChooseModel => &["Alt+M"],
            Self::ChooseMode => &["Alt+O"],
            Self::ViewSidebar => &["Mod+B"],
            Self::ViewPanel => &["Mod+Shift+B"],
            Self::ViewSplit => &["Mod+\\"],
            Self::QuestionAllowOnce => &["y"],
            Self::QuestionAlways => &["a"],
            Self::QuestionReject => &["n"],
            Self::QuestionRejectWhy => &["e"],
            Self::QuestionViewAll => &["v"],
            Self::TurnStop => &["Mod+."],
            Self::Quit => &[],
            Self::EntryNext => &["j"],
            Self::EntryPrevious => &["k"],
            Self::EntryNextPrompt => &["]"],
            Self::EntryPreviousPrompt => &["["],
            Self::EntryUnfold => &["Enter"],
            Self::EntryUnfoldAll => &["Shift+Enter"],
            Self::EntryCopy => &["c"],
            Self::EntryLink => &["l"],
            Self::EntryQuote => &["q"],
            Self::EntryFork => &["f"],
            Self::FindOpen => &["Mod+F"],
            Self::FindNext => &["n"],
            Self::FindPrevious => &["N"],
            Self::PastToggle => &["h"],
            Self::ViewTop => &["Home"],
            Self::ViewEnd => &["End"],
            Self::ViewMouse => &[],
            Self::HelpKeys => &["?"],
        }
    }

    #[must_use]
    pub const fn terminal(self) -> &'static [&'static str] {
        match self {
            Self::Palette => &["Ctrl+P"],
            Self::GoHome => &["leader h"],
            Self::GoInbox => &["leader i"],
            Self::GoSearch => &["leader s"],
            Self::GoNeedsYou => &["leader n"],
            Self::GoChanges => &["leader c"],
            Self::GoCommands => &["leader t"],
            Self::GoFiles => &["leader f"],
            Self::GoUsage => &["leader u"],
            Self::GoQuestion => &["leader p", "Up"],
            Self::PromptSend => &["Enter"],
            Self::PromptNewLine => &["Shift+Enter", "Alt+Enter", "Ctrl+J"],
            Self::PromptOtherWay => &["Tab"],
            Self::PromptEditor => &["Ctrl+G"],
            Self::ChooseModel => &["leader m"],
            Self::ChooseMode => &["Shift+Tab"],
            Self::ViewSidebar => &["leader b"],
            Self::ViewPanel => &["leader v"],
            Self::ViewSplit => &["leader |"],
            Self::QuestionAllowOnce => &["y"],
            Self::QuestionAlways => &["a"],
            Self::QuestionReject => &["n"],
            Self::QuestionRejectWhy => &["e"],
            Self::QuestionViewAll => &["v"],
            Self::TurnStop => &["Ctrl+C", "Esc Esc"],
            Self::Quit => &["Ctrl+D"],
            Self::EntryNext => &["j"],
            Self::EntryPrevious => &["k"],
            Self::EntryNextPrompt => &["]"],
            Self::EntryPreviousPrompt => &["["],
            Self::EntryUnfold => &["Enter"],
            Self::EntryUnfoldAll => &["Z"],
            Self::EntryCopy => &["c"],
            Self::EntryLink => &["l"],
            Self::EntryQuote => &["q"],
            Self::EntryFork => &["f"],
            Self::FindOpen => &["/"],
            Self::FindNext => &["n"],
            Self::FindPrevious => &["N"],
            Self::PastToggle => &["h"],
            Self::ViewTop => &["g g"],
            Self::ViewEnd => &["G"],
            Self::ViewMouse => &["leader y"],
            Self::HelpKeys => &["?"],
        }
    }
}
