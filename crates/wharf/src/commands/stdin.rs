//! What standard input adds to a prompt: text from a file or a pipe, never a wait without an end.

use std::io::{Read, Stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::{Exit, Failure};
use crate::output::note;

/// Most that is sent along, in bytes.
pub const CONTEXT_MAX_BYTES: u64 = 1 << 20;

/// For the first byte on a pipe. Whoever starts a command often leaves it a pipe on which nothing ever comes (CI, editors,
/// services); a command before a pipe mostly says something soon. Longer waits are asked for with --stdin.
const FIRST_BYTE: Duration = Duration::from_secs(3);

/// How input is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// As the command line says nothing.
    IfThere,
    /// Wait for its end.
    Wait,
    Leave,
}

/// The text on standard input, if there is any.
pub fn read(wish: Wish) -> anyhow::Result<Option<String>> {
    let stdin = std::io::stdin();
    if wish == Wish::Leave || !is_worth_reading(&stdin, wish) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    stdin.lock().take(CONTEXT_MAX_BYTES + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    if bytes.len() as u64 > CONTEXT_MAX_BYTES {
        return Err(Failure::new(Exit::Usage, "standard input is longer than 1 MiB")
            .hint("write it to a file in the workspace and ask about the file")
            .into());
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((!text.trim().is_empty()).then_some(text))
}

/// Files are read; pipes and sockets if something comes soon; terminals and devices are not.
fn is_worth_reading(stdin: &Stdin, wish: Wish) -> bool {
    let Ok(copy) = stdin.as_fd().try_clone_to_owned() else { return false };
    let Ok(metadata) = std::fs::File::from(copy).metadata() else { return false };
    let kind = metadata.file_type();
    if kind.is_file() {
        return true;
    }
    if !kind.is_fifo() && !kind.is_socket() {
        return false;
    }
    if wish == Wish::Wait {
        return true;
    }
    let mut polled = [PollFd::new(stdin, PollFlags::IN)];
    let limit = Timespec { tv_sec: i64::try_from(FIRST_BYTE.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    let something = poll(&mut polled, Some(&limit)).is_ok_and(|count| count > 0);
    if !something {
        note("nothing comes on standard input; going on without it (--stdin waits, --no-stdin does not look)");
    }
    something
}
