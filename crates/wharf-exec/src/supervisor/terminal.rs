//! A pseudo-terminal, and the step into it.
//!
//! A program has to make the terminal its own between fork and exec, where only what is safe after a fork may run. So another
//! start of this program stands in between: it does it as an ordinary process, and becomes the command.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use wharf_protocol::TerminalSize;

use super::ENTER;

/// The keeper's end, and the command's.
pub(super) fn open(size: TerminalSize) -> io::Result<(File, OwnedFd)> {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&ours)?;
    rustix::pty::unlockpt(&ours)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags)?;
    resize(&ours, size)?;
    Ok((ours.into(), theirs))
}

/// The programs in the terminal are told by the kernel (SIGWINCH).
pub(super) fn resize(terminal: impl std::os::fd::AsFd, size: TerminalSize) -> io::Result<()> {
    let TerminalSize { columns, rows } = size;
    Ok(rustix::termios::tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?)
}

/// This program again, to become `program` in a session of its own whose terminal is its input.
pub(super) fn command(program: &std::ffi::OsStr) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(ENTER).arg(program);
    command
}

/// Becomes the command.
pub(super) fn enter(mut arguments: impl Iterator<Item = OsString>) -> io::Result<std::convert::Infallible> {
    let program = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    let error = Command::new(&program).args(arguments).exec();
    // The terminal shows it.
    eprintln!("{}: {error}", program.display());
    Err(error)
}
