//! The first process of a command, and the ways into it and out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::input::Input;
use crate::supervisor::terminal;
use crate::wire::{Background, CommandRequest};

/// A command that has begun.
pub(super) struct Spawned {
    pub(super) main: i32,
    pub(super) output: File,
    pub(super) input: Option<Input>,
}

pub(super) fn spawn(request: &CommandRequest) -> io::Result<Spawned> {
    match &request.background {
        Some(Background { terminal: Some(size), .. }) => {
            let (ours, theirs) = terminal::open(*size)?;
            // The step in between makes the session, and with it the group.
            let mut command = terminal::command(&request.program);
            command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
            let main = start(command, request)?;
            let input = Some(Input::new(ours.try_clone()?.into(), true)?);
            Ok(Spawned { main, output: ours, input })
        }
        background => {
            let mut command = Command::new(&request.program);
            let input = if background.as_ref().is_some_and(|background| background.takes_input) {
                let (reader, writer) = io::pipe()?;
                command.stdin(reader);
                Some(Input::new(writer.into(), false)?)
            } else {
                command.stdin(Stdio::null());
                None
            };
            let (output, writer) = io::pipe()?;
            command.process_group(0).stdout(writer.try_clone()?).stderr(writer);
            let main = start(command, request)?;
            Ok(Spawned { main, output: OwnedFd::from(output).into(), input })
        }
    }
}

/// Consumes the command, so that our copies of its ends are closed.
#[expect(clippy::disallowed_methods, reason = "a keeper is a program of its own: it stands in its command's directory")]
fn start(mut command: Command, request: &CommandRequest) -> io::Result<i32> {
    let environment = request.environment.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value)));
    if request.contained {
        // By itself it would go elsewhere where the directory has no name any more.
        command.arg("--chdir").arg(std::env::current_dir()?);
    }
    let child = command.args(&request.arguments).env_clear().envs(environment).spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}
