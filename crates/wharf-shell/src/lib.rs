//! What a shell command would run: a recogniser of bash and POSIX sh that accepts what it fully understands.
//!
//! [`read`] gives every simple command of a script: of lists, pipes, loops, conditions, functions, substitutions and here-documents, and
//! what wrappers (`env`, `timeout`, `sh -c`, ...) would start. It decides nothing. What it does not understand is said in
//! [`Reading::doubt`]; whoever judges a command asks a person then. [`reads::of`] is the table of commands that only read.
//!
//! No IO, no time, no recursion without a limit: the same text always has the same reading.

mod arithmetic;
mod builtins;
mod compound;
mod documents;
mod expansion;
mod grammar;
pub mod pattern;
mod reader;
mod reading;
pub mod reads;
mod simple;
mod test_command;
pub mod uses;
mod words;
mod wrappers;

pub use reader::read;
pub use reading::{
    Assignment, Command, Directories, Hides, Joint, Reading, Redirect, Target, Word, WordKind, Wrapper, within,
};

/// A longer script is not read: bash gets few of that size, and each byte costs the reader time.
pub const SCRIPT_MAX_BYTES: usize = 32 * 1024;

/// So many simple commands are read, the rest is not understood.
pub const COMMANDS_MAX: usize = 1_000;

/// So deep may substitutions, compound commands and wrappers stand in each other; deeper ones are not understood.
pub const DEPTH_MAX: usize = 16;

/// So many steps of the reader, each a character or a construct, beyond which the script is not understood. Scripts in scripts
/// (`sh -c`, `eval`) count together.
pub const STEPS_MAX: u32 = 1_000_000;

/// Stands in a word's text for what is known only when the command runs.
pub const UNKNOWN: char = '\u{fffc}';

#[cfg(test)]
mod tests;
