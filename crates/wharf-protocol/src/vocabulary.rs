//! The words, marks, colours, commands and default keys that all clients share, from `vocabulary.json`.
//!
//! Enums of this crate that stand for something people see have their words here too: `CommandStatus::word`,
//! `PermissionOption::label`. A row that is missing, or one too many, does not compile.

mod generated;

pub use generated::{Action, Colour, Connection, Mark, NoticeTitle, SlashCommand};

#[cfg(test)]
mod tests;
