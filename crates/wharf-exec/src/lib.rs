//! Processes: commands run to their end or in the background, programs spoken with on pipes; nothing of them outlives the
//! server.
//!
//! The only crate that starts processes. What may run was decided before a command gets here.
//!
//! ```text
//! run, commands, recorded ── the server's side: begins, listens, stops; reads what a dead server's command came to
//! supervisor               ── the far side: the processes between the server and its commands
//! wire, spool, ring        ── what the two sides share: frames, and the files that outlive both
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs"))]

mod capture;
pub mod commands;
pub mod containment;
mod context;
pub mod environment;
mod limits;
pub mod output;
mod process;
mod recorded;
mod ring;
mod run;
mod spool;
mod status;
pub mod supervisor;
mod utf8;
mod wire;

pub use capture::{Capture, Captured, Excerpt};
pub use context::{Progress, RunContext};
pub use limits::DRAIN;
pub use recorded::{forget, forget_command, recorded, recorded_command};
pub use run::{Execution, ExecutionEnd, Finished, Piped, PipedProcess, Program, adopt_orphans};
