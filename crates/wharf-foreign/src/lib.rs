//! What strangers write: repositories, models, their servers, MCP servers, clients.
//!
//! Three rules, each with one module that keeps it:
//!
//! * Foreign text has a size and a nesting depth before any library sees it ([`nesting`]). A library that recurses over a
//!   pattern or a value overflows the stack, and a stack overflow ends the process with all its sessions.
//! * Readers are forgiving where a stranger's mistake has one meaning ([`json`], [`marks`]), and say what they could not read elsewhere.
//! * What people read of it hides nothing ([`visible`]).
//!
//! Images have a format, a size and pixels that are read from their first bytes ([`image`]): whoever decodes one knows what it will take.
//!
//! Besides: what stands where a file of ours should be ([`mod@file`]), and marks before a text ([`text`]).

pub mod file;
pub mod image;
pub mod json;
pub mod marks;
pub mod nesting;
pub mod pattern;
pub mod text;
pub mod visible;
