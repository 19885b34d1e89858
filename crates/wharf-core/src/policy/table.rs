//! What each mode does with each kind of call, where no rule says otherwise.

use wharf_protocol::Mode;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A tool that only reads.
    Read,
    /// A shell command that only reads, in the session's directories: everything it runs stands in the table of such commands.
    ReadingCommand,
    /// A change of a file in the session's directories.
    Edit,
    /// A change of a file that another program runs or trusts, or out of the session's directories.
    GuardedEdit,
    /// Any other command or tool.
    Command,
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Runs,
    Asks,
    Refused,
}

/// Without a sandbox in force, which is the only state so far: commands run with all rights of the user.
pub(super) fn without_sandbox(mode: Mode, action: Action) -> Answer {
    use Action::{Command, Edit, GuardedEdit, Read, ReadingCommand};
    use Answer::{Asks, Refused, Runs};
    match (mode, action) {
        (_, Read | ReadingCommand) | (Mode::Full, _) | (Mode::AutoEdit, Edit) => Runs,
        (Mode::Plan, Edit | GuardedEdit | Command) => Refused,
        (Mode::Ask, Edit) | (Mode::Ask | Mode::AutoEdit, GuardedEdit | Command) => Asks,
    }
}
